//! fish: a file a tool.

use lxc_tools::described::{Described, Names, OptionValue, Values};

use super::{keys, options, quoted};

/// The file for a tool.
pub fn script(tool: &Described) -> String {
    let program = tool.program;
    let mut script = format!(
        "# fish completion for {program}. Made by \"cargo xtask completions\". Do not edit.\n\ncomplete -c {program} -f\n"
    );
    for option in options(tool) {
        let mut line = format!("complete -c {program}");
        if let Some(letter) = option.short {
            line.push_str(&format!(" -s {}", quoted(&letter.to_string())));
        }
        if !option.long.is_empty() {
            line.push_str(&format!(" -l {}", option.long));
        }
        let values = match (option.long.as_str(), tool.names) {
            ("name", Some(names)) => listed(names),
            _ => arguments(option.values),
        };
        match option.value {
            OptionValue::None => {}
            // What may be left out is never a word of its own.
            OptionValue::Optional => line.push_str(&values.map(|v| format!(" -a {v}")).unwrap_or_default()),
            OptionValue::Needed => match (option.values, values) {
                (Values::File | Values::Directory, _) => line.push_str(" -r -F"),
                (_, Some(values)) => line.push_str(&format!(" -x -a {values}")),
                (_, None) => line.push_str(" -x"),
            },
        }
        line.push_str(&format!(" -d {}\n", quoted(&option.help)));
        script.push_str(&line);
    }
    if let Some(values) = tool.names.and_then(listed) {
        script.push_str(&format!(
            "complete -c {program} -n 'test (count (commandline -opc)) -eq 1' -a {values}\n"
        ));
    }
    match tool.operands {
        Values::Command => {
            let call = "'(__fish_complete_subcommand)'";
            script.push_str(&format!(
                "complete -c {program} -n '__fish_seen_subcommand_from --' -x -a {call}\n"
            ));
        }
        Values::File => script.push_str(&format!("complete -c {program} -F\n")),
        other => {
            if let Some(values) = arguments(other) {
                script.push_str(&format!("complete -c {program} -a {values}\n"));
            }
        }
    }
    script
}

fn listed(names: Names) -> Option<String> {
    let option = names.option()?;
    Some(quoted(&format!("(lxc-ls -1 {option} 2>/dev/null)").replace("  ", " ")))
}

fn arguments(values: Values) -> Option<String> {
    Some(quoted(&match values {
        Values::Any | Values::File | Values::Directory | Values::Command => return None,
        Values::User => "(__fish_complete_users)".to_owned(),
        Values::Interface => "(command ls /sys/class/net)".to_owned(),
        Values::Container => "(lxc-ls -1 --running 2>/dev/null)".to_owned(),
        Values::Template => "none host (command ls /usr/share/lxc/templates /usr/local/share/lxc/templates \
                             2>/dev/null | string replace -rf '^lxc-' '')"
            .to_owned(),
        Values::Key => keys().join(" "),
        Values::Words(words) | Values::Joined(',', words) => words.join(" "),
        Values::Joined(_, words) => words.join(" "),
    }))
}

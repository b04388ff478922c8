//! zsh: one function for all tools.

use lxc_tools::described::{Described, Names, OptionValue, Shown, Values};

use super::{keys, options, quoted};

const HELPERS: &str = r#"
# Containers: the option of lxc-ls that selects them.
_lxc_rs_names() {
    local -a names expl
    names=(${(f)"$(_call_program names lxc-ls -1 $1 ${opt_args[-P]:+-P ${opt_args[-P]}} 2>/dev/null)"})
    _wanted containers expl container compadd -a names
}

_lxc_rs_templates() {
    local -a names
    names=(none host {/usr/local,/usr}/share/lxc/templates/lxc-*(N:t:s/lxc-//))
    _alternative 'templates:template:compadd -a names' 'files:path:_files'
}

_lxc_rs_keys() {
    local -a keys
    keys=(@KEYS@)
    compadd "$@" -a keys
}

"#;

/// The script.
pub fn script(tools: &[Described]) -> String {
    let programs: Vec<&str> = tools.iter().map(|tool| tool.program).collect();
    let mut script = format!(
        "#compdef {}\n# Made by \"cargo xtask completions\". Do not edit.\n{}",
        programs.join(" "),
        HELPERS.replace("@KEYS@", &keys().join(" "))
    );
    script.push_str("_lxc_rs() {\n    local curcontext=$curcontext state\n    case $service in\n");
    for tool in tools {
        script.push_str(&format!("    {})\n        _arguments -s -S", tool.program));
        for option in options(tool) {
            script.push_str(&format!(" \\\n            {}", spec(tool, &option)));
        }
        if let Some(names) = tool.names {
            script
                .push_str(&format!(" \\\n            {}", quoted(&format!("1:container:{}", listed(names)))));
        }
        match (tool.operands, action(tool.operands)) {
            (Values::Command, _) => script.push_str(" \\\n            '*::command:_normal'"),
            (_, action) if action.is_empty() => {}
            (_, action) => {
                script.push_str(&format!(" \\\n            {}", quoted(&format!("*:value:{action}"))))
            }
        }
        script.push_str("\n        ;;\n");
    }
    script.push_str("    esac\n}\n\n_lxc_rs \"$@\"\n");
    script
}

/// `'(-c --config)'{-c+,--config=}'[help]:KEY:action'`.
fn spec(tool: &Described, option: &Shown) -> String {
    let help = option.help.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:");
    let action = match (option.long.as_str(), tool.names) {
        ("name", Some(names)) => listed(names),
        _ => action(option.values),
    };
    let word = option.value_name.replace(':', "\\:");
    let value = match option.value {
        OptionValue::None => String::new(),
        OptionValue::Optional => format!("::{word}:{action}"),
        OptionValue::Needed => format!(":{word}:{action}"),
    };
    let tail = quoted(&format!("[{help}]{value}"));
    let (after_letter, after_long) = match option.value {
        OptionValue::None => ("", ""),
        OptionValue::Optional => ("-", "=-"),
        OptionValue::Needed => ("+", "="),
    };
    match (option.short, option.long.as_str()) {
        (Some(letter), "") => format!("{}{tail}", quoted(&format!("-{letter}{after_letter}"))),
        (Some(letter), long) => format!(
            "{}{{{},{}}}{tail}",
            quoted(&format!("(-{letter} --{long})")),
            quoted(&format!("-{letter}{after_letter}")),
            quoted(&format!("--{long}{after_long}"))
        ),
        (None, long) => format!("{}{tail}", quoted(&format!("--{long}{after_long}"))),
    }
}

/// A blank before an action keeps zsh from adding words to it.
fn listed(names: Names) -> String {
    names.option().map(|option| format!(" _lxc_rs_names {option}")).unwrap_or_default()
}

fn action(values: Values) -> String {
    match values {
        Values::Any => String::new(),
        Values::File => "_files".to_owned(),
        Values::Directory => "_files -/".to_owned(),
        Values::Command => "_command_names".to_owned(),
        Values::User => "_users".to_owned(),
        Values::Interface => "_net_interfaces".to_owned(),
        Values::Container => " _lxc_rs_names --running".to_owned(),
        Values::Template => "_lxc_rs_templates".to_owned(),
        Values::Key => "_lxc_rs_keys".to_owned(),
        Values::Words(words) => format!("({})", words.join(" ")),
        Values::Joined(glue, words) => format!("_values -s \"{glue}\" word {}", words.join(" ")),
    }
}

//! Completions for bash, zsh and fish, made from the tools' descriptions. Names of containers come from `lxc-ls`.

mod bash;
mod fish;
mod zsh;

use lxc_tools::described::{self, Described, Shown};

/// All files: the name below the directory of completions, and the text.
pub fn files(tools: &[Described]) -> Vec<(String, String)> {
    let mut files = vec![("bash".to_owned(), bash::script(tools)), ("zsh".to_owned(), zsh::script(tools))];
    files.extend(tools.iter().map(|tool| (format!("fish/{}.fish", tool.program), fish::script(tool))));
    files
}

/// The options of a tool, those that many have among them.
fn options(tool: &Described) -> Vec<Shown> {
    let mut options = tool.options.clone();
    if tool.common {
        let own_rcfile = options.iter().any(|option| option.long == "rcfile");
        options.extend(described::common().into_iter().filter(|option| match option.long.as_str() {
            "name" => tool.names.is_some(),
            "rcfile" => !own_rcfile,
            _ => true,
        }));
    }
    options
}

/// Text in single quotes of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The keys of containers' configurations.
fn keys() -> Vec<&'static str> {
    lxc_config::keys::all().map(|key| key.name).filter(|name| !name.contains(['[', '<'])).collect()
}

#[cfg(test)]
mod tests;

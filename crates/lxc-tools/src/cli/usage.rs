//! The text of `--usage`: all options in one paragraph, in upstream's layout.

use clap::Command;

use super::getopt::{Value, value_of};

/// The options that upstream lists for every tool after the tool's own.
const COMMON: [&str; 10] = [
    "[-n|--name=NAME]",
    "[-h|--help]",
    "[-?|--help]",
    "[--usage]",
    "[--version]",
    "[-q|--quiet]",
    "[-o|--logfile=LOGFILE]",
    "[-l|--logpriority=LOGPRIORITY]",
    "[-P|--lxcpath=LXCPATH]",
    "[--rcfile=RCFILE]",
];

/// The ids of the arguments of [`super::Common`].
const COMMON_IDS: [&str; 10] =
    ["name", "help", "question", "usage", "version", "quiet", "logfile", "logpriority", "lxcpath", "rest"];

/// The usage of `command`, four options a line.
pub fn text(program: &str, command: &Command) -> String {
    let mut options: Vec<String> = Vec::new();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let Some(long) = arg.get_long() else { continue };
        // Where there is -f, --rcfile stands among the tool's own options, too.
        if COMMON_IDS.contains(&id) || (id == "rcfile" && arg.get_short().is_none()) {
            continue;
        }
        let mut option = String::from("[");
        if let Some(short) = arg.get_short() {
            option.push('-');
            option.push(short);
            option.push('|');
        }
        option.push_str("--");
        option.push_str(long);
        match value_of(arg) {
            Value::None => {}
            Value::Optional => option.push_str(&format!("[={}]", long.to_uppercase())),
            Value::Needed => option.push_str(&format!("={}", long.to_uppercase())),
        }
        option.push(']');
        options.push(option);
    }
    let mut text = format!("Usage: {program} ");
    let all = options.iter().map(String::as_str).chain(COMMON);
    for (n, option) in (1..).zip(all) {
        text.push_str(option);
        text.push(' ');
        if n % 4 == 0 {
            text.push_str("\n\t");
        }
    }
    text.push('\n');
    text
}

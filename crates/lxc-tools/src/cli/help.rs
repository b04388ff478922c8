//! The text of `--help`, in upstream's layout.

use clap::Command;

use super::listed::{self, Listed, Value};
use super::{NameRule, Tool};

/// How wide a line may be.
const WIDTH: usize = 80;
/// The widest left column; what is wider stands on a line of its own.
const LEFT: usize = 26;

/// The options of every tool, as they are shown: what stands left, and what it does.
pub const COMMON: [(&str, &str); 7] = [
    ("-o, --logfile=FILE", "Write a log to FILE (\"none\": no log)"),
    (
        "-l, --logpriority=LEVEL",
        "Log from LEVEL on: TRACE, DEBUG, INFO, NOTICE, WARN, ERROR, CRIT, ALERT or FATAL",
    ),
    ("-q, --quiet", "Print nothing but what was asked for"),
    ("-P, --lxcpath=PATH", "Where the containers are"),
    ("-?, --help", "Show this text"),
    ("    --usage", "Show the options in short"),
    ("    --version", "Show the version of LXC that this follows"),
];

/// `-n`, where it means a container.
pub const NAME: (&str, &str) =
    ("-n, --name=NAME", "The container's name; without this option, the first argument is the name");

/// `-n`, where it is a regular expression.
pub const PATTERN: (&str, &str) =
    ("-n, --name=REGEX", "Only containers whose whole name matches this extended regular expression");

/// `--rcfile`, where it has no letter.
pub const RCFILE: (&str, &str) =
    ("    --rcfile=FILE", "Read the configuration from FILE instead of the container's own");

/// The text for the tool `T`, whose command line is `command`.
pub fn text<T: Tool>(command: &Command) -> String {
    let mut text = format!("Usage: {} {}\n\n", T::PROGRAM, T::SYNOPSIS);
    wrap(&about(command), 0, 0, &mut text);
    let mut rows: Vec<(String, String)> = Vec::new();
    match T::NAME {
        NameRule::Needed => rows.push(owned(NAME)),
        NameRule::Pattern => rows.push(owned(PATTERN)),
        NameRule::Unused => {}
    }
    let (own, special): (Vec<_>, Vec<_>) = listed::special(command).partition(|option| option.own);
    rows.extend(special.iter().map(row));
    if has_plain_rcfile(command) {
        rows.push(owned(RCFILE));
    }
    section("Options :", &rows, &mut text);
    if !own.is_empty() {
        section(&format!("{} :", listed::OWN), &own.iter().map(row).collect::<Vec<_>>(), &mut text);
    }
    section("Common options :", &COMMON.map(owned), &mut text);
    text.push_str(&format!(
        "\nWhat the long form of an option takes, its letter takes, too.\n\n{}(1) tells more.\n\n",
        T::PROGRAM
    ));
    text
}

/// Whether `--rcfile` is there without a letter.
pub fn has_plain_rcfile(command: &Command) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some("rcfile") && arg.get_short().is_none())
}

/// What the tool does, in a sentence.
pub fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// `-c, --config=KEY` of an option.
pub fn spec(option: &Listed<'_>) -> String {
    // Letters that are digits are known to upstream, but not shown.
    let short = option.short.filter(|letter| !letter.is_ascii_digit() || option.long == "line");
    let letter = short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
    let value = match option.value {
        Value::None => String::new(),
        Value::Optional => format!("[={}]", value_name(option)),
        Value::Needed => format!("={}", value_name(option)),
    };
    format!("{letter}--{}{value}", option.long)
}

/// The word that stands for the value.
pub fn value_name(option: &Listed<'_>) -> String {
    let names = option.arg.and_then(|arg| arg.get_value_names()).unwrap_or_default();
    names.first().map_or_else(|| option.long.to_uppercase(), ToString::to_string)
}

/// What an option does.
pub fn meaning(option: &Listed<'_>) -> String {
    option.arg.and_then(|arg| arg.get_help()).map(ToString::to_string).unwrap_or_default()
}

fn row(option: &Listed<'_>) -> (String, String) {
    (spec(option), meaning(option))
}

fn owned((left, right): (&str, &str)) -> (String, String) {
    (left.to_owned(), right.to_owned())
}

/// A heading and its rows: left the options, right what they do.
fn section(heading: &str, rows: &[(String, String)], out: &mut String) {
    out.push_str(&format!("\n{heading}\n"));
    let fits = |left: &&String| left.len() <= LEFT;
    let width = rows.iter().map(|(left, _)| left).filter(fits).map(String::len).max().unwrap_or(LEFT);
    for (left, right) in rows {
        out.push_str("  ");
        out.push_str(left);
        let column = width + 4;
        let used = left.len() + 2;
        if used + 2 > column {
            out.push('\n');
            wrap(right, column, 0, out);
        } else {
            wrap(right, column, used, out);
        }
    }
}

/// `text` from `column` on, in lines; `used` columns of the first line are taken already.
fn wrap(text: &str, column: usize, used: usize, out: &mut String) {
    let mut at = used;
    let mut fresh = true;
    for word in text.split_whitespace() {
        if !fresh && at + 1 + word.chars().count() > WIDTH {
            out.push('\n');
            at = 0;
            fresh = true;
        }
        let blanks = if fresh { column.saturating_sub(at) } else { 1 };
        out.push_str(&" ".repeat(blanks));
        out.push_str(word);
        at += blanks + word.chars().count();
        fresh = false;
    }
    out.push('\n');
}

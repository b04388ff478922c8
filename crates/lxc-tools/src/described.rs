//! The tools as manual pages and completions show them. Nothing here is used by a tool that runs.

mod texts;
mod values;

use clap::Command;

use crate::cli::help;
use crate::cli::listed::{self, Listed, Value};
use crate::cli::{NameRule, Tool, describe};
use crate::{
    attach, autostart, cgroup, console, copy, create, destroy, device, execute, freeze, info, ls, monitor,
    snapshot, start, stop, top, unshare, wait,
};

pub use texts::Text;
pub use values::{Names, Values};

pub use crate::cli::listed::Value as OptionValue;

/// A tool.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its name, such as `lxc-info`.
    pub program: &'static str,
    /// What stands behind its name.
    pub synopsis: &'static str,
    /// What it does, in a line.
    pub about: String,
    /// Its options.
    pub options: Vec<Shown>,
    /// Whether it has the options that most tools have, too.
    pub common: bool,
    /// The containers that are likely meant; `None` where it takes no name.
    pub names: Option<Names>,
    /// What stands behind the name, or instead of it.
    pub operands: Values,
    /// The rest of its manual page.
    pub text: &'static Text,
}

/// An option.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its name; empty if it has none.
    pub long: String,
    /// Its letter.
    pub short: Option<char>,
    /// The word for its value.
    pub value_name: String,
    /// Whether it takes one.
    pub value: Value,
    /// What it does.
    pub help: String,
    /// LXC does not have it.
    pub own: bool,
    /// What its value may be.
    pub values: Values,
}

/// All tools, sorted by name.
pub fn all() -> Vec<Described> {
    let mut tools = vec![
        of::<attach::Attach>(),
        of::<autostart::Autostart>(),
        of::<cgroup::Cgroup>(),
        of::<console::Console>(),
        of::<copy::Copy>(),
        of::<create::Create>(),
        of::<destroy::Destroy>(),
        of::<device::Device>(),
        of::<execute::Execute>(),
        of::<freeze::Freeze>(),
        of::<info::Info>(),
        of::<ls::Ls>(),
        of::<monitor::Monitor>(),
        of::<snapshot::Snapshot>(),
        of::<start::Start>(),
        of::<stop::Stop>(),
        of::<top::Top>(),
        of::<freeze::Unfreeze>(),
        of::<unshare::Unshare>(),
        of::<wait::Wait>(),
    ];
    tools.extend(without_parser());
    tools.sort_by_key(|tool| tool.program);
    tools
}

/// The options of every tool that has [`Described::common`].
pub fn common() -> Vec<Shown> {
    let rows = [help::NAME, help::RCFILE].into_iter().chain(help::COMMON);
    rows.map(|(left, meaning)| row("", left, meaning)).collect()
}

/// A tool whose options are a clap struct.
fn of<T: Tool>() -> Described {
    let command = describe::<T>();
    Described {
        program: T::PROGRAM,
        synopsis: T::SYNOPSIS,
        about: help::about(&command),
        options: options(T::PROGRAM, &command),
        common: true,
        names: (T::NAME == NameRule::Needed).then(|| values::names(T::PROGRAM)),
        operands: values::operands(T::PROGRAM),
        text: texts::of(T::PROGRAM),
    }
}

fn options(program: &str, command: &Command) -> Vec<Shown> {
    listed::special(command).map(|option| shown(program, &option)).collect()
}

fn shown(program: &str, option: &Listed<'_>) -> Shown {
    Shown {
        long: option.long.to_owned(),
        short: option.short.filter(|letter| !letter.is_ascii_digit() || option.long == "line"),
        value_name: help::value_name(option),
        value: option.value,
        help: help::meaning(option),
        own: option.own,
        values: values::of(program, option.long),
    }
}

/// The tools that read their few options themselves.
fn without_parser() -> Vec<Described> {
    let tool = |program, synopsis, about: &str, rows: &[(&str, &str)]| Described {
        program,
        synopsis,
        about: about.to_owned(),
        options: rows.iter().map(|(left, meaning)| row(program, left, meaning)).collect(),
        common: false,
        names: None,
        operands: values::operands(program),
        text: texts::of(program),
    };
    let help = ("-h, --help", "Show the options");
    vec![
        tool(
            "lxc-checkconfig",
            "[--format=text|json]",
            "Show which features that containers want the kernel has",
            &[help, ("    --format=text|json", "Print text for people or JSON for programs")],
        ),
        tool(
            "lxc-config",
            "[-l | ITEM | check FILE...]",
            "Show a value of the global configuration, or check those of containers",
            &[
                help,
                ("-l", "List the items there are"),
                ("    --format=text|json", "Print text for people or JSON for programs"),
                ("    --strict", "With check: oddities are failures, too"),
            ],
        ),
        tool(
            "lxc-update-config",
            "-c FILE",
            "Give the keys of a configuration from before LXC 2.1 the names that they have now",
            &[help, ("-c, --config=FILE", "The configuration; what it was before is kept in FILE.backup")],
        ),
        tool(
            "lxc-usernsexec",
            "[OPTIONS] [--] [COMMAND [ARGUMENT]...]",
            "Run a program in a new user namespace",
            &[
                (
                    "-m MAP",
                    "Map ids: u, g or b (both), the first id inside, the first on the host and how many, joined by \
                     colons; without -m, what /etc/subuid and /etc/subgid grant is mapped from 0 on",
                ),
                ("-s", "Map the caller's own ids, too, behind the others"),
                ("-u UID", "Become this user of the namespace (default 0)"),
                ("-g GID", "Become this group of the namespace (default 0)"),
                ("-h", "Show the options"),
            ],
        ),
        tool(
            "init.lxc",
            "-n NAME [-q] [-P PATH] -- COMMAND [ARGUMENT]...",
            "Run a program as the only one of a container",
            &[
                ("-n, --name=NAME", "The container's name"),
                ("-q, --quiet", "Print nothing"),
                ("-P, --lxcpath=PATH", "Where the containers are"),
                help,
                ("    --usage", "Show the options in short"),
                ("    --version", "Show the version of LXC that this follows"),
            ],
        ),
    ]
}

/// An option from the way it is shown: `-c, --config=FILE`, `-m MAP`, `    --usage`.
fn row(program: &str, left: &str, meaning: &str) -> Shown {
    let (names, value_name) = left.split_once('=').unwrap_or((left, ""));
    let (names, value_name) = match names.split_once(' ') {
        Some((letter, value)) if !value.starts_with('-') && !letter.is_empty() => (letter, value),
        _ => (names, value_name),
    };
    let mut words = names.split([',', ' ']).filter(|word| !word.is_empty());
    let (mut short, mut long) = (None, "");
    for word in words.by_ref() {
        match word.strip_prefix("--") {
            Some(name) => long = name,
            None => short = word.chars().nth(1),
        }
    }
    Shown {
        long: long.to_owned(),
        short,
        value_name: value_name.to_owned(),
        value: if value_name.is_empty() { Value::None } else { Value::Needed },
        help: meaning.to_owned(),
        own: long == "format",
        values: values::of(program, long),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applet;

    #[test]
    fn every_tool_is_described() {
        let described = all();
        let named: Vec<&str> =
            described.iter().filter_map(|tool| tool.program.strip_prefix("lxc-")).collect();
        let applets: Vec<&str> = applet::names().collect();
        assert_eq!(named, applets, "a tool without a description, or the other way round");
        for tool in &described {
            assert!(!tool.about.is_empty(), "{}", tool.program);
            assert!(!tool.text.paragraphs.is_empty(), "{} has no text", tool.program);
            assert!(
                tool.text.exit.iter().any(|(code, _)| code.starts_with('0')),
                "{} has no exit status",
                tool.program
            );
            for option in &tool.options {
                assert!(!option.help.is_empty(), "{} --{}", tool.program, option.long);
            }
        }
    }

    #[test]
    fn rows() {
        let both = row("", "-c, --config=FILE", "x");
        assert_eq!((both.short, &*both.long, &*both.value_name), (Some('c'), "config", "FILE"));
        let letter = row("", "-m MAP", "x");
        assert_eq!((letter.short, &*letter.long, &*letter.value_name), (Some('m'), "", "MAP"));
        let long = row("", "    --usage", "x");
        assert_eq!((long.short, &*long.long, long.value), (None, "usage", Value::None));
        assert_eq!(common().len(), 9);
    }
}

//! The options of a tool in the order that LXC lists them in: for reading a command line, for its texts.

use clap::{Arg, Command};
pub use lxc_types::getopt::Value;

use super::getopt::End;

/// The heading of options that LXC does not have. They stand behind LXC's, and take no abbreviation from them.
pub const OWN: &str = "Options that LXC does not have";

/// What comes of an option.
#[derive(Clone, Copy, Debug)]
pub enum Meaning {
    /// It is for the tool.
    Option,
    /// It ends the reading of the command line.
    End(fn() -> End),
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Its name.
    pub long: &'a str,
    /// Its letter.
    pub short: Option<char>,
    /// Whether it has a value.
    pub value: Value,
    /// What comes of it.
    pub meaning: Meaning,
    /// LXC does not have it.
    pub own: bool,
    /// Its description, if clap has one.
    pub arg: Option<&'a Arg>,
}

/// The options that every tool has, as LXC lists them after the tool's own.
const COMMON: [(&str, Option<char>, Value, Meaning); 10] = [
    ("name", Some('n'), Value::Needed, Meaning::Option),
    ("help", Some('h'), Value::None, Meaning::End(|| End::Help)),
    ("help", Some('?'), Value::None, Meaning::End(|| End::Question)),
    ("usage", None, Value::None, Meaning::End(|| End::Usage)),
    ("version", None, Value::None, Meaning::End(|| End::Version)),
    ("quiet", Some('q'), Value::None, Meaning::Option),
    ("logfile", Some('o'), Value::Needed, Meaning::Option),
    ("logpriority", Some('l'), Value::Needed, Meaning::Option),
    ("lxcpath", Some('P'), Value::Needed, Meaning::Option),
    ("rcfile", None, Value::Needed, Meaning::Option),
];

/// The options of `command`: its own, those that all tools have, those that LXC does not have.
pub fn all(command: &Command) -> Vec<Listed<'_>> {
    let mut listed: Vec<Listed<'_>> = special(command).filter(|option| !option.own).collect();
    listed.extend(COMMON.iter().map(|(long, short, value, meaning)| Listed {
        long,
        short: *short,
        value: *value,
        meaning: *meaning,
        own: false,
        arg: None,
    }));
    listed.extend(special(command).filter(|option| option.own));
    listed
}

/// The options that are this tool's own.
pub fn special(command: &Command) -> impl Iterator<Item = Listed<'_>> {
    command.get_arguments().filter_map(|arg| {
        let (long, short) = (arg.get_long()?, arg.get_short());
        // Where there is -f, --rcfile stands among the tool's own options, too.
        let common = COMMON.iter().any(|(name, letter, ..)| *name == long && *letter == short);
        (!common).then(|| Listed {
            long,
            short,
            value: value_of(arg),
            meaning: Meaning::Option,
            own: arg.get_help_heading() == Some(OWN),
            arg: Some(arg),
        })
    })
}

/// Whether `arg` takes a value.
pub fn value_of(arg: &Arg) -> Value {
    if !arg.get_action().takes_values() {
        return Value::None;
    }
    match arg.get_num_args() {
        Some(range) if range.min_values() == 0 => Value::Optional,
        _ => Value::Needed,
    }
}

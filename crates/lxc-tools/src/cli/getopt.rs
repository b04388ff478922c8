//! Arguments as `getopt_long` reads them, rewritten so that clap reads the same.
//!
//! Each option becomes its long form with its value attached. What cannot be resolved is left as it is:
//! clap then says what is wrong with it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, Command};

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Never.
    None,
    /// Only if attached: `--opt=VALUE`, `-oVALUE`.
    Optional,
    /// Always: attached, or the next argument whatever it looks like.
    Needed,
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

/// Rewrites `args` (without the program's name) for `command`.
pub fn normalize(command: &Command, args: Vec<OsString>) -> Vec<OsString> {
    let mut out = Vec::with_capacity(args.len());
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            out.push(arg);
            break;
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            out.push(long_option(command, long, &mut args).unwrap_or(arg));
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            short_cluster(command, &bytes[1..], &mut args, &mut out);
        } else {
            out.push(arg);
        }
    }
    out.extend(args);
    out
}

/// `--name VALUE` joined to one argument; `None` when there is nothing to rewrite.
fn long_option(
    command: &Command,
    long: &[u8],
    rest: &mut impl Iterator<Item = OsString>,
) -> Option<OsString> {
    if long.contains(&b'=') {
        return None;
    }
    let (name, arg) = find_long(command, std::str::from_utf8(long).ok()?)?;
    if value_of(arg) != Value::Needed {
        return None;
    }
    Some(join(name, rest.next()?.as_bytes()))
}

/// The option with this long name or, if there is just one, with a name that begins so.
fn find_long<'a>(command: &'a Command, name: &str) -> Option<(&'a str, &'a Arg)> {
    let mut begins = None;
    let mut several = false;
    for arg in command.get_arguments() {
        let Some(long) = arg.get_long() else { continue };
        if long == name {
            return Some((long, arg));
        }
        if long.starts_with(name) && !arg.is_hide_set() {
            several |= begins.is_some();
            begins = Some((long, arg));
        }
    }
    begins.filter(|_| !several)
}

/// Rewrites what stands after one dash: flags, then perhaps an option with a value.
fn short_cluster(
    command: &Command,
    cluster: &[u8],
    rest: &mut impl Iterator<Item = OsString>,
    out: &mut Vec<OsString>,
) {
    for (at, letter) in cluster.iter().enumerate() {
        let letter = char::from(*letter);
        if letter == '?' {
            out.push("--help-and-fail".into());
            continue;
        }
        let found = command
            .get_arguments()
            .find(|arg| arg.get_short() == Some(letter))
            .and_then(|arg| Some((arg.get_long()?, value_of(arg))));
        let attached = &cluster[at + 1..];
        let Some((long, value)) = found else {
            out.push(OsString::from_vec(vec![b'-', cluster[at]]));
            continue;
        };
        match value {
            Value::None => out.push(format!("--{long}").into()),
            _ if !attached.is_empty() => {
                out.push(join(long, attached));
                return;
            }
            Value::Optional => out.push(format!("--{long}").into()),
            Value::Needed => {
                out.push(match rest.next() {
                    Some(next) => join(long, next.as_bytes()),
                    None => format!("--{long}").into(),
                });
                return;
            }
        }
    }
}

fn join(long: &str, value: &[u8]) -> OsString {
    let mut joined = OsString::from(format!("--{long}="));
    joined.push(OsStr::from_bytes(value));
    joined
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction, Command};

    use super::*;

    fn command() -> Command {
        Command::new("t")
            .arg(Arg::new("name").short('n').long("name"))
            .arg(Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue))
            .arg(Arg::new("quick").long("quick").action(ArgAction::SetTrue))
            .arg(Arg::new("elevate").short('e').long("elevate").num_args(0..=1).require_equals(true))
            .arg(Arg::new("question").long("help-and-fail").hide(true).action(ArgAction::SetTrue))
    }

    fn normal(args: &[&str]) -> Vec<String> {
        normalize(&command(), args.iter().map(OsString::from).collect())
            .into_iter()
            .map(|arg| arg.into_string().unwrap())
            .collect()
    }

    #[test]
    fn short_options() {
        assert_eq!(normal(&["-n", "a"]), ["--name=a"]);
        assert_eq!(normal(&["-na"]), ["--name=a"]);
        assert_eq!(normal(&["-qn", "-1"]), ["--quiet", "--name=-1"]);
        assert_eq!(normal(&["-n", "--", "x"]), ["--name=--", "x"]);
        assert_eq!(normal(&["-n"]), ["--name"]);
        assert_eq!(normal(&["-qxn"]), ["--quiet", "-x", "--name"]);
        assert_eq!(normal(&["-?"]), ["--help-and-fail"]);
    }

    #[test]
    fn optional_values_are_attached() {
        assert_eq!(normal(&["-e", "CAP"]), ["--elevate", "CAP"]);
        assert_eq!(normal(&["-qeCAP|LSM"]), ["--quiet", "--elevate=CAP|LSM"]);
        assert_eq!(normal(&["--elevate", "x"]), ["--elevate", "x"]);
        assert_eq!(normal(&["--elevate=x"]), ["--elevate=x"]);
    }

    #[test]
    fn long_options() {
        assert_eq!(normal(&["--name", "-a"]), ["--name=-a"]);
        assert_eq!(normal(&["--na", "a", "b"]), ["--name=a", "b"]);
        assert_eq!(normal(&["--name=a=b"]), ["--name=a=b"]);
        assert_eq!(normal(&["--qui"]), ["--qui"], "ambiguous: clap says so");
        assert_eq!(normal(&["--bogus", "x"]), ["--bogus", "x"]);
    }

    #[test]
    fn after_two_dashes_nothing_is_an_option() {
        assert_eq!(normal(&["c1", "-q", "--", "-n", "a"]), ["c1", "--quiet", "--", "-n", "a"]);
        assert_eq!(normal(&["-"]), ["-"]);
    }
}

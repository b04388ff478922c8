//! Arguments as `getopt_long` reads them, rewritten so that clap reads the same.
//!
//! Each option becomes its full long form with its value attached. Abbreviations, clusters of letters and the
//! messages about what cannot be are glibc's.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::Command;

use super::listed::{self, Listed, Meaning, Value};

/// How a command line reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The arguments for clap: all of them, or those before `end`.
    pub args: Vec<OsString>,
    /// What ended the reading early.
    pub end: Option<End>,
}

/// What ends the reading of a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// `--help` or `-h`.
    Help,
    /// `-?`: as help, and a failure.
    Question,
    /// `--usage`.
    Usage,
    /// `--version`.
    Version,
    /// What `getopt_long` says, without the program's name.
    Wrong(Vec<u8>),
}

/// Reads `args` (without the program's name) for `command`.
pub fn scan(command: &Command, args: Vec<OsString>) -> Scanned {
    let options = listed::all(command);
    let mut out = Vec::with_capacity(args.len());
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        let read = if bytes == b"--" {
            out.push(arg);
            break;
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            long_option(&options, long, &mut args, &mut out)
        } else if bytes.len() > 1 && bytes.starts_with(b"-") {
            cluster(&options, &bytes[1..], &mut args, &mut out)
        } else {
            out.push(arg);
            Ok(())
        };
        if let Err(end) = read {
            return Scanned { args: out, end: Some(end) };
        }
    }
    out.extend(args);
    Scanned { args: out, end: None }
}

/// What stands after two dashes: a name, whole or its beginning, and perhaps `=` and a value.
fn long_option(
    options: &[Listed<'_>],
    text: &[u8],
    rest: &mut impl Iterator<Item = OsString>,
    out: &mut Vec<OsString>,
) -> Result<(), End> {
    let (name, attached) = match text.iter().position(|byte| *byte == b'=') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let found = match find_long(options, name) {
        Ok(found) => found,
        Err(candidates) => return Err(End::Wrong(unresolved(text, &candidates))),
    };
    if found.value == Value::None && attached.is_some() {
        return Err(End::Wrong(format!("option '--{}' doesn't allow an argument", found.long).into()));
    }
    let argument = match (found.meaning, found.value) {
        (Meaning::End(end), _) => return Err(end()),
        (Meaning::Option, Value::None) => format!("--{}", found.long).into(),
        (Meaning::Option, Value::Optional) => match attached {
            Some(value) => join(found.long, value),
            None => format!("--{}", found.long).into(),
        },
        (Meaning::Option, Value::Needed) => {
            let value = match attached {
                Some(value) => Some(OsStr::from_bytes(value).to_owned()),
                None => rest.next(),
            };
            let Some(value) = value else {
                return Err(End::Wrong(format!("option '--{}' requires an argument", found.long).into()));
            };
            join(found.long, value.as_bytes())
        }
    };
    out.push(argument);
    Ok(())
}

/// The option with this long name, or the only one with a name that begins so; else all that begin so.
///
/// An option that LXC does not have never makes one of LXC's abbreviations ambiguous.
fn find_long<'a, 'b>(options: &'b [Listed<'a>], name: &[u8]) -> Result<&'b Listed<'a>, Vec<&'a str>> {
    if let Some(exact) = options.iter().find(|option| option.long.as_bytes() == name) {
        return Ok(exact);
    }
    let begins = |own: bool| {
        options.iter().filter(move |option| option.own == own && option.long.as_bytes().starts_with(name))
    };
    for own in [false, true] {
        let candidates: Vec<&Listed<'a>> = begins(own).collect();
        match candidates[..] {
            [] => {}
            [only] => return Ok(only),
            _ => return Err(candidates.iter().map(|option| option.long).collect()),
        }
    }
    Err(Vec::new())
}

/// What is said of a long name that means none of the options, or several.
fn unresolved(text: &[u8], candidates: &[&str]) -> Vec<u8> {
    if candidates.is_empty() {
        return [b"unrecognized option '--", text, b"'"].concat();
    }
    let mut said = [b"option '--", text, b"' is ambiguous; possibilities:"].concat();
    for long in candidates {
        said.extend_from_slice(format!(" '--{long}'").as_bytes());
    }
    said
}

/// What stands after one dash: flags, then perhaps an option with a value.
fn cluster(
    options: &[Listed<'_>],
    cluster: &[u8],
    rest: &mut impl Iterator<Item = OsString>,
    out: &mut Vec<OsString>,
) -> Result<(), End> {
    for (at, letter) in cluster.iter().enumerate() {
        let found = options.iter().find(|option| option.short == Some(char::from(*letter)));
        let Some(found) = found else {
            return Err(End::Wrong([b"invalid option -- '", &cluster[at..=at], b"'"].concat()));
        };
        let attached = &cluster[at + 1..];
        match (found.meaning, found.value) {
            (Meaning::End(end), _) => return Err(end()),
            (Meaning::Option, Value::None) => out.push(format!("--{}", found.long).into()),
            (Meaning::Option, _) if !attached.is_empty() => {
                out.push(join(found.long, attached));
                return Ok(());
            }
            (Meaning::Option, Value::Optional) => out.push(format!("--{}", found.long).into()),
            (Meaning::Option, Value::Needed) => {
                let Some(value) = rest.next() else {
                    return Err(End::Wrong(
                        [b"option requires an argument -- '", &cluster[at..=at], b"'"].concat(),
                    ));
                };
                out.push(join(found.long, value.as_bytes()));
                return Ok(());
            }
        }
    }
    Ok(())
}

fn join(long: &str, value: &[u8]) -> OsString {
    OsString::from_vec([b"--", long.as_bytes(), b"=", value].concat())
}

/// A command line whose options are letters only.
#[derive(Debug, Default)]
pub struct Letters {
    /// The options, each with its value.
    pub options: Vec<(char, OsString)>,
    /// What is no option.
    pub rest: Vec<OsString>,
}

/// Reads options that are letters only, or gives what getopt(3) says, without the program's name. `known` lists
/// the letters, with a colon behind each that takes a value.
pub fn letters(known: &str, args: Vec<OsString>) -> Result<Letters, Vec<u8>> {
    let Letters { mut options, mut rest } = Letters::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            break;
        }
        if bytes.len() < 2 || !bytes.starts_with(b"-") {
            rest.push(arg);
            continue;
        }
        for (at, byte) in bytes.iter().enumerate().skip(1) {
            let letter = char::from(*byte);
            let place = known.find(letter).filter(|_| letter != ':');
            let Some(place) = place else {
                return Err([b"invalid option -- '", &bytes[at..=at], b"'"].concat());
            };
            if !known[place + 1..].starts_with(':') {
                options.push((letter, OsString::new()));
                continue;
            }
            let attached = &bytes[at + 1..];
            let value = match attached {
                [] => args.next(),
                attached => Some(OsStr::from_bytes(attached).to_owned()),
            };
            let Some(value) = value else {
                return Err([b"option requires an argument -- '", &bytes[at..=at], b"'"].concat());
            };
            options.push((letter, value));
            break;
        }
    }
    rest.extend(args);
    Ok(Letters { options, rest })
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction, Command};

    use super::*;

    fn command() -> Command {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        Command::new("t")
            .arg(flag("quick"))
            .arg(flag("state").short('s'))
            .arg(flag("stats").short('S'))
            .arg(flag("quarry").help_heading(listed::OWN))
            .arg(Arg::new("elevate").short('e').long("elevate").num_args(0..=1).require_equals(true))
    }

    fn normal(args: &[&str]) -> Vec<String> {
        let scanned = scan(&command(), args.iter().map(OsString::from).collect());
        assert_eq!(scanned.end, None, "{args:?}");
        scanned.args.into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    fn end(args: &[&str]) -> End {
        scan(&command(), args.iter().map(OsString::from).collect()).end.unwrap()
    }

    fn wrong(args: &[&str]) -> String {
        match end(args) {
            End::Wrong(said) => String::from_utf8(said).unwrap(),
            other => panic!("{args:?}: {other:?}"),
        }
    }

    #[test]
    fn short_options() {
        assert_eq!(normal(&["-n", "a"]), ["--name=a"]);
        assert_eq!(normal(&["-na"]), ["--name=a"]);
        assert_eq!(normal(&["-qn", "-1"]), ["--quiet", "--name=-1"]);
        assert_eq!(normal(&["-n", "--", "x"]), ["--name=--", "x"]);
        assert_eq!(wrong(&["-n"]), "option requires an argument -- 'n'");
        assert_eq!(wrong(&["-qxn"]), "invalid option -- 'x'");
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
        assert_eq!(normal(&["--name="]), ["--name="]);
        assert_eq!(wrong(&["--qui"]), "option '--qui' is ambiguous; possibilities: '--quick' '--quiet'");
        assert_eq!(wrong(&["--sta=x"]), "option '--sta=x' is ambiguous; possibilities: '--state' '--stats'");
        assert_eq!(wrong(&["--hel"]), "option '--hel' is ambiguous; possibilities: '--help' '--help'");
        assert_eq!(wrong(&["--bogus=x"]), "unrecognized option '--bogus=x'");
        assert_eq!(wrong(&["--quic=1"]), "option '--quick' doesn't allow an argument");
        assert_eq!(wrong(&["--name"]), "option '--name' requires an argument");
    }

    #[test]
    fn own_options_take_no_abbreviation_away() {
        assert_eq!(normal(&["--quie"]), ["--quiet"]);
        assert_eq!(normal(&["--qua"]), ["--quarry"]);
        assert_eq!(wrong(&["--qu"]), "option '--qu' is ambiguous; possibilities: '--quick' '--quiet'");
    }

    #[test]
    fn the_first_that_ends_counts() {
        assert_eq!(end(&["--help", "--bogus"]), End::Help);
        assert_eq!(end(&["-qh3"]), End::Help);
        assert_eq!(end(&["x", "-?"]), End::Question);
        assert_eq!(end(&["--usage"]), End::Usage);
        assert_eq!(end(&["--vers", "-h"]), End::Version);
        assert!(matches!(end(&["--bogus", "--help"]), End::Wrong(_)));
        let early = scan(&command(), ["-na", "-h", "-s"].map(OsString::from).into());
        assert_eq!(early.args, ["--name=a"]);
    }

    #[test]
    fn after_two_dashes_nothing_is_an_option() {
        assert_eq!(normal(&["c1", "-q", "--", "-n", "a"]), ["c1", "--quiet", "--", "-n", "a"]);
        assert_eq!(normal(&["-"]), ["-"]);
    }
}

//! Arguments read as `getopt_long` does, and rewritten for clap: each option in its full form with its value.

use std::ffi::OsString;

use clap::Command;
use lxc_types::getopt::{Item, Known, Reader};

use super::listed::{self, Listed, Meaning};

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
///
/// An option that LXC does not have never makes one of LXC's abbreviations ambiguous.
pub fn scan(command: &Command, args: Vec<OsString>) -> Scanned {
    let options: Vec<Listed<'_>> = listed::all(command);
    let known: Vec<Known<'_>> = options
        .iter()
        .map(|option| Known {
            long: option.long,
            short: option.short,
            value: option.value,
            yields: option.own,
        })
        .collect();
    let mut out = Vec::with_capacity(args.len());
    for item in Reader::new(&known, args) {
        let end = match item {
            Ok(Item::Operand(word)) => {
                out.push(word);
                continue;
            }
            Ok(Item::Dashes) => {
                out.push("--".into());
                continue;
            }
            Ok(Item::Option(at, value)) => match options[at].meaning {
                Meaning::Option => {
                    out.push(full(options[at].long, value));
                    continue;
                }
                Meaning::End(end) => end(),
            },
            Err(said) => End::Wrong(said),
        };
        return Scanned { args: out, end: Some(end) };
    }
    Scanned { args: out, end: None }
}

/// `--LONG` or `--LONG=VALUE`.
fn full(long: &str, value: Option<OsString>) -> OsString {
    let mut word = OsString::from(format!("--{long}"));
    if let Some(value) = value {
        word.push("=");
        word.push(value);
    }
    word
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
            .arg(flag("quarry").help_heading(listed::OWN))
            .arg(Arg::new("elevate").short('e').long("elevate").num_args(0..=1).require_equals(true))
    }

    fn scanned(args: &[&str]) -> Scanned {
        scan(&command(), args.iter().map(OsString::from).collect())
    }

    #[test]
    fn full_forms() {
        let all = scanned(&["-qe", "c1", "-eCAP", "--sta", "-n", "a", "--", "-s"]);
        let want = ["--quiet", "--elevate", "c1", "--elevate=CAP", "--state", "--name=a", "--", "-s"];
        assert_eq!(all, Scanned { args: want.map(OsString::from).into(), end: None });
    }

    #[test]
    fn own_options_take_no_abbreviation_away() {
        assert_eq!(scanned(&["--quie"]).args, ["--quiet"]);
        assert_eq!(scanned(&["--qua"]).args, ["--quarry"]);
        let said = b"option '--qu' is ambiguous; possibilities: '--quick' '--quiet'".to_vec();
        assert_eq!(scanned(&["--qu"]).end, Some(End::Wrong(said)));
    }

    #[test]
    fn the_first_that_ends_counts() {
        for (args, end) in [
            (&["--help", "--bogus"][..], End::Help),
            (&["-qh3"], End::Help),
            (&["x", "-?"], End::Question),
            (&["--usage"], End::Usage),
            (&["--vers", "-h"], End::Version),
            (&["--bogus", "--help"], End::Wrong(b"unrecognized option '--bogus'".to_vec())),
        ] {
            assert_eq!(scanned(args).end, Some(end), "{args:?}");
        }
        assert_eq!(scanned(&["-na", "-h", "-s"]).args, ["--name=a"]);
    }
}

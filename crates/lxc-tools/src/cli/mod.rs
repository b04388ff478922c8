//! The command line that all tools share: upstream's options in upstream's manner.
//!
//! The options of a tool are a clap struct; what clap does differently from `getopt_long` (values that
//! begin with `-`, optional values of short options, `-?`) is put right before it sees the arguments, in
//! [`getopt`].

mod getopt;
mod options;
#[cfg(test)]
mod tests;
mod usage;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;

use clap::{ArgMatches, Command};

pub use options::{Common, Define, Rcfile, Share};

use crate::output;
use crate::report::{self, Failure};
use crate::session::Session;

/// The LXC release whose behaviour the tools follow, and what `--version` prints: programs read its first
/// digits to know what options and config keys there are.
pub const LXC_VERSION: &str = "7.0.0";

/// How a tool finds its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// `-n NAME`, else the first positional argument; one of them must be there.
    Needed,
    /// Positional arguments are never a name, and no name is needed.
    Unused,
}

/// A tool: its options and its work.
pub trait Tool: clap::Parser {
    /// The program's name, such as `lxc-info`.
    const PROGRAM: &'static str;
    /// One line (the syntax after the program's name).
    const SYNOPSIS: &'static str;
    /// Where the container's name comes from.
    const NAME: NameRule = NameRule::Needed;

    /// The options that every tool has.
    fn common(&self) -> &Common;
    /// The options that every tool has.
    fn common_mut(&mut self) -> &mut Common;
    /// The configuration to read instead of the container's own.
    fn rcfile(&self) -> Option<&Path>;
    /// Checks what can be checked without looking at the host.
    ///
    /// # Errors
    /// The text for the user: an option or a combination that is not allowed.
    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }
    /// What else `--help` does, given the other options; the exit code.
    fn after_help(&self) -> u8 {
        0
    }
    /// Does the work; the exit code.
    ///
    /// # Errors
    /// What went wrong, with the exit code for it.
    fn run(self, session: &Session) -> Result<u8, Failure>;
}

/// Parses `args` (without the program's name) and runs the tool; the exit code.
pub fn run<T: Tool>(_program: &OsStr, args: Vec<OsString>) -> u8 {
    let command = command::<T>();
    let tool = match parse::<T>(&command, args) {
        Ok(tool) => tool,
        Err(code) => return code,
    };
    let (quiet, name) = (tool.common().quiet, tool.common().name.clone());
    let session = Session::new(T::PROGRAM, tool.common(), tool.rcfile());
    let outcome = session.and_then(|session| {
        tool.run(&session).inspect_err(|failure| session.record(&report::line_of(failure)))
    });
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            if !quiet {
                report::print(T::PROGRAM, name.as_deref(), &failure);
            }
            failure.code()
        }
    }
}

/// The description of a tool's command line.
fn command<T: Tool>() -> Command {
    T::command()
        .name(T::PROGRAM)
        .bin_name(T::PROGRAM)
        .override_usage(format!("{} {}", T::PROGRAM, T::SYNOPSIS))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .infer_long_args(true)
}

/// The tool's options, or the exit code when there is nothing left to do.
fn parse<T: Tool>(command: &Command, args: Vec<OsString>) -> Result<T, u8> {
    let args = getopt::normalize(command, args);
    let argv = std::iter::once(OsString::from(T::PROGRAM)).chain(args);
    let mut tool = match command.clone().try_get_matches_from(argv).and_then(from_matches::<T>) {
        Ok(tool) => tool,
        Err(error) => return Err(usage_error::<T>(&error)),
    };
    if let Some(code) = early(command, &tool) {
        return Err(code);
    }
    if let Err(text) = settle(&mut tool) {
        to_stderr(&text);
        return Err(1);
    }
    if let Err(text) = tool.check() {
        to_stderr(&format!("{}: {text}\n", T::PROGRAM));
        return Err(1);
    }
    Ok(tool)
}

fn from_matches<T: Tool>(mut matches: ArgMatches) -> Result<T, clap::Error> {
    T::from_arg_matches_mut(&mut matches)
}

/// `--help`, `-?`, `--usage` and `--version` end the tool at once.
fn early<T: Tool>(command: &Command, tool: &T) -> Option<u8> {
    let common = tool.common();
    if common.help || common.question {
        to_stderr(&help::<T>(command));
        return Some(if common.question { 1 } else { tool.after_help() });
    }
    if common.usage {
        to_stderr(&usage::text(T::PROGRAM, command));
        return Some(0);
    }
    if common.version {
        return Some(u8::from(output::write(format!("{LXC_VERSION}\n").as_bytes()).is_err()));
    }
    None
}

/// The text of `--help`.
fn help<T: Tool>(command: &Command) -> String {
    command.clone().render_help().to_string()
}

/// Takes the name out of the positional arguments, and checks `-P`; the text of the complaint.
fn settle<T: Tool>(tool: &mut T) -> Result<(), String> {
    let common = tool.common_mut();
    if common.lxcpath.len() > 1 {
        // Upstream's very words: scripts look for them.
        return Err("This command only accepts 1 -P,--lxcpath arguments\n".to_owned());
    }
    if T::NAME == NameRule::Unused || common.name.is_some() {
        return Ok(());
    }
    if common.rest.is_empty() {
        return Err(format!("{}: No container name specified\n", T::PROGRAM));
    }
    match common.rest.remove(0).into_string() {
        Ok(name) => common.name = Some(name),
        Err(bytes) => return Err(format!("{}: the name {bytes:?} is not UTF-8\n", T::PROGRAM)),
    }
    Ok(())
}

/// Prints what clap says about a command line, first line first; the exit code.
fn usage_error<T: Tool>(error: &clap::Error) -> u8 {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    to_stderr(&format!("{}: {}\n", T::PROGRAM, text.trim_end()));
    1
}

fn to_stderr(text: &str) {
    // Nobody is left to be told when standard error is closed.
    drop(std::io::stderr().write_all(text.as_bytes()));
}

/// The options of a command line without a program's name, before they are checked.
#[cfg(test)]
pub fn from_words<T: Tool>(words: &[&str]) -> Result<T, clap::Error> {
    let command = command::<T>();
    let args = getopt::normalize(&command, words.iter().map(OsString::from).collect());
    let argv = std::iter::once(OsString::from(T::PROGRAM)).chain(args);
    command.try_get_matches_from(argv).and_then(from_matches::<T>)
}

/// The methods of [`Tool`] that only hand out fields, for a tool with [`Common`] and [`Rcfile`].
macro_rules! common {
    () => {
        fn common(&self) -> &Common {
            &self.common
        }
        fn common_mut(&mut self) -> &mut Common {
            &mut self.common
        }
        fn rcfile(&self) -> Option<&Path> {
            self.rcfile.rcfile.as_deref()
        }
    };
    (own rcfile) => {
        fn common(&self) -> &Common {
            &self.common
        }
        fn common_mut(&mut self) -> &mut Common {
            &mut self.common
        }
        fn rcfile(&self) -> Option<&Path> {
            self.rcfile.as_deref()
        }
    };
}
pub(crate) use common;

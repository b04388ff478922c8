//! The command line that all tools share: upstream's options in upstream's manner.
//!
//! The options of a tool are a clap struct. [`getopt`] reads the arguments as `getopt_long` does, and hands
//! them to clap in full form; clap checks the values. [`help`] and [`usage`] are texts in upstream's layout.

mod getopt;
pub mod help;
pub mod listed;
mod options;
#[cfg(test)]
mod tests;
mod usage;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::{ArgMatches, Command};

pub use listed::OWN;
pub use lxc_types::LXC_VERSION;
pub use options::{Common, Define, Rcfile, Share, namespaces};

use getopt::{End, Scanned};

use crate::output;
use crate::report::{self, Failure};
use crate::session::Session;

/// How a tool finds its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// `-n NAME`, else the first positional argument; one of them must be there.
    Needed,
    /// Positional arguments are never a name, and no name is needed.
    Unused,
    /// As [`NameRule::Unused`], and `-n` is a regular expression.
    Pattern,
}

/// A tool: its options and its work.
pub trait Tool: clap::Parser {
    /// The program's name, such as `lxc-info`.
    const PROGRAM: &'static str;
    /// One line (the syntax after the program's name).
    const SYNOPSIS: &'static str;
    /// Where the container's name comes from.
    const NAME: NameRule = NameRule::Needed;
    /// Whether `-P` may be given several times.
    const MANY_LXCPATHS: bool = false;

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
    /// What else `--help` does, given the other options.
    fn after_help(&self) {}
    /// Does the work; the exit code.
    ///
    /// # Errors
    /// What went wrong, with the exit code for it.
    fn run(self, session: &Session) -> Result<u8, Failure>;
}

/// Parses `args` (without the program's name) and runs the tool; the exit code.
pub fn run<T: Tool>(program: &OsStr, args: Vec<OsString>) -> u8 {
    let command = command::<T>();
    let tool = match parse::<T>(program, &command, args) {
        Ok(tool) => tool,
        Err(code) => return code,
    };
    let (quiet, name) = (tool.common().quiet, tool.common().name.clone());
    let session = Session::new(T::PROGRAM, T::NAME, tool.common(), tool.rcfile());
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

/// The description of a tool's command line, for its manual page.
pub fn describe<T: Tool>() -> Command {
    command::<T>()
}

/// The description of a tool's command line.
fn command<T: Tool>() -> Command {
    T::command()
        .name(T::PROGRAM)
        .bin_name(T::PROGRAM)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
}

/// The tool's options, or the exit code when there is nothing left to do. `program` is what it was called as:
/// what `getopt_long` says begins with it.
fn parse<T: Tool>(program: &OsStr, command: &Command, args: Vec<OsString>) -> Result<T, u8> {
    let Scanned { args, end } = getopt::scan(command, args);
    let argv = std::iter::once(OsString::from(T::PROGRAM)).chain(args);
    let mut tool = match command.clone().try_get_matches_from(argv).and_then(from_matches::<T>) {
        Ok(tool) => tool,
        Err(error) => return Err(value_error::<T>(&error)),
    };
    if let Some(end) = end {
        return Err(ended(program, command, &tool, end));
    }
    if let Err(text) = settle(&mut tool) {
        to_stderr(text.as_bytes());
        return Err(1);
    }
    if let Err(text) = tool.check() {
        to_stderr(format!("{}: {text}\n", T::PROGRAM).as_bytes());
        return Err(1);
    }
    Ok(tool)
}

fn from_matches<T: Tool>(mut matches: ArgMatches) -> Result<T, clap::Error> {
    T::from_arg_matches_mut(&mut matches)
}

/// Says what ended the reading of the command line; the exit code.
fn ended<T: Tool>(program: &OsStr, command: &Command, tool: &T, end: End) -> u8 {
    let help = || to_stderr(help::text::<T>(command).as_bytes());
    match end {
        End::Help => {
            help();
            tool.after_help();
            0
        }
        End::Question => {
            help();
            tool.after_help();
            1
        }
        End::Usage => {
            to_stderr(usage::text(T::PROGRAM, command).as_bytes());
            0
        }
        End::Version => u8::from(output::write(format!("{LXC_VERSION}\n").as_bytes()).is_err()),
        End::Wrong(said) => {
            to_stderr(&[program.as_bytes(), b": ", &said, b"\n"].concat());
            help();
            1
        }
    }
}

/// Takes the name out of the positional arguments, and checks `-P`; the text of the complaint.
fn settle<T: Tool>(tool: &mut T) -> Result<(), String> {
    let common = tool.common_mut();
    if common.lxcpath.len() > 1 && !T::MANY_LXCPATHS {
        // Upstream's very words: scripts look for them.
        return Err("This command only accepts 1 -P,--lxcpath arguments\n".to_owned());
    }
    if T::NAME != NameRule::Needed || common.name.is_some() {
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

/// Prints what clap says about a value, first line first; the exit code.
fn value_error<T: Tool>(error: &clap::Error) -> u8 {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    to_stderr(format!("{}: {}\n", T::PROGRAM, text.trim_end()).as_bytes());
    1
}

fn to_stderr(text: &[u8]) {
    // Nobody is left to be told when standard error is closed.
    drop(std::io::stderr().write_all(text));
}

/// The options of a command line without a program's name, before they are checked.
#[cfg(test)]
pub fn from_words<T: Tool>(words: &[&str]) -> Result<T, clap::Error> {
    let command = command::<T>();
    let Scanned { args, .. } = getopt::scan(&command, words.iter().map(OsString::from).collect());
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

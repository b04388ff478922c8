//! What went wrong, on standard error.
//!
//! The first line names the culprit: `PROGRAM: CONTAINER: what, on what, why`. Lines that explain follow,
//! indented: `caused by:` and `help:`. A fault in a configuration file begins with `FILE:LINE:COLUMN:`.

mod snippet;

use std::error::Error as _;
use std::io::{IsTerminal, Write};

use lxc_core::{Error, ErrorKind};

/// The failure of a tool: what to say, and the exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Something the engine could not do.
    Engine(Error),
    /// Something the tool itself found, perhaps with advice.
    Said { text: String, help: Option<String> },
    /// A line that is upstream's to the letter, without the program's name.
    Plain(String),
}

impl Failure {
    /// Something the tool itself found; exit code 1.
    pub fn said(text: impl Into<String>) -> Failure {
        Failure { code: 1, what: What::Said { text: text.into(), help: None } }
    }

    /// A line without the program's name; exit code 1.
    pub fn plain(text: impl Into<String>) -> Failure {
        Failure { code: 1, what: What::Plain(text.into()) }
    }

    /// The same, with advice.
    pub fn help(mut self, advice: impl Into<String>) -> Failure {
        if let What::Said { help, .. } = &mut self.what {
            *help = Some(advice.into());
        }
        self
    }

    /// The same, with another exit code.
    pub fn with_code(self, code: u8) -> Failure {
        Failure { code, ..self }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { code: 1, what: What::Engine(error) }
    }
}

impl From<lxc_sys::Error> for Failure {
    fn from(error: lxc_sys::Error) -> Failure {
        Failure::said(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    /// Only standard output is written by the tools themselves.
    fn from(error: std::io::Error) -> Failure {
        Failure::said(format!("cannot write to standard output: {error}"))
    }
}

/// Prints `failure` of `program` about the container `name` on standard error.
pub fn print(program: &str, name: Option<&str>, failure: &Failure) {
    let mut stderr = std::io::stderr();
    let mut text = text(program, name, failure);
    if let What::Engine(error) = &failure.what
        && stderr.is_terminal()
    {
        text.push_str(&snippet::render(error.diagnostics()));
    }
    // Nobody is left to be told when standard error is closed.
    drop(stderr.write_all(text.as_bytes()));
}

/// Prints a line that is no failure of the tool's on standard error.
pub fn line(text: &str) {
    // Nobody is left to be told when standard error is closed.
    drop(std::io::stderr().write_all(format!("{text}\n").as_bytes()));
}

/// What [`print`] prints where there is no terminal.
fn text(program: &str, name: Option<&str>, failure: &Failure) -> String {
    let mut prefix = format!("{program}: ");
    if let Some(name) = name {
        prefix.push_str(name);
        prefix.push_str(": ");
    }
    match &failure.what {
        What::Plain(line) => format!("{line}\n"),
        What::Said { text, help } => with_help(format!("{prefix}{text}\n"), help.as_deref()),
        What::Engine(error) => engine(&prefix, error),
    }
}

fn engine(prefix: &str, error: &Error) -> String {
    if !error.diagnostics().is_empty() {
        return error.diagnostics().iter().fold(String::new(), |mut all, one| {
            all.push_str(prefix);
            all.push_str(&snippet::plain(one));
            all
        });
    }
    let mut text = format!("{prefix}{error}\n");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("  caused by: {cause}\n"));
        source = cause.source();
    }
    with_help(text, advice(error.kind()))
}

fn with_help(mut text: String, help: Option<&str>) -> String {
    if let Some(help) = help {
        text.push_str("  help: ");
        text.push_str(help);
        text.push('\n');
    }
    text
}

/// What a user can do about a kind of error.
fn advice(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::NotDefined => Some("lxc-ls shows the containers there are; lxc-create makes one"),
        ErrorKind::Permission => Some("run it as the user who started the container, or as root"),
        _ => None,
    }
}

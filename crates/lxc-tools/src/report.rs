//! What went wrong, on standard error.
//!
//! The first line names the culprit: `PROGRAM: CONTAINER: what failed: on what: why`. A line with advice
//! may follow, indented: `help:`. A fault in a configuration file begins with `FILE:LINE:COLUMN:`.

mod snippet;

use std::io::{IsTerminal, Write};

use lxc_config::Diagnostic;
use lxc_core::{Error, ErrorKind, create};

/// The failure of a tool: what to say, and the exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Something the engine could not do.
    Engine(Box<Error>),
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
        Failure { code: 1, what: What::Engine(Box::new(error)) }
    }
}

impl From<lxc_sys::Error> for Failure {
    fn from(error: lxc_sys::Error) -> Failure {
        Failure::said(error.to_string())
    }
}

impl From<create::Error> for Failure {
    fn from(error: create::Error) -> Failure {
        Error::from(error).into()
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
        text.push_str(&snippet::render(diagnostics(error)));
    }
    // Nobody is left to be told when standard error is closed.
    drop(stderr.write_all(text.as_bytes()));
}

/// A failure in one line, without the program's name.
pub fn line_of(failure: &Failure) -> String {
    match &failure.what {
        What::Plain(line) => line.clone(),
        What::Said { text, .. } => text.clone(),
        What::Engine(error) => match diagnostics(error) {
            [] => chain(error),
            faults => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        },
    }
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

/// The faults of a configuration, or the whole chain of causes in one line: stage, object and errno of the
/// root cause are in it, whoever reads only the first line.
fn engine(prefix: &str, error: &Error) -> String {
    let faults = diagnostics(error);
    if !faults.is_empty() {
        return faults.iter().map(|fault| format!("{prefix}{}", snippet::plain(fault))).collect();
    }
    with_help(format!("{prefix}{}\n", chain(error)), advice(error.kind()))
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // A transparent error says what its source says.
        if cause_text != last {
            text.push_str(": ");
            text.push_str(&cause_text);
            last = cause_text;
        }
        source = cause.source();
    }
    text
}

/// The faults of a configuration that an error is about.
fn diagnostics(error: &Error) -> &[Diagnostic] {
    match error {
        Error::Config(faults) | Error::Create(create::Error::Config(faults)) => faults,
        _ => &[],
    }
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use lxc_config::Span;
    use lxc_types::StorageKind;

    use super::*;

    fn shown(failure: impl Into<Failure>) -> String {
        text("lxc-start", Some("c1"), &failure.into())
    }

    #[test]
    fn the_chain_is_one_line() {
        let root = lxc_sys::Error::new("mkdir", "/x/c1", rustix::io::Errno::NOSPC);
        let storage = lxc_host_error(root);
        assert_eq!(
            shown(Error::from(create::Error::from(storage))),
            "lxc-start: c1: cannot create dir:/x/c1: mkdir(/x/c1): No space left on device\n"
        );
    }

    /// A chain of two: what the storage says of a system call.
    fn lxc_host_error(source: lxc_sys::Error) -> lxc_core::create::StorageError {
        lxc_core::create::StorageError::Create { source_text: "dir:/x/c1".into(), source }
    }

    #[test]
    fn a_transparent_error_is_said_once() {
        let error = create::Error::from(lxc_core::create::StorageError::Unsupported(StorageKind::Zfs));
        assert_eq!(
            shown(Error::from(error)),
            "lxc-start: c1: storage of type \"zfs\" is not supported yet\n"
        );
    }

    #[test]
    fn a_fault_begins_with_its_place() {
        let span = Span { file: Arc::from(PathBuf::from("/l/c1/config")), line: 3, column: 1, len: 14 };
        let fault = Diagnostic::error("unknown key").with_key("lxc.rotfs.path").at(span);
        let faults = vec![fault.with_help("did you mean \"lxc.rootfs.path\"?"), Diagnostic::error("another")];
        assert_eq!(
            shown(Error::Config(faults)),
            "lxc-start: c1: /l/c1/config:3:1: lxc.rotfs.path: unknown key\n  \
             help: did you mean \"lxc.rootfs.path\"?\n\
             lxc-start: c1: another\n"
        );
    }

    #[test]
    fn advice_and_plain_lines() {
        assert_eq!(
            shown(Failure::said("not running").help("start it")),
            "lxc-start: c1: not running\n  help: start it\n"
        );
        assert_eq!(shown(Failure::plain("c1 doesn't exist")), "c1 doesn't exist\n");
        assert_eq!(text("lxc-stop", None, &Failure::said("x")), "lxc-stop: x\n");
        assert_eq!(Failure::said("not running").with_code(2).code(), 2);
    }
}

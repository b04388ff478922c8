//! Console and terminals.

use lxc_types::Size;

use crate::origin::Sourced;

/// `lxc.tty.*`, `lxc.pty.*` and `lxc.console.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// `lxc.tty.max`: how many `/dev/ttyN` the container gets.
    pub ttys: u32,
    /// `lxc.tty.dir`: directory below `/dev` for them.
    pub dir: Option<String>,
    /// `lxc.pty.max`: how many pseudo-terminals its devpts holds; 0 means no devpts of its own.
    pub ptys: u32,
    /// `lxc.console.*`.
    pub console: Console,
}

/// `lxc.console.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// What is at the other end of the console.
    pub path: ConsolePath,
    /// File that gets a copy of all output.
    pub logfile: Option<Sourced<String>>,
    /// Whether a full log file is renamed instead of emptied.
    pub rotate: bool,
    /// Size of the ring buffer in memory, rounded; 0 for none.
    pub buffer: Size,
    /// Largest size of the log file, rounded; 0 for any.
    pub size: Size,
}

/// What is at the other end of the console.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConsolePath {
    /// The terminal of whoever starts the container, if there is one.
    #[default]
    Auto,
    /// `none`: there is no console.
    Disabled,
    /// A terminal device.
    Device(Sourced<String>),
}

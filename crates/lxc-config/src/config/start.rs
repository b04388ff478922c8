//! How a container is started, watched, logged and stopped.

use lxc_types::{Facility, LogLevel, Name, SignalSpec};

use crate::origin::Sourced;

/// `lxc.uts.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uts {
    /// Host name; unset keeps the one the namespace begins with.
    pub name: Option<Sourced<String>>,
}

/// `lxc.signal.*`; unset or 0 means the default of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Asks init to shut down: `SIGPWR`, or `SIGRTMIN+3` if init is systemd.
    pub halt: Option<SignalSpec>,
    /// Asks init to reboot: `SIGINT`.
    pub reboot: Option<SignalSpec>,
    /// Ends init: `SIGKILL`.
    pub stop: Option<SignalSpec>,
}

/// `lxc.monitor.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Not 0: the monitor gets its own mount namespace.
    pub unshare: u32,
    /// What init gets when the monitor dies; 0 for nothing.
    pub parent_death: SignalSpec,
}

impl Default for Monitor {
    fn default() -> Self {
        Monitor { unshare: 0, parent_death: SignalSpec::KILL }
    }
}

/// `lxc.log.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Log file of this container.
    pub file: Option<Sourced<String>>,
    /// From which level on messages are kept.
    pub level: Option<LogLevel>,
    /// Whether and where messages also go to syslog.
    pub syslog: Option<Facility>,
}

/// `lxc.start.*` and `lxc.group`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Autostart {
    /// `lxc.start.auto`: whether the container starts with the host.
    pub auto: bool,
    /// `lxc.start.delay`: seconds to wait after starting it.
    pub delay: u32,
    /// `lxc.start.order`: lower numbers start first.
    pub order: i32,
    /// `lxc.start.after`: containers that start before this one and stop after it.
    pub after: Vec<Sourced<Name>>,
    /// `lxc.group`.
    pub groups: Vec<String>,
}

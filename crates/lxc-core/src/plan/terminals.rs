//! Console, ttys and pseudo terminals.

use std::path::PathBuf;

use lxc_config::Config;
use lxc_config::config::ConsolePath;
use lxc_host::devpts::{ConsoleSource, TerminalSpec};

use crate::monitor::console::ConsoleSpec;

/// The terminals of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalPlan {
    /// How many `/dev/ttyN`.
    pub ttys: u32,
    /// The most pseudo terminals of a devpts of its own; 0 for none.
    pub ptys: u32,
    /// The folder below `/dev` for console and ttys.
    pub dir: Option<String>,
    /// What the console is connected to.
    pub console: ConsolePlan,
    /// Where its output is kept.
    pub output: ConsoleSpec,
}

/// What the console is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsolePlan {
    /// There is none.
    Disabled,
    /// The terminal of whoever starts the container, if there is one.
    Starter,
    /// A terminal device, and where it was written.
    Device(PathBuf, String),
}

impl TerminalPlan {
    /// For the guest. The console comes from the container's own devpts if there is room in it.
    pub fn spec(&self) -> TerminalSpec {
        let console = match (&self.console, self.ptys) {
            (ConsolePlan::Disabled, _) => ConsoleSource::None,
            (_, 0 | 1) => ConsoleSource::Host,
            _ => ConsoleSource::Container,
        };
        TerminalSpec { ptys: self.ptys, ttys: self.ttys, dir: self.dir.clone(), console }
    }
}

/// Decides.
pub fn plan(config: &Config) -> TerminalPlan {
    let console = &config.terminal.console;
    TerminalPlan {
        ttys: config.terminal.ttys,
        ptys: config.terminal.ptys,
        dir: config.terminal.dir.clone(),
        console: match &console.path {
            ConsolePath::Auto => ConsolePlan::Starter,
            ConsolePath::Disabled => ConsolePlan::Disabled,
            ConsolePath::Device(path) => {
                ConsolePlan::Device(PathBuf::from(&path.value), format!("lxc.console.path ({})", path.origin))
            }
        },
        output: ConsoleSpec {
            log: console.logfile.as_ref().map(|f| PathBuf::from(&f.value)),
            log_size: console.size.0,
            rotate: console.rotate,
            ring: console.buffer.0,
        },
    }
}

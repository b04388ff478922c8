//! Running a program in a container that runs.
//!
//! The caller forks a helper that enters the container's cgroups and namespaces and forks the program from
//! there, as the caller's child. Whoever calls this should itself run from a sealed copy (see
//! [`lxc_sys::memfd::sealed_self`]): from inside, `/proc/PID/exe` of the entering process is its program file.

pub(crate) mod context;
mod enter;
mod relay;

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use lxc_sys::clone::Child;
use lxc_sys::process::Exit;
use lxc_sys::{Error as SysError, Op};
use lxc_types::Namespaces;

use crate::command::ClientError;
use crate::hooks::Env;
use crate::start::link::{LinkError, ReportedError};

pub use context::Context;

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The login shell of the user.
    Shell,
    /// A program with its arguments.
    Command(Vec<OsString>),
}

/// Which of the container's restrictions the program is spared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elevated {
    /// It stays in the caller's cgroups.
    pub cgroup: bool,
    /// It keeps the caller's capabilities.
    pub capabilities: bool,
    /// It keeps the caller's label, and no seccomp program is installed.
    pub lsm: bool,
}

/// The environment that it begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvPolicy {
    /// The caller's.
    #[default]
    Keep,
    /// Nothing but what is named.
    Clear,
}

/// How a program is attached.
#[derive(Clone, Debug, Default)]
pub struct AttachOptions {
    /// Only these namespaces are entered; all that the container has if `None`.
    pub namespaces: Option<Namespaces>,
    /// What it is spared.
    pub elevated: Elevated,
    /// Its execution domain (`PER_LINUX32` is 8) if not the container's.
    pub personality: Option<u32>,
    /// Mount `/proc` and `/sys` anew when the mount namespace is not entered.
    pub remount_sys_proc: bool,
    /// The environment.
    pub env: EnvPolicy,
    /// Variables to keep of a cleared environment.
    pub keep_vars: Vec<OsString>,
    /// Variables to set.
    pub set_vars: Vec<(OsString, OsString)>,
    /// The user id inside.
    pub uid: Option<u32>,
    /// The group id inside.
    pub gid: Option<u32>,
    /// The label, in place of the container's.
    pub context: Option<String>,
    /// A copy of all that the terminal shows.
    pub pty_log: Option<PathBuf>,
}

/// Why nothing could be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The monitor did not answer.
    #[error("the container cannot be entered")]
    Client(#[from] ClientError),
    /// What the container is could not be found out.
    #[error("the container's {what} cannot be read")]
    Context {
        /// What was looked for.
        what: &'static str,
        /// Why.
        source: SysError,
    },
    /// Something before the entering failed.
    #[error("attach cannot be prepared")]
    System(#[from] SysError),
    /// A step in the container failed.
    #[error("attach failed in step \"{step}\"")]
    Inside {
        /// Which.
        step: String,
        /// Why.
        source: ReportedError,
    },
    /// The link to the entering process broke.
    #[error("attach failed")]
    Link(#[source] LinkError),
    /// The program could not be executed.
    #[error("the program cannot be executed")]
    Exec(#[source] SysError),
    /// The configuration's policy or id map cannot be used.
    #[error("{0}")]
    Config(String),
}

/// A program that was attached.
#[derive(Debug)]
pub struct Attached {
    child: Child,
    terminal: Option<relay::Terminal>,
}

impl Attached {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.pid().as_raw_nonzero().get()
    }

    /// Relays its terminal, if it has one, until it ends.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn wait(self) -> Result<Exit, SysError> {
        relay::serve(&self.child, self.terminal)
    }
}

/// Attaches a program.
///
/// # Errors
/// See [`AttachError`].
pub fn attach(
    context: &Context,
    program: &Program,
    options: &AttachOptions,
) -> Result<Attached, AttachError> {
    let standard = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let is_tty = standard.map(rustix::termios::isatty);
    let pair = if is_tty.contains(&true) { Some(context.open_pty()?) } else { None };
    if let Some(pair) = &pair {
        // Before the program runs: a change later is a signal to it.
        relay::fit(&pair.controller);
    }
    let log = match (&pair, &options.pty_log) {
        (Some(_), Some(path)) => Some(open_log(path)?),
        _ => None,
    };
    let env = environment(context, options);
    let inside = enter::Inside {
        context,
        program,
        options,
        env: &env,
        terminal: pair.as_ref().map(|p| &p.terminal),
        is_tty,
    };
    let child = enter::spawn(&inside)?;
    let terminal = pair.map(|pair| relay::Terminal { controller: pair.controller, log });
    Ok(Attached { child, terminal })
}

fn open_log(path: &Path) -> Result<OwnedFd, SysError> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o640)).op("open", path)
}

/// What upstream gives a cleared environment.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn environment(context: &Context, options: &AttachOptions) -> Env {
    let mut env = Env::default();
    let own = Env::of_this_process();
    match options.env {
        EnvPolicy::Keep => env = own,
        EnvPolicy::Clear => {
            for name in &options.keep_vars {
                if let Some(value) = name.to_str().and_then(|n| own.get(n)) {
                    env.set(name, value);
                }
            }
            if env.get("PATH").is_none() {
                env.set("PATH", PATH);
            }
        }
    }
    env.set("container", "lxc");
    for (name, value) in &context.environment {
        env.set(name, value);
    }
    for (name, value) in &options.set_vars {
        env.set(name, value);
    }
    env
}

/// The descriptor of `/dev/null`, for a program without an input.
pub(crate) fn standard_fds(
    is_tty: [bool; 3],
    terminal: Option<&OwnedFd>,
) -> Vec<(i32, std::os::fd::BorrowedFd<'_>)> {
    let Some(terminal) = terminal else { return Vec::new() };
    (0..).zip(is_tty).filter(|(_, tty)| *tty).map(|(number, _)| (number, terminal.as_fd())).collect()
}

//! The engine's error, by phase.

use lxc_config::Diagnostic;

use crate::attach::AttachError;
use crate::command::ClientError;
use crate::copy;
use crate::create;
use crate::destroy;
use crate::start::StartError;
use crate::start::link::ReportedError;

/// What kind of failure it was, for exit codes and callers that go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such container.
    NotDefined,
    /// It does not run.
    NotRunning,
    /// It runs already.
    AlreadyRunning,
    /// The caller may not.
    Permission,
    /// The configuration has mistakes.
    Config,
    /// Somebody else has it.
    Busy,
    /// It took longer than allowed.
    TimedOut,
    /// Anything else.
    Other,
}

/// Why the engine could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has mistakes: all of them, errors first.
    #[error("{}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Config(Vec<Diagnostic>),
    /// There is no such container.
    #[error("not defined: no {}", .0.display())]
    NotDefined(std::path::PathBuf),
    /// A key or value was refused.
    #[error("{0}")]
    Key(String),
    /// The container runs already.
    #[error("already running")]
    AlreadyRunning,
    /// The start failed here.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The start failed in the monitor.
    #[error(transparent)]
    Reported(ReportedError),
    /// The monitor program of this installation is missing.
    #[error("{0} is not installed")]
    NotInstalled(String),
    /// The monitor could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nothing could be attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// It could not be created.
    #[error(transparent)]
    Create(#[from] create::Error),
    /// It could not be destroyed.
    #[error(transparent)]
    Destroy(#[from] destroy::Error),
    /// It could not be copied.
    #[error(transparent)]
    Copy(#[from] copy::Error),
    /// Control groups.
    #[error(transparent)]
    Cgroup(#[from] lxc_host::cgroup::Error),
    /// It took longer than allowed.
    #[error("{0}")]
    TimedOut(String),
    /// It cannot be done in this state.
    #[error("{0}")]
    State(String),
    /// A program in new namespaces.
    #[error(transparent)]
    Unshare(#[from] crate::unshare::UnshareError),
    /// A system call.
    #[error(transparent)]
    System(#[from] lxc_sys::Error),
}

impl Error {
    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        use rustix::io::Errno;
        let of_client = |e: &ClientError| match e {
            ClientError::NotRunning => ErrorKind::NotRunning,
            ClientError::TimedOut { .. } => ErrorKind::TimedOut,
            ClientError::Refused(_, Errno::PERM) => ErrorKind::Permission,
            ClientError::Refused(_, Errno::BADF) => ErrorKind::Busy,
            ClientError::NoAnswer(_)
            | ClientError::Refused(..)
            | ClientError::Garbled(_)
            | ClientError::Socket(_) => ErrorKind::Other,
        };
        match self {
            Error::NotDefined(_) => ErrorKind::NotDefined,
            Error::Config(_) | Error::Key(_) => ErrorKind::Config,
            Error::AlreadyRunning => ErrorKind::AlreadyRunning,
            Error::Client(e) | Error::Attach(AttachError::Client(e)) => of_client(e),
            Error::TimedOut(_) => ErrorKind::TimedOut,
            Error::System(e) if e.errno() == Errno::PERM || e.errno() == Errno::ACCESS => {
                ErrorKind::Permission
            }
            _ => ErrorKind::Other,
        }
    }

    /// The mistakes of a configuration, for those who show them with their lines.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Error::Config(list) => list,
            _ => &[],
        }
    }
}

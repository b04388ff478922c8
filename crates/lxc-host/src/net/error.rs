//! What can go wrong with a link: which link, which key, what was tried, what the kernel said.

use lxc_sys::netlink;
use rustix::io::Errno;

use super::spec::Origin;

/// A failure of the network module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A step for one configured link failed.
    #[error("{at}: {step}")]
    Step {
        /// The key and where it stands, for example `lxc.net.0.link (config line 3)`.
        at: String,
        /// What was tried, with the object named.
        step: String,
        /// The kernel's answer.
        source: netlink::Error,
    },
    /// The configuration of a link cannot work on any host, or not on this one.
    #[error("{at}: {reason}")]
    Config {
        /// The key and where it stands.
        at: String,
        /// Why it cannot work.
        reason: String,
    },
    /// A question or a change that belongs to no configured link failed.
    #[error("{what}")]
    Query {
        /// What was tried, with the object named.
        what: String,
        /// The kernel's answer.
        source: netlink::Error,
    },
}

/// The result of an operation of the network module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The kernel's error number, if a kernel refusal is behind this error.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Step { source, .. } | Error::Query { source, .. } => source.errno(),
            Error::Config { .. } => None,
        }
    }

    pub(super) fn config(origin: &Origin, key: &str, reason: impl Into<String>) -> Self {
        Error::Config { at: origin.key(key), reason: reason.into() }
    }
}

/// Adds to an error of the kernel what was being done.
pub(super) trait Doing<T> {
    /// For `key` of a configured link, `step` failed.
    fn step(self, origin: &Origin, key: &str, step: impl FnOnce() -> String) -> Result<T>;
    /// Outside of any configured link, `what` failed.
    fn query(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<netlink::Error>> Doing<T> for std::result::Result<T, E> {
    fn step(self, origin: &Origin, key: &str, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::Step { at: origin.key(key), step: step(), source: e.into() })
    }

    fn query(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::Query { what: what(), source: e.into() })
    }
}

/// The error and its causes in one line, for a log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

//! Starting a container: two processes, one link, four stages. Read `host` and `guest` side by side.

pub mod guest;
pub mod host;
pub mod leases;
pub mod link;
pub mod messages;
pub mod outside;
mod sharing;

use crate::fault::Fault;
use crate::hooks::HookError;
use crate::plan::PlanError;
use link::{LinkError, ReportedError};

/// Why a start failed, by the stage it was in.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be started on this host.
    #[error("start refused")]
    Plan(#[from] PlanError),
    /// The host could not be looked at.
    #[error("start refused")]
    Facts(#[from] crate::facts::FactsError),
    /// A step in the monitor failed.
    #[error("start failed in stage \"{stage}\"")]
    Monitor {
        /// Which.
        stage: &'static str,
        /// Why.
        source: Box<Cause>,
    },
    /// A step in the guest failed.
    #[error("start failed in stage \"{stage}\"")]
    Guest {
        /// Which.
        stage: String,
        /// Why, as it was there.
        source: ReportedError,
    },
    /// The guest died on the way.
    #[error("the container's first process died during the start{how}")]
    Died {
        /// How, if it is known.
        how: String,
    },
}

/// Why a step in the monitor failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A hook or a script.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A system call.
    #[error(transparent)]
    System(#[from] lxc_sys::Error),
    /// Control groups.
    #[error(transparent)]
    Cgroup(#[from] lxc_host::cgroup::Error),
    /// Network links.
    #[error(transparent)]
    Net(#[from] lxc_host::net::Error),
    /// The root file system.
    #[error(transparent)]
    Rootfs(#[from] lxc_host::rootfs::Error),
    /// Id maps.
    #[error(transparent)]
    Idmap(#[from] lxc_host::idmap::host::Error),
    /// Resource limits.
    #[error(transparent)]
    Limits(#[from] lxc_host::limits::Error),
    /// Labels.
    #[error(transparent)]
    Lsm(#[from] lxc_host::lsm::Error),
    /// A namespace that is shared.
    #[error("{origin}")]
    Share {
        /// Where the configuration names it.
        origin: String,
        /// Why.
        source: lxc_sys::Error,
    },
    /// A terminal that cannot be the console.
    #[error("{origin}: {why}")]
    Console {
        /// Where the configuration names it.
        origin: String,
        /// Why.
        why: String,
    },
    /// The process that was to make the network.
    #[error("whoever started the container ended before its network was made")]
    Starter,
    /// A program of this installation is missing.
    #[error("{0}")]
    Missing(String),
    /// A test's.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Names the stage of a failed step in the monitor.
pub(crate) trait InStage<T> {
    fn stage(self, stage: &'static str) -> Result<T, StartError>;
}

impl<T, E: Into<Cause>> InStage<T> for Result<T, E> {
    fn stage(self, stage: &'static str) -> Result<T, StartError> {
        self.map_err(|e| StartError::Monitor { stage, source: Box::new(e.into()) })
    }
}

impl From<LinkError> for StartError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Reported(report) => {
                StartError::Guest { stage: report.stage.clone(), source: report.into_error() }
            }
            LinkError::Gone => StartError::Died { how: String::new() },
            LinkError::Garbled(what) => StartError::Died { how: format!(" (a broken message: {what})") },
            LinkError::Socket(e) => StartError::Monitor { stage: "link", source: Box::new(e.into()) },
        }
    }
}

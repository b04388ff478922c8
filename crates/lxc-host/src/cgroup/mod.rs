//! Control groups: v1, v2 and hybrid.
//!
//! Begin with [`Hierarchies::discover`]: it says what this host has. A [`CgroupSpec`] says what one
//! container wants; [`PayloadLease`] and [`MonitorLease`] are its groups on the host. The container's
//! first process enters the v1 groups by itself ([`guest::Birth`]): a single thread that moves itself
//! costs the kernel microseconds, moving another process costs it milliseconds.
//!
//! | file | what | runs |
//! |---|---|---|
//! | `layout` | which hierarchies there are | anywhere |
//! | `spec` | what a container wants | plan |
//! | `host`, `monitor` | its groups, the monitor's groups | monitor |
//! | `guest` | entering, cgroup mounts | container's first process |
//! | `freezer`, `stats`, `attach` | on a running container's groups | tools and monitor |
//! | `devices`, `binding` | device rules and the program of v2 | monitor |

use std::fmt;
use std::path::{Path, PathBuf};

pub mod attach;
mod binding;
mod cpuset;
pub mod devices;
pub mod dir;
pub mod freezer;
pub mod guest;
pub mod host;
pub mod item;
pub mod layout;
mod locate;
pub mod monitor;
pub mod mounts;
pub mod spec;
pub mod stats;
mod tree;

pub use host::{Born, PayloadLease, Which};
pub use layout::{Base, Hierarchies, Hierarchy, Layout, Relative, Version};
pub use monitor::MonitorLease;
pub use spec::{CgroupSpec, Names, NamesConfig, Setting};

/// Why something about control groups failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call on a cgroup file system failed.
    #[error(transparent)]
    Sys(#[from] lxc_sys::Error),
    /// `lxc.cgroup.use` names what is not there.
    #[error("the controller \"{0}\" of lxc.cgroup.use was not found on this host")]
    MissingController(String),
    /// A path is absolute or leads upwards.
    #[error("\"{}\" leads out of the base cgroup", .0.display())]
    Outside(PathBuf),
    /// The keys for the names of the groups contradict each other.
    #[error("{0}")]
    Names(&'static str),
    /// The groups of that name are used by running processes, and the name may not be varied.
    #[error("the cgroup \"{}\" has processes in it", .0.display())]
    Busy(PathBuf),
    /// All names up to `-999` are taken.
    #[error("the cgroup \"{}\" and its 999 variations are in use", .0.display())]
    NoName(PathBuf),
    /// A configured setting cannot be applied.
    #[error("cannot apply {origin}")]
    Setting {
        /// Where the setting is from: key, value, line.
        origin: String,
        /// What went wrong.
        #[source]
        source: SettingError,
    },
    /// A group that the configuration needs cannot be made or entered.
    #[error("the {0} hierarchy is needed and cannot be used")]
    Hierarchy(String, #[source] lxc_sys::Error),
    /// Freezing or thawing took too long.
    #[error("the container was not {0} within {1:?}")]
    Timeout(&'static str, std::time::Duration),
    /// The cgroup mounts that are asked for are not possible here.
    #[error("{0}")]
    Mount(&'static str),
    /// Not a control file's name.
    #[error("\"{0}\" is not the name of a cgroup file")]
    Item(String),
}

/// Why a setting cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// No hierarchy of the right version has the controller.
    #[error("no cgroup hierarchy with the controller \"{0}\"")]
    NoController(String),
    /// The kernel refused it.
    #[error(transparent)]
    Sys(#[from] lxc_sys::Error),
    /// The value is no device rule.
    #[error(transparent)]
    Rule(#[from] lxc_types::device_rule::DeviceRuleError),
    /// The path of a device rule is no device.
    #[error("{0} is not a device node")]
    NoDevice(String),
    /// The container would be frozen before it has started.
    #[error("it would freeze the container before it runs; use lxc-freeze")]
    Freezes,
    /// Not a control file's name.
    #[error("\"{0}\" is not the name of a cgroup file")]
    File(String),
}

/// Something that was left out, without harm to what was asked for. To be logged by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    text: String,
}

impl Warning {
    /// A hierarchy that is not used.
    fn unusable(hierarchy: &Path, error: impl fmt::Display) -> Self {
        Warning { text: format!("cgroup hierarchy {} is not used: {error}", hierarchy.display()) }
    }

    /// A setting that is not applied.
    fn ignored(origin: &str, why: impl fmt::Display) -> Self {
        Warning { text: format!("{origin} is ignored: {why}") }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

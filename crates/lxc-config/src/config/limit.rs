//! Values written to init by its process id, and into the container's `/proc/sys`.

use lxc_types::{Limits, Resource};

/// `lxc.prlimit.RESOURCE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited.
    pub resource: Resource,
    /// To how much.
    pub limits: Limits,
}

/// `lxc.sysctl.KEY` or `lxc.proc.FILE`: one value for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name with dots, as in the key.
    pub name: String,
    /// What is written.
    pub value: String,
}

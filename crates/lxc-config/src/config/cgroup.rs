//! Control groups: where they are and what is written into them.

use crate::origin::Sourced;

/// `lxc.cgroup.*` and `lxc.cgroup2.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// `lxc.cgroup.FILE`: settings for version 1 hierarchies, in file order.
    pub legacy: Vec<Sourced<CgroupSetting>>,
    /// `lxc.cgroup2.FILE`: settings for the unified hierarchy, in file order.
    pub unified: Vec<Sourced<CgroupSetting>>,
    /// `lxc.cgroup.dir*`.
    pub dirs: CgroupDirs,
    /// `lxc.cgroup.relative`: whether the groups lie below the caller's own.
    pub relative: bool,
}

/// One value for one control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupSetting {
    /// The file's name in the group's directory, like `memory.max`.
    pub file: String,
    /// What is written.
    pub value: String,
}

/// Where a container's groups lie. All paths are relative and hold no `..`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupDirs {
    /// `lxc.cgroup.dir`: parent of both groups.
    pub both: Option<String>,
    /// `lxc.cgroup.dir.monitor`: the monitor's group itself.
    pub monitor: Option<String>,
    /// `lxc.cgroup.dir.monitor.pivot`: parent of the group into which the monitor moves at the end.
    pub monitor_pivot: Option<String>,
    /// `lxc.cgroup.dir.container`: the group that carries the limits.
    pub container: Option<String>,
    /// `lxc.cgroup.dir.container.inner`: name of the group below it, in which the container lives.
    pub container_inner: Option<String>,
}

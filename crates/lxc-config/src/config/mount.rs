//! Mounts the container gets besides its root.

use crate::origin::Sourced;

/// `lxc.mount.*` and `lxc.autodev*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounts {
    /// `lxc.mount.auto`.
    pub auto: AutoMounts,
    /// `lxc.mount.fstab`: a file of entries, mounted before [`Mounts::entries`].
    pub fstab: Option<Sourced<String>>,
    /// `lxc.mount.entry`: fstab lines as they were written, in file order.
    pub entries: Vec<Sourced<String>>,
    /// `lxc.autodev`: whether `/dev` becomes a tmpfs with the basic nodes.
    pub autodev: bool,
    /// `lxc.autodev.tmpfs.size`: size of that tmpfs in bytes.
    pub autodev_size: u64,
}

impl Mounts {
    /// Size of the `/dev` tmpfs in bytes if none is set.
    pub const AUTODEV_SIZE: u64 = 500_000;
}

impl Default for Mounts {
    fn default() -> Self {
        Mounts {
            auto: AutoMounts::default(),
            fstab: None,
            entries: Vec::new(),
            autodev: true,
            autodev_size: Mounts::AUTODEV_SIZE,
        }
    }
}

/// `lxc.mount.auto`: one choice a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoMounts {
    /// `proc*`.
    pub proc: Option<ProcMount>,
    /// `sys*`.
    pub sys: Option<SysMount>,
    /// `cgroup*`.
    pub cgroup: Option<CgroupMount>,
    /// `shmounts:*`.
    pub shared: Option<SharedMounts>,
}

/// How `/proc` is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcMount {
    /// `/proc/sys` and `/proc/sysrq-trigger` read-only.
    Mixed,
    /// All writable.
    ReadWrite,
}

/// How `/sys` is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysMount {
    /// Read-only but for `/sys/devices/virtual/net`.
    Mixed,
    /// Read-only.
    ReadOnly,
    /// Writable.
    ReadWrite,
}

/// What of `/sys/fs/cgroup` may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupAccess {
    /// Read-write if init keeps `CAP_SYS_ADMIN`, mixed otherwise.
    Unspecified,
    /// Own group writable, the rest read-only.
    Mixed,
    /// Read-only.
    ReadOnly,
    /// Writable.
    ReadWrite,
}

/// How `/sys/fs/cgroup` is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupMount {
    /// `cgroup:*`: only the container's own part of each hierarchy.
    Own {
        /// What may be written.
        access: CgroupAccess,
        /// `:force`: also if the container has a cgroup namespace.
        force: bool,
    },
    /// `cgroup-full:*`: the hierarchies from their roots.
    Full {
        /// What may be written.
        access: CgroupAccess,
        /// `:force`: also if the container has a cgroup namespace.
        force: bool,
    },
    /// `cgroup2*`: the unified hierarchy, always.
    Unified {
        /// [`CgroupAccess::ReadWrite`] or [`CgroupAccess::ReadOnly`].
        access: CgroupAccess,
    },
}

/// `shmounts:HOST[:CONTAINER]`: a directory through which mounts reach the running container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMounts {
    /// The directory on the host.
    pub host: String,
    /// The directory in the container, absolute.
    pub container: String,
}

impl SharedMounts {
    /// The directory in the container if none is written.
    pub const CONTAINER: &'static str = "/dev/.lxc-mounts";
}

//! Mounts the container gets besides its root.

use lxc_types::mount::AutoMounts;

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

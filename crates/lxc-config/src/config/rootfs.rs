//! The root filesystem.

use lxc_types::StorageKind;

use crate::origin::Sourced;

/// `lxc.rootfs.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    /// `lxc.rootfs.path`; unset means the host's own root.
    pub source: Option<Sourced<RootfsSource>>,
    /// `lxc.rootfs.mount`: where it is mounted before the pivot; unset means
    /// [`crate::system::ROOTFS_MOUNT`].
    pub mount: Option<Sourced<String>>,
    /// `lxc.rootfs.options`: comma separated mount options.
    pub options: Option<Sourced<String>>,
    /// `lxc.rootfs.managed`: whether copies and destruction touch the storage.
    pub managed: bool,
}

impl Default for Rootfs {
    fn default() -> Self {
        Rootfs { source: None, mount: None, options: None, managed: true }
    }
}

/// Where a root filesystem comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootfsSource {
    /// The word before the first colon; unset means that the storage is looked at.
    pub kind: Option<StorageKind>,
    /// The rest.
    pub path: String,
}

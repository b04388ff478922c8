//! Kinds of storage a root filesystem lies on.

use std::fmt;
use std::str::FromStr;

/// What keeps a root filesystem: the word before the first `:` of `lxc.rootfs.path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageKind {
    /// A plain directory.
    Dir,
    /// A btrfs subvolume.
    Btrfs,
    /// A logical volume.
    Lvm,
    /// An image file on a loop device.
    Loop,
    /// An image served by a network block device.
    Nbd,
    /// An overlay of directories.
    Overlay,
    /// A Ceph block device.
    Rbd,
    /// A ZFS dataset.
    Zfs,
}

/// A word that is no kind of storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no kind of storage (dir, btrfs, lvm, loop, nbd, overlay, overlayfs, rbd, zfs)")]
pub struct StorageKindError(pub String);

impl StorageKind {
    /// All kinds.
    pub const ALL: [StorageKind; 8] = [
        StorageKind::Dir,
        StorageKind::Btrfs,
        StorageKind::Lvm,
        StorageKind::Loop,
        StorageKind::Nbd,
        StorageKind::Overlay,
        StorageKind::Rbd,
        StorageKind::Zfs,
    ];

    /// The word in config files.
    pub const fn as_str(self) -> &'static str {
        match self {
            StorageKind::Dir => "dir",
            StorageKind::Btrfs => "btrfs",
            StorageKind::Lvm => "lvm",
            StorageKind::Loop => "loop",
            StorageKind::Nbd => "nbd",
            StorageKind::Overlay => "overlay",
            StorageKind::Rbd => "rbd",
            StorageKind::Zfs => "zfs",
        }
    }
}

impl FromStr for StorageKind {
    type Err = StorageKindError;

    /// Exact words; `overlayfs` is the old name of `overlay`.
    fn from_str(text: &str) -> Result<Self, StorageKindError> {
        let word = if text == "overlayfs" { "overlay" } else { text };
        StorageKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| StorageKindError(text.to_owned()))
    }
}

impl fmt::Display for StorageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for kind in StorageKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("overlayfs".parse(), Ok(StorageKind::Overlay));
        assert!("aufs".parse::<StorageKind>().is_err());
    }
}

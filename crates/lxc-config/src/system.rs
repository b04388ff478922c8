//! The global config and the default paths of root and of other users.

/// Where a container's root is mounted before the pivot, if `lxc.rootfs.mount` is not set.
///
/// Chosen when the program is built: `LXC_ROOTFS_MOUNT` in the environment of the build.
pub const ROOTFS_MOUNT: &str = match option_env!("LXC_ROOTFS_MOUNT") {
    Some(path) => path,
    None => "/usr/lib/lxc/rootfs",
};

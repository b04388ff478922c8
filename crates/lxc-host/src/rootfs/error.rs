//! What can go wrong with a root file system.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Mounts of the host could still reach the container or the other way round.
    #[error("cannot separate the container's mounts from the host's")]
    Isolate(#[source] lxc_sys::Error),
    /// `lxc.rootfs.mount` is no usable mount point.
    #[error("the mount point of the root file system (lxc.rootfs.mount) cannot be used")]
    MountPoint(#[source] lxc_sys::Error),
    /// The root file system could not be mounted.
    #[error("cannot mount the root file system")]
    Root(#[source] Cause),
    /// One of `lxc.mount.auto`.
    #[error("automatic mount of /{what}")]
    Auto {
        /// `proc` or `sys`.
        what: &'static str,
        /// Why.
        source: Cause,
    },
    /// A configured mount.
    #[error("mount entry \"{text}\" ({origin})")]
    Entry {
        /// The entry.
        text: String,
        /// Where it was written.
        origin: String,
        /// Why.
        source: Cause,
    },
    /// A mount or hook covered the root.
    #[error("something was mounted over the root file system at {}", .0.display())]
    Covered(PathBuf),
    /// `/dev` could not be filled.
    #[error("cannot fill the container's /dev")]
    Dev(#[source] Cause),
    /// The last step.
    #[error("cannot make {} the root", .1.display())]
    Pivot(#[source] lxc_sys::Error, PathBuf),
    /// The pin file of the monitor.
    #[error("cannot hold the root file system writable")]
    Pin(#[source] lxc_sys::Error),
    /// Something that is given up at will, such as the private boot id.
    #[error("cannot set up {what}")]
    Extra {
        /// What.
        what: &'static str,
        /// Why.
        source: Cause,
    },
}

/// Why a mount failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The kernel said no.
    #[error(transparent)]
    Sys(#[from] lxc_sys::Error),
    /// The target's path has a symbolic link, by which a container could divert the mount.
    #[error("{} has a symbolic link in its path, which a mount target must not have", .0.display())]
    Link(PathBuf),
    /// `idmap=` where it cannot work.
    #[error("idmap= needs {0}")]
    Idmap(&'static str),
}

impl Cause {
    /// For a failure to reach `target`: names a symbolic link as the reason.
    pub(crate) fn reaching(error: lxc_sys::Error, target: &Path) -> Cause {
        if error.errno() == Errno::LOOP { Cause::Link(target.to_owned()) } else { Cause::Sys(error) }
    }

    /// Whether something does not exist.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Cause::Sys(e) if e.errno() == Errno::NOENT)
    }
}

//! The part that runs in the container's first process, before and right after the pivot.

mod auto;
mod dev;
mod entries;
mod pivot;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use lxc_sys::Op;
use lxc_sys::clone::InGuest;
use lxc_sys::mount::{Attributes, Reach, Tree};
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;

use super::{Cause, Dir, Error, RootKind, RootfsSpec};

pub use auto::auto_mounts;
pub use dev::{autodev, device_nodes, private_boot_id, standard_links};
pub use entries::{attach_idmapped, mount_entries};
pub use pivot::{pivot, slave_shared_mounts};

/// A root in one of its stages.
#[derive(Debug)]
pub struct Rootfs<Stage> {
    stage: Stage,
}

/// The mount point is open; nothing is mounted.
#[derive(Debug)]
pub struct Prepared {
    point: Dir,
    kind: RootKind,
}

/// The root is mounted below the host's root, and is being filled.
#[derive(Debug)]
pub struct Mounted {
    root: Dir,
    kind: RootKind,
    device: u64,
    inode: u64,
}

/// The container's root is `/`.
#[derive(Debug)]
pub struct Pivoted {
    root: Dir,
}

impl Rootfs<Prepared> {
    /// Where the storage is to be mounted.
    pub fn point(&self) -> &Dir {
        &self.stage.point
    }

    /// Whether the container has a root of its own; with [`RootKind::Host`] nothing is to be mounted.
    pub fn kind(&self) -> RootKind {
        self.stage.kind
    }
}

impl Rootfs<Mounted> {
    /// The root directory.
    pub fn root(&self) -> &Dir {
        &self.stage.root
    }

    /// Whether the container has a root of its own.
    pub fn kind(&self) -> RootKind {
        self.stage.kind
    }

    /// The container's `/dev`, if there is one.
    ///
    /// # Errors
    /// It is a symbolic link.
    pub fn dev(&self) -> Result<Option<Dir>, Error> {
        match self.stage.root.dir("dev") {
            Ok(dev) => Ok(Some(dev)),
            Err(e) if e.errno() == Errno::NOENT => Ok(None),
            Err(e) => Err(Error::Dev(Cause::reaching(e, &self.stage.root.show("dev")))),
        }
    }
}

impl Rootfs<Pivoted> {
    /// The root directory, which is `/`.
    pub fn root(&self) -> &Dir {
        &self.stage.root
    }
}

/// Cuts the container's mounts off from the host's: what is mounted here stays here, what the host mounts
/// later still comes in.
///
/// # Errors
/// The kernel refuses. Then nothing may be mounted.
pub fn isolate(_: &InGuest) -> Result<(), Error> {
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    match rustix::mount::mount_change("/", slave) {
        // In a chroot `/` is no mount: each one by itself then.
        Err(Errno::INVAL) => isolate_each().map_err(Error::Isolate),
        other => other.op("mount", "/").map_err(Error::Isolate),
    }
}

fn isolate_each() -> lxc_sys::Result<()> {
    for mount in pivot::visible_mounts()?.iter().filter(|m| m.shared) {
        rustix::mount::mount_change(&mount.point, MountPropagationFlags::DOWNSTREAM)
            .op("mount", &mount.point)?;
    }
    Ok(())
}

/// Opens the mount point.
///
/// # Errors
/// It does not exist, or a part of its path is a symbolic link.
pub fn prepare(_: &InGuest, spec: &RootfsSpec) -> Result<Rootfs<Prepared>, Error> {
    let point = match spec.kind {
        RootKind::Host => Dir::open(Path::new("/")),
        RootKind::Separate => Dir::open_without_links(&spec.mount),
    };
    Ok(Rootfs { stage: Prepared { point: point.map_err(Error::MountPoint)?, kind: spec.kind } })
}

/// Attaches a detached tree (made by `host::idmapped_root`) as the root.
///
/// # Errors
/// The errno of `move_mount`.
pub fn attach_root(_: &InGuest, at: &Rootfs<Prepared>, tree: OwnedFd) -> Result<(), Error> {
    let tree = Tree::detached(tree, at.point().path());
    at.point().attach_here(tree, Reach::Tree, Attributes::default()).map_err(|e| Error::Root(e.into()))
}

/// Uses what the monitor has mounted on the mount point already (a block device of a container with an id
/// map): as a mount of its own, so that it can be pivoted to.
///
/// # Errors
/// The errno of the mount calls.
pub fn rebind_root(_: &InGuest, at: &Rootfs<Prepared>) -> Result<(), Error> {
    let point = at.point();
    let again = || {
        let tree = Tree::clone_fd(&point.at("")?, point.path(), Reach::Tree)?;
        point.attach_here(tree, Reach::Tree, Attributes::default())
    };
    again().map_err(|e| Error::Root(e.into()))
}

/// Opens what is mounted on the mount point now; everything later goes through this descriptor.
///
/// # Errors
/// The mount point has vanished.
pub fn mounted(_: &InGuest, at: Rootfs<Prepared>) -> Result<Rootfs<Mounted>, Error> {
    let Prepared { point, kind } = at.stage;
    let open = || {
        let root = match kind {
            RootKind::Host => point,
            RootKind::Separate => Dir::open_without_links(point.path())?,
        };
        let stat = rustix::fs::fstat(&root).op("fstat", root.path())?;
        Ok(Rootfs { stage: Mounted { root, kind, device: stat.st_dev, inode: stat.st_ino } })
    };
    open().map_err(Error::MountPoint)
}

/// Checks that no mount and no hook has covered the root: what was set up would not be what the container
/// gets.
///
/// # Errors
/// [`Error::Covered`].
pub fn check_root(_: &InGuest, rootfs: &Rootfs<Mounted>) -> Result<(), Error> {
    let Mounted { root, kind, device, inode } = &rootfs.stage;
    if *kind == RootKind::Host {
        return Ok(());
    }
    let covered = || Error::Covered(PathBuf::from(root.path()));
    let now = Dir::open_without_links(root.path()).map_err(|_| covered())?;
    let stat = rustix::fs::fstat(&now).op("fstat", root.path()).map_err(Error::MountPoint)?;
    if (stat.st_dev, stat.st_ino) == (*device, *inode) { Ok(()) } else { Err(covered()) }
}

/// Names the container (`lxc.uts.name`).
///
/// # Errors
/// The errno of `sethostname`.
pub fn hostname(_: &InGuest, name: &str) -> Result<(), Error> {
    rustix::system::sethostname(name.as_bytes())
        .op("sethostname", name)
        .map_err(|e| Error::Extra { what: "the host name", source: e.into() })
}

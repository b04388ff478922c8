//! The monitor's part: holding the root writable, and what only the initial user namespace may do.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use lxc_sys::Op;
use lxc_sys::mount::{Attributes, NFS_MAGIC, Reach, Tree, fs_magic, set_attributes};
use lxc_types::mount::{Idmap, MountOptions};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;

use super::{Cause, Dir, Error, MountSpec, RootfsSpec};
use crate::mount_flags::attributes_of;

/// What the monitor holds of a container's root while it runs.
#[derive(Debug)]
#[must_use = "the root is held only as long as the lease lives"]
pub struct Lease {
    pin: Option<OwnedFd>,
}

/// The file that keeps the file system writable: a container's shutdown scripts remount `/` read-only,
/// which would reach the host's file system.
const PIN: &str = ".lxc_keep";

impl Lease {
    /// Pins the root, if the spec says so.
    ///
    /// # Errors
    /// The file cannot be made; a read-only file system is no error.
    pub fn take(spec: &RootfsSpec) -> Result<Lease, Error> {
        let pin = match &spec.pin {
            Some(root) => pin(root).map_err(Error::Pin)?,
            None => None,
        };
        Ok(Lease { pin })
    }

    /// Whether a file is held open.
    pub fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// Lets go.
    pub fn release(self) {}
}

fn pin(root: &Path) -> lxc_sys::Result<Option<OwnedFd>> {
    let dir = Dir::open(root)?;
    // The file of an earlier run stays behind on NFS, where a removed open file would get another name.
    let file = match dir.create_new(PIN, OFlags::WRONLY, 0o600) {
        Err(e) if e.errno() == Errno::ROFS => return Ok(None),
        Err(e) if e.errno() == Errno::EXIST => {
            dir.remove_file(PIN)?;
            dir.create_new(PIN, OFlags::WRONLY, 0o600)?
        }
        other => other?,
    };
    if fs_magic(&file)? != NFS_MAGIC {
        dir.remove_file(PIN)?;
    }
    Ok(Some(file))
}

/// A cloned tree on its way to the monitor and back, for the mount of that number in the plan.
#[derive(Debug)]
pub struct IdmapRequest {
    /// Which of the plan's mounts.
    pub mount: u32,
    /// The detached tree.
    pub tree: OwnedFd,
}

/// Gives each tree the ids its mount asks for. What comes back is for `guest::attach_idmapped`; optional
/// mounts that cannot be idmapped are left out.
///
/// `userns` is the container's user namespace, if it has its own.
///
/// # Errors
/// A tree cannot be idmapped, for example because its file system does not know how.
pub fn idmapped(
    requests: Vec<IdmapRequest>,
    mounts: &[MountSpec],
    userns: Option<BorrowedFd<'_>>,
) -> Result<Vec<IdmapRequest>, Error> {
    let mut done = Vec::with_capacity(requests.len());
    for request in requests {
        let Some(spec) = usize::try_from(request.mount).ok().and_then(|i| mounts.get(i)) else { continue };
        match idmap_one(&request, spec, userns) {
            Ok(()) => done.push(request),
            Err(cause) if spec.options.optional => {
                log::info!("optional mount entry \"{}\" left out: {cause}", spec.text);
            }
            Err(source) => {
                return Err(Error::Entry { text: spec.text.clone(), origin: spec.origin.clone(), source });
            }
        }
    }
    Ok(done)
}

fn idmap_one(request: &IdmapRequest, spec: &MountSpec, userns: Option<BorrowedFd<'_>>) -> Result<(), Cause> {
    let reach = reach_of_bind(&spec.options);
    let shown = spec.target.as_path();
    with_userns(spec.idmap(), userns, |ids| {
        let change = Attributes { idmap: Some(ids), ..Attributes::default() };
        Ok(set_attributes(request.tree.as_fd(), reach, &change).op("mount_setattr", shown)?)
    })
}

fn reach_of_bind(options: &MountOptions) -> Reach {
    if options.bind == lxc_types::mount::Bind::Recursive { Reach::Tree } else { Reach::One }
}

/// Finds the user namespace that `idmap` names.
fn with_userns<T>(
    idmap: Option<&Idmap>,
    container: Option<BorrowedFd<'_>>,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T, Cause>,
) -> Result<T, Cause> {
    match idmap {
        Some(Idmap::Path(path)) => work(lxc_sys::ns::open(Path::new(path))?.as_fd()),
        Some(Idmap::Container) | None => {
            work(container.ok_or(Cause::Idmap("a container with a user namespace of its own (lxc.idmap)"))?)
        }
    }
}

/// Clones `source` as an idmapped, detached tree that is slave to the host, for `guest::attach_root`.
/// (`lxc.rootfs.options = idmap=…`)
///
/// # Errors
/// `source` does not exist, its file system cannot be idmapped, or the kernel is older than 5.12.
pub fn idmapped_root(
    source: &Path,
    options: &MountOptions,
    userns: Option<BorrowedFd<'_>>,
) -> Result<OwnedFd, Error> {
    let work = |ids: BorrowedFd<'_>| {
        let tree = Tree::clone_path(source, Reach::Tree)?;
        let tree = tree.into_detached().ok_or(Cause::Idmap("Linux 5.12"))?;
        let slave = Some(MountPropagationFlags::DOWNSTREAM);
        let change = Attributes { idmap: Some(ids), propagation: slave, ..attributes_of(options) };
        match set_attributes(tree.as_fd(), Reach::Tree, &change) {
            Err(Errno::NOSYS) => Err(Cause::Idmap("Linux 5.12")),
            other => Ok(other.op("mount_setattr", source).map(|()| tree)?),
        }
    };
    with_userns(options.idmap.as_ref(), userns, work).map_err(Error::Root)
}

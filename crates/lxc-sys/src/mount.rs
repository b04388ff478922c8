//! Mounting by descriptors: what rustix lacks of the mount API, and calls that work on any kernel.
//!
//! The new API (`open_tree`, `move_mount`, `mount_setattr`) is tried first. An `ENOSYS` is answered with
//! `mount(2)` on `/proc/self/fd/N`, which names the same inode without another walk of the path. The
//! fallbacks can go when Linux 5.2 (5.12 for `mount_setattr`) is the oldest kernel.
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags};

use crate::{Error, Op, Result};

/// The magic number of a proc file system.
pub const PROC_MAGIC: u64 = 0x9fa0;
/// The magic number of a devpts file system.
pub const DEVPTS_MAGIC: u64 = 0x1cd1;
/// The magic number of NFS.
pub const NFS_MAGIC: u64 = 0x6969;

/// The magic number of the file system that `fd` is on.
///
/// # Errors
/// The errno of `fstatfs`.
#[allow(clippy::cast_sign_loss, reason = "magic numbers are 32 bit patterns")]
pub fn fs_magic(fd: impl AsFd) -> Result<u64> {
    let stat = rustix::fs::fstatfs(&fd).op("fstatfs", "")?;
    Ok(stat.f_type as u64 & 0xffff_ffff)
}

/// How far an operation on a mount reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The one mount.
    One,
    /// The mount and all below it.
    Tree,
}

/// A change of a mount's attributes.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Attributes to set.
    pub set: MountAttrFlags,
    /// Attributes to clear; they are cleared before the others are set.
    pub clear: MountAttrFlags,
    /// New propagation.
    pub propagation: Option<MountPropagationFlags>,
    /// The user namespace whose ids the mount shows. Only a detached mount can get one.
    pub idmap: Option<BorrowedFd<'a>>,
}

impl Default for Attributes<'_> {
    fn default() -> Self {
        let none = MountAttrFlags::empty();
        Attributes { set: none, clear: none, propagation: None, idmap: None }
    }
}

impl Attributes<'_> {
    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.clear.is_empty() && self.propagation.is_none() && self.idmap.is_none()
    }
}

/// The kernel's `struct mount_attr`, first version.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Changes the attributes of the mount that `mount` is the root of.
///
/// # Errors
/// `ENOSYS` before Linux 5.12; `EINVAL` if the file system cannot be idmapped.
pub fn set_attributes(
    mount: BorrowedFd<'_>,
    reach: Reach,
    change: &Attributes<'_>,
) -> rustix::io::Result<()> {
    let idmap = change.idmap.map_or(MountAttrFlags::empty(), |_| MountAttrFlags::MOUNT_ATTR_IDMAP);
    let attr = MountAttr {
        set: (change.set | idmap).bits().into(),
        clear: change.clear.bits().into(),
        propagation: change.propagation.map_or(0, |p| p.bits().into()),
        userns: change.idmap.and_then(|fd| u64::try_from(fd.as_raw_fd()).ok()).unwrap_or(0),
    };
    let flags = libc::AT_EMPTY_PATH | if reach == Reach::Tree { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, `attr` is a live struct of the size given, and the call keeps neither.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(&attr),
            size_of::<MountAttr>(),
        )
    };
    if answer == 0 { Ok(()) } else { Err(last_errno()) }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// The path by which `mount(2)` finds what `fd` is open on. Needs a mounted `/proc`.
pub fn fd_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// A file system to mount, in the words of `mount(2)`.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem<'a> {
    /// A device, or a word that shows up in mountinfo.
    pub source: &'a OsStr,
    /// The type, such as `tmpfs`.
    pub fstype: &'a str,
    /// Flags of the mount and of the file system.
    pub flags: MountFlags,
    /// The file system's own options.
    pub data: &'a str,
}

impl FileSystem<'_> {
    /// Mounts on top of what `target` is open on. One call: measured cheaper than the six of `fsopen` and
    /// its companions, and it works on every kernel.
    ///
    /// # Errors
    /// The errno of `mount`; `shown` is the target's name in it.
    pub fn mount(&self, target: BorrowedFd<'_>, shown: &Path) -> Result<()> {
        let data = CString::new(self.data).map_err(|_| Error::new("mount", self.data, Errno::INVAL))?;
        rustix::mount::mount(self.source, fd_path(target), self.fstype, self.flags, data.as_c_str())
            .op("mount", shown)
    }
}

/// An existing tree, made ready to be attached somewhere else.
#[derive(Debug)]
pub struct Tree {
    fd: OwnedFd,
    shown: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A mount that is nowhere attached.
    Detached,
    /// The tree itself; `mount(2)` will clone it (kernels before 5.2).
    Source(Reach),
}

impl Tree {
    /// Clones the tree at `path`. Symbolic links are followed: for paths that only the host's
    /// administrator controls.
    ///
    /// # Errors
    /// The path does not exist or may not be cloned.
    pub fn clone_path(path: &Path, reach: Reach) -> Result<Tree> {
        match open_tree(CWD, path, reach) {
            Err(Errno::NOSYS) => {
                let fd =
                    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).op("open", path)?;
                Ok(Tree { fd, shown: path.to_owned(), kind: Kind::Source(reach) })
            }
            other => {
                Ok(Tree { fd: other.op("open_tree", path)?, shown: path.to_owned(), kind: Kind::Detached })
            }
        }
    }

    /// Clones the tree that `fd` is open on.
    ///
    /// # Errors
    /// `EINVAL` if it belongs to another mount namespace or is unbindable.
    pub fn clone_fd(fd: impl AsFd, shown: &Path, reach: Reach) -> Result<Tree> {
        let shown = shown.to_owned();
        match open_tree(&fd, "", reach) {
            Err(Errno::NOSYS) => {
                let fd = rustix::io::fcntl_dupfd_cloexec(&fd, 3).op("dup", &shown)?;
                Ok(Tree { fd, shown, kind: Kind::Source(reach) })
            }
            other => Ok(Tree { fd: other.op("open_tree", &shown)?, shown, kind: Kind::Detached }),
        }
    }

    /// A tree that was cloned before, perhaps by another process.
    pub fn detached(fd: OwnedFd, shown: &Path) -> Tree {
        Tree { fd, shown: shown.to_owned(), kind: Kind::Detached }
    }

    /// The detached mount, owned; `None` on a kernel without detached mounts.
    pub fn into_detached(self) -> Option<OwnedFd> {
        (self.kind == Kind::Detached).then_some(self.fd)
    }

    /// Attaches the tree on top of what `target` is open on, with `change` applied. `again` opens the
    /// target anew, to reach the mount on kernels where no descriptor of it is at hand.
    ///
    /// # Errors
    /// The errno of the failed call. A tree whose attributes cannot be set may stay attached.
    pub fn attach(self, target: BorrowedFd<'_>, change: &Change<'_>, again: Again<'_>) -> Result<()> {
        let to = change.shown;
        let mount = match self.kind {
            Kind::Detached => {
                let late = change.apply(self.fd.as_fd())?;
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
                let moved = rustix::mount::move_mount(&self.fd, "", target, "", flags);
                moved.map_err(|errno| clearer(errno, self.fd.as_fd(), target)).op("move_mount", to)?;
                if late == Applied::Yes {
                    return Ok(());
                }
                self.fd
            }
            Kind::Source(reach) => {
                let (from, onto) = (fd_path(&self.fd), fd_path(target));
                match reach {
                    Reach::One => rustix::mount::mount_bind(&from, &onto),
                    Reach::Tree => rustix::mount::mount_bind_recursive(&from, &onto),
                }
                .op("mount", &self.shown)?;
                if change.attributes.is_empty() {
                    return Ok(());
                }
                again()?
            }
        };
        change.apply_by_remount(mount.as_fd())
    }
}

/// Opens a mount target once more.
pub type Again<'a> = &'a dyn Fn() -> Result<OwnedFd>;

/// Attributes for a mount, with what error messages call it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What to change.
    pub attributes: Attributes<'a>,
    /// Whether the mounts below change too.
    pub reach: Reach,
    /// The mount's place, for messages.
    pub shown: &'a Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Applied {
    Yes,
    NotOnThisKernel,
}

impl Change<'_> {
    /// By `mount_setattr`.
    fn apply(&self, mount: BorrowedFd<'_>) -> Result<Applied> {
        if self.attributes.is_empty() {
            return Ok(Applied::Yes);
        }
        match set_attributes(mount, self.reach, &self.attributes) {
            Err(Errno::NOSYS) if self.attributes.idmap.is_none() => Ok(Applied::NotOnThisKernel),
            other => other.op("mount_setattr", self.shown).map(|()| Applied::Yes),
        }
    }

    /// By `mount(2)` (kernels before 5.12). Flags cannot be changed for a tree in one call, so only the top
    /// mount's are.
    fn apply_by_remount(&self, mount: BorrowedFd<'_>) -> Result<()> {
        let path = fd_path(mount);
        if !(self.attributes.set.is_empty() && self.attributes.clear.is_empty()) {
            let now = rustix::fs::fstatvfs(mount).op("fstatvfs", self.shown)?.f_flag;
            let kept = attributes_of(now) & !self.attributes.clear;
            let flags = flags_of(kept | self.attributes.set) | MountFlags::BIND;
            rustix::mount::mount_remount(&path, flags, "").op("remount", self.shown)?;
        }
        if let Some(propagation) = self.attributes.propagation {
            let recursive = match self.reach {
                Reach::One => MountPropagationFlags::empty(),
                Reach::Tree => MountPropagationFlags::REC,
            };
            rustix::mount::mount_change(&path, propagation | recursive).op("mount", self.shown)?;
        }
        Ok(())
    }

    /// Changes a mount that is attached already; `mount` is its root.
    ///
    /// # Errors
    /// The errno of the failed call.
    pub fn apply_attached(&self, mount: BorrowedFd<'_>) -> Result<()> {
        match self.apply(mount)? {
            Applied::Yes => Ok(()),
            Applied::NotOnThisKernel => self.apply_by_remount(mount),
        }
    }
}

/// `move_mount` calls a file on a directory (or the other way round) invalid; `mount(2)` says what it is.
fn clearer(errno: Errno, tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Errno {
    let is_dir =
        |fd| rustix::fs::fstat(fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory);
    if errno == Errno::INVAL && is_dir(tree) != is_dir(target) { Errno::NOTDIR } else { errno }
}

fn open_tree(dir: impl AsFd, path: impl rustix::path::Arg, reach: Reach) -> rustix::io::Result<OwnedFd> {
    let mut flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if reach == Reach::Tree {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    rustix::mount::open_tree(dir, path, flags)
}

/// What `statvfs` says of a mount, as attributes.
fn attributes_of(flags: StatVfsMountFlags) -> MountAttrFlags {
    let table = [
        (StatVfsMountFlags::RDONLY, MountAttrFlags::MOUNT_ATTR_RDONLY),
        (StatVfsMountFlags::NOSUID, MountAttrFlags::MOUNT_ATTR_NOSUID),
        (StatVfsMountFlags::NODEV, MountAttrFlags::MOUNT_ATTR_NODEV),
        (StatVfsMountFlags::NOEXEC, MountAttrFlags::MOUNT_ATTR_NOEXEC),
        (StatVfsMountFlags::NOATIME, MountAttrFlags::MOUNT_ATTR_NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountAttrFlags::MOUNT_ATTR_NODIRATIME),
    ];
    let known = table.iter().filter(|(is, _)| flags.contains(*is)).map(|(_, attribute)| *attribute);
    known.fold(MountAttrFlags::empty(), |all, one| all | one)
}

/// Attributes as flags of `mount(2)`. Without one for access times the kernel keeps those it has.
fn flags_of(attributes: MountAttrFlags) -> MountFlags {
    let table = [
        (MountAttrFlags::MOUNT_ATTR_RDONLY, MountFlags::RDONLY),
        (MountAttrFlags::MOUNT_ATTR_NOSUID, MountFlags::NOSUID),
        (MountAttrFlags::MOUNT_ATTR_NODEV, MountFlags::NODEV),
        (MountAttrFlags::MOUNT_ATTR_NOEXEC, MountFlags::NOEXEC),
        (MountAttrFlags::MOUNT_ATTR_NOATIME, MountFlags::NOATIME),
        (MountAttrFlags::MOUNT_ATTR_STRICTATIME, MountFlags::STRICTATIME),
        (MountAttrFlags::MOUNT_ATTR_NODIRATIME, MountFlags::NODIRATIME),
        (MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW, MountFlags::NOSYMFOLLOW),
    ];
    let known = table.iter().filter(|(is, _)| attributes.contains(*is)).map(|(_, flag)| *flag);
    known.fold(MountFlags::empty(), |all, one| all | one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magic() {
        let proc = rustix::fs::open("/proc", OFlags::PATH, Mode::empty()).unwrap();
        assert_eq!(fs_magic(&proc).unwrap(), PROC_MAGIC);
    }

    #[test]
    fn attributes_and_flags_agree() {
        let both = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        assert_eq!(flags_of(both), MountFlags::RDONLY | MountFlags::NOEXEC);
        assert_eq!(attributes_of(StatVfsMountFlags::RDONLY | StatVfsMountFlags::NOEXEC), both);
        assert!(Attributes::default().is_empty());
    }

    #[test]
    fn a_missing_source_is_named() {
        let e = Tree::clone_path(Path::new("/does/not/exist"), Reach::One).unwrap_err();
        assert_eq!(e.on(), "/does/not/exist");
        assert!(matches!(e.errno(), Errno::NOENT | Errno::PERM), "{e}");
    }
}

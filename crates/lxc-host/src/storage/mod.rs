//! Storage of root file systems: where it is, how it is mounted, made and removed.
//!
//! [`open`] finds the backend of a source; everything else is the [`Backend`]'s. `mount` runs in the
//! container's mount namespace, the rest in the host's.

mod clone;
mod copy;
mod dir;
mod overlay;
mod removal;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use lxc_sys::dir::Dir;
use lxc_types::StorageKind;
use lxc_types::mount::MountOptions;
use rustix::fs::{Gid, Uid};

pub use clone::{ClonePlan, CloneSpec, Share, plan as plan_clone};
pub use copy::{How, copy_tree};
pub use dir::Directory;
pub use overlay::Overlay;
pub use removal::remove_tree;

/// `lxc.rootfs.path`: where a root file system is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The type before the first colon, if one is written.
    pub kind: Option<StorageKind>,
    /// The rest: a path, or what the type makes of it.
    pub path: PathBuf,
}

impl fmt::Display for Source {
    /// As in a config file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "{kind}:{}", self.path.display()),
            None => write!(f, "{}", self.path.display()),
        }
    }
}

/// What can go wrong with storage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A type that is not built yet.
    #[error("storage of type \"{0}\" is not supported yet")]
    Unsupported(StorageKind),
    /// The path is nothing that any type knows.
    #[error("{} is no storage: there is no such directory, and no type is written before it", .0.display())]
    Unknown(PathBuf),
    /// The path does not have the form that its type asks for.
    #[error("\"{source_text}\": {problem}")]
    Form {
        /// The source as written.
        source_text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It could not be mounted.
    #[error("cannot mount {source_text}")]
    Mount {
        /// The source as written.
        source_text: String,
        /// Why.
        source: lxc_sys::Error,
    },
    /// It could not be made.
    #[error("cannot create {source_text}")]
    Create {
        /// The source as written.
        source_text: String,
        /// Why.
        source: lxc_sys::Error,
    },
    /// It cannot become storage of this type.
    #[error("cannot make {target} of {source_text}: {problem}")]
    Clone {
        /// The source as written.
        source_text: String,
        /// The type that was asked for.
        target: StorageKind,
        /// What is in the way.
        problem: &'static str,
    },
    /// It could not be copied.
    #[error("cannot copy {source_text}")]
    Copy {
        /// The source as written.
        source_text: String,
        /// Why.
        source: lxc_sys::Error,
    },
    /// It could not be removed.
    #[error("cannot remove {source_text}")]
    Destroy {
        /// The source as written.
        source_text: String,
        /// Why.
        source: lxc_sys::Error,
    },
}

/// What a backend can do besides the necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Copies that share what has not changed.
    pub snapshots: bool,
    /// `lxc-snapshot` is allowed.
    pub backups: bool,
    /// It is a block device, with a file system on it.
    pub block_device: bool,
    /// A plain user can make one.
    pub unprivileged: bool,
}

/// In which user namespace a mount is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// The initial one.
    Initial,
    /// The container's own.
    Mapped,
}

/// A kind of storage, opened on one source.
pub trait Backend: fmt::Debug {
    /// Which kind.
    fn kind(&self) -> StorageKind;

    /// What it can do.
    fn abilities(&self) -> Abilities;

    /// The directory of the host that shows the root file system's files, if there is one without mounting.
    fn directory(&self) -> Option<&Path>;

    /// Mounts it on `at`, in the caller's mount namespace.
    ///
    /// # Errors
    /// Something is missing, or the kernel refuses.
    fn mount(&self, at: &Dir, options: &MountOptions, ids: Ids) -> Result<(), Error>;

    /// Removes it with everything in it; nothing to remove is no error.
    ///
    /// # Errors
    /// A file cannot be removed, or is a mount point.
    fn destroy(&self) -> Result<(), Error>;
}

/// Finds the backend of a source: by its type, else by looking at the path.
///
/// # Errors
/// The type is not supported, or there is nothing at the path.
pub fn open(source: &Source) -> Result<Box<dyn Backend>, Error> {
    match source.kind {
        Some(StorageKind::Dir) => Ok(Box::new(Directory::new(&source.path))),
        Some(StorageKind::Overlay) => Ok(Box::new(Overlay::parse(&source.path)?)),
        Some(other) => Err(Error::Unsupported(other)),
        None => detect(&source.path),
    }
}

/// The types' own marks, in upstream's order: a directory is plain unless it says otherwise.
fn detect(path: &Path) -> Result<Box<dyn Backend>, Error> {
    use rustix::fs::FileType;
    let stat = rustix::fs::stat(path).map_err(|_| Error::Unknown(path.to_owned()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Box::new(Directory::new(path))),
        FileType::BlockDevice => Err(Error::Unsupported(StorageKind::Lvm)),
        FileType::RegularFile => Err(Error::Unsupported(StorageKind::Loop)),
        _ => Err(Error::Unknown(path.to_owned())),
    }
}

/// Storage to be made.
#[derive(Clone, Debug)]
pub struct CreateSpec {
    /// Its type.
    pub kind: StorageKind,
    /// The directory under which the root file system appears: an existing `lxc.rootfs.path`, or
    /// `LXCPATH/NAME/rootfs`.
    pub rootfs: PathBuf,
    /// The container's directory.
    pub container: PathBuf,
    /// `--dir`: another directory for the files.
    pub dir: Option<PathBuf>,
    /// Who owns what is made: the host's ids of the container's root.
    pub owner: Option<(u32, u32)>,
}

/// Makes storage and says where it is.
///
/// # Errors
/// The type is not supported, or a directory cannot be made.
pub fn create(spec: &CreateSpec) -> Result<Source, Error> {
    match spec.kind {
        StorageKind::Dir => dir::create(spec),
        StorageKind::Overlay => overlay::create(spec),
        other => Err(Error::Unsupported(other)),
    }
}

/// Makes a directory of the host and those on the way to it, and gives it to `owner` if it is new.
fn make_dirs(path: &Path, owner: Option<(u32, u32)>) -> lxc_sys::Result<Dir> {
    use lxc_sys::Op;
    use rustix::io::Errno;
    match Dir::open(path) {
        Err(e) if e.errno() == Errno::NOENT => {}
        other => return other,
    }
    if let Some(parent) = path.parent() {
        make_dirs(parent, None)?;
    }
    match rustix::fs::mkdir(path, rustix::fs::Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) => {}
        other => other.op("mkdir", path)?,
    }
    let dir = Dir::open(path)?;
    if let Some((uid, gid)) = owner {
        let here = std::os::fd::AsFd::as_fd(&dir);
        chown(here, uid, gid).op("chown", path)?;
    }
    Ok(dir)
}

fn chown(dir: BorrowedFd<'_>, uid: u32, gid: u32) -> rustix::io::Result<()> {
    let flags = rustix::fs::AtFlags::EMPTY_PATH;
    rustix::fs::chownat(dir, "", Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_detection() {
        let tmp = tempfile::tempdir().unwrap();
        let source = |kind, path: &Path| Source { kind, path: path.to_owned() };
        assert_eq!(open(&source(None, tmp.path())).unwrap().kind(), StorageKind::Dir);
        let file = tmp.path().join("image");
        std::fs::write(&file, b"x").unwrap();
        let refused = |s: Source| open(&s).unwrap_err().to_string();
        assert_eq!(refused(source(None, &file)), "storage of type \"loop\" is not supported yet");
        assert!(refused(source(None, &tmp.path().join("no"))).contains("is no storage"));
        for kind in StorageKind::ALL {
            if matches!(kind, StorageKind::Dir | StorageKind::Overlay) {
                continue;
            }
            assert!(refused(source(Some(kind), tmp.path())).contains(kind.as_str()));
        }
        let overlay = open(&source(Some(StorageKind::Overlay), Path::new("/a:/b"))).unwrap();
        assert_eq!(overlay.kind(), StorageKind::Overlay);
    }

    #[test]
    fn making_dir_and_overlay() {
        let tmp = tempfile::tempdir().unwrap();
        let spec = CreateSpec {
            kind: StorageKind::Dir,
            rootfs: tmp.path().join("c1/rootfs"),
            container: tmp.path().join("c1"),
            dir: None,
            owner: None,
        };
        let made = create(&spec).unwrap();
        assert!(spec.rootfs.is_dir());
        assert_eq!(made.to_string(), format!("dir:{}", spec.rootfs.display()));
        let overlay = create(&CreateSpec { kind: StorageKind::Overlay, ..spec.clone() }).unwrap();
        let delta = tmp.path().join("c1/overlay/delta");
        assert!(delta.is_dir());
        assert_eq!(overlay.to_string(), format!("overlay:{}:{}", spec.rootfs.display(), delta.display()));
        std::fs::write(delta.join("f"), b"x").unwrap();
        let backend = open(&overlay).unwrap();
        backend.destroy().unwrap();
        assert!(!delta.exists() && spec.rootfs.is_dir());
        backend.destroy().unwrap();
        open(&made).unwrap().destroy().unwrap();
        assert!(!spec.rootfs.exists());
        assert!(create(&CreateSpec { kind: StorageKind::Zfs, ..spec }).is_err());
    }
}

//! `/proc` through a checked handle: what is read and written there is procfs, whatever a container
//! has mounted or linked (CVE-2015-1334, CVE-2019-16884, CVE-2025-52881).

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::{Error, Op, Result};

/// The inode of procfs' root directory (`PROC_ROOT_INO` in the kernel).
const ROOT_INODE: u64 = 1;

/// A procfs, held by its root directory.
#[derive(Debug)]
pub struct Procfs {
    root: OwnedFd,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Mounted nowhere: nobody else can reach it, so nothing can be mounted over its files.
    Private,
    /// The one in the file system tree.
    Mounted,
}

impl Procfs {
    /// What is mounted on `/proc`, after a check that it is procfs' root. Cheap. Paths below are
    /// followed without symbolic links and without crossing into other mounts.
    ///
    /// # Errors
    /// `EXDEV` when something else is mounted there.
    pub fn mounted() -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, "/proc", flags, Mode::empty()).op("open", "/proc")?;
        Self::check(&root)?;
        Ok(Procfs { root, kind: Kind::Mounted })
    }

    /// A procfs of this process' pid namespace that is mounted nowhere. Where the kernel refuses one
    /// (before Linux 5.2, or in a user namespace that sees no whole procfs), the mounted one is taken.
    ///
    /// # Errors
    /// Those of [`Procfs::mounted`].
    pub fn private() -> Result<Self> {
        match Self::new_mount() {
            Ok(root) => {
                Self::check(&root)?;
                Ok(Procfs { root, kind: Kind::Private })
            }
            Err(_) => Self::mounted(),
        }
    }

    fn new_mount() -> rustix::io::Result<OwnedFd> {
        let context = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_create(&context)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    }

    fn check(root: &OwnedFd) -> Result<()> {
        let inode = rustix::fs::fstat(root).op("fstat", "/proc")?.st_ino;
        if is_procfs(root).op("fstatfs", "/proc")? && inode == ROOT_INODE {
            Ok(())
        } else {
            Err(Error::new("check", "/proc is not procfs", Errno::XDEV))
        }
    }

    /// Opens a file or directory below `/proc`. No part of `path` may be a symbolic link or lie on
    /// another mount.
    ///
    /// # Errors
    /// `ELOOP` for a symbolic link, `EXDEV` for another mount or another file system, else those of
    /// `openat2`.
    pub fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let name = || format!("/proc/{path}");
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_XDEV
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_SYMLINKS;
        let fd = match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
            // Before Linux 5.6 there is no openat2.
            Err(Errno::NOSYS) => self.walk(path, flags),
            answer => answer,
        };
        let fd = fd.op("open", name())?;
        if is_procfs(&fd).op("fstatfs", name())? { Ok(fd) } else { Err(Errno::XDEV).op("open", name()) }
    }

    /// `openat2` by hand, a component at a time.
    fn walk(&self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW;
        let Some((directories, file)) = path.rsplit_once('/') else {
            return self.step(self.root.as_fd(), path, flags);
        };
        let into = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut parts = directories.split('/');
        let mut at = self.step(self.root.as_fd(), parts.next().unwrap_or_default(), into)?;
        for part in parts {
            at = self.step(at.as_fd(), part, into)?;
        }
        self.step(at.as_fd(), file, flags)
    }

    fn step(&self, at: BorrowedFd<'_>, part: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        if matches!(part, "" | "." | "..") {
            return Err(Errno::INVAL);
        }
        let fd = rustix::fs::openat(at, part, flags, Mode::empty())?;
        // O_PATH opens a link itself.
        if rustix::fs::fstat(&fd)?.st_mode & 0o170_000 == 0o120_000 {
            return Err(Errno::LOOP);
        }
        // Device numbers do not tell a bind mount of another part of the same procfs; nobody can make
        // one on a private procfs.
        let same = rustix::fs::fstat(&fd)?.st_dev == rustix::fs::fstat(&self.root)?.st_dev;
        if same { Ok(fd) } else { Err(Errno::XDEV) }
    }

    /// Writes `value` to a file in one call, as most files of procfs demand.
    ///
    /// # Errors
    /// Those of opening and of writing; a short write is `EIO`.
    pub fn write(&self, path: &str, value: &[u8]) -> Result<()> {
        let fd = self.open(path, OFlags::WRONLY)?;
        write_once(&fd, value).op("write", format!("/proc/{path}"))
    }

    /// Reads a small file, up to 4096 bytes.
    ///
    /// # Errors
    /// Those of opening and of reading.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let fd = self.open(path, OFlags::RDONLY)?;
        let mut text = vec![0; 4096];
        let mut got = 0;
        while let Some(room) = text.get_mut(got..).filter(|room| !room.is_empty()) {
            match rustix::io::read(&fd, room).op("read", format!("/proc/{path}"))? {
                0 => break,
                n => got += n,
            }
        }
        text.truncate(got);
        Ok(text)
    }

    /// The directory of the calling thread, as a path to be given to [`Procfs::open`].
    ///
    /// # Errors
    /// `ENOENT` when this thread is not in the pid namespace of this procfs.
    pub fn this_thread(&self) -> Result<String> {
        self.link("thread-self")
    }

    /// The directory of the calling process, as a path to be given to [`Procfs::open`].
    ///
    /// # Errors
    /// `ENOENT` when this process is not in the pid namespace of this procfs.
    pub fn this_process(&self) -> Result<String> {
        self.link("self")
    }

    fn link(&self, name: &str) -> Result<String> {
        let shown = || format!("/proc/{name}");
        let target = rustix::fs::readlinkat(&self.root, name, Vec::new()).op("readlink", shown())?;
        target.into_string().map_err(|_| Errno::ILSEQ).op("readlink", shown())
    }

    /// Whether this procfs is out of everybody's reach.
    pub fn is_private(&self) -> bool {
        self.kind == Kind::Private
    }
}

impl fmt::Display for Procfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Private => "a private procfs",
            Kind::Mounted => "/proc",
        })
    }
}

/// The directory `attr` of one thread, through which security modules take labels. It is opened
/// before a container's mounts are made, when `/proc` is still the host's, and stays valid after them.
#[derive(Debug)]
pub struct Attributes(OwnedFd);

impl Attributes {
    /// The calling thread's.
    ///
    /// # Errors
    /// Those of [`Procfs::open`].
    pub fn of_this_thread(proc: &Procfs) -> Result<Self> {
        let path = format!("{}/attr", proc.this_thread()?);
        proc.open(&path, OFlags::PATH | OFlags::DIRECTORY).map(Attributes)
    }

    /// Whether a file or a module's own directory is there.
    pub fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Writes one attribute; `name` is a file, or a file below a module's own directory.
    ///
    /// The file is opened here and not earlier, for since Linux 5.13 it takes a value only from the
    /// credentials that opened it.
    ///
    /// # Errors
    /// `ENOENT` when this kernel lacks the attribute, `EINVAL` when the module refuses the value.
    pub fn write(&self, name: &str, value: &[u8]) -> Result<()> {
        let on = || format!("/proc/thread-self/attr/{name}");
        let at = match name.split_once('/') {
            Some((module, _)) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                Some(rustix::fs::openat(&self.0, module, flags, Mode::empty()).op("open", on())?)
            }
            None => None,
        };
        let file = name.rsplit('/').next().unwrap_or(name);
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(at.as_ref().unwrap_or(&self.0), file, flags, Mode::empty())
            .op("open", on())?;
        if !is_procfs(&fd).op("fstatfs", on())? {
            return Err(Errno::XDEV).op("open", on());
        }
        write_once(&fd, value).op("write", on())
    }
}

fn is_procfs(fd: impl AsFd) -> rustix::io::Result<bool> {
    Ok(rustix::fs::fstatfs(fd)?.f_type == PROC_SUPER_MAGIC)
}

fn write_once(fd: &OwnedFd, value: &[u8]) -> rustix::io::Result<()> {
    let written = rustix::io::retry_on_intr(|| rustix::io::write(fd, value))?;
    if written == value.len() { Ok(()) } else { Err(Errno::IO) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        let proc = Procfs::mounted().unwrap();
        let own = proc.this_thread().unwrap();
        let status = proc.read(&format!("{own}/status")).unwrap();
        assert!(status.starts_with(b"Name:"));
        let refused = |path: &str| proc.open(path, OFlags::RDONLY).unwrap_err().errno();
        assert_eq!(refused("self/status"), Errno::LOOP);
        assert_eq!(refused(&format!("{own}/root")), Errno::LOOP);
        assert_eq!(refused("../etc/passwd"), Errno::XDEV);
        assert_eq!(refused("/etc/passwd"), Errno::XDEV);
    }

    #[test]
    fn the_walk_of_old_kernels_agrees() {
        let proc = Procfs::mounted().unwrap();
        let own = proc.this_thread().unwrap();
        let open = |path: &str| proc.walk(path, OFlags::RDONLY | OFlags::CLOEXEC);
        open("sys/kernel/ostype").unwrap();
        open("version").unwrap();
        assert_eq!(open("self/status").unwrap_err(), Errno::NOTDIR);
        assert_eq!(open(&format!("{own}/exe")).unwrap_err(), Errno::LOOP);
        for path in ["../etc/passwd", "/etc/passwd", "sys/../version", "sys//kernel", "", "."] {
            assert_eq!(open(path).unwrap_err(), Errno::INVAL, "{path}");
        }
    }
}

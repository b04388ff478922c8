//! Directories of a cgroup file system, held by descriptor: files in them, making and removing them.
//!
//! Everything is relative to a kept descriptor, so that nothing is looked up twice. In a cgroup file
//! system there are no symbolic links, and a directory cannot be moved to another parent.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use lxc_sys::{Op, Result};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// How a directory is held: it can be a base for `*at` calls, not be read.
const HOLD: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory of a cgroup hierarchy.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    /// Where it is, for messages.
    path: PathBuf,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Dir {
    /// Opens a directory by its path on the host.
    ///
    /// # Errors
    /// Open errors, `ENOENT` above all.
    pub fn open(path: &Path) -> Result<Dir> {
        let fd = rustix::fs::open(path, HOLD, Mode::empty()).op("open", path)?;
        Ok(Dir { fd, path: path.to_owned() })
    }

    /// A directory that somebody has opened for us; `path` is for messages.
    pub fn from_fd(fd: OwnedFd, path: impl Into<PathBuf>) -> Dir {
        Dir { fd, path: path.into() }
    }

    /// Whether it is in a cgroup2 file system.
    ///
    /// # Errors
    /// Those of `fstatfs`.
    pub fn is_v2(&self) -> Result<bool> {
        const CGROUP2_MAGIC: rustix::fs::FsWord = 0x6367_7270;
        let fs = rustix::fs::fstatfs(&self.fd).op("fstatfs", &self.path)?;
        Ok(fs.f_type == CGROUP2_MAGIC)
    }

    /// Where the directory is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory below this one.
    ///
    /// # Errors
    /// Open errors.
    pub fn at(&self, below: &Path) -> Result<Dir> {
        let path = self.path.join(below);
        if below.as_os_str().is_empty() {
            let fd = rustix::fs::openat(&self.fd, c".", HOLD, Mode::empty()).op("open", &path)?;
            return Ok(Dir { fd, path });
        }
        let fd = rustix::fs::openat(&self.fd, below, HOLD, Mode::empty()).op("open", &path)?;
        Ok(Dir { fd, path })
    }

    /// Opens a directory below this one and takes its lock, which says that somebody is at work with it though no
    /// process may be in it yet. The lock is held as long as a copy of the descriptor. `None`: another has it, or
    /// has put a directory of its own in that place.
    ///
    /// # Errors
    /// Open errors other than `ENOENT`.
    pub fn claim(&self, below: &Path) -> Result<Option<Dir>> {
        let path = self.path.join(below);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, below, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.op("open", &path)?,
        };
        match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            other => other.op("flock", &path)?,
        }
        let held = rustix::fs::fstat(&fd).op("stat", &path)?;
        match rustix::fs::statat(&self.fd, below, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if there.st_ino == held.st_ino => Ok(Some(Dir { fd, path })),
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno).op("stat", &path),
        }
    }

    /// A second handle of the same directory.
    ///
    /// # Errors
    /// No free descriptor.
    pub fn try_clone(&self) -> Result<Dir> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 3).op("dup", &self.path)?;
        Ok(Dir { fd, path: self.path.clone() })
    }

    /// Makes a directory below this one, whose parent exists.
    ///
    /// # Errors
    /// `EEXIST`, and what the controller has against a new group.
    pub fn make(&self, below: &Path) -> Result<()> {
        rustix::fs::mkdirat(&self.fd, below, Mode::from_raw_mode(0o755)).op("mkdir", self.path.join(below))
    }

    /// Opens one of the control files for writing.
    ///
    /// # Errors
    /// Open errors.
    pub fn open_write(&self, file: &str) -> Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat(&self.fd, file, flags, Mode::empty()).op("open", self.path.join(file))
    }

    /// Writes a control file: one write, no newline.
    ///
    /// # Errors
    /// Open errors, and the kernel's opinion about the value.
    pub fn write(&self, file: &str, value: impl AsRef<[u8]>) -> Result<()> {
        let fd = self.open_write(file)?;
        let done = rustix::io::retry_on_intr(|| rustix::io::write(&fd, value.as_ref()));
        done.map(drop).op("write", self.path.join(file))
    }

    /// Reads a control file whole.
    ///
    /// # Errors
    /// Open and read errors.
    pub fn read(&self, file: &str) -> Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let name = self.path.join(file);
        let fd = rustix::fs::openat(&self.fd, file, flags, Mode::empty()).op("open", &name)?;
        lxc_sys::proc::read_fd(&fd, &name)
    }

    /// Gives a directory (`below` empty: this one) or file a new owner and mode.
    ///
    /// # Errors
    /// Those of `fchownat` and `fchmodat`.
    pub fn own(&self, below: &str, uid: Option<u32>, gid: Option<u32>, mode: u32) -> Result<()> {
        let path = self.path.join(below);
        let name = if below.is_empty() { "." } else { below };
        let uid = uid.map(rustix::fs::Uid::from_raw);
        let gid = gid.map(rustix::fs::Gid::from_raw);
        rustix::fs::chownat(&self.fd, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).op("chown", &path)?;
        rustix::fs::chmodat(&self.fd, name, Mode::from_raw_mode(mode), AtFlags::empty()).op("chmod", &path)
    }

    /// Removes a cgroup and all below it. Groups with processes in them stay, with what is above.
    ///
    /// # Errors
    /// `EBUSY` if there is still a process somewhere below. That nothing was there is no error.
    pub fn remove_tree(&self, below: &Path) -> Result<()> {
        let path = self.path.join(below);
        match rustix::fs::unlinkat(&self.fd, below, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY | Errno::NOTEMPTY) => {}
            Err(errno) => return Err(errno).op("rmdir", &path),
        }
        let top = self.at(below)?;
        let mut busy = None;
        top.deepest_first(
            &mut |parent, name| match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => busy = Some(errno),
            },
        )?;
        match rustix::fs::unlinkat(&self.fd, below, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(busy.unwrap_or(errno)).op("rmdir", &path),
        }
    }

    /// Calls `visit` with each directory below this one as (parent, name), children first.
    ///
    /// Two descriptors are open at most, and no stack grows with the depth: who makes groups below may
    /// be a container, and may make them very deep.
    pub fn deepest_first(&self, visit: &mut dyn FnMut(BorrowedFd<'_>, &CStr)) -> Result<()> {
        let mut here = self.list()?;
        let mut pending = vec![subdirectories(&here, &self.path)?];
        let mut names: Vec<CString> = Vec::new();
        while let Some(level) = pending.last_mut() {
            if let Some(name) = level.pop() {
                match open_list(here.as_fd(), &name) {
                    Ok(child) => {
                        pending.push(subdirectories(&child, &self.path)?);
                        names.push(name);
                        here = child;
                    }
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(errno).op("open", &self.path),
                }
                continue;
            }
            pending.pop();
            if let Some(name) = names.pop() {
                here = open_list(here.as_fd(), c"..").op("open", &self.path)?;
                visit(here.as_fd(), &name);
            }
        }
        Ok(())
    }

    /// This directory, opened so that it can be read.
    fn list(&self) -> Result<OwnedFd> {
        open_list(self.fd.as_fd(), c".").op("open", &self.path)
    }

    /// The processes in this group itself, as numbers of our pid namespace (0: of another one).
    ///
    /// # Errors
    /// Read errors; `EOPNOTSUPP` for a threaded group.
    pub fn processes(&self) -> Result<Vec<i32>> {
        Ok(pids(&self.read("cgroup.procs")?))
    }

    /// Whether there is a process in this group or below.
    ///
    /// # Errors
    /// Read errors.
    pub fn populated(&self) -> Result<bool> {
        match self.read("cgroup.events") {
            Ok(text) => return Ok(text.split(|&b| b == b'\n').any(|line| line == b"populated 1")),
            Err(error) if error.errno() == Errno::NOENT => {} // v1
            Err(error) => return Err(error),
        }
        if !self.processes()?.is_empty() {
            return Ok(true);
        }
        let mut found = false;
        self.deepest_first(&mut |parent, name| {
            found = found || read_procs(parent, name).is_ok_and(|text| !text.is_empty());
        })?;
        Ok(found)
    }

    /// The processes in this group and below.
    ///
    /// # Errors
    /// Errors of walking; a group that cannot be read is left out.
    pub fn all_processes(&self) -> Result<Vec<i32>> {
        let mut all = self.processes().unwrap_or_default();
        self.deepest_first(&mut |parent, name| {
            if let Ok(text) = read_procs(parent, name) {
                all.extend(pids(&text));
            }
        })?;
        Ok(all)
    }
}

/// Sets the process' file creation mask for directories that everybody may look into, and the old one
/// back when dropped.
#[derive(Debug)]
pub(super) struct OpenMask(Mode);

impl OpenMask {
    pub(super) fn set() -> OpenMask {
        OpenMask(rustix::process::umask(Mode::from_raw_mode(0o022)))
    }
}

impl Drop for OpenMask {
    fn drop(&mut self) {
        rustix::process::umask(self.0);
    }
}

/// Whether a path is one that may be made or opened below a base: relative, and never upwards.
pub fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn pids(text: &[u8]) -> Vec<i32> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn read_procs(parent: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>> {
    let dir = rustix::fs::openat(parent, name, HOLD, Mode::empty()).op("open", "")?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = rustix::fs::openat(&dir, c"cgroup.procs", flags, Mode::empty()).op("open", "cgroup.procs")?;
    lxc_sys::proc::read_fd(&fd, "cgroup.procs")
}

fn open_list(at: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

fn subdirectories(dir: &OwnedFd, path: &Path) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir).op("readdir", path)? {
        let entry = entry.op("readdir", path)?;
        let name = entry.file_name();
        if entry.file_type() == FileType::Directory && name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

//! Removing a tree that a container may have prepared: any depth, immutable files, links, mounts.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lxc_sys::{Error, Op, Result};
use rustix::fs::{AtFlags, FileType, IFlags, Mode, OFlags};
use rustix::io::Errno;

/// How many directories are open at a time. What is deeper is moved up to the top and removed from there.
const DEPTH: usize = 64;

/// Removes `path` and everything below it, on its file system only. Nothing is followed: neither links nor
/// mounts; a mount point below is an error. What does not exist is removed already.
///
/// Files that are immutable or append-only lose that mark first, if the caller may.
///
/// # Errors
/// The errno of the call on the file that could not be removed.
pub fn remove_tree(path: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::new("rmdir", path.display().to_string(), Errno::INVAL));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent = match rustix::fs::open(parent, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other.op("open", parent)?,
    };
    let name = c_name(name, path)?;
    match unlink(parent.as_fd(), &name) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(failed("unlink", path, errno)),
    }
    let top = open_dir(parent.as_fd(), &name).op("open", path)?;
    let device = rustix::fs::fstat(&top).op("fstat", path)?.st_dev;
    let mut removal = Removal { top, device, moved: 0, path };
    removal.empty()?;
    remove_dir(parent.as_fd(), &name).map_err(|errno| failed("rmdir", path, errno))
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn failed(op: &'static str, path: &Path, errno: Errno) -> Error {
    Error::new(op, path.display().to_string(), errno)
}

fn c_name(name: &OsStr, path: &Path) -> Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| failed("open", path, Errno::INVAL))
}

struct Removal<'a> {
    top: OwnedFd,
    device: u64,
    /// How many directories were moved up so far.
    moved: u64,
    path: &'a Path,
}

/// A directory on the way down: itself, its name in the one above, and what is left to look at.
struct Level {
    fd: OwnedFd,
    name: CString,
    entries: Vec<CString>,
}

impl Removal<'_> {
    /// Removes what is in the top directory, until nothing is left or nothing goes.
    fn empty(&mut self) -> Result<()> {
        loop {
            let before = self.moved;
            let names = self.list(self.top.as_fd())?;
            for name in names {
                self.remove(name)?;
            }
            if self.moved == before {
                return Ok(());
            }
        }
    }

    /// Removes one entry of the top directory.
    fn remove(&mut self, name: CString) -> Result<()> {
        let mut way: Vec<Level> = Vec::new();
        let mut next = Some(name);
        loop {
            let here = way.last().map_or(self.top.as_fd(), |level| level.fd.as_fd());
            if let Some(name) = next.take() {
                match unlink(here, &name) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(Errno::ISDIR) if way.len() >= DEPTH => self.move_up(&way, &name)?,
                    Err(Errno::ISDIR) => {
                        let level = self.descend(&way, here, name)?;
                        way.extend(level);
                    }
                    Err(errno) => return Err(self.failure("unlink", &way, &name, errno)),
                }
            }
            // On with the deepest directory that has something left; empty ones go.
            let Some(level) = way.last_mut() else { return Ok(()) };
            if let Some(name) = level.entries.pop() {
                next = Some(name);
                continue;
            }
            let Some(Level { name, .. }) = way.pop() else { return Ok(()) };
            let here = way.last().map_or(self.top.as_fd(), |level| level.fd.as_fd());
            remove_dir(here, &name).map_err(|errno| self.failure("rmdir", &way, &name, errno))?;
        }
    }

    /// Opens a directory to empty it; `None` if it was empty and is gone.
    fn descend(&self, way: &[Level], parent: BorrowedFd<'_>, name: CString) -> Result<Option<Level>> {
        match remove_dir(parent, &name) {
            Ok(()) => return Ok(None),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(errno) => return Err(self.failure("rmdir", way, &name, errno)),
        }
        let fd = open_dir(parent, &name).map_err(|errno| self.failure("open", way, &name, errno))?;
        let stat = rustix::fs::fstat(&fd).op("fstat", self.path)?;
        if stat.st_dev != self.device {
            return Err(self.failure("rmdir", way, &name, Errno::XDEV));
        }
        let entries = self.list(fd.as_fd())?;
        Ok(Some(Level { fd, name, entries }))
    }

    /// Moves a directory that is too deep into the top one, under a name of its own.
    fn move_up(&mut self, way: &[Level], name: &CString) -> Result<()> {
        let from = way.last().map_or(self.top.as_fd(), |level| level.fd.as_fd());
        loop {
            self.moved += 1;
            let to = format!(".lxc-removal-{}", self.moved);
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(from, name, &self.top, &to, flags) {
                Err(Errno::EXIST) => {}
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(errno) => return Err(self.failure("rename", way, name, errno)),
            }
        }
    }

    fn list(&self, dir: BorrowedFd<'_>) -> Result<Vec<CString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(dir).op("readdir", self.path)? {
            let entry = entry.op("readdir", self.path)?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn failure(&self, op: &'static str, way: &[Level], name: &CString, errno: Errno) -> Error {
        let part = |n: &CString| OsStr::from_bytes(n.as_bytes()).to_owned();
        let mut path = self.path.to_owned();
        path.extend(way.iter().map(|level| part(&level.name)));
        path.push(part(name));
        failed(op, &path, errno)
    }
}

fn open_dir(parent: BorrowedFd<'_>, name: &CString) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(parent, name.as_c_str(), DIRECTORY, Mode::empty())
}

fn unlink(parent: BorrowedFd<'_>, name: &CString) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(parent, name.as_c_str(), AtFlags::empty()) {
        Err(Errno::PERM) => {
            if is_dir(parent, name)? {
                return Err(Errno::ISDIR);
            }
            make_mutable(parent, name);
            rustix::fs::unlinkat(parent, name.as_c_str(), AtFlags::empty())
        }
        other => other,
    }
}

fn remove_dir(parent: BorrowedFd<'_>, name: &CString) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(parent, name.as_c_str(), AtFlags::REMOVEDIR) {
        Err(Errno::PERM) => {
            make_mutable(parent, name);
            rustix::fs::unlinkat(parent, name.as_c_str(), AtFlags::REMOVEDIR)
        }
        other => other,
    }
}

fn is_dir(parent: BorrowedFd<'_>, name: &CString) -> rustix::io::Result<bool> {
    let stat = rustix::fs::statat(parent, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Takes the marks that forbid removal off a file and its directory. Devices and fifos are not opened.
fn make_mutable(parent: BorrowedFd<'_>, name: &CString) {
    clear_marks(parent);
    let Ok(stat) = rustix::fs::statat(parent, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) else { return };
    if matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Directory) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        if let Ok(file) = rustix::fs::openat(parent, name.as_c_str(), flags, Mode::empty()) {
            clear_marks(file.as_fd());
        }
    }
}

/// Best effort: what stays marked fails to be removed, with an error of its own.
fn clear_marks(file: BorrowedFd<'_>) {
    let marks = IFlags::IMMUTABLE | IFlags::APPEND;
    if let Ok(flags) = rustix::fs::ioctl_getflags(file)
        && flags.intersects(marks)
        && let Err(errno) = rustix::fs::ioctl_setflags(file, flags - marks)
    {
        log::debug!("cannot clear the marks of a file that is to be removed: {errno}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_tree_with_links_goes_and_their_targets_stay() {
        let tmp = tempfile::tempdir().unwrap();
        let (root, keep) = (tmp.path().join("root"), tmp.path().join("keep"));
        std::fs::create_dir_all(root.join("a/b/c")).unwrap();
        std::fs::create_dir(&keep).unwrap();
        std::fs::write(keep.join("file"), b"x").unwrap();
        symlink(&keep, root.join("a/link")).unwrap();
        symlink("/", root.join("a/b/slash")).unwrap();
        std::fs::write(root.join("a/b/c/f"), b"x").unwrap();
        remove_tree(&root).unwrap();
        assert!(!root.exists() && keep.join("file").exists());
        remove_tree(&root).unwrap();
        remove_tree(&tmp.path().join("no/such/thing")).unwrap();
    }

    #[test]
    fn a_link_itself_is_removed() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::create_dir(tmp.path().join("keep")).unwrap();
        symlink("keep", tmp.path().join("link")).unwrap();
        remove_tree(&tmp.path().join("link")).unwrap();
        assert!(tmp.path().join("keep").is_dir());
        assert!(std::fs::symlink_metadata(tmp.path().join("link")).is_err());
    }

    #[test]
    fn any_depth() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let mut here = rustix::fs::open(&root, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..700 {
            rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
            rustix::fs::mkdirat(&here, "e", Mode::RWXU).unwrap();
            here = rustix::fs::openat(&here, "d", DIRECTORY, Mode::empty()).unwrap();
        }
        drop(here);
        remove_tree(&root).unwrap();
        assert!(!root.exists());
    }
}

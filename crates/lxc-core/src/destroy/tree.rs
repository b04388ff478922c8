//! Removing a directory tree that others may have written: by descriptors, on one mount only, no links
//! followed.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, IFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use lxc_sys::{Error, Op, Result};

/// Removes `path` with all that is in it. What is mounted inside is left alone, and then is an error, for its
/// mount point cannot be removed. Nothing there is no error.
///
/// # Errors
/// That of the first entry that cannot be removed; what came before it is gone.
pub fn remove(path: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::new("rmdir", path.display().to_string(), Errno::BUSY));
    };
    let parent = match open_dir(rustix::fs::CWD, parent) {
        Err(Errno::NOENT) => return Ok(()),
        other => other.op("open", parent)?,
    };
    let dir = match open_below(&parent, name) {
        Err(Errno::NOENT) => return Ok(()),
        // A link or file in the directory's place: that entry is what goes.
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return rustix::fs::unlinkat(&parent, name, AtFlags::empty()).op("unlink", path);
        }
        other => other.op("open", path)?,
    };
    let walk = Walk { mount: Mount::of(dir.as_fd()).op("statx", path)?, root: path };
    walk.empty(&dir, Path::new(""))?;
    drop(dir);
    unlink(parent.as_fd(), name, AtFlags::REMOVEDIR).op("rmdir", path)
}

/// A removal in progress.
struct Walk<'a> {
    mount: Mount,
    root: &'a Path,
}

impl Walk<'_> {
    fn empty(&self, dir: &OwnedFd, below: &Path) -> Result<()> {
        let shown = || self.root.join(below);
        let mut names = Vec::new();
        for entry in Dir::read_from(dir).op("opendir", shown())? {
            let entry = entry.op("readdir", shown())?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push((entry.file_name().to_owned(), entry.file_type()));
            }
        }
        for (name, kind) in names {
            self.entry(dir, &name, kind, below)?;
        }
        Ok(())
    }

    fn entry(&self, dir: &OwnedFd, name: &CStr, kind: FileType, below: &Path) -> Result<()> {
        let below = below.join(std::ffi::OsStr::new(&*name.to_string_lossy()));
        let shown = self.root.join(&below);
        let child = match kind {
            FileType::Directory | FileType::Unknown => match open_below(dir, name) {
                Ok(child) => Some(child),
                Err(Errno::NOTDIR | Errno::LOOP) => None,
                Err(Errno::NOENT) => return Ok(()),
                Err(errno) => return Err(Error::new("open", shown.display().to_string(), errno)),
            },
            _ => None,
        };
        let Some(child) = child else {
            return unlink(dir.as_fd(), name, AtFlags::empty()).op("unlink", &shown);
        };
        if Mount::of(child.as_fd()).op("statx", &shown)? == self.mount {
            self.empty(&child, &below)?;
        }
        drop(child);
        unlink(dir.as_fd(), name, AtFlags::REMOVEDIR).op("rmdir", &shown)
    }
}

/// Which mount a file lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mount {
    device: (u32, u32),
    /// Tells a bind mount of the same file system. 0 before Linux 5.8: delete this note with that floor.
    id: u64,
}

impl Mount {
    fn of(fd: BorrowedFd<'_>) -> rustix::io::Result<Mount> {
        let found = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
        let known = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        Ok(Mount {
            device: (found.stx_dev_major, found.stx_dev_minor),
            id: if known { found.stx_mnt_id } else { 0 },
        })
    }
}

/// Removes an entry; one that is immutable, or whose directory is, is made mutable first.
fn unlink(
    dir: BorrowedFd<'_>,
    name: impl rustix::path::Arg + Copy,
    flags: AtFlags,
) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(dir, name, flags) {
        Err(Errno::PERM) => {
            make_mutable(dir)?;
            let open = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            if let Ok(file) = rustix::fs::openat(dir, name, open, Mode::empty()) {
                make_mutable(file.as_fd())?;
            }
            match rustix::fs::unlinkat(dir, name, flags) {
                Err(Errno::NOENT) => Ok(()),
                other => other,
            }
        }
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn make_mutable(fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let hard = IFlags::IMMUTABLE | IFlags::APPEND;
    match rustix::fs::ioctl_getflags(fd) {
        Ok(flags) if flags.intersects(hard) => rustix::fs::ioctl_setflags(fd, flags - hard),
        // File systems without such flags: the first error was the true one.
        _ => Err(Errno::PERM),
    }
}

fn open_dir(dir: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(dir, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn open_below(dir: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_goes_and_what_its_links_point_at_stays() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "x").unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir_all(tree.join("a/b/c")).unwrap();
        std::fs::write(tree.join("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink(&kept, tree.join("a/link")).unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists());
        assert!(kept.join("file").exists());
    }

    #[test]
    fn a_link_in_the_trees_place_goes_alone() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&kept, &link).unwrap();
        remove(&link).unwrap();
        assert!(kept.exists() && link.symlink_metadata().is_err());
    }

    #[test]
    fn nothing_there_is_no_error_and_the_root_is_refused() {
        remove(Path::new("/does/not/exist")).unwrap();
        assert!(remove(Path::new("/")).is_err());
    }
}

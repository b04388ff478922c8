//! The mark of a container that is being made: the file `partial` in its folder, locked by whoever makes it.
//! A mark without a lock was left by somebody who was killed: what is there may go.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use lxc_sys::filelock::{self, Wait};
use lxc_sys::{Op, Result};

/// How far a container's making has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no mark.
    Finished,
    /// Somebody is at it.
    InProgress,
    /// Somebody was at it, and is gone.
    Leftover,
}

/// The mark of the container in `folder`.
pub fn mark_of(folder: &Path) -> PathBuf {
    folder.join("partial")
}

/// Looks at the mark.
///
/// # Errors
/// A mark that cannot be opened.
pub fn state(folder: &Path) -> Result<State> {
    let path = mark_of(folder);
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(&path, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(State::Finished),
        Err(errno) => Err(errno).op("open", &path),
        Ok(file) => Ok(if filelock::lock(&file, Wait::No)? { State::Leftover } else { State::InProgress }),
    }
}

/// A mark that this process holds. Dropping it lets the lock go and leaves the file: that is taken away by
/// [`Mark::finish`], or with the folder.
#[must_use = "the lock goes when this is dropped"]
#[derive(Debug)]
pub struct Mark {
    path: PathBuf,
    _locked: OwnedFd,
}

impl Mark {
    /// Marks a new container; `None` when somebody else has just done so.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn set(folder: &Path) -> Result<Option<Mark>> {
        let path = mark_of(folder);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => return Ok(None),
            other => other.op("open", &path)?,
        };
        Ok(filelock::lock(&file, Wait::No)?.then_some(Mark { path, _locked: file }))
    }

    /// The container is complete.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn finish(self) -> Result<()> {
        remove(&self.path)
    }
}

/// Removes a mark, if there is one.
///
/// # Errors
/// That of unlink(2).
pub fn remove(mark: &Path) -> Result<()> {
    match rustix::fs::unlink(mark) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno).op("unlink", mark),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_mark() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(state(dir.path()).unwrap(), State::Finished);
        let mark = Mark::set(dir.path()).unwrap().unwrap();
        assert_eq!(state(dir.path()).unwrap(), State::InProgress);
        assert!(Mark::set(dir.path()).unwrap().is_none());
        drop(mark);
        assert_eq!(state(dir.path()).unwrap(), State::Leftover);
        remove(&mark_of(dir.path())).unwrap();
        Mark::set(dir.path()).unwrap().unwrap().finish().unwrap();
        assert_eq!(state(dir.path()).unwrap(), State::Finished);
        assert_eq!(state(&dir.path().join("missing")).unwrap(), State::Finished);
    }
}

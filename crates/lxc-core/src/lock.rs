//! The lock of a container on disk: what changes its files holds it. Runs in tools and libraries.
//!
//! File and way of locking are upstream's (`RUNDIR/lxc/lock/LXCPATH/.NAME`): its tools and ours exclude each
//! other.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use lxc_sys::filelock::{self, Wait};
use lxc_sys::{Op, Result};

/// A held lock; dropping it gives it back. The file stays, as upstream's does.
#[must_use = "the lock is given back when this is dropped"]
#[derive(Debug)]
pub struct Lock {
    _file: OwnedFd,
}

/// Takes the lock of container `name` in `lxcpath`, waiting for who holds it. `run` is the directory for
/// files of running programs, such as `/run`.
///
/// # Errors
/// When the lock's directory or file cannot be made.
pub fn take(run: &Path, lxcpath: &Path, name: &str) -> Result<Lock> {
    let path = path(run, lxcpath, name);
    if let Some(parent) = path.parent() {
        make_dirs(parent)?;
    }
    // A link planted in a user's run directory must not lead root to another file.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).op("open", &path)?;
    filelock::lock(&file, Wait::Yes)?;
    Ok(Lock { _file: file })
}

/// The file of the lock.
fn path(run: &Path, lxcpath: &Path, name: &str) -> PathBuf {
    let lxcpath = lxcpath.strip_prefix("/").unwrap_or(lxcpath);
    run.join("lxc/lock").join(lxcpath).join(format!(".{name}"))
}

/// `mkdir -p` with mode 0755.
pub(crate) fn make_dirs(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path).op("mkdir", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_lies() {
        assert_eq!(
            path(Path::new("/run"), Path::new("/var/lib/lxc"), "c1"),
            Path::new("/run/lxc/lock/var/lib/lxc/.c1")
        );
    }

    #[test]
    fn one_holder_at_a_time() {
        let run = tempfile::tempdir().unwrap();
        let held = take(run.path(), Path::new("/x"), "c1").unwrap();
        let file = std::fs::File::options().write(true).open(run.path().join("lxc/lock/x/.c1")).unwrap();
        assert!(!filelock::lock(&file, Wait::No).unwrap());
        let _other_container = take(run.path(), Path::new("/x"), "c2").unwrap();
        drop(held);
        assert!(filelock::lock(&file, Wait::No).unwrap());
    }

    #[test]
    fn a_link_is_not_followed() {
        let run = tempfile::tempdir().unwrap();
        let dir = run.path().join("lxc/lock/x");
        make_dirs(&dir).unwrap();
        std::os::unix::fs::symlink(run.path().join("victim"), dir.join(".c1")).unwrap();
        assert!(take(run.path(), Path::new("/x"), "c1").is_err());
        assert!(!run.path().join("victim").exists());
    }
}

//! Entering the groups of a running container, with descriptors that its monitor has given us or with
//! directories opened by their paths.
//!
//! As at start, the quick way is that the new process moves itself ([`Entry::birth`]) and is cloned
//! into the unified group ([`Entry::clone_into`]); [`Entry::enter`] moves any process the slow way.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;
use rustix::io::Errno;
use rustix::process::Pid;

use super::Error;
use super::dir::Dir;
use super::guest::Birth;

/// The last of the leaves `.lxc-1` … that are tried.
const LAST_LEAF: u32 = 999;

/// The groups of a running container that a process is to enter.
#[derive(Debug)]
pub struct Entry {
    v1: Vec<Dir>,
    v2: Option<Dir>,
    /// The group in the unified one that processes from outside go to.
    leaf: Option<Dir>,
}

impl Entry {
    /// Sorts the groups, given in the order of the hierarchies, and makes the leaf `.lxc` in the unified
    /// one: a v2 group whose children have controllers cannot hold processes itself.
    ///
    /// # Errors
    /// A descriptor that is no cgroup's.
    pub fn prepare(groups: Vec<Dir>) -> Result<Entry, Error> {
        let mut entry = Entry { v1: Vec::new(), v2: None, leaf: None };
        for dir in groups {
            if dir.is_v2()? {
                entry.leaf = leaf(&dir, Path::new(".lxc")).ok();
                entry.v2 = Some(dir);
            } else {
                entry.v1.push(dir);
            }
        }
        Ok(entry)
    }

    /// The unified group to clone a process into.
    pub fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        self.leaf.as_ref().or(self.v2.as_ref()).map(AsFd::as_fd)
    }

    /// What the new process needs to enter the v1 groups by itself.
    ///
    /// # Errors
    /// The files cannot be opened.
    pub fn birth(&self) -> Result<Birth, Error> {
        let mut birth = Birth::default();
        for dir in &self.v1 {
            birth.add(dir.open_write("tasks")?, dir.path().display().to_string(), true);
        }
        Ok(birth)
    }

    /// Moves a process into all of the groups. The kernel takes some 10 ms for it.
    ///
    /// # Errors
    /// A group cannot be entered.
    pub fn enter(&self, pid: Pid) -> Result<(), Error> {
        let text = pid.as_raw_nonzero().to_string();
        for dir in &self.v1 {
            dir.write("cgroup.procs", &text)?;
        }
        self.enter_unified(pid)
    }

    /// Moves a process into the unified group alone: who could not be cloned into it.
    ///
    /// # Errors
    /// It cannot be entered, nor 1000 leaves of it.
    pub fn enter_unified(&self, pid: Pid) -> Result<(), Error> {
        let text = pid.as_raw_nonzero().to_string();
        let Some(group) = &self.v2 else { return Ok(()) };
        if let Some(leaf) = &self.leaf
            && leaf.write("cgroup.procs", &text).is_ok()
        {
            return Ok(());
        }
        let mut failure = match group.write("cgroup.procs", &text) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        for n in 1..=LAST_LEAF {
            if failure.errno() != Errno::BUSY {
                break;
            }
            match leaf(group, &PathBuf::from(format!(".lxc-{n}")))?.write("cgroup.procs", &text) {
                Ok(()) => return Ok(()),
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    }
}

/// Makes a group below, owned as its parent is: a container's root may remove it again.
fn leaf(group: &Dir, name: &Path) -> Result<Dir, Error> {
    match group.make(name) {
        Ok(()) => {
            let parent = rustix::fs::statat(group, c".", AtFlags::empty());
            if let Ok(parent) = parent
                && parent.st_uid != rustix::process::geteuid().as_raw()
            {
                for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
                    let mode = if file.is_empty() { 0o775 } else { 0o664 };
                    let below = Path::new(name).join(file);
                    let below = below.to_str().unwrap_or(".lxc").trim_end_matches('/');
                    if let Err(error) = group.own(below, Some(parent.st_uid), Some(parent.st_gid), mode) {
                        log::debug!("{error}");
                    }
                }
            }
        }
        Err(error) if error.errno() == Errno::EXIST => {}
        Err(error) => return Err(error.into()),
    }
    Ok(group.at(name)?)
}

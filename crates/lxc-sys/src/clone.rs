//! `clone3`, its result and the proof of having one thread.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::Pid;

use crate::ns::NsFlags;
use crate::process::{self, Exit};
use crate::{Error, Result};

/// Proof that the code runs in the first process of a container, made only by [`clone`] in the child.
#[derive(Debug)]
pub struct InGuest(());

impl InGuest {
    /// For tests that fork by other means.
    #[doc(hidden)]
    pub fn for_tests() -> Self {
        InGuest(())
    }
}

/// A child process. Its end is waited for through [`Child::wait`]; dropping it neither kills nor reaps.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: Option<OwnedFd>,
}

impl Child {
    /// A child that another process has made for the caller (see [`Request::sibling`]).
    pub fn of_pid(pid: Pid) -> Self {
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok();
        Child { pid, pidfd }
    }

    /// The child's id in the caller's pid namespace.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The child's pidfd; `None` on kernels before 5.2.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(std::os::fd::AsFd::as_fd)
    }

    /// Sends a signal. The number is not reused before [`Child::wait`], so this reaches nobody else.
    ///
    /// # Errors
    /// `ESRCH` when the child has ended.
    pub fn signal(&self, signal: i32) -> Result<()> {
        process::kill(self.pid, signal)
    }

    /// Waits for the end and reaps.
    ///
    /// # Errors
    /// `ECHILD` when it was reaped already.
    pub fn wait(&self) -> Result<Exit> {
        process::wait(self.pid)
    }

    /// How it ended, if it has; it is not reaped.
    pub fn peek(&self) -> Option<Exit> {
        process::peek(self.pid)
    }

    /// Reaps if ended.
    ///
    /// # Errors
    /// `ECHILD` when it was reaped already.
    pub fn try_wait(&self) -> Result<Option<Exit>> {
        process::try_wait(self.pid)
    }
}

/// On which side of [`clone`] the code is now.
#[derive(Debug)]
pub enum Cloned {
    /// The caller, with its child.
    Monitor(Child),
    /// The child.
    Guest(InGuest),
}

/// What [`clone`] is to make.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// New namespaces; `TIME` is ignored here (it can only be unshared).
    pub namespaces: NsFlags,
    /// The cgroup2 directory in which the child is born. Where the kernel cannot (before 5.7), the child is
    /// born in the caller's; the caller moves it and must look at [`born_in_cgroup`].
    pub into_cgroup: Option<BorrowedFd<'a>>,
    /// Make the caller's parent the child's parent.
    pub sibling: bool,
}

/// Whether the child was born in the requested cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// In the requested cgroup.
    Requested,
    /// In its parent's.
    Inherited,
}

#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Size of `struct clone_args` of Linux 5.3, without `set_tid` and `cgroup`.
const CLONE_ARGS_VER0: usize = 64;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_PARENT: u64 = 0x8000;

/// Makes a child process in new namespaces; returns twice.
///
/// # Errors
/// That of clone3(2). `EAGAIN` when the caller has more than one thread: the child would find their locks held.
pub fn clone(request: &Request<'_>) -> Result<(Cloned, Birth)> {
    if !is_single_threaded() {
        return Err(Error::new("clone", "a process of more than one thread", Errno::AGAIN));
    }
    let namespaces = (request.namespaces - NsFlags::TIME).bits();
    let flags = CLONE_PIDFD | namespaces | if request.sibling { CLONE_PARENT } else { 0 };
    if let Some(cgroup) = request.into_cgroup {
        match clone3(flags | CLONE_INTO_CGROUP, Some(cgroup)) {
            // Fallback for Linux before 5.7, and for a cgroup that takes no processes: born in the parent's.
            Err(
                Errno::INVAL | Errno::TOOBIG | Errno::NOSYS | Errno::BUSY | Errno::OPNOTSUPP | Errno::ACCESS,
            ) => {}
            other => return other.map(|c| (c, Birth::Requested)).map_err(|e| named(request, e)),
        }
    }
    match clone3(flags, None) {
        // Fallback for Linux before 5.3 (and for filters that forbid clone3): clone(2).
        Err(Errno::NOSYS | Errno::PERM) => clone2(flags),
        other => other,
    }
    .map(|c| (c, Birth::Inherited))
    .map_err(|e| named(request, e))
}

fn named(request: &Request<'_>, errno: Errno) -> Error {
    let new = request.namespaces;
    let what = if new.is_empty() { "process".to_owned() } else { format!("new namespaces {new}") };
    Error::new("clone", what, errno)
}

#[allow(unsafe_code)]
fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> std::result::Result<Cloned, Errno> {
    let mut pidfd: i32 = -1;
    let mut args = CloneArgs {
        flags,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        // A sibling takes the caller's own; giving one is an error.
        exit_signal: if flags & CLONE_PARENT == 0 { u64::from(libc::SIGCHLD.unsigned_abs()) } else { 0 },
        ..CloneArgs::default()
    };
    let mut size = CLONE_ARGS_VER0;
    if let Some(fd) = cgroup {
        args.cgroup = u64::from(fd.as_raw_fd().unsigned_abs());
        size = size_of::<CloneArgs>();
    }
    // SAFETY: without CLONE_VM this is fork(2): the child has its own copy of memory and stack, and the
    // caller has one thread, so no lock is held by a thread that is missing in the child.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size) };
    finish(pid, pidfd)
}

#[allow(unsafe_code)]
fn clone2(flags: u64) -> std::result::Result<Cloned, Errno> {
    let flags = flags | u64::from(libc::SIGCHLD.unsigned_abs());
    let mut pidfd: i32 = -1;
    // SAFETY: as for clone3; a null stack means that the child goes on with its copy of the caller's. The
    // kernel stores the pidfd through the third argument (CLONE_PIDFD, Linux 5.2; ignored before).
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, &raw mut pidfd, 0usize, 0usize) };
    finish(pid, pidfd)
}

#[allow(unsafe_code)]
fn finish(pid: libc::c_long, pidfd: i32) -> std::result::Result<Cloned, Errno> {
    if pid < 0 {
        let e = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&e).unwrap_or(Errno::IO));
    }
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(Cloned::Guest(InGuest(())));
    };
    let pidfd = if pidfd >= 0 {
        // SAFETY: the kernel has just stored a new descriptor here that nobody else knows.
        Some(unsafe { OwnedFd::from_raw_fd(pidfd) })
    } else {
        None
    };
    Ok(Cloned::Monitor(Child { pid, pidfd }))
}

/// Whether the process has one thread, by the link count of `/proc/self/task`.
pub fn is_single_threaded() -> bool {
    match rustix::fs::stat("/proc/self/task") {
        // A directory's link count is two and one for each sub-directory.
        Ok(stat) => stat.st_nlink <= 3,
        // Not to be seen at this /proc: a process that has entered a container. It was made by clone.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_seen() {
        // The test runner itself has a thread for each test beside the main one.
        assert!(!is_single_threaded());
        assert!(clone(&Request::default()).is_err());
    }
}

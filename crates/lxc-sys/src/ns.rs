//! Namespaces: kinds, opening, entering.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use rustix::thread::LinkNameSpaceType;

use crate::{Op, Result};

bitflags::bitflags! {
    /// A set of namespaces, in the kernel's own bits (`CLONE_NEW*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct NsFlags: u64 {
        /// Users and groups.
        const USER = 0x1000_0000;
        /// Mounts.
        const MNT = 0x0002_0000;
        /// Process ids.
        const PID = 0x2000_0000;
        /// Host name.
        const UTS = 0x0400_0000;
        /// System V and POSIX IPC.
        const IPC = 0x0800_0000;
        /// Network.
        const NET = 0x4000_0000;
        /// Control groups (Linux 4.6).
        const CGROUP = 0x0200_0000;
        /// Boot and monotonic clocks (Linux 5.6); cannot be given to clone(2), only unshared.
        const TIME = 0x0000_0080;
    }
}

impl NsFlags {
    /// Each single namespace of the set with its name below `/proc/PID/ns`, in the order in which they are
    /// to be entered: user first, so that the rest is entered with the rights held in it.
    pub fn named(self) -> impl Iterator<Item = (NsFlags, &'static str)> {
        const ALL: [(NsFlags, &str); 8] = [
            (NsFlags::USER, "user"),
            (NsFlags::MNT, "mnt"),
            (NsFlags::PID, "pid"),
            (NsFlags::UTS, "uts"),
            (NsFlags::IPC, "ipc"),
            (NsFlags::NET, "net"),
            (NsFlags::CGROUP, "cgroup"),
            (NsFlags::TIME, "time"),
        ];
        ALL.into_iter().filter(move |(flag, _)| self.contains(*flag))
    }
}

/// Opens a namespace file, for example `/proc/1/ns/net` or `/run/netns/x`.
///
/// # Errors
/// That of open(2).
pub fn open(path: &Path) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).op("open", path)
}

/// Opens the namespace called `name` of process `pid`.
///
/// # Errors
/// That of open(2); `ENOENT` where the kernel lacks the kind.
pub fn open_of(pid: Pid, name: &str) -> Result<OwnedFd> {
    open(Path::new(&format!("/proc/{}/ns/{name}", pid.as_raw_nonzero())))
}

/// Opens the namespace called `name` of the calling thread.
///
/// # Errors
/// That of open(2).
pub fn open_own(name: &str) -> Result<OwnedFd> {
    open(Path::new(&format!("/proc/thread-self/ns/{name}")))
}

/// What tells one namespace from all others while it lives: device and inode number of its file.
pub type Id = (u64, u64);

/// The namespace called `name` of process `pid`, without opening it.
///
/// # Errors
/// As [`open_of`].
pub fn id_of(pid: Pid, name: &str) -> Result<Id> {
    id(&format!("/proc/{}/ns/{name}", pid.as_raw_nonzero()))
}

/// The namespace called `name` of the calling thread, without opening it.
///
/// # Errors
/// As [`open_own`].
pub fn own_id(name: &str) -> Result<Id> {
    id(&format!("/proc/thread-self/ns/{name}"))
}

fn id(path: &str) -> Result<Id> {
    let stat = rustix::fs::stat(path).op("stat", path)?;
    Ok((stat.st_dev, stat.st_ino))
}

impl fmt::Display for NsFlags {
    /// The names of the kinds, as in `/proc/PID/ns`, with blanks between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.named().map(|(_, name)| name).collect();
        f.write_str(&names.join(" "))
    }
}

/// Moves the calling thread into the namespace behind `fd`, which must be of kind `kind`.
///
/// # Errors
/// That of setns(2).
pub fn enter(fd: impl AsFd, kind: NsFlags) -> Result<()> {
    let link = match kind {
        NsFlags::USER => LinkNameSpaceType::User,
        NsFlags::MNT => LinkNameSpaceType::Mount,
        NsFlags::PID => LinkNameSpaceType::ProcessID,
        NsFlags::UTS => LinkNameSpaceType::HostNameAndNISDomainName,
        NsFlags::IPC => LinkNameSpaceType::InterProcessCommunication,
        NsFlags::NET => LinkNameSpaceType::Network,
        NsFlags::CGROUP => LinkNameSpaceType::ControlGroup,
        _ => LinkNameSpaceType::Time,
    };
    rustix::thread::move_into_link_name_space(fd.as_fd(), Some(link)).op("setns", kind.to_string())
}

/// Gives the calling process new namespaces. It must have one thread.
///
/// # Errors
/// That of unshare(2): `EINVAL` where the kernel lacks a kind.
pub fn unshare(flags: NsFlags) -> Result<()> {
    let raw = i32::try_from(flags.bits()).unwrap_or(i32::MAX);
    unshare_raw(raw).op("unshare", flags.to_string())
}

#[allow(unsafe_code)]
fn unshare_raw(flags: i32) -> std::io::Result<()> {
    // SAFETY: only namespace bits are passed, never CLONE_FILES or CLONE_FS, so no table that other code
    // relies on is replaced.
    let done = unsafe { libc::unshare(flags) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

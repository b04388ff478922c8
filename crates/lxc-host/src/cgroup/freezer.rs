//! Freezing and thawing, by v2's `cgroup.freeze` or v1's `freezer.state`.
//!
//! Works on any open limit group: the monitor's own, or one that a tool got from a monitor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use lxc_sys::Op;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags, Timespec};
use rustix::io::Errno;

use super::Error;
use super::dir::Dir;

/// The pause before v1 is asked again: it grows from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_micros(250);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// Freezes all processes of a group and waits until they are; `None` waits for ever.
///
/// # Errors
/// The group has no freezer. [`Error::Timeout`]: the processes have been thawed again.
pub fn freeze(dir: &Dir, wait: Option<Duration>) -> Result<(), Error> {
    let result = change(dir, Target::Frozen, wait);
    if matches!(result, Err(Error::Timeout(..))) {
        // Half a frozen container is of no use to anybody.
        begin(dir, Target::Running)?;
    }
    result
}

/// Thaws all processes of a group and waits until they are; `None` waits for ever.
///
/// # Errors
/// The group has no freezer; [`Error::Timeout`].
pub fn thaw(dir: &Dir, wait: Option<Duration>) -> Result<(), Error> {
    change(dir, Target::Running, wait)
}

/// Begins to thaw a group, without waiting: a frozen v1 process does not die before.
///
/// # Errors
/// The group has no freezer.
pub fn begin_thaw(dir: &Dir) -> Result<(), Error> {
    begin(dir, Target::Running).map(drop)
}

/// What a group is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// No process of it runs.
    Frozen,
    /// All run that can.
    Running,
}

/// A change of a v2 group that was begun. Its descriptor has an exceptional condition (`POLLPRI`) when it is time
/// to look again.
#[derive(Debug)]
pub struct Pending {
    events: OwnedFd,
    name: std::path::PathBuf,
    target: Target,
}

impl Pending {
    /// Begins to freeze or to thaw a v2 group, without waiting.
    ///
    /// # Errors
    /// The group is none of v2.
    pub fn begin(dir: &Dir, target: Target) -> Result<Self, Error> {
        let pending = Self::watch(dir, target)?;
        dir.write("cgroup.freeze", target.v2().0)?;
        Ok(pending)
    }

    fn watch(dir: &Dir, target: Target) -> Result<Self, Error> {
        let name = dir.path().join("cgroup.events");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let events = rustix::fs::openat(dir, "cgroup.events", flags, Mode::empty()).op("open", &name)?;
        Ok(Pending { events, name, target })
    }

    /// Whether all processes are as they should be.
    ///
    /// # Errors
    /// The group is gone.
    pub fn is_done(&self) -> Result<bool, Error> {
        let mut text = [0u8; 256];
        let size = rustix::io::pread(&self.events, &mut text, 0).op("read", &self.name)?;
        let text = text.get(..size).unwrap_or_default();
        Ok(text.split(|&b| b == b'\n').any(|line| line == self.target.v2().1))
    }
}

impl AsFd for Pending {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

impl Target {
    fn name(self) -> &'static str {
        if self == Target::Frozen { "frozen" } else { "thawed" }
    }

    fn v1(self) -> &'static str {
        if self == Target::Frozen { "FROZEN" } else { "THAWED" }
    }

    fn v2(self) -> (&'static str, &'static [u8]) {
        if self == Target::Frozen { ("1", b"frozen 1") } else { ("0", b"frozen 0") }
    }
}

/// Which files a group has.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    V1,
    V2,
}

fn begin(dir: &Dir, target: Target) -> Result<Kind, Error> {
    match dir.write("cgroup.freeze", target.v2().0) {
        Ok(()) => Ok(Kind::V2),
        Err(error) if error.errno() == Errno::NOENT => {
            dir.write("freezer.state", target.v1())?;
            Ok(Kind::V1)
        }
        Err(error) => Err(error.into()),
    }
}

fn change(dir: &Dir, target: Target, wait: Option<Duration>) -> Result<(), Error> {
    let end = wait.and_then(|wait| Instant::now().checked_add(wait));
    let timeout = || Error::Timeout(target.name(), wait.unwrap_or_default());
    match begin(dir, target)? {
        Kind::V1 => wait_v1(dir, target, end, timeout),
        Kind::V2 => wait_v2(dir, target, end, timeout),
    }
}

fn wait_v1(dir: &Dir, target: Target, end: Option<Instant>, late: impl Fn() -> Error) -> Result<(), Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        if dir.read("freezer.state")?.trim_ascii() == target.v1().as_bytes() {
            return Ok(());
        }
        let left = end.map_or(pause, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(late());
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(LAST_PAUSE);
        // A process that was just being made may have been missed: say it again.
        dir.write("freezer.state", target.v1())?;
    }
}

fn wait_v2(dir: &Dir, target: Target, end: Option<Instant>, late: impl Fn() -> Error) -> Result<(), Error> {
    let pending = Pending::watch(dir, target)?;
    loop {
        if pending.is_done()? {
            return Ok(());
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(late());
        }
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        // The kernel wakes us when the file has changed since it was read.
        match rustix::event::poll(&mut [PollFd::new(&pending, PollFlags::PRI)], left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => {
                return Err(lxc_sys::Error::new("poll", pending.name.display().to_string(), errno).into());
            }
        }
    }
}

//! Pseudo terminals: opening pairs, window size, raw mode.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Termios, Winsize};

use crate::mount::{DEVPTS_MAGIC, fs_magic};
use crate::{Error, Op, Result};

/// Both ends of a pseudo terminal.
#[derive(Debug)]
pub struct Pair {
    /// The end that a terminal emulator or the monitor holds (`ptmx`).
    pub controller: OwnedFd,
    /// The end that programs use as their terminal (`pts/N`).
    pub terminal: OwnedFd,
    /// `N`.
    pub number: u32,
}

impl Pair {
    /// A pair from this mount namespace's `/dev/ptmx`.
    ///
    /// # Errors
    /// No `/dev/ptmx`, or no terminal left (`ENOSPC`).
    pub fn open() -> Result<Pair> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        Pair::of(rustix::fs::open("/dev/ptmx", flags, Mode::empty()).op("open", "/dev/ptmx")?)
    }

    /// A pair from the devpts instance whose root directory is `devpts`.
    ///
    /// # Errors
    /// The directory is no devpts (`ENODEV`), or no terminal is left (`ENOSPC`).
    pub fn open_in(devpts: BorrowedFd<'_>) -> Result<Pair> {
        if fs_magic(devpts)? != DEVPTS_MAGIC {
            return Err(Error::new("open", "devpts", Errno::NODEV));
        }
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Pair::of(rustix::fs::openat(devpts, "ptmx", flags, Mode::empty()).op("open", "pts/ptmx")?)
    }

    /// Unlocks, and opens the other end.
    fn of(controller: OwnedFd) -> Result<Pair> {
        rustix::pty::unlockpt(&controller).op("unlockpt", "ptmx")?;
        let terminal = terminal_of(&controller)?;
        let number = number(&controller)?;
        Ok(Pair { controller, terminal, number })
    }
}

/// Opens the other end of a controller: by `TIOCGPTPEER`, which no mount over `/dev/pts` can divert. It is as old
/// as the oldest kernel we run on.
///
/// # Errors
/// `ENOTTY` if it is no controller, `EIO` if it is locked.
pub fn terminal_of(controller: impl AsFd) -> Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    rustix::pty::ioctl_tiocgptpeer(controller, flags).op("TIOCGPTPEER", "ptmx")
}

/// Which terminal of its devpts a controller belongs to.
///
/// # Errors
/// `ENOTTY` if it is no controller.
pub fn number(controller: impl AsFd) -> Result<u32> {
    let name = rustix::pty::ptsname(&controller, Vec::new()).op("ptsname", "ptmx")?;
    let digits = name.to_str().ok().and_then(|n| n.rsplit('/').next()).and_then(|n| n.parse().ok());
    digits.ok_or_else(|| Error::new("ptsname", name.to_string_lossy(), Errno::INVAL))
}

/// Whether two descriptors are open on the same device node of the same file system.
///
/// # Errors
/// The errno of `fstat`.
pub fn same_node(a: impl AsFd, b: impl AsFd) -> Result<bool> {
    let a = rustix::fs::fstat(&a).op("fstat", "")?;
    let b = rustix::fs::fstat(&b).op("fstat", "")?;
    Ok((a.st_dev, a.st_ino, a.st_rdev, a.st_mode) == (b.st_dev, b.st_ino, b.st_rdev, b.st_mode))
}

/// Gives terminal `to` the window size of terminal `from`.
///
/// # Errors
/// `ENOTTY` if either is no terminal.
pub fn copy_window_size(from: impl AsFd, to: impl AsFd) -> Result<()> {
    set_window_size(to, window_size(from)?)
}

/// A terminal's window size.
///
/// # Errors
/// `ENOTTY` if it is no terminal.
pub fn window_size(terminal: impl AsFd) -> Result<Winsize> {
    rustix::termios::tcgetwinsize(terminal).op("TIOCGWINSZ", "")
}

/// Sets a terminal's window size; its foreground processes get `SIGWINCH` if it changes.
///
/// # Errors
/// `ENOTTY` if it is no terminal.
pub fn set_window_size(terminal: impl AsFd, size: Winsize) -> Result<()> {
    rustix::termios::tcsetwinsize(terminal, size).op("TIOCSWINSZ", "")
}

/// A terminal in raw mode; dropping it restores the old settings.
#[derive(Debug)]
#[must_use = "dropping it restores the old mode at once"]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Lets every byte through unchanged and unechoed.
    ///
    /// # Errors
    /// `ENOTTY` if it is no terminal.
    pub fn enter(terminal: impl AsFd) -> Result<RawMode> {
        let terminal = rustix::io::fcntl_dupfd_cloexec(&terminal, 3).op("dup", "terminal")?;
        let before = rustix::termios::tcgetattr(&terminal).op("tcgetattr", "terminal")?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(&terminal, OptionalActions::Flush, &raw).op("tcsetattr", "terminal")?;
        Ok(RawMode { terminal, before })
    }

    /// Restores the old settings and says whether that worked.
    ///
    /// # Errors
    /// The terminal has gone.
    pub fn leave(self) -> Result<()> {
        self.restore()
    }

    fn restore(&self) -> Result<()> {
        rustix::termios::tcsetattr(&self.terminal, OptionalActions::Flush, &self.before)
            .op("tcsetattr", "terminal")
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that has gone needs no old mode.
        drop(self.restore());
    }
}

/// The path of terminal `number` in a devpts that is mounted on `devpts`.
pub fn node_path(devpts: &Path, number: u32) -> std::path::PathBuf {
    devpts.join(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::termios::LocalModes;

    fn local_modes(fd: &OwnedFd) -> LocalModes {
        rustix::termios::tcgetattr(fd).unwrap().local_modes
    }

    #[test]
    fn a_pair_talks() {
        let pair = Pair::open().unwrap();
        rustix::io::write(&pair.controller, b"x\n").unwrap();
        let mut got = [0u8; 8];
        assert_eq!(rustix::io::read(&pair.terminal, &mut got).unwrap(), 2);
        assert_eq!(&got[..2], b"x\n");
        let node =
            rustix::fs::open(node_path(Path::new("/dev/pts"), pair.number), OFlags::PATH, Mode::empty());
        assert!(same_node(&pair.terminal, node.unwrap()).unwrap());
        assert!(!same_node(&pair.terminal, &pair.controller).unwrap());
    }

    #[test]
    fn a_directory_that_is_no_devpts() {
        let tmp = rustix::fs::open("/tmp", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        assert_eq!(Pair::open_in(tmp.as_fd()).unwrap_err().errno(), Errno::NODEV);
    }

    #[test]
    fn raw_mode_ends() {
        let pair = Pair::open().unwrap();
        let cooked = local_modes(&pair.terminal);
        assert!(cooked.contains(LocalModes::ECHO));
        {
            let _raw = RawMode::enter(&pair.terminal).unwrap();
            assert!(!local_modes(&pair.terminal).contains(LocalModes::ECHO));
        }
        assert_eq!(local_modes(&pair.terminal), cooked);
        RawMode::enter(&pair.terminal).unwrap().leave().unwrap();
        assert_eq!(local_modes(&pair.terminal), cooked);
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(RawMode::enter(&file).unwrap_err().errno(), Errno::NOTTY);
    }

    #[test]
    fn window_sizes_are_copied() {
        let (a, b) = (Pair::open().unwrap(), Pair::open().unwrap());
        set_window_size(&a.terminal, Winsize { ws_row: 33, ws_col: 77, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        copy_window_size(&a.terminal, &b.controller).unwrap();
        let got = window_size(&b.terminal).unwrap();
        assert_eq!((got.ws_row, got.ws_col), (33, 77));
    }
}

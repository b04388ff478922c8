//! The container's console and ttys, on the monitor's side.
//!
//! What the container writes to its console goes to the log file, the ring buffer, the terminal of whoever
//! started it in the foreground, and the client that holds the console; what these two type goes to the container.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::termios::Termios;

use lxc_sys::{Op, Result};

/// Where console output is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsoleSpec {
    /// The log file.
    pub log: Option<PathBuf>,
    /// The most bytes of the log file; 0 for no limit.
    pub log_size: u64,
    /// Keep the full file as `FILE.1` when a new one is begun.
    pub rotate: bool,
    /// Bytes of the ring buffer; 0 for none.
    pub ring: u64,
}

/// The log file with its limit.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
    rotate: bool,
}

/// The newest bytes of the console.
#[derive(Debug, Default)]
struct Ring {
    bytes: VecDeque<u8>,
    limit: usize,
}

/// A terminal that another program sees, with its former settings.
#[derive(Debug)]
struct Peer {
    fd: OwnedFd,
    saved: Option<Termios>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            // The terminal may be gone.
            rustix::termios::tcsetattr(&self.fd, rustix::termios::OptionalActions::Now, saved).ok();
        }
    }
}

/// A tty that clients may hold, one at a time.
#[derive(Debug)]
struct Tty {
    fd: OwnedFd,
    holder: Option<Holder>,
}

/// Who was handed a tty.
#[derive(Debug)]
struct Holder {
    client: u32,
    /// The other end, open as long as the tty is held: the client is not to be hung up on between one login and
    /// the next, nor before the first. `None` where it cannot be opened any more.
    _terminal: Option<OwnedFd>,
}

/// The monitor's ends of all terminals.
#[derive(Debug, Default)]
pub struct Terminals {
    console: Option<OwnedFd>,
    log: Option<Log>,
    ring: Option<Ring>,
    peer: Option<Peer>,
    /// The client that holds the console, and the monitor's end of the pair made for it.
    proxy: Option<(u32, OwnedFd)>,
    ttys: Vec<Tty>,
}

/// Why a terminal is not handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken;

impl Terminals {
    /// Takes the terminals of a container that has just been set up.
    pub fn new(console: Option<OwnedFd>, ttys: Vec<OwnedFd>) -> Self {
        let ttys = ttys.into_iter().map(|fd| Tty { fd, holder: None }).collect();
        Terminals { console, ttys, ..Terminals::default() }
    }

    /// Opens log and ring buffer.
    ///
    /// # Errors
    /// When the log file cannot be opened.
    pub fn keep_output(&mut self, spec: &ConsoleSpec) -> Result<()> {
        if let Some(path) = &spec.log {
            self.log = Some(Log::open(path, spec.log_size, spec.rotate)?);
        }
        if spec.ring > 0 {
            let limit = usize::try_from(spec.ring).unwrap_or(usize::MAX);
            self.ring = Some(Ring { bytes: VecDeque::new(), limit });
        }
        Ok(())
    }

    /// Shows the console on a terminal and takes what is typed there. The terminal is raw until the end.
    pub fn set_peer(&mut self, fd: OwnedFd) {
        if let (Some(console), Ok(size)) = (&self.console, rustix::termios::tcgetwinsize(&fd)) {
            // A console without a size is a nuisance, not a failure.
            rustix::termios::tcsetwinsize(console, size).ok();
        }
        let saved = make_raw(&fd);
        self.peer = Some(Peer { fd, saved });
    }

    /// The console's descriptor, to be polled.
    pub fn console(&self) -> Option<&OwnedFd> {
        self.console.as_ref()
    }

    /// The foreground terminal, to be polled.
    pub fn peer(&self) -> Option<&OwnedFd> {
        self.peer.as_ref().map(|p| &p.fd)
    }

    /// The monitor's end of the console's client, to be polled.
    pub fn proxy(&self) -> Option<&OwnedFd> {
        self.proxy.as_ref().map(|(_, fd)| fd)
    }

    /// The foreground terminal changed its size.
    pub fn resized(&self) {
        if let (Some(console), Some(peer)) = (&self.console, &self.peer)
            && let Ok(size) = rustix::termios::tcgetwinsize(&peer.fd)
        {
            rustix::termios::tcsetwinsize(console, size).ok();
        }
    }

    /// Moves output of the container. False when the console has ended.
    pub fn output(&mut self) -> bool {
        let Some(console) = &self.console else { return false };
        let mut buffer = [0; 8192];
        let got = match rustix::io::read(console, &mut buffer) {
            Ok(n) => n,
            Err(Errno::INTR | Errno::AGAIN) => return true,
            // Nobody in the container has the console open now; somebody may open it again.
            Err(_) => return false,
        };
        let bytes = &buffer[..got];
        if let Some(log) = &mut self.log {
            log.write(bytes);
        }
        if let Some(ring) = &mut self.ring {
            ring.push(bytes);
        }
        if let Some(peer) = &self.peer {
            write_all(&peer.fd, bytes);
        }
        if let Some((_, proxy)) = &self.proxy {
            write_all(proxy, bytes);
        }
        got > 0
    }

    /// Moves what was typed on the foreground terminal. False when it has ended.
    pub fn typed(&mut self) -> bool {
        let Some(peer) = &self.peer else { return false };
        let alive = forward(&peer.fd, self.console.as_ref());
        if !alive {
            self.peer = None;
        }
        alive
    }

    /// Moves what the console's client typed. False when it has gone.
    pub fn typed_by_client(&mut self) -> bool {
        let Some((_, proxy)) = &self.proxy else { return false };
        if let (Some(console), Ok(size)) = (&self.console, rustix::termios::tcgetwinsize(proxy)) {
            rustix::termios::tcsetwinsize(console, size).ok();
        }
        let alive = forward(proxy, self.console.as_ref());
        if !alive {
            self.proxy = None;
        }
        alive
    }

    /// Hands a terminal to a client: -1 the first free tty, 0 the console, else by number. Returns the client's
    /// descriptor and the terminal's number.
    ///
    /// # Errors
    /// [`Taken`] when it is held, does not exist, or cannot be made.
    pub fn hand_out(&mut self, number: i32, client: u32) -> Result<(OwnedFd, i32), Taken> {
        if number == 0 {
            return self.hand_out_console(client).map(|fd| (fd, 0));
        }
        let free = |tty: &Tty| tty.holder.is_none();
        let at = match usize::try_from(number) {
            Ok(n) => Some(n - 1).filter(|at| self.ttys.get(*at).is_some_and(free)),
            Err(_) => self.ttys.iter().position(free),
        };
        let at = at.ok_or(Taken)?;
        let tty = self.ttys.get_mut(at).ok_or(Taken)?;
        let fd = tty.fd.try_clone().map_err(|_| Taken)?;
        tty.holder = Some(Holder { client, _terminal: lxc_sys::pty::terminal_of(&tty.fd).ok() });
        Ok((fd, i32::try_from(at + 1).unwrap_or(i32::MAX)))
    }

    fn hand_out_console(&mut self, client: u32) -> Result<OwnedFd, Taken> {
        if self.proxy.is_some() || self.console.is_none() {
            return Err(Taken);
        }
        let pair = lxc_sys::pty::Pair::open().map_err(|_| Taken)?;
        let (theirs, ours) = (pair.controller, pair.terminal);
        make_raw(&ours);
        rustix::io::ioctl_fionbio(&ours, true).map_err(|_| Taken)?;
        self.proxy = Some((client, ours));
        Ok(theirs)
    }

    /// A client has gone: what it held is free again.
    pub fn free(&mut self, client: u32) {
        if self.proxy.as_ref().is_some_and(|(holder, _)| *holder == client) {
            self.proxy = None;
        }
        for tty in &mut self.ttys {
            if tty.holder.as_ref().is_some_and(|holder| holder.client == client) {
                tty.holder = None;
            }
        }
    }

    /// The ring buffer's content, at the most `most` bytes of it (0 for all); `None` without a buffer.
    pub fn ring(&self, most: u64) -> Option<Vec<u8>> {
        let ring = self.ring.as_ref()?;
        let most = if most == 0 { usize::MAX } else { usize::try_from(most).unwrap_or(usize::MAX) };
        Some(ring.bytes.iter().copied().take(most).collect())
    }

    /// Empties the ring buffer and begins the log anew.
    pub fn clear(&mut self) {
        if let Some(ring) = &mut self.ring {
            ring.bytes.clear();
        }
        if let Some(log) = &mut self.log {
            log.begin_anew();
        }
    }

    /// Writes the ring buffer to the log file, in place of what is there.
    pub fn dump(&mut self) {
        if let (Some(ring), Some(log)) = (&mut self.ring, &mut self.log) {
            log.begin_anew();
            log.write(ring.bytes.make_contiguous());
        }
    }
}

/// Makes a terminal raw; returns its former settings.
pub fn make_raw(fd: impl AsFd) -> Option<Termios> {
    let saved = rustix::termios::tcgetattr(&fd).ok()?;
    let mut raw = saved.clone();
    raw.make_raw();
    rustix::termios::tcsetattr(&fd, rustix::termios::OptionalActions::Now, &raw).ok()?;
    Some(saved)
}

/// Writes what the other end takes; a reader that does not read loses output, it never stops the monitor.
fn write_all(fd: &OwnedFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

fn forward(from: &OwnedFd, to: Option<&OwnedFd>) -> bool {
    let mut buffer = [0; 4096];
    match rustix::io::read(from, &mut buffer) {
        Ok(0) => false,
        Ok(n) => {
            if let Some(to) = to {
                write_all(to, &buffer[..n]);
            }
            true
        }
        Err(Errno::INTR | Errno::AGAIN) => true,
        Err(_) => false,
    }
}

impl Log {
    fn open(path: &Path, limit: u64, rotate: bool) -> Result<Self> {
        // A link put there by somebody else is not followed: the monitor is root.
        let flags = libc_nofollow();
        let file = File::options()
            .create(true)
            .append(true)
            .mode(0o640)
            .custom_flags(flags)
            .open(path)
            .op("open", path)?;
        let size = file.metadata().op("fstat", path)?.len();
        Ok(Log { path: path.to_owned(), file, size, limit, rotate })
    }

    fn write(&mut self, bytes: &[u8]) {
        let more = bytes.len() as u64;
        if self.limit > 0 && self.size + more > self.limit {
            self.full();
        }
        let bytes = match usize::try_from(self.limit) {
            Ok(limit) if limit > 0 && bytes.len() > limit => &bytes[bytes.len() - limit..],
            _ => bytes,
        };
        if self.file.write_all(bytes).is_ok() {
            self.size += bytes.len() as u64;
        }
    }

    fn full(&mut self) {
        if self.rotate {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            if std::fs::rename(&self.path, &old).is_ok()
                && let Ok(new) = Log::open(&self.path, self.limit, self.rotate)
            {
                *self = new;
                return;
            }
        }
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        if self.file.set_len(0).is_ok() {
            self.size = 0;
        }
    }
}

fn libc_nofollow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0)
}

impl Ring {
    fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(self.limit)..];
        let over = (self.bytes.len() + bytes.len()).saturating_sub(self.limit);
        self.bytes.drain(..over);
        self.bytes.extend(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_the_newest() {
        let mut ring = Ring { bytes: VecDeque::new(), limit: 4 };
        for part in [&b"ab"[..], b"cde", b"0123456789"] {
            ring.push(part);
        }
        assert_eq!(ring.bytes, b"6789");
    }

    #[test]
    fn the_log_turns_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("console.log");
        let mut log = Log::open(&path, 8, true).unwrap();
        log.write(b"first\n");
        log.write(b"second\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"second\n");
        assert_eq!(std::fs::read(dir.path().join("console.log.1")).unwrap(), b"first\n");
        let mut log = Log::open(&path, 8, false).unwrap();
        log.write(b"third\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"third\n");
    }

    #[test]
    fn ttys_are_held_by_one() {
        let a = lxc_sys::pty::Pair::open().unwrap().controller;
        let b = lxc_sys::pty::Pair::open().unwrap().controller;
        let mut terminals = Terminals::new(None, vec![a, b]);
        let (held, number) = terminals.hand_out(-1, 1).unwrap();
        assert_eq!(number, 1);
        // Nobody in the container has it open: all the same it is not hung up.
        let mut fds = [rustix::event::PollFd::new(&held, rustix::event::PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(rustix::event::poll(&mut fds, Some(&now)), Ok(0));
        assert_eq!(terminals.hand_out(2, 2).unwrap().1, 2);
        assert_eq!(terminals.hand_out(-1, 3).unwrap_err(), Taken);
        assert_eq!(terminals.hand_out(7, 3).unwrap_err(), Taken);
        assert_eq!(terminals.hand_out(0, 3).unwrap_err(), Taken);
        terminals.free(1);
        assert_eq!(terminals.hand_out(-1, 3).unwrap().1, 1);
    }
}

//! The container's console and ttys, on the monitor's side.
//!
//! What the container writes to its console goes to the log file, the ring buffer, the terminal of whoever
//! started it in the foreground, and the client that holds the console; what these two type goes to the container.
//!
//! Nothing here blocks. What a reader does not take at once waits in a queue; when that is long, the container's
//! output waits, and when the reader has taken nothing for a second, it loses output until it reads again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::termios::Termios;

use lxc_sys::{Op, Result};

use super::clients::ClientId;
use super::poll::{Interest, Poll, Token};

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

/// What waits for a reader at the most, before the container's output waits too.
const ENOUGH: usize = 64 * 1024;
/// How often the console is read at the most after init's end.
const LAST_READS: u32 = 1024;
/// How long a reader may take nothing before it loses output.
const PATIENCE: Duration = Duration::from_secs(1);

/// A descriptor that does not block, with what waits to be written to it.
#[derive(Debug)]
struct End {
    fd: OwnedFd,
    out: VecDeque<u8>,
    /// When it last took something.
    took: Instant,
    /// It has not for too long.
    stuck: bool,
    /// What it is in the event loop for.
    watched: Option<Interest>,
}

impl End {
    fn new(fd: OwnedFd) -> Self {
        if let Err(e) = rustix::io::ioctl_fionbio(&fd, true) {
            log::warn!("ioctl(FIONBIO): {e}");
        }
        End { fd, out: VecDeque::new(), took: Instant::now(), stuck: false, watched: None }
    }

    /// Puts bytes into the queue, and as many as the other end takes out of it.
    fn push(&mut self, bytes: &[u8]) {
        if self.stuck {
            return;
        }
        if self.out.is_empty() {
            self.took = Instant::now();
        }
        self.out.extend(bytes);
        self.flush();
    }

    fn flush(&mut self) {
        while !self.out.is_empty() {
            match rustix::io::write(&self.fd, self.out.make_contiguous()) {
                Ok(0) | Err(Errno::AGAIN) => return,
                Ok(n) => {
                    self.out.drain(..n);
                    self.took = Instant::now();
                }
                Err(Errno::INTR) => {}
                // It is gone: what reads from it finds out.
                Err(_) => self.out.clear(),
            }
        }
        self.stuck = false;
        self.out.shrink_to(ENOUGH);
    }

    /// A last chance for a reader that reads.
    fn finish(&mut self) {
        use rustix::event::{PollFd, PollFlags, poll};
        const LAST: Duration = Duration::from_millis(200);
        let end = Instant::now() + LAST;
        while !self.out.is_empty() && !self.stuck && Instant::now() < end {
            let left = super::poll::until(Some(end));
            if !matches!(poll(&mut [PollFd::new(&self.fd, PollFlags::OUT)], left.as_ref()), Ok(n) if n > 0) {
                return;
            }
            self.flush();
        }
    }

    fn is_full(&self) -> bool {
        self.out.len() >= ENOUGH && !self.stuck
    }

    /// When it is stuck, if it takes nothing until then.
    fn deadline(&self) -> Option<Instant> {
        self.is_full().then(|| self.took + PATIENCE)
    }

    /// Tells the event loop what to wait for: room if something waits to be written, and input if `read` is set.
    fn watch(&mut self, poll: &Poll, token: Token, read: bool) {
        let interest = match (read, self.out.is_empty()) {
            (true, true) => Interest::Read,
            (true, false) => Interest::Both,
            (false, true) => Interest::Nothing,
            (false, false) => Interest::Write,
        };
        let done = match self.watched {
            Some(now) if now == interest => return,
            Some(_) => poll.change(&self.fd, token, interest),
            None => poll.add_for(&self.fd, token, interest),
        };
        match done {
            Ok(()) => self.watched = Some(interest),
            Err(e) => log::warn!("{e}"),
        }
    }

    /// Reads what is there; `None` at the end.
    fn read<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        match rustix::io::read(&self.fd, &mut *buffer) {
            Ok(0) => None,
            Ok(n) => buffer.get(..n),
            Err(Errno::INTR | Errno::AGAIN) => Some(&[]),
            Err(_) => None,
        }
    }
}

/// A terminal that another program sees, with its former settings.
#[derive(Debug)]
struct Peer {
    end: End,
    saved: Option<Termios>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            // The terminal may be gone.
            rustix::termios::tcsetattr(&self.end.fd, rustix::termios::OptionalActions::Now, saved).ok();
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
    client: ClientId,
    /// The other end, open as long as the tty is held: the client is not to be hung up on between one login and
    /// the next, nor before the first. `None` where it cannot be opened any more.
    _terminal: Option<OwnedFd>,
}

/// The monitor's ends of all terminals.
#[derive(Debug, Default)]
pub struct Terminals {
    console: Option<End>,
    /// All processes of the container have closed the console.
    console_ended: bool,
    log: Option<Log>,
    ring: Option<Ring>,
    peer: Option<Peer>,
    /// The client that holds the console, and the monitor's end of the pair made for it.
    proxy: Option<(ClientId, End)>,
    ttys: Vec<Tty>,
}

/// Why a terminal is not handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken;

impl Terminals {
    /// Takes the terminals of a container that has just been set up.
    pub fn new(console: Option<OwnedFd>, ttys: Vec<OwnedFd>) -> Self {
        let ttys = ttys.into_iter().map(|fd| Tty { fd, holder: None }).collect();
        Terminals { console: console.map(End::new), ttys, ..Terminals::default() }
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

    /// Opens the log file anew, because somebody has renamed or removed it.
    ///
    /// # Errors
    /// When it cannot be opened; then the old one is kept.
    pub fn reopen_log(&mut self) -> Result<()> {
        if let Some(log) = &mut self.log {
            *log = Log::open(&log.path, log.limit, log.rotate)?;
        }
        Ok(())
    }

    /// Shows the console on a terminal and takes what is typed there. The terminal is raw until the end.
    pub fn set_peer(&mut self, fd: OwnedFd) {
        if let (Some(console), Ok(size)) = (&self.console, rustix::termios::tcgetwinsize(&fd)) {
            // A console without a size is a nuisance, not a failure.
            rustix::termios::tcsetwinsize(&console.fd, size).ok();
        }
        let saved = make_raw(&fd);
        self.peer = Some(Peer { end: End::new(fd), saved });
    }

    /// Tells the event loop what to wait for. To be called after whatever may have changed it.
    pub fn watch(&mut self, poll: &Poll) {
        let screens = [self.peer.as_ref().map(|p| &p.end), self.proxy.as_ref().map(|(_, end)| end)];
        let full = screens.into_iter().flatten().any(End::is_full);
        // What cannot be typed into the container yet stays where it is.
        let typed = self.console.as_ref().is_none_or(|c| c.out.is_empty());
        if let Some(console) = self.console.as_mut().filter(|_| !self.console_ended) {
            console.watch(poll, Token::Console, !full);
        }
        if let Some(peer) = &mut self.peer {
            peer.end.watch(poll, Token::Peer, typed);
        }
        if let Some((_, proxy)) = &mut self.proxy {
            proxy.watch(poll, Token::Proxy, typed);
        }
    }

    /// When somebody has read nothing for too long.
    pub fn deadline(&self) -> Option<Instant> {
        let peer = self.peer.as_ref().and_then(|p| p.end.deadline());
        let proxy = self.proxy.as_ref().and_then(|(_, end)| end.deadline());
        peer.into_iter().chain(proxy).min()
    }

    /// Looks who has read nothing for too long.
    pub fn on_time(&mut self) {
        let now = Instant::now();
        let peer = self.peer.as_mut().map(|p| &mut p.end);
        for end in peer.into_iter().chain(self.proxy.as_mut().map(|(_, end)| end)) {
            end.stuck |= end.deadline().is_some_and(|at| at <= now);
        }
    }

    /// The foreground terminal changed its size.
    pub fn resized(&self) {
        if let (Some(console), Some(peer)) = (&self.console, &self.peer)
            && let Ok(size) = rustix::termios::tcgetwinsize(&peer.end.fd)
        {
            rustix::termios::tcsetwinsize(&console.fd, size).ok();
        }
    }

    /// The console is ready: moves output of the container, and what waits to be typed into it.
    pub fn on_console(&mut self, poll: &Poll, hung_up: bool) {
        if let Some(console) = &mut self.console {
            console.flush();
        }
        if !self.output() && hung_up {
            // Every process of the container has closed its console. There is no event for its being opened
            // again, so the descriptor must not be waited on: it would be ready for ever.
            if let Some(console) = &self.console {
                poll.remove(&console.fd);
            }
            self.console_ended = true;
        }
    }

    /// Moves output of the container. False when there is none now, or the console has ended.
    fn output(&mut self) -> bool {
        let Some(console) = &self.console else { return false };
        let mut buffer = [0; 8192];
        // At the end nobody in the container has the console open; somebody may open it again.
        let Some(bytes) = console.read(&mut buffer) else { return false };
        if let Some(log) = &mut self.log {
            log.write(bytes);
        }
        if let Some(ring) = &mut self.ring {
            ring.push(bytes);
        }
        if let Some(peer) = &mut self.peer {
            peer.end.push(bytes);
        }
        if let Some((_, proxy)) = &mut self.proxy {
            proxy.push(bytes);
        }
        !bytes.is_empty()
    }

    /// After init's end: what is still in the console goes where it belongs, and nothing is waited on any more.
    pub fn end(&mut self, poll: &Poll) {
        // Somebody outside of its pid namespace may write for ever.
        for _ in 0..LAST_READS {
            if !self.output() {
                break;
            }
        }
        let peer = self.peer.as_mut().map(|p| &mut p.end);
        for end in self.console.iter_mut().chain(peer).chain(self.proxy.as_mut().map(|(_, end)| end)) {
            poll.remove(&end.fd);
        }
        if let Some(peer) = &mut self.peer {
            peer.end.finish();
        }
    }

    /// The foreground terminal is ready: moves what was typed there, and what waits to be shown.
    pub fn on_peer(&mut self) {
        let Some(peer) = &mut self.peer else { return };
        peer.end.flush();
        if !forward(&peer.end, self.console.as_mut()) {
            self.peer = None;
        }
    }

    /// The console's client is ready.
    pub fn on_proxy(&mut self) {
        let Some((_, proxy)) = &mut self.proxy else { return };
        proxy.flush();
        if let (Some(console), Ok(size)) = (&self.console, rustix::termios::tcgetwinsize(&proxy.fd)) {
            rustix::termios::tcsetwinsize(&console.fd, size).ok();
        }
        if !forward(proxy, self.console.as_mut()) {
            self.proxy = None;
        }
    }

    /// Hands a terminal to a client: -1 the first free tty, 0 the console, else by number. Returns the client's
    /// descriptor and the terminal's number.
    ///
    /// # Errors
    /// [`Taken`] when it is held, does not exist, or cannot be made.
    pub fn hand_out(&mut self, number: i32, client: ClientId) -> Result<(OwnedFd, i32), Taken> {
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

    fn hand_out_console(&mut self, client: ClientId) -> Result<OwnedFd, Taken> {
        if self.proxy.is_some() || self.console.is_none() {
            return Err(Taken);
        }
        let pair = lxc_sys::pty::Pair::open().map_err(|_| Taken)?;
        let (theirs, ours) = (pair.controller, pair.terminal);
        make_raw(&ours);
        self.proxy = Some((client, End::new(ours)));
        Ok(theirs)
    }

    /// A client has gone: what it held is free again.
    pub fn free(&mut self, client: ClientId) {
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

/// Moves what was typed; false at the end. What the container does not take now waits, and no more is read then.
fn forward(from: &End, to: Option<&mut End>) -> bool {
    if to.as_ref().is_some_and(|to| !to.out.is_empty()) {
        return true;
    }
    let mut buffer = [0; 4096];
    let Some(bytes) = from.read(&mut buffer) else { return false };
    if let Some(to) = to {
        to.push(bytes);
    }
    true
}

impl Log {
    fn open(path: &Path, limit: u64, rotate: bool) -> Result<Self> {
        // A link put there by somebody else is not followed: the monitor is root.
        let file = crate::log::open_file(path, rustix::fs::OFlags::NOFOLLOW)?;
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
        self.put(bytes);
    }

    /// Writes what fits: a full pipe or a full disk stops nobody.
    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(n) if n > 0 => {
                    self.size += n as u64;
                    bytes = bytes.get(n..).unwrap_or_default();
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
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
    fn a_reader_that_does_not_read_loses_output() {
        let pair = lxc_sys::pty::Pair::open().unwrap();
        make_raw(&pair.terminal);
        let mut end = End::new(pair.controller);
        let begin = Instant::now();
        while !end.is_full() {
            end.push(&[b'x'; 8192]);
        }
        assert!(end.deadline().is_some_and(|at| at > begin));
        end.stuck = true;
        let waits = end.out.len();
        end.push(b"more");
        assert_eq!((end.out.len(), end.deadline()), (waits, None));
        // It reads again.
        let mut buffer = [0; 65536];
        while !end.out.is_empty() {
            rustix::io::read(&pair.terminal, &mut buffer).unwrap();
            end.flush();
        }
        assert!(!end.stuck);
        end.push(b"again");
        assert!(begin.elapsed() < Duration::from_secs(5));
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

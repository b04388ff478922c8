//! The terminal of an attached program, relayed to the caller's: raw, byte for byte, with its size.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use lxc_sys::process::{Exit, SignalFd, SignalSet};
use lxc_sys::pty::{RawMode, copy_window_size};
use lxc_sys::{Result, process};

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGWINCH: i32 = 28;

/// Bytes on their way from one descriptor to another.
#[derive(Debug)]
struct Pipe {
    bytes: Box<[u8]>,
    from: usize,
    to: usize,
    ended: bool,
}

impl Pipe {
    fn new() -> Self {
        Pipe { bytes: vec![0; 64 * 1024].into_boxed_slice(), from: 0, to: 0, ended: false }
    }

    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Reads when it is empty.
    fn fill(&mut self, source: BorrowedFd<'_>) {
        match rustix::io::read(source, &mut self.bytes[..]) {
            Ok(0) => self.ended = true,
            Ok(n) => (self.from, self.to) = (0, n),
            Err(Errno::INTR | Errno::AGAIN) => {}
            // EIO: the other side of a terminal was closed.
            Err(_) => self.ended = true,
        }
    }

    fn drain(&mut self, sink: BorrowedFd<'_>) {
        match rustix::io::write(sink, &self.bytes[self.from..self.to]) {
            Ok(n) => self.from += n,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => {
                self.ended = true;
                self.from = self.to;
            }
        }
    }
}

/// What the caller's side of the terminal is.
#[derive(Debug)]
pub struct Terminal {
    /// The controlling end of the program's terminal.
    pub controller: OwnedFd,
    /// A copy of all output goes here.
    pub log: Option<OwnedFd>,
}

/// Serves an attached child until it ends. With a terminal, what the caller types goes to it and what it shows
/// comes back; signals to the caller are forwarded without one.
///
/// # Errors
/// When signals cannot be received or the child cannot be waited for.
pub fn serve(child: &lxc_sys::clone::Child, terminal: Option<Terminal>) -> Result<Exit> {
    let set = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGWINCH]
        .iter()
        .fold(SignalSet::empty(), |s, n| s.with(*n));
    let old = process::set_signal_mask(&set)?;
    let signals = SignalFd::new(&set)?;
    let result = match terminal {
        Some(terminal) => Relay::new(terminal).serve(child, &signals),
        None => wait(child, &signals),
    };
    process::set_signal_mask(&old)?;
    result
}

fn wait(child: &lxc_sys::clone::Child, signals: &SignalFd) -> Result<Exit> {
    loop {
        if let Some(exit) = child.try_wait()? {
            return Ok(exit);
        }
        let mut fds = [PollFd::new(signals, PollFlags::IN)];
        if poll(&mut fds, None).is_ok() {
            while let Some(taken) = signals.take()? {
                if taken.signal != SIGCHLD && taken.signal != SIGWINCH {
                    // It may have ended just now.
                    child.signal(taken.signal).ok();
                }
            }
        }
    }
}

/// Where the program's terminal is shown: an output that is no terminal is the program's own, and what is echoed of
/// the input does not belong there.
fn callers_terminal() -> BorrowedFd<'static> {
    let (stdin, stdout, stderr) = (rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr());
    [stdout, stderr, stdin].into_iter().find(|fd| rustix::termios::isatty(fd)).unwrap_or(stdout)
}

struct Relay {
    terminal: Terminal,
    input: Pipe,
    output: Pipe,
    ended: Option<Exit>,
}

impl Relay {
    fn new(terminal: Terminal) -> Self {
        Relay { terminal, input: Pipe::new(), output: Pipe::new(), ended: None }
    }

    fn serve(mut self, child: &lxc_sys::clone::Child, signals: &SignalFd) -> Result<Exit> {
        let stdin = rustix::stdio::stdin();
        let shown = callers_terminal();
        // An input that is no terminal is the program's own: whatever is read here would be missing there.
        self.input.ended = !rustix::termios::isatty(stdin);
        // Dropped on every way out: the caller's terminal is as it was.
        let _raw = RawMode::enter(stdin).ok();
        self.resize();
        rustix::io::ioctl_fionbio(&self.terminal.controller, true).ok();
        loop {
            if self.ended.is_none() {
                self.ended = child.try_wait()?;
            }
            if let Some(exit) = self.ended
                && self.output.is_empty()
                && (self.output.ended || !self.has_output())
            {
                return Ok(exit);
            }
            self.wait_and_move(stdin, shown, signals)?;
        }
    }

    fn has_output(&self) -> bool {
        let mut fds = [PollFd::new(&self.terminal.controller, PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now)).is_ok_and(|n| n > 0) && fds[0].revents().contains(PollFlags::IN)
    }

    fn wait_and_move(
        &mut self,
        stdin: BorrowedFd<'_>,
        stdout: BorrowedFd<'_>,
        signals: &SignalFd,
    ) -> Result<()> {
        let wanted = |yes: bool, flag: PollFlags| if yes { flag } else { PollFlags::empty() };
        let controller_flags = wanted(self.output.is_empty() && !self.output.ended, PollFlags::IN)
            | wanted(!self.input.is_empty(), PollFlags::OUT);
        let mut fds = vec![PollFd::new(signals, PollFlags::IN)];
        let controller = self.terminal.controller.as_fd();
        if !controller_flags.is_empty() {
            fds.push(PollFd::from_borrowed_fd(controller, controller_flags));
        }
        let has_controller = fds.len() == 2;
        if self.input.is_empty() && !self.input.ended && self.ended.is_none() {
            fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
        }
        let has_stdin = fds.len() > 1 + usize::from(has_controller);
        if !self.output.is_empty() {
            fds.push(PollFd::from_borrowed_fd(stdout, PollFlags::OUT));
        }
        let ended = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        match poll(&mut fds, self.ended.map(|_| &ended)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(lxc_sys::Error::new("poll", "terminal", e)),
        }
        let gone = PollFlags::HUP | PollFlags::ERR;
        let revents: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        drop(fds);
        self.move_bytes(&revents, (has_controller, has_stdin), stdin, stdout, gone);
        if !revents.first().copied().unwrap_or(PollFlags::empty()).is_empty() {
            self.on_signals(signals)?;
        }
        Ok(())
    }

    fn move_bytes(
        &mut self,
        revents: &[PollFlags],
        (has_controller, has_stdin): (bool, bool),
        stdin: BorrowedFd<'_>,
        stdout: BorrowedFd<'_>,
        gone: PollFlags,
    ) {
        let controller = self.terminal.controller.as_fd();
        let mut rest = revents.iter().skip(1).copied();
        if has_controller {
            let on = rest.next().unwrap_or(PollFlags::empty());
            if on.contains(PollFlags::OUT) {
                self.input.drain(controller);
            }
            if on.intersects(PollFlags::IN | gone) && self.output.is_empty() {
                self.output.fill(controller);
                if let Some(log) = &self.terminal.log {
                    // A full disk must not break the session.
                    rustix::io::write(log, &self.output.bytes[self.output.from..self.output.to]).ok();
                }
            }
        }
        if has_stdin && rest.next().unwrap_or(PollFlags::empty()).intersects(PollFlags::IN | gone) {
            self.input.fill(stdin);
        }
        if rest.next().unwrap_or(PollFlags::empty()).intersects(PollFlags::OUT | gone) {
            self.output.drain(stdout);
        }
    }

    fn on_signals(&mut self, signals: &SignalFd) -> Result<()> {
        while let Some(taken) = signals.take()? {
            match taken.signal {
                SIGWINCH => self.resize(),
                // Typed on the caller's terminal they would be bytes in raw mode: these were sent by kill(1), and
                // mean the session. Closing the terminal ends it.
                SIGHUP | SIGTERM => {
                    self.ended = Some(Exit::Killed(taken.signal));
                    self.output.ended = true;
                    self.output.from = self.output.to;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn resize(&self) {
        fit(&self.terminal.controller);
    }
}

/// Gives a terminal the size of the caller's.
pub fn fit(controller: &OwnedFd) {
    for fd in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        if rustix::termios::isatty(fd) {
            // A terminal without a size is no failure.
            copy_window_size(fd, controller).ok();
            return;
        }
    }
}

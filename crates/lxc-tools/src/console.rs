//! `lxc-console`: this terminal becomes a terminal of the container.

mod escape;

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use lxc_core::TtyChoice;
use lxc_sys::Op;
use lxc_sys::process::{self, SignalFd, SignalSet};
use lxc_sys::pty::{RawMode, copy_window_size};

use crate::cli::{Common, Rcfile, Tool};
use crate::report::{self, Failure};
use crate::session::Session;
use escape::{Escape, Typed};

/// Use a terminal of a running container
#[derive(Debug, clap::Parser)]
pub struct Console {
    /// The terminal's number (default: the first that is free; 0: the console)
    #[arg(short, long, value_name = "NUMBER")]
    tty: Option<u32>,
    /// The key to press with Ctrl before q to leave (default: a; -1: none)
    #[arg(short, long, value_name = "KEY", default_value = "a", hide_default_value = true)]
    escape: String,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Console {
    const PROGRAM: &'static str = "lxc-console";
    const SYNOPSIS: &'static str = "--name=NAME [--tty=NUMBER]";

    crate::cli::common!();

    fn check(&mut self) -> Result<(), String> {
        Escape::parse(&self.escape).map(drop)
    }

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let mut escape = Escape::parse(&self.escape).map_err(Failure::said)?;
        let container = session.controllable()?;
        if !container.is_running() {
            return Err(Failure::said("not running"));
        }
        let choice = match self.tty {
            None => TtyChoice::Any,
            Some(0) => TtyChoice::Console,
            Some(number) => TtyChoice::Number(number),
        };
        let console = container.console(choice)?;
        report::line(&format!("\nConnected to tty {}", console.number));
        if let Some(key) = escape.key() {
            report::line(&format!(
                "Type <Ctrl+{key} q> to exit the console, <Ctrl+{key} Ctrl+{key}> to enter Ctrl+{key} itself"
            ));
        }
        relay(console.fd.as_fd(), &mut escape)?;
        Ok(0)
    }
}

const SIGHUP: i32 = 1;
const SIGTERM: i32 = 15;
const SIGWINCH: i32 = 28;

/// Carries bytes between this terminal and `tty` until the user leaves, either side closes, or the tool is
/// told to end.
fn relay(tty: BorrowedFd<'_>, escape: &mut Escape) -> Result<(), Failure> {
    let wanted = SignalSet::empty().with(SIGHUP).with(SIGTERM).with(SIGWINCH);
    process::set_signal_mask(&wanted)?;
    let signals = SignalFd::new(&wanted)?;
    let (stdin, stdout) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    // Dropped on every way out: the terminal is as it was.
    let _raw = RawMode::enter(stdin).ok();
    resize(tty);
    loop {
        let gone = PollFlags::HUP | PollFlags::ERR;
        let mut fds = [
            PollFd::from_borrowed_fd(stdin, PollFlags::IN),
            PollFd::from_borrowed_fd(tty, PollFlags::IN),
            PollFd::new(&signals, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            other => other.op("poll", "terminal")?,
        };
        let [typed, shown, signalled] = [fds[0].revents(), fds[1].revents(), fds[2].revents()];
        // Output first: what the container still shows is seen before the end.
        if shown.intersects(PollFlags::IN | gone) && !show(tty, stdout)? {
            return Ok(());
        }
        if typed.intersects(PollFlags::IN | gone) && !take_typed(stdin, tty, escape)? {
            return Ok(());
        }
        if !signalled.is_empty() {
            while let Some(taken) = signals.take()? {
                match taken.signal {
                    SIGWINCH => resize(tty),
                    _ => return Ok(()),
                }
            }
        }
    }
}

/// Carries what the container shows; whether there may be more.
fn show(tty: BorrowedFd<'_>, stdout: BorrowedFd<'_>) -> Result<bool, Failure> {
    let mut bytes = [0; 8192];
    match rustix::io::read(tty, &mut bytes) {
        // EIO: nobody in the container has the terminal open any more.
        Ok(0) | Err(Errno::IO) => Ok(false),
        Ok(n) => {
            write_all(stdout, &bytes[..n]).op("write", "standard output")?;
            Ok(true)
        }
        Err(Errno::INTR | Errno::AGAIN) => Ok(true),
        Err(errno) => Err(lxc_sys::Error::new("read", "the container's terminal", errno).into()),
    }
}

/// Carries what the user types; whether there may be more.
fn take_typed(stdin: BorrowedFd<'_>, tty: BorrowedFd<'_>, escape: &mut Escape) -> Result<bool, Failure> {
    // Few at a time: a write to a terminal that nobody reads blocks when its buffer of 4096 bytes is full.
    let mut bytes = [0; 256];
    match rustix::io::read(stdin, &mut bytes) {
        Ok(0) | Err(Errno::IO) => Ok(false),
        Ok(n) => match escape.filter(&bytes[..n]) {
            Typed::Text(text) => {
                write_all(tty, &text).op("write", "the container's terminal")?;
                Ok(true)
            }
            Typed::Leave(text) => {
                write_all(tty, &text).op("write", "the container's terminal")?;
                Ok(false)
            }
        },
        Err(Errno::INTR | Errno::AGAIN) => Ok(true),
        Err(errno) => Err(lxc_sys::Error::new("read", "standard input", errno).into()),
    }
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None)?;
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Gives the container's terminal the size of this one.
fn resize(tty: BorrowedFd<'_>) {
    let stdin = rustix::stdio::stdin();
    if rustix::termios::isatty(stdin) {
        // A terminal without a size is no failure.
        copy_window_size(stdin, tty).ok();
    }
}

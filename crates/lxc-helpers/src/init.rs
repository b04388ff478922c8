//! The init of application containers (`init.lxc`): runs one program, reaps what is left to it, forwards signals.
//!
//! Runs as the first process of the container, from a sealed copy in memory.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;

use lxc_sys::clone::{Cloned, Request, clone};
use lxc_sys::process::{self, Exit, SignalFd, SignalSet};
use lxc_sys::{Error, Result};

const USAGE: &str = "Usage: init.lxc -n NAME [-q] [-P LXCPATH] -- COMMAND [ARGUMENT]...";
const SIGILL: i32 = 4;
const SIGBUS: i32 = 7;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGPWR: i32 = 30;
/// `SI_USER`: sent by kill(2).
const SI_USER: i32 = 0;

/// What the command line asks for.
enum Asked {
    Run(Vec<CString>),
    Show(String),
    Help,
    Wrong(String),
}

fn main() -> ExitCode {
    match arguments() {
        Asked::Run(argv) => match run(&argv) {
            Ok(status) => ExitCode::from(status),
            Err(error) => say(&format!("lxc-init: {error}"), 1),
        },
        Asked::Show(text) => {
            #[allow(clippy::print_stdout, reason = "it was asked for")]
            {
                println!("{text}");
            }
            ExitCode::SUCCESS
        }
        Asked::Help => say(USAGE, 0),
        Asked::Wrong(text) => say(&format!("lxc-init: {text}"), 1),
    }
}

fn say(text: &str, code: u8) -> ExitCode {
    #[allow(clippy::print_stderr, reason = "this program has no log")]
    {
        eprintln!("{text}");
    }
    ExitCode::from(code)
}

fn arguments() -> Asked {
    use lexopt::prelude::{Long, Short, Value};
    let mut parser = lexopt::Parser::from_env();
    let mut name = None;
    let mut argv = Vec::new();
    loop {
        let next = match parser.next() {
            Ok(Some(next)) => next,
            Ok(None) => break,
            Err(error) => return Asked::Wrong(error.to_string()),
        };
        let value = match next {
            Short('n') | Long("name") => {
                name = parser.value().ok();
                continue;
            }
            Short('P' | 'o' | 'l') | Long("lxcpath" | "logfile" | "logpriority") => parser.value().err(),
            Short('q') | Long("quiet") => None,
            Short('h') | Long("help") | Long("usage") => return Asked::Help,
            Short('?') => return Asked::Wrong(USAGE.to_owned()),
            Long("version") => return Asked::Show(env!("CARGO_PKG_VERSION").to_owned()),
            Value(word) => {
                argv.push(word);
                argv.extend(parser.raw_args().into_iter().flatten());
                break;
            }
            other => return Asked::Wrong(other.unexpected().to_string()),
        };
        if let Some(error) = value {
            return Asked::Wrong(error.to_string());
        }
    }
    if name.is_none() {
        return Asked::Wrong("missing container name, use --name option".to_owned());
    }
    if argv.is_empty() {
        return Asked::Wrong("missing command".to_owned());
    }
    let words = argv.into_iter().map(|w| process::c_string(std::os::unix::ffi::OsStringExt::into_vec(w)));
    match words.collect::<Result<Vec<CString>>>() {
        Ok(argv) => Asked::Run(argv),
        Err(error) => Asked::Wrong(error.to_string()),
    }
}

fn run(argv: &[CString]) -> Result<u8> {
    let taken = SignalSet::full().without(SIGILL).without(SIGBUS).without(SIGSEGV);
    let before = process::set_signal_mask(&taken)?;
    let signals = SignalFd::new(&taken)?;
    let command = match clone(&Request::default())?.0 {
        Cloned::Monitor(child) => child.pid(),
        Cloned::Guest(_) => become_command(argv, &before),
    };
    settle_down();
    Reaper { command, signals, status: 1, stopping: false }.serve()
}

/// The command's process: a session of its own, on the console if there is one.
fn become_command(argv: &[CString], mask: &SignalSet) -> ! {
    let not_found = 255;
    rustix::process::setsid().ok();
    // Only a terminal that is nobody's becomes the session's.
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).ok();
    process::default_signal_actions();
    if process::set_signal_mask(mask).is_err() {
        process::leave(not_found);
    }
    let env: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| {
            use std::os::unix::ffi::OsStrExt;
            process::c_string([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        })
        .collect();
    let path = std::env::var("PATH").unwrap_or_else(|_| "/bin:/usr/bin".to_owned());
    let error = process::exec(argv, &env, &path);
    say(&format!("lxc-init: {error}"), 1);
    process::leave(not_found)
}

/// What an init does without: its own name is no matter, nor are descriptors it was started with.
fn settle_down() {
    rustix::thread::set_name(c"init").ok();
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    if let Ok(console) = rustix::fs::open("/dev/console", flags, Mode::empty()) {
        rustix::stdio::dup2_stderr(console.as_fd()).ok();
    }
}

struct Reaper {
    command: Pid,
    signals: SignalFd,
    status: u8,
    stopping: bool,
}

impl Reaper {
    /// Until nobody is left.
    fn serve(mut self) -> Result<u8> {
        loop {
            if self.reap()? {
                return Ok(self.status);
            }
            if !self.wait()? {
                // The second that processes have for their end is over.
                kill_all(SIGKILL);
            }
            while let Some(taken) = self.signals.take()? {
                self.on(taken);
            }
        }
    }

    /// True when no process is left.
    fn reap(&mut self) -> Result<bool> {
        loop {
            match process::try_wait_any() {
                Ok(Some((pid, exit))) if pid == self.command => self.status = status_of(exit),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(false),
                Err(e) if e.errno() == rustix::io::Errno::CHILD => return Ok(true),
                Err(e) => return Err(e),
            }
        }
    }

    /// False when a second has passed while processes were to end.
    fn wait(&self) -> Result<bool> {
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        let mut fds = [PollFd::new(&self.signals, PollFlags::IN)];
        match poll(&mut fds, self.stopping.then_some(&second)) {
            Ok(n) => Ok(n > 0),
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(e) => Err(Error::new("poll", "signals", e)),
        }
    }

    fn on(&mut self, taken: process::Taken) {
        // The container's own processes do not command their init.
        let from_inside = taken.code == SI_USER && taken.sender > 1;
        match taken.signal {
            SIGCHLD => {}
            _ if from_inside => {}
            SIGPWR | SIGTERM => {
                if !self.stopping {
                    self.stopping = true;
                    kill_all(SIGTERM);
                }
            }
            // It may have ended already.
            other => drop(process::kill(self.command, other)),
        }
    }
}

/// Everybody but this process. Outside a pid namespace that would be the host: there, nobody.
fn kill_all(signal: i32) {
    if std::process::id() == 1 {
        // There may be nobody.
        process::kill_raw(-1, signal).ok();
    }
}

fn status_of(exit: Exit) -> u8 {
    u8::try_from(exit.shell_status() & 0xff).unwrap_or(1)
}

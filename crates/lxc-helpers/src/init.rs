//! The init of application containers (`init.lxc`): runs one program, reaps what is left to it, forwards signals.
//!
//! Runs as the first process of the container, from a sealed copy in memory.

use std::ffi::{CString, OsString};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;

use lxc_sys::clone::{Cloned, Request, clone};
use lxc_sys::process::{self, Exit, SignalFd, SignalSet};
use lxc_sys::{Error, Result};
use lxc_types::LXC_VERSION;
use lxc_types::getopt::{Item, Known, Reader, Value};

const HELP: &str = "Usage: lxc-init --name=NAME -- COMMAND

Run COMMAND as the only program of a container, and reap what is left to process 1

Options :
  -n, --name=NAME     The container's name
  -q, --quiet         Print nothing
  -P, --lxcpath=PATH  Where the containers are

Common options :
  -?, --help          Show this text
      --usage         Show the options in short
      --version       Show the version of LXC that this follows

What the long form of an option takes, its letter takes, too.
";

/// In upstream's layout.
const USAGE: &str = "Usage: lxc-init [-n|--name=NAME] [-h|--help] [--usage] [--version]
\t\t[-q|--quiet] [-P|--lxcpath=LXCPATH]
";

/// The options. Those for a log are taken and do nothing: an older LXC gives them.
const KNOWN: [Known<'static>; 8] = [
    known("name", Some('n'), Value::Needed),
    known("help", Some('h'), Value::None),
    known("usage", None, Value::None),
    known("version", None, Value::None),
    known("quiet", Some('q'), Value::None),
    known("lxcpath", Some('P'), Value::Needed),
    known("", Some('o'), Value::Needed),
    known("", Some('l'), Value::Needed),
];

const fn known(long: &'static str, short: Option<char>, value: Value) -> Known<'static> {
    Known { long, short, value, yields: false }
}

const SIGHUP: i32 = 1;
const SIGILL: i32 = 4;
const SIGBUS: i32 = 7;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGPWR: i32 = 30;

/// What the command line asks for.
enum Asked {
    Run {
        argv: Vec<CString>,
        quiet: bool,
    },
    Version,
    /// A text on standard error, and the exit code.
    Say(String, u8),
}

fn main() -> ExitCode {
    match arguments(std::env::args_os().collect()) {
        Asked::Run { argv, quiet } => match run(&argv, quiet) {
            Ok(status) => ExitCode::from(status),
            Err(error) => say(&format!("lxc-init: {error}\n"), 1),
        },
        Asked::Version => {
            let line = format!("{LXC_VERSION}\n");
            ExitCode::from(u8::from(std::io::stdout().write_all(line.as_bytes()).is_err()))
        }
        Asked::Say(text, code) => say(&text, code),
    }
}

fn say(text: &str, code: u8) -> ExitCode {
    // Nobody is left to be told when standard error is closed.
    std::io::stderr().write_all(text.as_bytes()).ok();
    ExitCode::from(code)
}

fn arguments(mut args: Vec<OsString>) -> Asked {
    let program = if args.is_empty() { OsString::new() } else { args.remove(0) };
    let (mut named, mut quiet, mut words) = (false, false, Vec::new());
    for item in Reader::new(&KNOWN, args) {
        match item {
            Ok(Item::Operand(word)) => words.push(word),
            Ok(Item::Dashes) => {}
            Ok(Item::Option(at, _)) => match KNOWN[at].long {
                "name" => named = true,
                "quiet" => quiet = true,
                "help" => return Asked::Say(HELP.to_owned(), 0),
                "usage" => return Asked::Say(USAGE.to_owned(), 0),
                "version" => return Asked::Version,
                _ => {}
            },
            Err(said) => {
                let said = String::from_utf8_lossy(&said).into_owned();
                return Asked::Say(format!("{}: {said}\n{HELP}", program.display()), 1);
            }
        }
    }
    if !named {
        return Asked::Say("lxc-init: missing container name, use --name option\n".to_owned(), 1);
    }
    if words.is_empty() {
        return Asked::Say("lxc-init: missing command\n".to_owned(), 1);
    }
    match words.into_iter().map(|w| process::c_string(w.into_vec())).collect::<Result<Vec<CString>>>() {
        Ok(argv) => Asked::Run { argv, quiet },
        Err(error) => Asked::Say(format!("lxc-init: {error}\n"), 1),
    }
}

fn run(argv: &[CString], quiet: bool) -> Result<u8> {
    // What it was started with is no matter of an init's, nor of the command's; where the kernel cannot close
    // them at once and there is no /proc, they stay.
    process::close_inherited_from(3).ok();
    let taken = SignalSet::full().without(SIGILL).without(SIGBUS).without(SIGSEGV);
    process::set_signal_mask(&taken)?;
    let signals = SignalFd::new(&taken)?;
    let command = match clone(&Request::default())?.0 {
        Cloned::Monitor(child) => child.pid(),
        Cloned::Guest(_) => become_command(argv, quiet),
    };
    settle_down();
    Reaper { command, signals, status: 1, stopping: false }.serve()
}

/// The command's process: a session of its own, on the console if there is one.
fn become_command(argv: &[CString], quiet: bool) -> ! {
    let not_found = 255;
    rustix::process::setsid().ok();
    // Only a terminal that is nobody's becomes the session's.
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).ok();
    process::default_signal_actions();
    if process::set_signal_mask(&SignalSet::empty()).is_err() {
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
    if !quiet {
        say(&format!("lxc-init: {error}\n"), 1);
    }
    process::leave(not_found)
}

/// Looks like an init, and complains on the console.
fn settle_down() {
    // Only looks: a kernel that refuses is none to fail on.
    process::set_title(b"init").ok();
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
        match taken.signal {
            // A hangup is nothing to the command: it has a session of its own.
            SIGCHLD | SIGHUP => {}
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

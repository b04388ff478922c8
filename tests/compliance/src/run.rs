//! Running a program to its end, with its output caught and a limit on its time.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long a program may take unless the test says otherwise.
const LIMIT: Duration = Duration::from_secs(30);

/// How long output is waited for after the program itself has ended.
const AFTER_END: Duration = Duration::from_millis(500);

/// A program about to be run.
#[derive(Debug)]
pub struct Run {
    command: Command,
    shown: String,
    input: Vec<u8>,
    limit: Duration,
}

/// What a program left: its two outputs and its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code; 128 + n when signal n ended the program.
    pub code: i32,
    /// Some process still held one of the outputs after the program had ended.
    pub held_open: bool,
}

impl Run {
    /// A program with its arguments.
    pub fn new<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Self {
        let mut command = Command::new(program);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
        let mut shown = program.display().to_string();
        for arg in args {
            shown.push(' ');
            shown.push_str(&arg.as_ref().to_string_lossy());
        }
        Self { command, shown, input: Vec::new(), limit: LIMIT }
    }

    /// What the program reads; without it, standard input is `/dev/null`.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// One variable of its environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    /// Its working directory; `/` without it.
    #[must_use]
    pub fn dir(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Starts it and lets it run; the caller waits for it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(mut self) -> Running {
        self.command.stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() });
        let child = self.command.spawn().unwrap_or_else(|e| panic!("{}: {e}", self.shown));
        Running { child, shown: self.shown, input: self.input, limit: self.limit }
    }

    /// Runs it to its end, text in, text out.
    ///
    /// # Panics
    /// When it cannot be started or goes over its time.
    #[must_use]
    pub fn output(self) -> Output {
        let (code, held_open, command, out, err) = self.spawn().finish();
        Output {
            command,
            stdout: String::from_utf8_lossy(&out).into_owned(),
            stderr: String::from_utf8_lossy(&err).into_owned(),
            code,
            held_open,
        }
    }

    /// Runs it to its end and hands back the very bytes of standard output, with the exit code.
    ///
    /// # Panics
    /// When it cannot be started or goes over its time.
    #[must_use]
    pub fn bytes(self) -> (Vec<u8>, i32) {
        let (code, _, _, out, _) = self.spawn().finish();
        (out, code)
    }
}

/// A program that runs while the test goes on. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    shown: String,
    input: Vec<u8>,
    limit: Duration,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

impl Running {
    /// Waits for its end.
    ///
    /// # Panics
    /// When it goes over its time.
    #[must_use]
    pub fn output(self) -> Output {
        let (code, held_open, command, out, err) = self.finish();
        Output {
            command,
            stdout: String::from_utf8_lossy(&out).into_owned(),
            stderr: String::from_utf8_lossy(&err).into_owned(),
            code,
            held_open,
        }
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(pid_of(&self.child), signal)
            .unwrap_or_else(|e| panic!("{}: signal: {e}", self.shown));
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    fn finish(mut self) -> (i32, bool, String, Vec<u8>, Vec<u8>) {
        let pidfd = pidfd_open(pid_of(&self.child), PidfdFlags::empty()).expect("pidfd of a child");
        let mut pipes = Pipes::new(&mut self.child, std::mem::take(&mut self.input));
        let end = Instant::now() + self.limit;
        let mut ended = None;
        while pipes.open() {
            let now = Instant::now();
            let until = ended.map_or(end, |at: Instant| at + AFTER_END);
            if now >= until {
                break;
            }
            pipes.turn(ended.is_none().then_some(&pidfd), until - now);
            if ended.is_none() && readable(&pidfd) {
                ended = Some(Instant::now());
            }
        }
        while ended.is_none() && !readable(&pidfd) && Instant::now() < end {
            wait_readable(&pidfd, end.saturating_duration_since(Instant::now()));
        }
        let held_open = pipes.reading();
        if !readable(&pidfd) {
            drop(self.child.kill());
            drop(self.child.wait());
            panic!(
                "{}: not done after {:?}\nstdout: {}\nstderr: {}",
                self.shown,
                self.limit,
                String::from_utf8_lossy(&pipes.out),
                String::from_utf8_lossy(&pipes.err)
            );
        }
        let status = self.child.wait().expect("wait for a child");
        let shown = std::mem::take(&mut self.shown);
        (code_of(status), held_open, shown, pipes.out, pipes.err)
    }
}

impl Output {
    /// Fails the test unless the program ended with this code.
    ///
    /// # Panics
    /// When it ended with another one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "{}: exit code\nstdout: {}\nstderr: {}",
            self.command, self.stdout, self.stderr
        );
        self
    }

    /// Fails the test unless the program ended with 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.expect(0)
    }
}

pub fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// An exit status as a shell shows it.
pub fn code_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(127))
}

pub fn timespec(limit: Duration) -> Timespec {
    Timespec { tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: limit.subsec_nanos().into() }
}

pub fn readable(fd: &OwnedFd) -> bool {
    wait_readable(fd, Duration::ZERO)
}

/// Whether a descriptor can be read from, now or within this time.
pub fn wait_readable(fd: &OwnedFd, limit: Duration) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    matches!(poll(&mut fds, Some(&timespec(limit))), Ok(n) if n > 0)
}

/// The three pipes of a child. No thread serves them: one that moved to another PID namespace
/// cannot make any.
struct Pipes {
    stdin: Option<File>,
    stdout: Option<File>,
    stderr: Option<File>,
    input: Vec<u8>,
    sent: usize,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Pipes {
    fn new(child: &mut Child, input: Vec<u8>) -> Self {
        let stdin = child.stdin.take().map(|s| File::from(OwnedFd::from(s)));
        if let Some(pipe) = &stdin {
            rustix::io::ioctl_fionbio(pipe, true).expect("non-blocking pipe");
        }
        Self {
            stdin,
            stdout: child.stdout.take().map(|s| File::from(OwnedFd::from(s))),
            stderr: child.stderr.take().map(|s| File::from(OwnedFd::from(s))),
            input,
            sent: 0,
            out: Vec::new(),
            err: Vec::new(),
        }
    }

    fn reading(&self) -> bool {
        self.stdout.is_some() || self.stderr.is_some()
    }

    fn open(&self) -> bool {
        self.reading() || self.stdin.is_some()
    }

    /// Waits for one of the pipes, or for the child's end, and moves what can be moved.
    fn turn(&mut self, pidfd: Option<&OwnedFd>, limit: Duration) {
        let ready = {
            let mut fds = Vec::new();
            let mut slots = Vec::new();
            for (slot, file, flag) in [
                (0, &self.stdin, PollFlags::OUT),
                (1, &self.stdout, PollFlags::IN),
                (2, &self.stderr, PollFlags::IN),
            ] {
                if let Some(file) = file {
                    fds.push(PollFd::from_borrowed_fd(file.as_fd(), flag));
                    slots.push(slot);
                }
            }
            if let Some(fd) = pidfd {
                fds.push(PollFd::new(fd, PollFlags::IN));
            }
            if poll(&mut fds, Some(&timespec(limit))).is_err() {
                return;
            }
            let mut ready = [false; 3];
            for (slot, fd) in slots.iter().zip(&fds) {
                ready[*slot] = !fd.revents().is_empty();
            }
            ready
        };
        if ready[0] {
            self.write();
        }
        if ready[1] {
            read(&mut self.stdout, &mut self.out);
        }
        if ready[2] {
            read(&mut self.stderr, &mut self.err);
        }
    }

    fn write(&mut self) {
        let Some(pipe) = &mut self.stdin else { return };
        match pipe.write(&self.input[self.sent..]) {
            Ok(n) => self.sent += n,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(_) => self.sent = self.input.len(),
        }
        if self.sent == self.input.len() {
            self.stdin = None;
        }
    }
}

fn read(file: &mut Option<File>, into: &mut Vec<u8>) {
    let mut buffer = [0; 65536];
    let Some(open) = file else { return };
    match open.read(&mut buffer) {
        Ok(0) | Err(_) => *file = None,
        Ok(n) => into.extend_from_slice(&buffer[..n]),
    }
}

//! The monitor's event loop: signals, init, clients, console.
//!
//! One thread, one `match`, and nothing that blocks. A client's error closes that client; only a failure of the
//! monitor's own descriptors ends the loop. While the container is started and ended, [`Door`] answers what can
//! be answered without one.

pub mod clients;
pub mod console;
mod door;
mod freezer;
pub mod poll;
mod requests;
mod supervision;

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lxc_config::Config;
use lxc_host::cgroup::PayloadLease;
use lxc_host::seccomp::notify::{Proxy, Wants};
use lxc_sys::clone::Child;
use lxc_sys::process::{Exit, SignalFd};
use lxc_sys::{Result, process};
use lxc_types::State;

use crate::command::wire;
use clients::{ClientId, Incoming, Then};
use console::Terminals;
use freezer::Changes;
use poll::{Ready, Token};

pub use door::{Door, Identity};

/// How a run of a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Init ended by itself, with this status.
    Exited(i32),
    /// Init was killed by this signal.
    Killed(i32),
    /// The container was shut down from inside with reboot(2).
    Halted,
    /// The container asked for a reboot from inside.
    Rebooting,
}

impl Outcome {
    /// What the end of init means. The kernel ends the init of a pid namespace that calls reboot(2) by SIGHUP
    /// for a restart and by SIGINT for a halt.
    pub fn of(exit: Exit, own_pid_namespace: bool) -> Self {
        match exit {
            Exit::Exited(code) => Outcome::Exited(code),
            Exit::Killed(libc_sighup) if libc_sighup == SIGHUP && own_pid_namespace => Outcome::Rebooting,
            Exit::Killed(signal) if signal == SIGINT && own_pid_namespace => Outcome::Halted,
            Exit::Killed(signal) => Outcome::Killed(signal),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Exited(_) | Outcome::Killed(_) => f.write_str("the container has ended"),
            Outcome::Halted => f.write_str("the container was shut down"),
            Outcome::Rebooting => f.write_str("the container reboots"),
        }
    }
}

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGWINCH: i32 = 28;
const SI_USER_LIMIT: i32 = 0;

/// Who is told of state changes besides the clients of the command socket: upstream's `lxc-monitord`.
#[derive(Debug)]
pub struct Announcer {
    name: String,
    fifo: PathBuf,
}

impl Announcer {
    /// For container `name` of `lxcpath`, with the run-time folder `run`.
    pub fn new(run: &Path, lxcpath: &Path, name: &str) -> Self {
        Announcer { name: name.to_owned(), fifo: crate::monitord::fifo_path(run, lxcpath) }
    }

    /// Tells a state.
    pub fn state(&self, state: State) {
        self.write(&wire::encode_message(wire::MESSAGE_STATE, &self.name, state.number()));
    }

    /// Tells how init ended: the raw status of waitpid(2).
    pub fn exit(&self, exit: Exit) {
        self.write(&wire::encode_message(wire::MESSAGE_EXIT, &self.name, exit.raw()));
    }

    /// Nobody reads mostly: then there is no fifo, or opening it for writing fails at once.
    fn write(&self, message: &[u8]) {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if let Ok(fd) = rustix::fs::open(&self.fifo, flags, Mode::empty()) {
            rustix::io::write(&fd, message).ok();
        }
    }
}

/// What the clients of a running container may ask for.
#[derive(Debug)]
pub struct Answers {
    /// The configuration it runs with, with the values that the start chose.
    pub config: Config,
    /// Its own namespaces, as `CLONE_NEW*` bits.
    pub clone_flags: u64,
    /// The signal of `lxc-stop -k`.
    pub stop_signal: i32,
    /// Its devpts.
    pub devpts: Option<OwnedFd>,
    /// The seccomp listener of init, when no proxy has it.
    pub seccomp: Option<OwnedFd>,
    /// Who decides about system calls.
    pub proxy: Option<Proxy>,
}

/// A container that runs.
#[derive(Debug)]
pub struct Monitor<'a> {
    /// Connections and state.
    door: &'a mut Door,
    /// Init.
    init: &'a Child,
    /// The container's cgroups.
    cgroup: Option<&'a mut PayloadLease>,
    /// Its terminals.
    terminals: &'a mut Terminals,
    /// What clients are answered.
    answers: &'a mut Answers,
    /// Clients that wait for the freezer.
    changes: Changes,
    /// What the event loop waits for on behalf of the proxy, and on which connection.
    supervision: (Wants, u64),
}

enum Flow {
    Go,
    Ended(Exit),
}

impl<'a> Monitor<'a> {
    /// For a container that was just started.
    pub fn new(
        door: &'a mut Door,
        init: &'a Child,
        cgroup: Option<&'a mut PayloadLease>,
        terminals: &'a mut Terminals,
        answers: &'a mut Answers,
    ) -> Self {
        let changes = Changes::default();
        let supervision = (Wants::Calls, 0);
        Monitor { door, init, cgroup, terminals, answers, changes, supervision }
    }
}

impl Monitor<'_> {
    /// Serves until init ends.
    ///
    /// # Errors
    /// A failure of the monitor's own descriptors.
    pub fn run(&mut self, signals: &SignalFd) -> Result<Exit> {
        self.door.poll.add(signals, Token::Signal)?;
        if let Some(pidfd) = self.init.pidfd() {
            self.door.poll.add(pidfd, Token::Init)?;
        }
        self.supervise();
        for (number, request, fd) in self.door.take_deferred() {
            self.on_request(number, &request, fd);
        }
        let exit = self.serve(signals);
        // What is ready for ever from now on would keep those awake who serve after this.
        self.door.poll.remove(signals);
        if let Some(pidfd) = self.init.pidfd() {
            self.door.poll.remove(pidfd);
        }
        self.terminals.end(&self.door.poll);
        self.unsupervise();
        for client in self.changes.end() {
            self.door.clients.close(client, &self.door.poll);
        }
        exit
    }

    fn serve(&mut self, signals: &SignalFd) -> Result<Exit> {
        loop {
            self.let_go();
            self.terminals.watch(&self.door.poll);
            self.watch_supervision();
            let ready = self.door.poll.wait(self.deadline())?;
            for one in ready {
                if let Flow::Ended(exit) = self.on(&one, signals)? {
                    return Ok(exit);
                }
                self.let_go();
            }
            self.on_time();
        }
    }

    /// Whoever has gone by whatever way: what it held is free before the next one asks.
    fn let_go(&mut self) {
        for gone in self.door.clients.take_gone() {
            self.forget(gone);
        }
    }

    /// When the loop has something to do although nothing is ready; mostly never.
    fn deadline(&self) -> Option<Instant> {
        let proxy = self.answers.proxy.as_ref().and_then(Proxy::deadline);
        let all = [self.door.clients.deadline(), self.terminals.deadline(), self.changes.deadline(), proxy];
        all.into_iter().flatten().min()
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if self.deadline().is_none_or(|at| at > now) {
            return;
        }
        self.door.resume();
        self.terminals.on_time();
        self.look_after_changes();
        self.on_decider();
    }

    fn on(&mut self, ready: &Ready, signals: &SignalFd) -> Result<Flow> {
        match ready.token {
            Token::Signal => return self.on_signal(signals),
            Token::Init => return self.has_ended(),
            Token::Accept => self.door.accept(),
            Token::Client(number) => self.on_client(number, ready),
            Token::Console => self.terminals.on_console(&self.door.poll, ready.hung_up),
            Token::Peer => self.terminals.on_peer(),
            Token::Proxy => self.terminals.on_proxy(),
            Token::Freezer(_) => self.look_after_changes(),
            Token::Listener(number) => self.on_listener(number, ready),
            Token::Decider => self.on_decider(),
        }
        Ok(Flow::Go)
    }

    fn on_signal(&mut self, signals: &SignalFd) -> Result<Flow> {
        while let Some(taken) = signals.take()? {
            match taken.signal {
                SIGCHLD => {
                    if let ended @ Flow::Ended(_) = self.has_ended()? {
                        return Ok(ended);
                    }
                }
                SIGWINCH => self.terminals.resized(),
                // What somebody sent to the monitor is meant for the container; what the kernel sent too.
                signal => {
                    let forwarded = if signal == SIGHUP { SIGTERM } else { signal };
                    if taken.code <= SI_USER_LIMIT || taken.code == 0x80 {
                        self.init.signal(forwarded).ok();
                    }
                }
            }
        }
        Ok(Flow::Go)
    }

    fn has_ended(&self) -> Result<Flow> {
        Ok(self.init.try_wait()?.map_or(Flow::Go, Flow::Ended))
    }

    fn on_client(&mut self, number: ClientId, ready: &Ready) {
        match self.door.on_client(number, ready) {
            Incoming::Nothing => {}
            Incoming::Request(request, fd) => self.on_request(number, &request, fd),
        }
    }

    /// A client has gone: what it held is free, what it waited for is not told.
    fn forget(&mut self, number: ClientId) {
        self.terminals.free(number);
        self.changes.forget(number);
        self.door.forget(number);
    }
}

/// Kills init and takes what it leaves; others are served meanwhile.
pub fn kill(init: &Child, meanwhile: &mut dyn crate::meanwhile::Meanwhile) {
    // It may have ended by itself meanwhile; reaping is what matters.
    init.signal(9).ok();
    if let Some(pidfd) = init.pidfd()
        && let Err(e) = meanwhile.until_ready(&[pidfd])
    {
        log::warn!("poll: {e}");
    }
    if let Err(e) = init.wait() {
        log::warn!("{e}");
    }
    while let Ok(Some(_)) = process::try_wait_any() {}
}

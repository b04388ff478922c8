//! The monitor's event loop: signals, init, clients, console.
//!
//! One thread, one `match`. A client's error closes that client; only a failure of the monitor's own descriptors
//! ends the loop.

pub mod clients;
pub mod console;
pub mod poll;
mod requests;

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use lxc_config::Config;
use lxc_host::cgroup::PayloadLease;
use lxc_sys::clone::Child;
use lxc_sys::process::{Exit, SignalFd};
use lxc_sys::{Result, process};
use lxc_types::State;

use crate::command::wire;
use clients::{Clients, Incoming, Then};
use console::Terminals;
use poll::{Poll, Ready, Token};

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

/// What lives longer than one run: it is kept over a reboot from inside.
#[derive(Debug)]
pub struct Door {
    listener: OwnedFd,
    clients: Clients,
    /// Clients that wait for states, with their flags by state number.
    waiters: Vec<(u32, [i32; 8])>,
    poll: Poll,
    state: State,
    announcer: Announcer,
}

impl Door {
    /// Serves a command socket on which nobody was answered yet.
    ///
    /// # Errors
    /// When the socket cannot be waited on.
    pub fn new(listener: OwnedFd, announcer: Announcer) -> Result<Self> {
        clients::prepare_listener(listener.as_fd())?;
        let poll = Poll::new()?;
        poll.add(&listener, Token::Accept)?;
        Ok(Door {
            listener,
            clients: Clients::default(),
            waiters: Vec::new(),
            poll,
            state: State::Stopped,
            announcer,
        })
    }

    /// The state that clients are told.
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes a state and tells those who wait for it.
    pub fn enter(&mut self, state: State) {
        // As upstream: THAWED is announced, and the container is running then.
        self.state = if state == State::Thawed { State::Running } else { state };
        self.announcer.state(state);
        let number = usize::try_from(state.number()).unwrap_or(0);
        let message = wire::encode_state_message(&self.announcer.name, state.number());
        let (told, waiting) = std::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|(_, flags)| flags.get(number).is_some_and(|f| *f != 0));
        self.waiters = waiting;
        for (client, _) in told {
            self.clients.tell(client, &message, &self.poll);
        }
    }

    /// Tells how init ended.
    pub fn tell_exit(&self, exit: Exit) {
        self.announcer.exit(exit);
    }

    /// The container has stopped. Those that wait for the end go on waiting; they read it when the monitor
    /// closes their connections, after the last hook.
    pub fn announce_stop(&mut self) {
        self.state = State::Stopped;
        self.announcer.state(State::Stopped);
    }
}

/// What the clients of a running container may ask for.
#[derive(Debug)]
pub struct Answers {
    /// The container's name.
    pub name: String,
    /// The folder of containers.
    pub lxcpath: PathBuf,
    /// The configuration it runs with, with the values that the start chose.
    pub config: Config,
    /// Its own namespaces, as `CLONE_NEW*` bits.
    pub clone_flags: u64,
    /// The signal of `lxc-stop -k`.
    pub stop_signal: i32,
    /// Its devpts.
    pub devpts: Option<OwnedFd>,
    /// The seccomp listener of init.
    pub seccomp: Option<OwnedFd>,
}

/// A container that runs.
#[derive(Debug)]
pub struct Monitor<'a> {
    /// Connections and state.
    pub door: &'a mut Door,
    /// Init.
    pub init: &'a Child,
    /// The container's cgroups.
    pub cgroup: Option<&'a mut PayloadLease>,
    /// Its terminals.
    pub terminals: &'a mut Terminals,
    /// What clients are answered.
    pub answers: &'a mut Answers,
}

enum Flow {
    Go,
    Ended(Exit),
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
        if let Some(console) = self.terminals.console() {
            self.door.poll.add(console, Token::Console)?;
        }
        if let Some(peer) = self.terminals.peer() {
            self.door.poll.add(peer, Token::Peer)?;
        }
        let exit = loop {
            let ready = self.door.poll.wait()?;
            if let Some(exit) = self.serve(&ready, signals)? {
                break exit;
            }
        };
        self.drain();
        self.door.poll.remove(signals);
        Ok(exit)
    }

    fn serve(&mut self, ready: &[Ready], signals: &SignalFd) -> Result<Option<Exit>> {
        for one in ready {
            if let Flow::Ended(exit) = self.on(one, signals)? {
                return Ok(Some(exit));
            }
        }
        Ok(None)
    }

    fn on(&mut self, ready: &Ready, signals: &SignalFd) -> Result<Flow> {
        match ready.token {
            Token::Signal => return self.on_signal(signals),
            Token::Init => return self.has_ended(),
            Token::Accept => self.door.clients.accept(self.door.listener.as_fd(), &self.door.poll),
            Token::Client(number) => self.on_client(number, ready),
            Token::Console => self.on_console(ready),
            Token::Peer => {
                let peer = self.terminals.peer().map(AsFd::as_fd);
                if ready.hung_up
                    && !ready.readable
                    && let Some(peer) = peer
                {
                    self.door.poll.remove(peer);
                }
                self.terminals.typed();
            }
            Token::Proxy => {
                self.terminals.typed_by_client();
            }
        }
        Ok(Flow::Go)
    }

    fn on_console(&mut self, ready: &Ready) {
        if !self.terminals.output() && ready.hung_up {
            // Every process of the container has closed its console. There is no event for its being opened
            // again, so the descriptor must not be waited on: it would be ready for ever.
            if let Some(console) = self.terminals.console() {
                self.door.poll.remove(console);
            }
        }
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

    fn on_client(&mut self, number: u32, ready: &Ready) {
        if ready.writable && !ready.readable {
            if !self.door.clients.write(number, &self.door.poll) {
                self.forget(number);
            }
            return;
        }
        match self.door.clients.read(number, &self.door.poll) {
            Incoming::Nothing => {}
            Incoming::Gone => {
                self.door.clients.close(number);
                self.forget(number);
            }
            Incoming::Request(request) => self.on_request(number, &request),
        }
    }

    /// A client has gone: what it held is free, what it waited for is not told.
    fn forget(&mut self, number: u32) {
        self.terminals.free(number);
        self.door.waiters.retain(|(client, _)| *client != number);
    }

    /// After init's end: what is still in the console goes where it belongs.
    fn drain(&mut self) {
        if let Some(console) = self.terminals.console()
            && rustix::io::ioctl_fionbio(console, true).is_err()
        {
            return;
        }
        while self.terminals.output() {
            let Some(console) = self.terminals.console() else { return };
            let mut fds = [rustix::event::PollFd::new(console, rustix::event::PollFlags::IN)];
            let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            if !matches!(rustix::event::poll(&mut fds, Some(&now)), Ok(n) if n > 0) {
                return;
            }
        }
    }
}

/// Kills init and takes what it leaves.
pub fn kill(init: &Child) {
    // It may have ended by itself meanwhile; reaping is what matters.
    init.signal(9).ok();
    if let Err(e) = init.wait() {
        log::warn!("{e}");
    }
    while let Ok(Some(_)) = process::try_wait_any() {}
}

//! What lasts over reboots: the command socket, its clients, the state.
//!
//! It answers by itself what needs no container that runs, so that nobody waits for a hook.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use lxc_sys::Result;
use lxc_sys::process::Exit;
use lxc_types::State;

use super::Announcer;
use super::clients::{self, ClientId, Clients, Incoming, Then};
use super::poll::{Poll, Ready, Token};
use crate::command::wire::{self, Reply, Request};
use crate::meanwhile::{self, Meanwhile};

/// The answer to a client that registered for states: the number after the last state.
const REGISTERED: i32 = 8;

/// Whose door it is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The container's name.
    pub name: String,
    /// The folder of containers.
    pub lxcpath: PathBuf,
}

/// A request that waits for the container to run.
pub type Deferred = (ClientId, Request, Option<OwnedFd>);

/// The command socket, its clients, the state.
#[derive(Debug)]
pub struct Door {
    /// `None` when the container has stopped for good.
    listener: Option<OwnedFd>,
    pub(super) clients: Clients,
    /// Clients that wait for states, with their flags by state number.
    waiters: Vec<(ClientId, [i32; 8])>,
    deferred: Vec<Deferred>,
    /// The container will run, or run again.
    opening: bool,
    pub(super) poll: Poll,
    pub(super) state: State,
    announcer: Announcer,
    identity: Identity,
}

impl Door {
    /// Serves a command socket on which nobody was answered yet.
    ///
    /// # Errors
    /// When the socket cannot be waited on.
    pub fn new(listener: OwnedFd, identity: Identity, announcer: Announcer) -> Result<Self> {
        clients::prepare_listener(listener.as_fd())?;
        let poll = Poll::new()?;
        poll.add(&listener, Token::Accept)?;
        Ok(Door {
            listener: Some(listener),
            clients: Clients::default(),
            waiters: Vec::new(),
            deferred: Vec::new(),
            opening: true,
            poll,
            state: State::Stopped,
            announcer,
            identity,
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
        let message = wire::encode_state_message(&self.identity.name, state.number());
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

    /// The container ends; `again` says whether it will run again. What only a container that runs can answer is
    /// not answered any more if not.
    pub fn close_for(&mut self, again: bool) {
        self.opening = again;
        if !again {
            for (client, ..) in std::mem::take(&mut self.deferred) {
                self.clients.close(client, &self.poll);
            }
        }
    }

    /// The container has stopped. As upstream, nobody finds the socket any more, before the last hooks run: so they
    /// may start or destroy the container. Those who are connected go on waiting; they read the end when the
    /// monitor closes their connections, after the last hook.
    pub fn announce_stop(&mut self) {
        self.state = State::Stopped;
        if self.listener.is_some() {
            // Who has connected by now is served to the end.
            self.accept();
        }
        self.listener = None;
        self.announcer.state(State::Stopped);
    }

    /// Takes new connections.
    pub(super) fn accept(&mut self) {
        if let Some(listener) = &self.listener {
            self.clients.accept(listener.as_fd(), &self.poll);
        }
    }

    /// Goes on taking connections after a pause.
    pub(super) fn resume(&mut self) {
        self.clients.resume(self.listener.as_ref().map(AsFd::as_fd), &self.poll);
    }

    /// Moves what a connection can move.
    pub(super) fn on_client(&mut self, number: ClientId, ready: &Ready) -> Incoming {
        if ready.writable && !ready.readable {
            self.clients.write(number, &self.poll);
            return Incoming::Nothing;
        }
        self.clients.read(number, &self.poll)
    }

    /// A client has gone.
    pub(super) fn forget(&mut self, number: ClientId) {
        self.waiters.retain(|(client, _)| *client != number);
        self.deferred.retain(|(client, ..)| *client != number);
    }

    /// Requests that came before there was a container to answer them.
    pub(super) fn take_deferred(&mut self) -> Vec<Deferred> {
        let deferred = std::mem::take(&mut self.deferred);
        for (client, ..) in &deferred {
            self.clients.take_up(*client, &self.poll);
        }
        deferred
    }

    pub(super) fn answer(&mut self, number: ClientId, reply: Reply) {
        self.clients.answer(number, reply, Then::Close, &self.poll);
    }

    /// Answers what needs no container that runs. False: it needs one.
    pub(super) fn on_request(&mut self, number: ClientId, request: &Request) -> bool {
        let reply = match request {
            Request::GetState => Reply::number(self.state.number()),
            Request::GetName => Reply::text(&self.identity.name),
            Request::GetLxcpath => Reply::text(&self.identity.lxcpath.to_string_lossy()),
            Request::AddStateClient(flags) => {
                self.add_waiter(number, *flags);
                return true;
            }
            Request::TerminalWinch => {
                self.clients.close(number, &self.poll);
                return true;
            }
            _ => return false,
        };
        self.answer(number, reply);
        true
    }

    fn add_waiter(&mut self, number: ClientId, flags: [i32; 8]) {
        let state = self.state.number();
        let current = usize::try_from(state).ok().and_then(|at| flags.get(at));
        if current == Some(&1) {
            let reply = Reply { ret: state, data: wire::data_of(state), ..Reply::default() };
            return self.answer(number, reply);
        }
        // Who registers once more waits for what it said last.
        self.waiters.retain(|(client, _)| *client != number);
        self.waiters.push((number, flags));
        let reply = Reply { ret: REGISTERED, data: wire::data_of(REGISTERED), ..Reply::default() };
        self.clients.answer(number, reply, Then::Keep, &self.poll);
    }

    /// Serves while no container runs.
    fn attend(&mut self) -> Result<()> {
        for ready in self.poll.wait(Some(Instant::now()))? {
            match ready.token {
                Token::Accept => self.accept(),
                Token::Client(number) => match self.on_client(number, &ready) {
                    Incoming::Nothing => {}
                    Incoming::Request(request, fd) => {
                        if !self.on_request(number, &request) {
                            self.put_off(number, request, fd);
                        }
                    }
                },
                // The run that they belong to has ended, and has taken them out.
                _ => {}
            }
        }
        for gone in self.clients.take_gone() {
            self.forget(gone);
        }
        Ok(())
    }

    /// Serves for so long: the time has to pass anyway.
    pub fn serve_for(&mut self, pause: Duration) {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            let waited = meanwhile::ready(&[self.poll.as_fd()], Some(end));
            if waited.map(|_| ()).is_err() || self.attend().is_err() {
                return std::thread::sleep(end.saturating_duration_since(Instant::now()));
            }
        }
    }

    /// A request for a container that runs: it waits for one if there will be one. Who wants it stopped is told of
    /// the end by the end of the connection, as always; nobody else is left to wait.
    fn put_off(&mut self, number: ClientId, request: Request, fd: Option<OwnedFd>) {
        match (self.opening, &request) {
            (true, _) => {
                self.clients.put_off(number, &self.poll);
                self.deferred.push((number, request, fd));
            }
            (false, Request::Stop) => self.clients.hold(number),
            (false, _) => self.clients.close(number, &self.poll),
        }
    }
}

impl Meanwhile for Door {
    fn in_child(&mut self) {
        // A connection that a child has open would not end when the monitor closes it.
        self.clients = Clients::default();
        self.listener = None;
    }

    fn until_ready(&mut self, fds: &[BorrowedFd<'_>]) -> Result<Vec<bool>, Errno> {
        loop {
            let mut all = fds.to_vec();
            all.push(self.poll.as_fd());
            let mut ready = meanwhile::ready(&all, self.clients.deadline())?;
            if ready.pop() == Some(true)
                && let Err(e) = self.attend()
            {
                log::warn!("{e}");
            }
            self.resume();
            if ready.contains(&true) {
                return Ok(ready);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::wire::{Cmd, RequestHeader};
    use lxc_sys::socket;
    use rustix::net::RecvFlags;

    /// A door on a socket of its own.
    fn door(name: &str) -> (Door, Vec<u8>) {
        let socket_name = format!("lxc-door-{name}-{}", std::process::id()).into_bytes();
        let listener = socket::listen_abstract(&socket_name, 100).unwrap();
        let nowhere = std::path::Path::new("/nonexistent");
        let identity = Identity { name: name.to_owned(), lxcpath: nowhere.to_owned() };
        let announcer = Announcer::new(nowhere, nowhere, name);
        (Door::new(listener, identity, announcer).unwrap(), socket_name)
    }

    fn connect(name: &[u8]) -> OwnedFd {
        socket::connect_abstract(name, Duration::from_secs(5)).unwrap()
    }

    fn serve(door: &mut Door) {
        door.serve_for(Duration::from_millis(20));
    }

    /// What is there to read: `None` for nothing yet, no bytes for the end.
    fn read(fd: &OwnedFd) -> Option<Vec<u8>> {
        let mut buffer = [0; 4096];
        match socket::receive(fd, &mut buffer, RecvFlags::DONTWAIT) {
            Ok(got) => Some(buffer[..got.len].to_vec()),
            Err(e) if e.errno() == Errno::AGAIN => None,
            Err(_) => Some(Vec::new()),
        }
    }

    #[test]
    fn all_who_are_connected_wait_for_the_end() {
        let (mut door, name) = door("end");
        let waiting: Vec<_> = (0..100).map(|_| connect(&name)).collect();
        door.announce_stop();
        serve(&mut door);
        let ended = waiting.iter().filter(|fd| read(fd).is_some()).count();
        assert_eq!(ended, 0, "read the end before the last hook");
        drop(door);
        assert!(waiting.iter().all(|fd| read(fd) == Some(Vec::new())));
    }

    #[test]
    fn a_pause_ends_with_the_socket() {
        let (mut door, _) = door("pause");
        door.clients.pause(door.listener.as_ref().unwrap().as_fd(), &door.poll);
        assert!(door.clients.deadline().is_some());
        door.announce_stop();
        std::thread::sleep(Duration::from_millis(150));
        door.resume();
        // Else whoever waits for a hook would be woken all the time.
        assert_eq!(door.clients.deadline(), None);
    }

    #[test]
    fn who_asks_on_and_on_takes_no_more_memory() {
        let (mut door, name) = door("memory");
        let client = connect(&name);
        serve(&mut door);
        let header = RequestHeader { cmd: Cmd::AddStateClient as i32, length: 32, data: 0 }.encode();
        let request = [&header[..], &[0; 32]].concat();
        for _ in 0..200 {
            socket::send(&client, &request.repeat(40), &[]).ok();
            serve(&mut door);
            while read(&client).is_some_and(|bytes| !bytes.is_empty()) {}
        }
        assert!(door.waiters.len() <= 1, "{} registrations of one client", door.waiters.len());
        let kept = door.clients.kept();
        assert!(kept < 16 * 1024, "{kept} bytes are kept");
    }

    #[test]
    fn registered_once_more() {
        let (mut door, name) = door("again");
        let client = connect(&name);
        serve(&mut door);
        let header = RequestHeader { cmd: Cmd::AddStateClient as i32, length: 32, data: 0 }.encode();
        for state in [State::Running, State::Frozen] {
            let mut flags = [0; 32];
            flags[4 * usize::try_from(state.number()).unwrap()] = 1;
            socket::send(&client, &[&header[..], &flags].concat(), &[]).unwrap();
            serve(&mut door);
            assert_eq!(read(&client).unwrap().len(), 16, "registered");
        }
        door.enter(State::Running);
        assert_eq!(read(&client), None, "the last word counts");
        door.enter(State::Frozen);
        assert_eq!(read(&client).unwrap().len(), wire::STATE_MESSAGE);
        assert_eq!(read(&client), Some(Vec::new()));
    }
}

//! Connections to the command socket: reading requests, writing answers, never blocking.
//!
//! Nobody can keep others out. Users who may not ask share a few places. When all places are taken, the oldest
//! connection that has asked nothing makes room: one of the user who has the most of them.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags};

use lxc_sys::{Op, socket};

use super::poll::{Interest, Poll, Token};
use crate::command::wire::{Cmd, HEADER, MAX_PAYLOAD, Refusal, Reply, Request, RequestHeader};

/// A connection's number; none is used twice.
pub type ClientId = u64;

/// One connection.
#[derive(Debug)]
struct Connection {
    fd: OwnedFd,
    read: Vec<u8>,
    /// A descriptor that came with a request which takes one.
    fd_in: Option<OwnedFd>,
    out: VecDeque<u8>,
    out_fds: Vec<OwnedFd>,
    /// What happens when all is written.
    then: Then,
    user: u32,
    allowed: bool,
    /// It has not asked anything yet.
    idle: bool,
}

/// What becomes of a connection after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is closed.
    Close,
    /// It stays: the client holds something by it, or waits.
    Keep,
}

/// All connections, by number, which is by age.
#[derive(Debug, Default)]
pub struct Clients {
    connections: BTreeMap<ClientId, Connection>,
    next: ClientId,
    /// Those that were closed and may have held something.
    gone: Vec<ClientId>,
    /// There was no descriptor to be had for a new connection: when to try again.
    resume: Option<Instant>,
}

/// What a readable connection brought.
#[derive(Debug)]
pub enum Incoming {
    /// Not yet a whole request.
    Nothing,
    /// A request of somebody who may ask, and the descriptor that came with it.
    Request(Request, Option<OwnedFd>),
}

/// The most connections of users who may not ask: one more, and the oldest is closed.
const MOST_STRANGERS: usize = 16;
/// Descriptors that are kept for the monitor's other work.
const RESERVE: u64 = 128;
/// How many connections are taken before those that are there are looked at again: all that the socket's queue
/// holds, for when the container has stopped nobody looks again.
const AT_ONCE: usize = 128;
/// The pause when the machine has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// The most bytes of requests that wait for their rest: more than any request has.
const MOST_ASKED: usize = HEADER + MAX_PAYLOAD + 2048;
/// The most bytes that wait for readers: one more answer, and the oldest slow reader is closed.
const MOST_WAITING: usize = 16 * 1024 * 1024;

impl Clients {
    /// Takes the connections that wait on the listening socket.
    pub fn accept(&mut self, listener: BorrowedFd<'_>, poll: &Poll) {
        for _ in 0..AT_ONCE {
            let fd = match rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(fd) => fd,
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    if self.make_room(poll) {
                        continue;
                    }
                    self.pause(listener, poll);
                    break;
                }
                Err(_) => break,
            };
            let Ok((user, group)) = socket::peer_ids(&fd) else { continue };
            let allowed = may_ask(user, group);
            if !allowed {
                self.make_room_for_a_stranger(poll);
            }
            // Where all have something to wait for, nobody makes room: who is left in the queue would keep the
            // monitor awake.
            if self.connections.len() >= most() && !self.make_room(poll) {
                continue;
            }
            let number = self.next;
            self.next += 1;
            if poll.add(&fd, Token::Client(number)).is_ok() {
                let connection = Connection {
                    fd,
                    read: Vec::new(),
                    fd_in: None,
                    out: VecDeque::new(),
                    out_fds: Vec::new(),
                    then: Then::Close,
                    user,
                    allowed,
                    idle: true,
                };
                self.connections.insert(number, connection);
            }
        }
    }

    fn make_room_for_a_stranger(&mut self, poll: &Poll) {
        let mut strangers = self.connections.iter().filter(|(_, c)| !c.allowed).map(|(n, _)| *n);
        let oldest = strangers.next();
        if let (Some(oldest), true) = (oldest, strangers.count() + 1 >= MOST_STRANGERS) {
            self.close(oldest, poll);
        }
    }

    /// Closes the connection that is missed least; false when each has something to wait for.
    fn make_room(&mut self, poll: &Poll) -> bool {
        let mut users: BTreeMap<u32, (usize, ClientId)> = BTreeMap::new();
        for (number, connection) in self.connections.iter().filter(|(_, c)| c.idle) {
            users.entry(connection.user).or_insert((0, *number)).0 += 1;
        }
        let idle = users.into_values().max_by_key(|(count, _)| *count).map(|(_, oldest)| oldest);
        let Some(number) = idle.or_else(|| self.slowest()) else { return false };
        self.close(number, poll);
        true
    }

    /// The oldest connection that does not read its answer.
    fn slowest(&self) -> Option<ClientId> {
        self.connections.iter().find(|(_, c)| !c.out.is_empty()).map(|(n, _)| *n)
    }

    /// There is no descriptor left for a new connection, and nobody to take one from.
    pub(super) fn pause(&mut self, listener: BorrowedFd<'_>, poll: &Poll) {
        self.resume = Some(Instant::now() + PAUSE);
        if poll.change(listener, Token::Accept, Interest::Nothing).is_err() {
            self.resume = None;
        }
    }

    /// When [`Clients::resume`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.resume
    }

    /// Listens again after a pause.
    pub fn resume(&mut self, listener: Option<BorrowedFd<'_>>, poll: &Poll) {
        if self.resume.is_some_and(|at| at <= Instant::now())
            && listener.is_none_or(|fd| poll.change(fd, Token::Accept, Interest::Read).is_ok())
        {
            self.resume = None;
        }
    }

    /// Reads what a connection has; a request that cannot be served is answered here.
    pub fn read(&mut self, number: ClientId, poll: &Poll) -> Incoming {
        let Some(connection) = self.connections.get_mut(&number) else { return Incoming::Nothing };
        match connection.fill() {
            Ok(true) => {}
            Ok(false) => return Incoming::Nothing,
            Err(()) => {
                self.close(number, poll);
                return Incoming::Nothing;
            }
        }
        let reply = match connection.request() {
            Ok(None) => return Incoming::Nothing,
            Ok(Some(request)) if connection.allowed => {
                connection.idle = false;
                return Incoming::Request(request, connection.fd_in.take());
            }
            Err(refusal) if connection.allowed => Reply { ret: refusal.code(), ..Reply::default() },
            Ok(Some(_)) | Err(_) => Reply::errno(Errno::PERM),
        };
        self.answer(number, reply, Then::Close, poll);
        Incoming::Nothing
    }

    /// Sends an answer, as much as the socket takes now and the rest when it takes more.
    pub fn answer(&mut self, number: ClientId, reply: Reply, then: Then, poll: &Poll) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.idle = false;
        connection.out.extend(reply.header());
        connection.out.extend(reply.payload);
        connection.out_fds = reply.fds;
        connection.then = then;
        self.write(number, poll);
        let slow = self.connections.get(&number).is_some_and(|c| !c.out.is_empty());
        if slow && self.connections.values().map(|c| c.out.len()).sum::<usize>() > MOST_WAITING {
            self.slowest().into_iter().for_each(|slowest| self.close(slowest, poll));
        }
    }

    /// Sends bytes that are no answer, for example the news of a state; then closes.
    pub fn tell(&mut self, number: ClientId, bytes: &[u8], poll: &Poll) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.out.extend(bytes);
        connection.then = Then::Close;
        self.write(number, poll);
    }

    /// Goes on sending.
    pub fn write(&mut self, number: ClientId, poll: &Poll) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        match connection.flush() {
            Ok(true) if connection.then == Then::Keep => self.listen_to(number, Interest::Read, poll),
            Ok(false) => self.listen_to(number, Interest::Write, poll),
            Ok(true) | Err(()) => self.close(number, poll),
        }
    }

    /// Leaves a connection open without an answer, until the monitor ends.
    pub fn hold(&mut self, number: ClientId) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.then = Then::Keep;
        }
    }

    /// Leaves a connection open that will be answered later; what it sends meanwhile waits.
    pub fn put_off(&mut self, number: ClientId, poll: &Poll) {
        self.hold(number);
        self.listen_to(number, Interest::Nothing, poll);
    }

    /// Takes a connection up again that was put off.
    pub fn take_up(&mut self, number: ClientId, poll: &Poll) {
        self.listen_to(number, Interest::Read, poll);
    }

    fn listen_to(&mut self, number: ClientId, interest: Interest, poll: &Poll) {
        let Some(connection) = self.connections.get(&number) else { return };
        if poll.change(&connection.fd, Token::Client(number), interest).is_err() {
            self.close(number, poll);
        }
    }

    /// Closes a connection.
    pub fn close(&mut self, number: ClientId, poll: &Poll) {
        if let Some(connection) = self.connections.remove(&number) {
            // A child that was just made may have it open for a moment, and closing it would not take it out.
            poll.remove(&connection.fd);
            self.gone.push(number);
        }
    }

    /// How many bytes of requests wait for their rest.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.connections.values().map(|c| c.read.len()).sum()
    }

    /// Takes the connections that were closed since the last call: what they held is to be given up.
    pub fn take_gone(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.gone)
    }
}

impl Connection {
    /// Reads what is there; false when nothing is.
    fn fill(&mut self) -> Result<bool, ()> {
        let mut buffer = [0; 2048];
        let got = match socket::receive(&self.fd, &mut buffer, RecvFlags::DONTWAIT) {
            Ok(got) => got,
            Err(e) if e.errno() == Errno::AGAIN => return Ok(false),
            Err(_) => return Err(()),
        };
        if got.len == 0 {
            return Err(());
        }
        self.read.extend_from_slice(&buffer[..got.len]);
        // Who asks on without an end has had its answer.
        if self.read.len() > MOST_ASKED {
            return Err(());
        }
        // Descriptors where none are expected are closed here.
        if self.allowed && self.brings_listener() {
            self.fd_in = self.fd_in.take().or_else(|| got.fds.into_iter().next());
        }
        Ok(true)
    }

    fn header(&self) -> Option<RequestHeader> {
        self.read.first_chunk::<HEADER>().map(RequestHeader::decode)
    }

    /// Whether the request has a message of one byte after it, on which a descriptor is.
    fn brings_listener(&self) -> bool {
        self.header().is_some_and(|h| h.cmd == Cmd::SeccompNotifyAddListener as i32)
    }

    fn request(&mut self) -> Result<Option<Request>, Refusal> {
        let Some(header) = self.header() else { return Ok(None) };
        let length = header.payload_len()? + usize::from(self.brings_listener());
        if self.allowed && self.read.len() < HEADER + length {
            return Ok(None);
        }
        let payload = self.read.get(HEADER..HEADER + length).unwrap_or_default();
        let request = Request::decode(&header, payload);
        self.read.drain(..(HEADER + length).min(self.read.len()));
        request.map(Some)
    }

    /// Writes; true when all is out.
    fn flush(&mut self) -> Result<bool, ()> {
        while !self.out.is_empty() {
            let fds: Vec<BorrowedFd<'_>> = self.out_fds.iter().map(AsFd::as_fd).collect();
            let bytes = self.out.make_contiguous();
            match socket::send(&self.fd, bytes, &fds) {
                Ok(sent) => {
                    drop(fds);
                    self.out_fds.clear();
                    self.out.drain(..sent);
                }
                Err(e) if e.errno() == Errno::AGAIN => return Ok(false),
                Err(_) => return Err(()),
            }
        }
        Ok(true)
    }
}

/// How many connections are served at a time.
fn most() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit.saturating_sub(RESERVE)).unwrap_or(usize::MAX).clamp(1, 16 * 1024)
}

/// Whether who connected is root or the monitor's own user. Upstream reads the same of each message; whoever sends
/// can be another process than who connected only with the consent of both.
fn may_ask(user: u32, group: u32) -> bool {
    user == 0 || (user == rustix::process::getuid().as_raw() && group == rustix::process::getgid().as_raw())
}

/// Makes the listening socket fit for the monitor's loop.
///
/// # Errors
/// That of fcntl(2).
pub fn prepare_listener(listener: BorrowedFd<'_>) -> lxc_sys::Result<()> {
    rustix::io::ioctl_fionbio(listener, true).op("ioctl(FIONBIO)", "command socket")
}

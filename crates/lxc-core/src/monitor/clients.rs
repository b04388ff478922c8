//! Connections to the command socket: reading requests, writing answers, never blocking.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags};

use lxc_sys::{Op, socket};

use super::poll::{Interest, Poll, Token};
use crate::command::wire::{HEADER, Refusal, Reply, Request, RequestHeader};

/// One connection.
#[derive(Debug)]
struct Connection {
    fd: OwnedFd,
    read: Vec<u8>,
    out: VecDeque<u8>,
    out_fds: Vec<OwnedFd>,
    /// What happens when all is written.
    then: Then,
    allowed: bool,
}

/// What becomes of a connection after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is closed.
    Close,
    /// It stays: the client holds something by it, or waits.
    Keep,
}

/// All connections, by number.
#[derive(Debug, Default)]
pub struct Clients {
    connections: BTreeMap<u32, Connection>,
    next: u32,
}

/// What a readable connection brought.
#[derive(Debug)]
pub enum Incoming {
    /// Not yet a whole request.
    Nothing,
    /// A request of somebody who may ask.
    Request(Request),
    /// The connection has ended.
    Gone,
}

/// The most connections of users who may not ask: one more, and the oldest is closed.
const MOST_STRANGERS: usize = 16;
/// Descriptors that are kept for the monitor's other work.
const RESERVE: u64 = 128;

impl Clients {
    /// Takes the connections that wait on the listening socket.
    pub fn accept(&mut self, listener: BorrowedFd<'_>, poll: &Poll) {
        loop {
            let fd = match rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(fd) => fd,
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(_) => return,
            };
            let allowed = may_ask(fd.as_fd());
            // Who comes when all places are taken is sent away: left in the queue it would keep the monitor awake.
            if self.connections.len() >= most() {
                continue;
            }
            if !allowed {
                self.make_room_for_a_stranger();
            }
            let number = self.next;
            self.next = self.next.wrapping_add(1) & 0x00ff_ffff;
            if poll.add(&fd, Token::Client(number)).is_ok() {
                let connection = Connection {
                    fd,
                    read: Vec::new(),
                    out: VecDeque::new(),
                    out_fds: Vec::new(),
                    then: Then::Close,
                    allowed,
                };
                self.connections.insert(number, connection);
            }
        }
    }

    fn make_room_for_a_stranger(&mut self) {
        let mut strangers = self.connections.iter().filter(|(_, c)| !c.allowed).map(|(n, _)| *n);
        let oldest = strangers.next();
        if let (Some(oldest), true) = (oldest, strangers.count() + 1 >= MOST_STRANGERS) {
            self.close(oldest);
        }
    }

    /// Reads what a connection has; a request that cannot be served is answered here.
    pub fn read(&mut self, number: u32, poll: &Poll) -> Incoming {
        let Some(connection) = self.connections.get_mut(&number) else { return Incoming::Gone };
        match connection.fill() {
            Ok(true) => {}
            Ok(false) => return Incoming::Nothing,
            Err(()) => return Incoming::Gone,
        }
        let refused = match connection.request() {
            Ok(None) => return Incoming::Nothing,
            Ok(Some(request)) if connection.allowed => return Incoming::Request(request),
            Ok(Some(_)) => Errno::PERM,
            Err(_) if !connection.allowed => Errno::PERM,
            Err(Refusal::Unknown) => Errno::NOSYS,
            Err(Refusal::Invalid) => Errno::INVAL,
        };
        self.answer(number, Reply::errno(refused), Then::Close, poll);
        Incoming::Nothing
    }

    /// Sends an answer, as much as the socket takes now and the rest when it takes more.
    pub fn answer(&mut self, number: u32, reply: Reply, then: Then, poll: &Poll) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.out.extend(reply.header());
        connection.out.extend(reply.payload);
        connection.out_fds = reply.fds;
        connection.then = then;
        self.write(number, poll);
    }

    /// Sends bytes that are no answer, for example the news of a state; then closes.
    pub fn tell(&mut self, number: u32, bytes: &[u8], poll: &Poll) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.out.extend(bytes);
        connection.then = Then::Close;
        self.write(number, poll);
    }

    /// Goes on sending. Returns false when the connection was closed.
    pub fn write(&mut self, number: u32, poll: &Poll) -> bool {
        let Some(connection) = self.connections.get_mut(&number) else { return false };
        match connection.flush() {
            Ok(true) if connection.then == Then::Keep => {
                poll.change(&connection.fd, Token::Client(number), Interest::Read).is_ok()
            }
            Ok(false) => poll.change(&connection.fd, Token::Client(number), Interest::Write).is_ok(),
            Ok(true) | Err(()) => {
                self.close(number);
                false
            }
        }
    }

    /// Leaves a connection open without an answer, until the monitor ends.
    pub fn hold(&mut self, number: u32) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.then = Then::Keep;
        }
    }

    /// Takes the descriptors that came with the request of a connection out of the way: closes it.
    pub fn close(&mut self, number: u32) {
        self.connections.remove(&number);
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
        // Descriptors where none are expected are closed here.
        drop(got.fds);
        self.read.extend_from_slice(&buffer[..got.len]);
        Ok(true)
    }

    fn request(&mut self) -> Result<Option<Request>, Refusal> {
        let Some(head) = self.read.first_chunk::<HEADER>() else { return Ok(None) };
        let header = RequestHeader::decode(head);
        let length = header.payload_len()?;
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
fn may_ask(connection: BorrowedFd<'_>) -> bool {
    let Ok((uid, gid)) = socket::peer_ids(connection) else { return false };
    uid == 0 || (uid == rustix::process::getuid().as_raw() && gid == rustix::process::getgid().as_raw())
}

/// Makes the listening socket fit for the monitor's loop.
///
/// # Errors
/// That of fcntl(2).
pub fn prepare_listener(listener: BorrowedFd<'_>) -> lxc_sys::Result<()> {
    rustix::io::ioctl_fionbio(listener, true).op("ioctl(FIONBIO)", "command socket")
}

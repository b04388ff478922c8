//! Waiting for many descriptors at once: epoll with typed tokens.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::io::Errno;

use lxc_sys::{Op, Result};

/// What a descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Signals to the monitor.
    Signal,
    /// The end of init.
    Init,
    /// A new connection on the command socket.
    Accept,
    /// A connection, by its number.
    Client(u64),
    /// Output on the container's console.
    Console,
    /// Input from the terminal of whoever started the container.
    Peer,
    /// Input from the client that holds the console.
    Proxy,
    /// A change of the freezer that somebody waits for, by its number.
    Freezer(u64),
    /// A system call that asks, by the number of its listener.
    Listener(u64),
    /// The program that decides about system calls.
    Decider,
}

impl Token {
    fn encode(self) -> u64 {
        match self {
            Token::Signal => 0,
            Token::Init => 1,
            Token::Accept => 2,
            Token::Console => 3,
            Token::Peer => 4,
            Token::Proxy => 5,
            Token::Client(number) => number << 8 | 6,
            Token::Freezer(number) => number << 8 | 7,
            Token::Listener(number) => number << 8 | 8,
            Token::Decider => 9,
        }
    }

    fn decode(raw: u64) -> Token {
        match raw & 0xff {
            0 => Token::Signal,
            1 => Token::Init,
            2 => Token::Accept,
            3 => Token::Console,
            4 => Token::Peer,
            5 => Token::Proxy,
            7 => Token::Freezer(raw >> 8),
            8 => Token::Listener(raw >> 8),
            9 => Token::Decider,
            _ => Token::Client(raw >> 8),
        }
    }
}

/// A descriptor that is ready.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// What it is for.
    pub token: Token,
    /// There is something to read, or the end.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The other end is gone.
    pub hung_up: bool,
}

/// The set of descriptors.
#[derive(Debug)]
pub struct Poll(OwnedFd);

/// Which direction is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Read,
    /// Room to write; what comes in waits meanwhile.
    Write,
    /// Both.
    Both,
    /// Neither; only the end is told.
    Nothing,
    /// A control file has changed.
    Change,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Interest::Read => epoll::EventFlags::IN,
            Interest::Write => epoll::EventFlags::OUT,
            Interest::Both => epoll::EventFlags::IN | epoll::EventFlags::OUT,
            Interest::Nothing => epoll::EventFlags::empty(),
            Interest::Change => epoll::EventFlags::PRI,
        }
    }
}

const BATCH: usize = 32;

impl Poll {
    /// An empty set.
    ///
    /// # Errors
    /// That of epoll_create1(2).
    pub fn new() -> Result<Self> {
        epoll::create(epoll::CreateFlags::CLOEXEC).op("epoll_create1", "").map(Poll)
    }

    /// Adds a descriptor, to be read.
    ///
    /// # Errors
    /// That of epoll_ctl(2).
    pub fn add(&self, fd: impl AsFd, token: Token) -> Result<()> {
        self.add_for(fd, token, Interest::Read)
    }

    /// Adds a descriptor.
    ///
    /// # Errors
    /// That of epoll_ctl(2).
    pub fn add_for(&self, fd: impl AsFd, token: Token, interest: Interest) -> Result<()> {
        let data = epoll::EventData::new_u64(token.encode());
        epoll::add(&self.0, fd, data, interest.flags()).op("epoll_ctl", format!("{token:?}"))
    }

    /// Changes what a descriptor is waited for.
    ///
    /// # Errors
    /// That of epoll_ctl(2).
    pub fn change(&self, fd: impl AsFd, token: Token, interest: Interest) -> Result<()> {
        let data = epoll::EventData::new_u64(token.encode());
        epoll::modify(&self.0, fd, data, interest.flags()).op("epoll_ctl", format!("{token:?}"))
    }

    /// Takes a descriptor out. Closing it does so too.
    pub fn remove(&self, fd: impl AsFd) {
        // Fails only for one that is not in the set, which is the aim.
        epoll::delete(&self.0, fd).ok();
    }

    /// Waits until something is ready, or until `end`; without an end nothing else wakes the caller.
    ///
    /// # Errors
    /// That of epoll_wait(2).
    pub fn wait(&self, end: Option<Instant>) -> Result<Vec<Ready>> {
        let mut space = [MaybeUninit::<epoll::Event>::uninit(); BATCH];
        let events = loop {
            match epoll::wait(&self.0, &mut space, until(end).as_ref()) {
                Err(Errno::INTR) => {}
                other => break other.op("epoll_wait", "")?.0,
            }
        };
        Ok(events
            .iter()
            .map(|event| {
                let flags = event.flags;
                let gone = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
                let some = epoll::EventFlags::IN | epoll::EventFlags::PRI;
                Ready {
                    token: Token::decode(event.data.u64()),
                    readable: flags.intersects(some | gone),
                    writable: flags.intersects(epoll::EventFlags::OUT | gone),
                    hung_up: flags.intersects(gone),
                }
            })
            .collect())
    }
}

impl AsFd for Poll {
    /// Readable when something is ready.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The time that is left, a little more rather than less: who wakes too early has to wait again.
pub fn until(end: Option<Instant>) -> Option<rustix::event::Timespec> {
    let left = end?.saturating_duration_since(Instant::now());
    let left = if left.is_zero() { left } else { left + Duration::from_millis(1) };
    left.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip() {
        for token in [
            Token::Signal,
            Token::Init,
            Token::Accept,
            Token::Console,
            Token::Peer,
            Token::Proxy,
            Token::Client(7),
            Token::Freezer(1 << 40),
            Token::Listener(3),
            Token::Decider,
        ] {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}

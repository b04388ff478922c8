//! Freezing and thawing for clients, who wait for it while others are served.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use lxc_host::cgroup::freezer::{Pending, Target};
use lxc_host::cgroup::{Error, PayloadLease};

use super::Monitor;
use super::clients::ClientId;
use super::poll::{Interest, Token};
use crate::command::wire::Reply;

/// A client that waits for the freezer.
#[derive(Debug)]
struct Change {
    number: u64,
    client: ClientId,
    pending: Pending,
    target: Target,
    until: Option<Instant>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Changes {
    waiting: Vec<Change>,
    next: u64,
}

impl Changes {
    /// When somebody has waited for long enough.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().filter_map(|c| c.until).min()
    }

    /// A client has gone.
    pub fn forget(&mut self, client: ClientId) {
        self.waiting.retain(|c| c.client != client);
    }

    /// The container has ended: who still waits is told nothing.
    pub fn end(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.waiting).into_iter().map(|c| c.client).collect()
    }
}

impl Monitor<'_> {
    /// Begins to freeze or to thaw. `timeout` is in seconds: 0 does not wait, a negative one waits for ever. As
    /// upstream, the state is changed by who asked for it, not by this.
    pub(super) fn change_freezer(&mut self, client: ClientId, target: Target, timeout: i32) {
        let begun = self.begin(target);
        let pending = match begun {
            Ok(pending) => pending,
            Err(e) => {
                log::warn!("{e}");
                return self.door.answer(client, Reply::errno(errno_of(&e)));
            }
        };
        let number = self.changes.next;
        self.changes.next += 1;
        let watched = self.door.poll.add_for(&pending, Token::Freezer(number), Interest::Change);
        if timeout == 0 || watched.is_err() {
            return self.door.answer(client, Reply::default());
        }
        let seconds = u64::try_from(timeout).ok().map(Duration::from_secs);
        let until = seconds.and_then(|s| Instant::now().checked_add(s));
        self.changes.waiting.push(Change { number, client, pending, target, until });
        self.door.clients.put_off(client, &self.door.poll);
        self.look_after_changes();
    }

    /// Those who wait for the opposite would wait for ever: unless it has come true, they are told.
    fn begin(&mut self, target: Target) -> Result<Pending, Error> {
        self.look_after_changes();
        let group = self.cgroup.as_deref().and_then(PayloadLease::freezer);
        let pending =
            Pending::begin(group.ok_or_else(|| Error::MissingController("freezer".into()))?, target)?;
        let waiting = std::mem::take(&mut self.changes.waiting);
        let (vain, waiting) = waiting.into_iter().partition::<Vec<_>, _>(|c| c.target != target);
        self.changes.waiting = waiting;
        for change in vain {
            self.door.answer(change.client, Reply::errno(Errno::CANCELED));
        }
        Ok(pending)
    }

    /// Answers those whose wait is over.
    pub(super) fn look_after_changes(&mut self) {
        let now = Instant::now();
        for at in (0..self.changes.waiting.len()).rev() {
            let Some(change) = self.changes.waiting.get(at) else { continue };
            let reply = match change.pending.is_done() {
                Ok(true) => Reply::default(),
                Ok(false) if change.until.is_none_or(|at| at > now) => continue,
                Ok(false) => Reply::errno(Errno::TIMEDOUT),
                Err(e) => Reply::errno(errno_of(&e)),
            };
            let late = reply.ret != 0;
            let change = self.changes.waiting.swap_remove(at);
            self.door.answer(change.client, reply);
            // Half a frozen container is of no use to anybody.
            if late
                && change.target == Target::Frozen
                && let Err(e) = self.begin(Target::Running)
            {
                log::warn!("change {} of the freezer: {e}", change.number);
            }
        }
    }
}

fn errno_of(error: &Error) -> Errno {
    match error {
        Error::Sys(e) => e.errno(),
        _ => Errno::NOENT,
    }
}

//! Requests for one link, sent to the kernel together, each knowing what it is for.

use lxc_sys::netlink::{Netlink, Request};
use rustix::io::Errno;

use super::error::{Doing, Error, Result};
use super::spec::Origin;

/// Requests that do not wait for each other's answers.
pub(super) struct Batch<'a> {
    origin: &'a Origin,
    requests: Vec<Request>,
    labels: Vec<(&'static str, String)>,
}

/// A request of a batch that the kernel refused.
pub(super) struct Refused {
    /// Its place in the batch.
    pub at: usize,
    pub errno: Errno,
    pub error: Error,
}

impl<'a> Batch<'a> {
    pub(super) fn new(origin: &'a Origin) -> Self {
        Batch { origin, requests: Vec::new(), labels: Vec::new() }
    }

    /// Adds a request made because of `key`; `step` says what it does, naming the object. Returns its place.
    pub(super) fn push(&mut self, key: &'static str, step: String, request: Request) -> usize {
        self.requests.push(request);
        self.labels.push((key, step));
        self.requests.len() - 1
    }

    /// Sends all; returns the refused ones in order.
    pub(super) fn submit(self, sock: &mut Netlink) -> Result<Vec<Refused>> {
        let refusals =
            sock.submit(&self.requests).step(self.origin, "", || "talk to the kernel".to_owned())?;
        let mut refused = Vec::with_capacity(refusals.len());
        for refusal in refusals {
            let (at, errno) = (refusal.request, refusal.errno);
            let (key, step) = self.labels.get(at).cloned().unwrap_or_default();
            let source = lxc_sys::netlink::Error::Refused(refusal);
            refused.push(Refused {
                at,
                errno,
                error: Error::Step { at: self.origin.key(key), step, source },
            });
        }
        Ok(refused)
    }

    /// Sends all; fails with the first that is refused.
    pub(super) fn run(self, sock: &mut Netlink) -> Result<()> {
        match self.submit(sock)?.into_iter().next() {
            Some(first) => Err(first.error),
            None => Ok(()),
        }
    }
}

//! What is done while something is waited for.
//!
//! The monitor waits for hooks, for the guest, for an end. Whoever asks it something meanwhile is answered: so
//! whatever waits takes a [`Meanwhile`].

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Who is served while something is waited for.
pub trait Meanwhile {
    /// Waits until one of `fds` can be read or has ended; says which.
    ///
    /// # Errors
    /// That of poll(2).
    fn until_ready(&mut self, fds: &[BorrowedFd<'_>]) -> Result<Vec<bool>, Errno>;

    /// Lets go of everything in a child that was just made: it serves nobody.
    fn in_child(&mut self) {}
}

/// Nobody is served.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Meanwhile for Nobody {
    fn until_ready(&mut self, fds: &[BorrowedFd<'_>]) -> Result<Vec<bool>, Errno> {
        ready(fds, None)
    }
}

/// Waits for one of `fds`, at the most until `end`.
///
/// # Errors
/// That of poll(2).
pub fn ready(fds: &[BorrowedFd<'_>], end: Option<std::time::Instant>) -> Result<Vec<bool>, Errno> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    loop {
        match poll(&mut polled, crate::monitor::poll::until(end).as_ref()) {
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
            Ok(_) => return Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect()),
        }
    }
}

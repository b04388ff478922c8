//! Unix sockets that carry descriptors and credentials.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, UCred, sockopt,
};

use crate::{Error, Op, Result};

/// The most descriptors that one message carries here (the kernel's limit is 253).
pub const MAX_FDS: usize = 64;

/// A pair of connected sockets that keep the borders of messages.
///
/// # Errors
/// That of socketpair(2).
pub fn seqpacket_pair() -> Result<(OwnedFd, OwnedFd)> {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .op("socketpair", "unix")
}

/// The address of an abstract socket: `name` follows the leading NUL, with no NUL at its end.
fn abstract_address(name: &[u8]) -> Result<SocketAddrUnix> {
    SocketAddrUnix::new_abstract_name(name).op("address", String::from_utf8_lossy(name).as_ref())
}

/// Listens on an abstract stream socket.
///
/// # Errors
/// `EADDRINUSE` when somebody listens there already.
pub fn listen_abstract(name: &[u8], backlog: i32) -> Result<OwnedFd> {
    let shown = format!("@{}", String::from_utf8_lossy(name));
    let address = abstract_address(name)?;
    let flags = SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .op("socket", "unix")?;
    rustix::net::bind(&fd, &address).op("bind", &shown)?;
    rustix::net::listen(&fd, backlog).op("listen", &shown)?;
    Ok(fd)
}

/// Connects to an abstract stream socket; the peer gets this process's credentials with each message.
///
/// # Errors
/// `ECONNREFUSED` when nobody listens there.
pub fn connect_abstract(name: &[u8]) -> Result<OwnedFd> {
    let address = abstract_address(name)?;
    let flags = SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .op("socket", "unix")?;
    sockopt::set_socket_passcred(&fd, true).op("setsockopt(SO_PASSCRED)", "unix")?;
    rustix::net::connect(&fd, &address).op("connect", format!("@{}", String::from_utf8_lossy(name)))?;
    Ok(fd)
}

/// Sets how long a receive may block; `None` is for ever.
///
/// # Errors
/// That of setsockopt(2).
pub fn set_receive_timeout(fd: impl AsFd, timeout: Option<Duration>) -> Result<()> {
    sockopt::set_socket_timeout(fd, sockopt::Timeout::Recv, timeout).op("setsockopt(SO_RCVTIMEO)", "unix")
}

/// Sends `bytes` with descriptors in one message.
///
/// # Errors
/// That of sendmsg(2); `EPIPE` instead of a signal when the peer is gone.
pub fn send(fd: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize> {
    if fds.len() > MAX_FDS {
        return Err(Error::new("sendmsg", format!("{} descriptors", fds.len()), Errno::TOOBIG));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    loop {
        match rustix::net::sendmsg(fd.as_fd(), &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            other => return other.op("sendmsg", "unix"),
        }
    }
}

/// What one receive brought.
#[derive(Debug, Default)]
pub struct Received {
    /// How many bytes of the buffer were filled; zero at the end of the stream.
    pub len: usize,
    /// Descriptors, close-on-exec.
    pub fds: Vec<OwnedFd>,
    /// Who sent it, when the receiving socket has `SO_PASSCRED`.
    pub credentials: Option<UCred>,
}

/// Receives one message.
///
/// # Errors
/// That of recvmsg(2).
pub fn receive(fd: impl AsFd, buffer: &mut [u8], flags: RecvFlags) -> Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS), ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut iov = [IoSliceMut::new(buffer)];
    let message = loop {
        match rustix::net::recvmsg(fd.as_fd(), &mut iov, &mut control, flags | RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other.op("recvmsg", "unix")?,
        }
    };
    let mut received = Received { len: message.bytes, ..Received::default() };
    for item in control.drain() {
        match item {
            RecvAncillaryMessage::ScmRights(fds) => received.fds.extend(fds),
            RecvAncillaryMessage::ScmCredentials(who) => received.credentials = Some(who),
            _ => {}
        }
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_cross() {
        let (a, b) = seqpacket_pair().unwrap();
        let file = crate::memfd::sealed("x", b"abc").unwrap();
        send(&a, b"hello", &[file.as_fd()]).unwrap();
        let mut buffer = [0; 16];
        let got = receive(&b, &mut buffer, RecvFlags::empty()).unwrap();
        assert_eq!((&buffer[..got.len], got.fds.len()), (&b"hello"[..], 1));
        drop(a);
        assert_eq!(receive(&b, &mut buffer, RecvFlags::empty()).unwrap().len, 0);
    }

    #[test]
    fn abstract_name_is_taken_once() {
        let name = format!("lxc-sys-test-{}", std::process::id());
        let listener = listen_abstract(name.as_bytes(), 1).unwrap();
        assert_eq!(listen_abstract(name.as_bytes(), 1).unwrap_err().errno(), Errno::ADDRINUSE);
        connect_abstract(name.as_bytes()).unwrap();
        drop(listener);
        assert_eq!(connect_abstract(name.as_bytes()).unwrap_err().errno(), Errno::CONNREFUSED);
    }
}

//! Unix sockets that carry descriptors and credentials.
#![allow(unsafe_code)]

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
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

/// Connects to an abstract stream socket; `limit` is for this, and for each send later.
///
/// # Errors
/// `ECONNREFUSED` when nobody listens there, `EAGAIN` when who listens takes no connection in time.
pub fn connect_abstract(name: &[u8], limit: Duration) -> Result<OwnedFd> {
    let address = abstract_address(name)?;
    let flags = SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .op("socket", "unix")?;
    sockopt::set_socket_timeout(&fd, sockopt::Timeout::Send, Some(limit))
        .op("setsockopt(SO_SNDTIMEO)", "unix")?;
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

/// The user and group id of the process that connected, or of the one that listens.
///
/// The process id beside them is 0 for a process outside of this pid namespace, which rustix's type cannot hold.
///
/// # Errors
/// That of getsockopt(2).
pub fn peer_ids(fd: impl AsFd) -> Result<(u32, u32)> {
    let mut who = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or_default();
    // SAFETY: the kernel writes at most `length` bytes, the size of `who`; both live through the call.
    let done = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut who).cast(),
            &raw mut length,
        )
    };
    if done < 0 {
        let errno = Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO);
        return Err(Error::new("getsockopt(SO_PEERCRED)", "unix", errno));
    }
    Ok((who.uid, who.gid))
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
    send_with(fd.as_fd(), bytes, &mut control)
}

/// Sends `bytes` with this process's credentials, for a peer that reads them from the message.
///
/// # Errors
/// That of sendmsg(2); `EPIPE` instead of a signal when the peer is gone.
pub fn send_credentials(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    use rustix::process::{getgid, getpid, getuid};
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let who = UCred { pid: getpid(), uid: getuid(), gid: getgid() };
    control.push(SendAncillaryMessage::ScmCredentials(who));
    send_with(fd.as_fd(), bytes, &mut control)
}

fn send_with(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    control: &mut SendAncillaryBuffer<'_, '_, '_>,
) -> Result<usize> {
    loop {
        match rustix::net::sendmsg(fd, &[IoSlice::new(bytes)], control, SendFlags::NOSIGNAL) {
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
}

/// Receives one message.
///
/// # Errors
/// That of recvmsg(2).
pub fn receive(fd: impl AsFd, buffer: &mut [u8], flags: RecvFlags) -> Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
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
        if let RecvAncillaryMessage::ScmRights(fds) = item {
            received.fds.extend(fds);
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
    fn the_peer_is_known() {
        let (a, b) = seqpacket_pair().unwrap();
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        assert_eq!(peer_ids(&a).unwrap(), own);
        // Who did not ask for credentials gets none.
        send_credentials(&a, b"x").unwrap();
        assert_eq!(receive(&b, &mut [0; 4], RecvFlags::empty()).unwrap().len, 1);
        let file = crate::memfd::sealed("x", b"").unwrap();
        assert_eq!(peer_ids(&file).unwrap_err().errno(), Errno::NOTSOCK);
    }

    #[test]
    fn abstract_name_is_taken_once() {
        let name = format!("lxc-sys-test-{}", std::process::id());
        let listener = listen_abstract(name.as_bytes(), 1).unwrap();
        assert_eq!(listen_abstract(name.as_bytes(), 1).unwrap_err().errno(), Errno::ADDRINUSE);
        connect_abstract(name.as_bytes(), Duration::from_secs(1)).unwrap();
        drop(listener);
        assert_eq!(
            connect_abstract(name.as_bytes(), Duration::from_secs(1)).unwrap_err().errno(),
            Errno::CONNREFUSED
        );
    }
}

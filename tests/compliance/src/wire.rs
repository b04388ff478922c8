//! The command socket, byte by byte, without the code under test.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recvmsg, send,
    sendmsg, socket_with,
};

use crate::run::wait_readable;

const LIMIT: Duration = Duration::from_secs(10);

/// A connection to a monitor.
#[derive(Debug)]
pub struct CommandSocket {
    fd: OwnedFd,
}

/// An answer: its header, the bytes after it, and the descriptors that came along.
#[derive(Debug)]
pub struct Reply {
    /// 0, or an errno below zero.
    pub ret: i32,
    /// The number in the header's last field.
    pub number: i64,
    /// The bytes after the header.
    pub data: Vec<u8>,
    /// The descriptors.
    pub fds: Vec<OwnedFd>,
}

impl CommandSocket {
    /// Connects to `@/var/lib/lxc/NAME/command`; `None` when no monitor listens.
    ///
    /// # Panics
    /// When there is no socket to be had.
    #[must_use]
    pub fn open(name: &str) -> Option<Self> {
        let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .expect("a socket");
        let path = format!("/var/lib/lxc/{name}/command");
        let address = SocketAddrUnix::new_abstract_name(path.as_bytes()).expect("a short name");
        connect(&fd, &address).is_ok().then_some(Self { fd })
    }

    /// Sends a request: 16 bytes of header, then the payload on its own. No credentials are sent: the
    /// kernel adds them.
    ///
    /// # Panics
    /// When the monitor is gone.
    pub fn send(&self, command: i32, number: i64, payload: &[u8]) {
        let mut header = Vec::with_capacity(16);
        header.extend(command.to_ne_bytes());
        header.extend(i32::try_from(payload.len()).expect("a short payload").to_ne_bytes());
        header.extend(number.to_ne_bytes());
        send(&self.fd, &header, SendFlags::NOSIGNAL).expect("send a request");
        if !payload.is_empty() {
            send(&self.fd, payload, SendFlags::NOSIGNAL).expect("send a payload");
        }
    }

    /// Sends bytes as they are; false when the monitor has hung up.
    #[must_use]
    pub fn send_raw(&self, bytes: &[u8]) -> bool {
        send(&self.fd, bytes, SendFlags::NOSIGNAL).is_ok_and(|n| n == bytes.len())
    }

    /// Sends one byte with a descriptor on it.
    ///
    /// # Panics
    /// When the monitor is gone.
    pub fn send_fd(&self, fd: OwnedFd) {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [fd.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let bytes = [IoSlice::new(&[0])];
        sendmsg(&self.fd, &bytes, &mut control, SendFlags::NOSIGNAL).expect("send a descriptor");
    }

    /// Reads an answer; `None` when the monitor hangs up instead.
    ///
    /// # Panics
    /// When nothing comes.
    #[must_use]
    #[track_caller]
    pub fn reply(&self) -> Option<Reply> {
        let (header, fds) = self.receive(16)?;
        let word = |at: usize| i32::from_ne_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let length = usize::try_from(word(4)).expect("a length");
        let number = i64::from_ne_bytes(header[8..16].try_into().expect("eight bytes"));
        let data = if length > 0 { self.receive(length)?.0 } else { Vec::new() };
        Some(Reply { ret: word(0), number, data, fds })
    }

    /// One request and its answer on a connection of its own.
    ///
    /// # Panics
    /// When no monitor listens or it hangs up.
    #[must_use]
    #[track_caller]
    pub fn call(name: &str, command: i32, number: i64, payload: &[u8]) -> Reply {
        let socket = Self::open(name).unwrap_or_else(|| panic!("{name}: no monitor listens"));
        socket.send(command, number, payload);
        socket.reply().unwrap_or_else(|| panic!("{name}: command {command}: hung up"))
    }

    /// Reads exactly this many bytes; `None` on end of file.
    ///
    /// # Panics
    /// When they do not come in time.
    #[must_use]
    #[track_caller]
    pub fn receive(&self, count: usize) -> Option<(Vec<u8>, Vec<OwnedFd>)> {
        let end = Instant::now() + LIMIT;
        let mut data = Vec::new();
        let mut fds = Vec::new();
        while data.len() < count {
            assert!(
                wait_readable(&self.fd, end.saturating_duration_since(Instant::now())),
                "command socket: {} of {count} bytes",
                data.len()
            );
            let mut buffer = vec![0; count - data.len()];
            let mut space =
                [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(20), ScmCredentials(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let got = recvmsg(
                self.fd.as_fd(),
                &mut [IoSliceMut::new(&mut buffer)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            );
            let got = match got {
                Ok(got) if got.bytes > 0 => got.bytes,
                _ => return None,
            };
            data.extend_from_slice(&buffer[..got]);
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    fds.extend(received);
                }
            }
        }
        Some((data, fds))
    }

    /// Waits for the monitor to hang up.
    ///
    /// # Panics
    /// When it sends something instead, or does not in `limit`.
    #[track_caller]
    pub fn expect_end(&self, limit: Duration) {
        assert!(wait_readable(&self.fd, limit), "command socket: no end of file in {limit:?}");
        assert!(self.receive(1).is_none(), "command socket: bytes where the end should be");
    }
}

//! The notify proxy: system calls whose rule says `notify` are decided by a program outside
//! (`lxc.seccomp.notify.proxy`). Runs in the monitor.
//!
//! For each such call the proxy gets one message over a `SOCK_SEQPACKET` connection, with three
//! descriptors: the task's directory in `/proc`, its memory, and the listener. Its answer is one message
//! too. When there is no answer the call fails with `ENOSYS`. While the proxy thinks, at most 30 s, the
//! monitor waits, as upstream's does.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use lxc_sys::procfs::Procfs;
use lxc_sys::seccomp::{self, NotifySizes};
use lxc_sys::{Op, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Pid;

/// How long the proxy may take to read a message, and to answer it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the proxy is and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySpec {
    /// Its socket.
    pub address: Address,
    /// `lxc.seccomp.notify.cookie`: bytes that go with every message.
    pub cookie: Option<Vec<u8>>,
}

/// A unix socket's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A file.
    Path(PathBuf),
    /// A name in the network namespace, without the leading zero byte.
    Abstract(Vec<u8>),
}

/// The system calls of one container and the proxy that decides them.
#[derive(Debug)]
pub struct Proxy {
    listener: OwnedFd,
    /// `None` after the connection was lost; the next event tries anew.
    socket: Option<OwnedFd>,
    spec: ProxySpec,
    sizes: NotifySizes,
    header: [u8; HEADER],
    proc: Procfs,
}

/// Bytes of the message's header.
const HEADER: usize = 32;
/// Bytes of `struct seccomp_notif` up to and with its pid.
const PID_END: usize = 12;

impl Proxy {
    /// Connects. `listener` is what the guest got when it installed the program.
    ///
    /// # Errors
    /// When there is no proxy, or the kernel has no listeners.
    pub fn connect(spec: ProxySpec, listener: OwnedFd, init: Pid) -> Result<Self> {
        let sizes = seccomp::notify_sizes()?;
        let header = header(sizes, init, spec.cookie.as_deref());
        let socket = Some(connect(&spec.address)?);
        Ok(Proxy { listener, socket, spec, sizes, header, proc: Procfs::mounted()? })
    }

    /// Answers the call that waits. To be called when the listener is readable.
    ///
    /// # Errors
    /// Only those of the listener itself; whatever fails on the proxy's side makes the call fail.
    pub fn serve(&mut self) -> Result<()> {
        let mut notification = vec![0; self.sizes.notification.into()];
        match seccomp::receive(&self.listener, &mut notification) {
            // The task was killed meanwhile.
            Err(e) if e.errno() == Errno::NOENT => return Ok(()),
            answer => answer?,
        }
        let id = notification.first_chunk::<8>().copied().unwrap_or_default();
        let response = match self.ask(&notification, id) {
            Ok(response) => response,
            Err(e) => {
                log::warn!("the seccomp notify proxy did not answer: {e}");
                refusal(self.sizes, id)
            }
        };
        match seccomp::send(&self.listener, &response) {
            Err(e) if e.errno() == Errno::NOENT => Ok(()),
            answer => answer,
        }
    }

    /// The proxy's response.
    fn ask(&mut self, notification: &[u8], id: [u8; 8]) -> Result<Vec<u8>> {
        let pid = notification.get(8..PID_END).and_then(|b| b.first_chunk::<4>());
        let pid = u32::from_ne_bytes(pid.copied().unwrap_or_default());
        let dir = self.proc.open(&pid.to_string(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        let memory = self.proc.open(&format!("{pid}/mem"), OFlags::RDWR)?;
        // Only now is it sure that these are the files of the task that asks.
        if !seccomp::is_waiting(&self.listener, u64::from_ne_bytes(id)) {
            return Err(Errno::SRCH).op("open", format!("/proc/{pid}"));
        }
        let question = refusal(self.sizes, id);
        let cookie = self.spec.cookie.as_deref().unwrap_or_default();
        let message = [&self.header[..], notification, &question, cookie].concat();
        let fds = [dir.as_fd(), memory.as_fd(), self.listener.as_fd()];
        let mut sent = match &self.socket {
            Some(socket) => send(socket, &message, &fds),
            None => Err(Errno::NOTCONN).op("sendmsg", "seccomp notify proxy"),
        };
        if sent.is_err() {
            self.socket = None;
            let socket = connect(&self.spec.address)?;
            sent = send(&socket, &message, &fds);
            self.socket = Some(socket);
        }
        sent?;
        self.answer(notification.len(), id)
    }

    /// Reads one message: header, notification and response, of exactly their sizes.
    fn answer(&mut self, notification: usize, id: [u8; 8]) -> Result<Vec<u8>> {
        const ON: &str = "seccomp notify proxy";
        let socket = self.socket.as_ref().ok_or(Errno::NOTCONN).op("recv", ON)?;
        let before = HEADER + notification;
        let mut message = vec![0; before + usize::from(self.sizes.response)];
        let received =
            rustix::io::retry_on_intr(|| rustix::net::recv(socket, &mut message[..], RecvFlags::TRUNC));
        let length = match received.op("recv", ON) {
            Ok((_, length)) => length,
            Err(e) => {
                self.socket = None;
                return Err(e);
            }
        };
        if length == 0 {
            self.socket = None;
        }
        if length != message.len() {
            return Err(Errno::BADMSG).op("recv", ON);
        }
        let mut response = message.split_off(before);
        response.iter_mut().zip(id).for_each(|(to, from)| *to = from);
        Ok(response)
    }
}

impl AsFd for Proxy {
    /// The listener: readable when a call waits.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Upstream's header: a reserved word, the monitor's and the container's pid, the sizes of the three
/// structures and of the cookie.
fn header(sizes: NotifySizes, init: Pid, cookie: Option<&[u8]>) -> [u8; HEADER] {
    let cookie_len = cookie.map_or(0, <[u8]>::len) as u64;
    let mut header = [0; HEADER];
    let parts = [
        &0_u64.to_ne_bytes()[..],
        &rustix::process::getpid().as_raw_nonzero().get().to_ne_bytes(),
        &init.as_raw_nonzero().get().to_ne_bytes(),
        &sizes.notification.to_ne_bytes(),
        &sizes.response.to_ne_bytes(),
        &sizes.data.to_ne_bytes(),
        &[0; 2],
        &cookie_len.to_ne_bytes(),
    ];
    header.iter_mut().zip(parts.concat()).for_each(|(to, from)| *to = from);
    header
}

/// The response that makes the call fail with `ENOSYS`.
fn refusal(sizes: NotifySizes, id: [u8; 8]) -> Vec<u8> {
    // struct seccomp_notif_resp: u64 id, s64 value, s32 error, u32 flags.
    let error = -Errno::NOSYS.raw_os_error();
    let mut response = [&id[..], &[0; 8], &error.to_ne_bytes(), &[0; 4]].concat();
    response.resize(sizes.response.into(), 0);
    response
}

fn connect(address: &Address) -> Result<OwnedFd> {
    let (name, resolved) = match address {
        Address::Path(path) => (path.display().to_string(), SocketAddrUnix::new(path)),
        Address::Abstract(name) => {
            (format!("@{}", name.escape_ascii()), SocketAddrUnix::new_abstract_name(name))
        }
    };
    let resolved = resolved.op("connect", &name)?;
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .op("socket", "seqpacket")?;
    for which in [Timeout::Send, Timeout::Recv] {
        set_socket_timeout(&socket, which, Some(PATIENCE)).op("setsockopt", &name)?;
    }
    rustix::net::connect(&socket, &resolved).op("connect", &name)?;
    Ok(socket)
}

fn send(socket: &OwnedFd, message: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
    if lxc_sys::socket::send(socket, message, fds)? == message.len() {
        Ok(())
    } else {
        Err(Errno::IO).op("sendmsg", "seccomp notify proxy")
    }
}

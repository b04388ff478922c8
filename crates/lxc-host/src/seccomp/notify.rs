//! The notify proxy: system calls whose rule says `notify` are decided by a program outside
//! (`lxc.seccomp.notify.proxy`). Runs in the monitor.
//!
//! For each such call the proxy gets one message over a `SOCK_SEQPACKET` connection, with three
//! descriptors: the task's directory in `/proc`, its memory, and the listener. Its answer is one message
//! too. When there is no answer the call fails with `ENOSYS`. One call is asked about at a time, as
//! upstream does it: an answer does not say which question it is for. Nothing here blocks: the event loop
//! asks [`Proxy::wants`] what to wait for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lxc_sys::procfs::Procfs;
use lxc_sys::seccomp::{self, NotifySizes};
use lxc_sys::{Op, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Pid;

/// How long the proxy may take to read a message and to answer it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before a proxy is tried again that has no room for another connection.
const PAUSE: Duration = Duration::from_millis(50);

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
    /// What the guests got when they installed their programs: init first, then those that were attached.
    listeners: Vec<(u64, OwnedFd)>,
    next: u64,
    /// `None` after the connection was lost; the next event tries anew.
    socket: Option<OwnedFd>,
    /// How many connections there have been.
    connections: u64,
    asking: Option<Question>,
    spec: ProxySpec,
    sizes: NotifySizes,
    header: [u8; HEADER],
    proc: Procfs,
}

/// A call that waits for the proxy's word.
#[derive(Debug)]
struct Question {
    listener: u64,
    id: [u8; 8],
    notification: Vec<u8>,
    /// The task's directory and memory.
    task: [OwnedFd; 2],
    until: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The proxy takes no connection just now.
    Connecting(Instant),
    /// It takes no message just now.
    Sending,
    /// It thinks.
    Waiting,
}

/// What the event loop is to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// A listener that is readable.
    Calls,
    /// Room in the proxy's socket.
    ToSend,
    /// The proxy's answer.
    Answer,
    /// Nothing but the time.
    Time,
}

/// Bytes of the message's header.
const HEADER: usize = 32;
/// Bytes of `struct seccomp_notif` up to and with its pid.
const PID_END: usize = 12;
const ON: &str = "seccomp notify proxy";

impl Proxy {
    /// A proxy for the container whose init is `init`. It is connected to when there is something to ask.
    ///
    /// # Errors
    /// When the kernel has no listeners.
    pub fn new(spec: ProxySpec, init: Pid) -> Result<Self> {
        let sizes = seccomp::notify_sizes()?;
        let header = header(sizes, init, spec.cookie.as_deref());
        Ok(Proxy {
            listeners: Vec::new(),
            next: 0,
            socket: None,
            connections: 0,
            asking: None,
            spec,
            sizes,
            header,
            proc: Procfs::mounted()?,
        })
    }

    /// Connects now, to learn at the start whether there is a proxy.
    ///
    /// # Errors
    /// When nobody listens at the address.
    pub fn connect(&mut self) -> Result<()> {
        match connect(&self.spec.address) {
            Ok(socket) => self.take_socket(socket),
            // It is there, and busy.
            Err(e) if e.errno() == Errno::AGAIN => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn take_socket(&mut self, socket: OwnedFd) {
        self.socket = Some(socket);
        self.connections += 1;
    }

    /// Takes over a listener; returns its number.
    pub fn add(&mut self, listener: OwnedFd) -> u64 {
        let number = self.next;
        self.next += 1;
        self.listeners.push((number, listener));
        number
    }

    /// A listener by its number.
    pub fn listener(&self, number: u64) -> Option<BorrowedFd<'_>> {
        self.listeners.iter().find(|(n, _)| *n == number).map(|(_, fd)| fd.as_fd())
    }

    /// Init's listener: the first that was added.
    pub fn first(&self) -> Option<BorrowedFd<'_>> {
        self.listener(0)
    }

    /// All listeners.
    pub fn listeners(&self) -> impl Iterator<Item = (u64, BorrowedFd<'_>)> {
        self.listeners.iter().map(|(number, fd)| (*number, fd.as_fd()))
    }

    /// Gives a listener up: no task is left that it is for.
    pub fn remove(&mut self, number: u64) {
        self.listeners.retain(|(n, _)| *n != number);
        if self.asking.as_ref().is_some_and(|q| q.listener == number) {
            self.asking = None;
            self.socket = None;
        }
    }

    /// The connection to the proxy.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Which connection it is: another number, another descriptor.
    pub fn connection(&self) -> u64 {
        self.connections
    }

    /// What to wait for now.
    pub fn wants(&self) -> Wants {
        match self.asking.as_ref().map(|q| q.stage) {
            None => Wants::Calls,
            Some(Stage::Connecting(_)) => Wants::Time,
            Some(Stage::Sending) => Wants::ToSend,
            Some(Stage::Waiting) => Wants::Answer,
        }
    }

    /// When [`Proxy::go_on`] is to be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.asking.as_ref().map(|q| match q.stage {
            Stage::Connecting(again) => again.min(q.until),
            Stage::Sending | Stage::Waiting => q.until,
        })
    }

    /// Takes the call that waits on a listener and asks the proxy. To be called when the listener is readable
    /// and calls are wanted.
    ///
    /// # Errors
    /// Only those of the listener itself; whatever fails on the proxy's side makes the call fail.
    pub fn serve(&mut self, number: u64) -> Result<()> {
        let Some(listener) = self.listener(number) else { return Ok(()) };
        if self.asking.is_some() || !is_readable(listener) {
            return Ok(());
        }
        let mut notification = vec![0; self.sizes.notification.into()];
        match seccomp::receive(listener, &mut notification) {
            // The task was killed meanwhile.
            Err(e) if e.errno() == Errno::NOENT => return Ok(()),
            answer => answer?,
        }
        let id = notification.first_chunk::<8>().copied().unwrap_or_default();
        let pid = notification.get(8..PID_END).and_then(|b| b.first_chunk::<4>());
        let pid = u32::from_ne_bytes(pid.copied().unwrap_or_default());
        match self.task(number, id, pid) {
            Ok(task) => {
                let until = Instant::now() + PATIENCE;
                let stage = Stage::Sending;
                self.asking = Some(Question { listener: number, id, notification, task, until, stage });
                // What the proxy says without being asked is no answer to what comes now.
                if self.socket.as_ref().is_some_and(is_readable) {
                    self.socket = None;
                }
                self.ask();
                Ok(())
            }
            Err(e) => {
                log::warn!("seccomp notify: {e}");
                self.respond(number, &refusal(self.sizes, id))
            }
        }
    }

    /// The directory and the memory of the task that asks.
    fn task(&self, listener: u64, id: [u8; 8], pid: u32) -> Result<[OwnedFd; 2]> {
        let dir = self.proc.open(&pid.to_string(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        let memory = self.proc.open(&format!("{pid}/mem"), OFlags::RDWR)?;
        // Only now is it sure that these are the files of the task that asks.
        let waits = self.listener(listener).is_some_and(|fd| seccomp::is_waiting(fd, u64::from_ne_bytes(id)));
        if waits { Ok([dir, memory]) } else { Err(Errno::SRCH).op("open", format!("/proc/{pid}")) }
    }

    /// Goes on with the question: the socket is ready, or the time is over.
    pub fn go_on(&mut self) {
        let Some(question) = &self.asking else { return };
        if question.until <= Instant::now() {
            // A late answer would be taken for that to the next question.
            return self.give_up(&"it takes too long");
        }
        match question.stage {
            Stage::Connecting(again) if again > Instant::now() => {}
            Stage::Connecting(_) | Stage::Sending => self.ask(),
            Stage::Waiting => match self.receive() {
                Ok(Some(response)) => self.finish(&response),
                Ok(None) => {}
                Err(e) => self.give_up(&e),
            },
        }
    }

    /// Sends the question; a connection that was lost is made anew once.
    fn ask(&mut self) {
        let had = self.socket.is_some();
        let mut sent = self.send();
        if matches!(&sent, Err(e) if e.errno() != Errno::AGAIN) && had {
            self.socket = None;
            sent = self.send();
        }
        let stage = match sent {
            Ok(()) => Stage::Waiting,
            Err(e) if e.errno() == Errno::AGAIN && self.socket.is_some() => Stage::Sending,
            Err(e) if e.errno() == Errno::AGAIN => Stage::Connecting(Instant::now() + PAUSE),
            Err(e) => return self.give_up(&e),
        };
        if let Some(question) = &mut self.asking {
            question.stage = stage;
        }
    }

    fn send(&mut self) -> Result<()> {
        if self.socket.is_none() {
            let socket = connect(&self.spec.address)?;
            self.take_socket(socket);
        }
        let (Some(question), Some(socket)) = (&self.asking, &self.socket) else { return Ok(()) };
        let Some((_, listener)) = self.listeners.iter().find(|(n, _)| *n == question.listener) else {
            return Err(Errno::BADF).op("sendmsg", ON);
        };
        let response = refusal(self.sizes, question.id);
        let cookie = self.spec.cookie.as_deref().unwrap_or_default();
        let message = [&self.header[..], &question.notification, &response, cookie].concat();
        let [dir, memory] = &question.task;
        let fds = [dir.as_fd(), memory.as_fd(), listener.as_fd()];
        if lxc_sys::socket::send(socket, &message, &fds)? == message.len() {
            Ok(())
        } else {
            Err(Errno::IO).op("sendmsg", ON)
        }
    }

    /// Reads one message: header, notification and response, of exactly their sizes. `None`: not there yet.
    fn receive(&self) -> Result<Option<Vec<u8>>> {
        let (Some(socket), Some(question)) = (&self.socket, &self.asking) else {
            return Err(Errno::NOTCONN).op("recv", ON);
        };
        let before = HEADER + question.notification.len();
        let mut message = vec![0; before + usize::from(self.sizes.response)];
        let flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
        let received = rustix::io::retry_on_intr(|| rustix::net::recv(socket, &mut message[..], flags));
        let length = match received {
            Ok((_, length)) => length,
            Err(Errno::AGAIN) => return Ok(None),
            Err(e) => return Err(e).op("recv", ON),
        };
        if length != message.len() {
            let errno = if length == 0 { Errno::CONNRESET } else { Errno::BADMSG };
            return Err(errno).op("recv", ON);
        }
        let mut response = message.split_off(before);
        response.iter_mut().zip(question.id).for_each(|(to, from)| *to = from);
        Ok(Some(response))
    }

    fn finish(&mut self, response: &[u8]) {
        let Some(question) = self.asking.take() else { return };
        if let Err(e) = self.respond(question.listener, response) {
            log::warn!("{e}");
        }
    }

    fn give_up(&mut self, why: &dyn std::fmt::Display) {
        log::warn!("the seccomp notify proxy did not answer: {why}");
        self.socket = None;
        if let Some(id) = self.asking.as_ref().map(|q| q.id) {
            self.finish(&refusal(self.sizes, id));
        }
    }

    fn respond(&self, listener: u64, response: &[u8]) -> Result<()> {
        let Some(listener) = self.listener(listener) else { return Ok(()) };
        match seccomp::send(listener, response) {
            Err(e) if e.errno() == Errno::NOENT => Ok(()),
            // The response is the proxy's: the kernel may refuse it, and then the call would wait for ever.
            Err(e) if e.errno() == Errno::INVAL => {
                log::warn!("the seccomp notify proxy's response is refused: {e}");
                let id = response.first_chunk::<8>().copied().unwrap_or_default();
                seccomp::send(listener, &refusal(self.sizes, id))
            }
            answer => answer,
        }
    }
}

fn is_readable(fd: impl AsFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    poll(&mut fds, Some(&now)).is_ok_and(|n| n > 0)
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
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .op("socket", "seqpacket")?;
    rustix::net::connect(&socket, &resolved).op("connect", &name)?;
    Ok(socket)
}

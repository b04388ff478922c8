//! The daemon's side.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};

use lxc_sys::process::{SignalFd, SignalSet};
use lxc_sys::{Error, Op, Result, filelock, process, socket};

use super::{QUIT, fifo_path, socket_name};
use crate::command::wire::STATE_MESSAGE;

/// When the daemon ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// When nobody was connected for half a minute.
    WhileUsed,
    /// Never.
    Forever,
}

const IDLE: Duration = Duration::from_secs(30);
const BACKLOG: i32 = 100;
/// So many clients are served; who comes then waits until one leaves.
const MOST_CLIENTS: usize = 512;
/// How many connections are taken before the messages: all that the socket's queue holds.
const AT_ONCE: usize = 128;
/// A client that lets so much wait is given up. The kernel holds some hundred messages before.
const MOST_PENDING: usize = 4096 * STATE_MESSAGE;
/// Messages that are read at once.
const BATCH: usize = 64;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// Whoever asked for the daemon may have gone.
const SIGPIPE: i32 = 13;

/// Serves the containers in `lxcpath`, until a client says so, a signal comes or [`Lifetime`] is over. `ready` is
/// called when clients can connect.
///
/// # Errors
/// Those of making fifo and socket: `EAGAIN` when another daemon serves this folder.
pub fn serve(run: &Path, lxcpath: &Path, lifetime: Lifetime, ready: impl FnOnce()) -> Result<()> {
    process::ignore_signal(SIGPIPE);
    let ends = SignalSet::empty().with(SIGHUP).with(SIGINT).with(SIGTERM);
    process::set_signal_mask(&ends)?;
    let signals = SignalFd::new(&ends)?;
    let fifo = Fifo::open(&fifo_path(run, lxcpath))?;
    let name = socket_name(lxcpath).ok_or(Errno::NAMETOOLONG).op("name the socket of", lxcpath)?;
    let listener = socket::listen_abstract(&name, BACKLOG)?;
    rustix::io::ioctl_fionbio(&listener, true).op("ioctl(FIONBIO)", "the daemon's socket")?;
    ready();
    Daemon { fifo, listener, signals, clients: Vec::new(), lifetime, partial: Vec::new() }.run()
}

/// The fifo, locked; removed in the end.
struct Fifo {
    fd: OwnedFd,
    path: PathBuf,
}

impl Fifo {
    fn open(path: &Path) -> Result<Fifo> {
        if let Some(dir) = path.parent() {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(dir);
            made.op("mkdir", dir)?;
        }
        loop {
            match rustix::fs::mkfifoat(rustix::fs::CWD, path, Mode::RUSR | Mode::WUSR) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(e).op("mkfifo", path),
            }
            // Open for writing too: so there is never an end of file.
            let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let fd = match rustix::fs::open(path, flags, Mode::empty()) {
                // Another daemon has just removed it.
                Err(Errno::NOENT) => continue,
                other => other.op("open", path)?,
            };
            let stat = rustix::fs::fstat(&fd).op("stat", path)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo {
                return Err(Errno::INVAL).op("open as a fifo", path);
            }
            if !filelock::lock(&fd, filelock::Wait::No)? {
                return Err(Errno::AGAIN).op("lock, as another daemon has it,", path);
            }
            // A daemon that was ending may have removed it between opening and lock.
            match rustix::fs::stat(path) {
                Ok(now) if (now.st_dev, now.st_ino) == (stat.st_dev, stat.st_ino) => {
                    return Ok(Fifo { fd, path: path.to_owned() });
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(e) => return Err(e).op("stat", path),
            }
        }
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        // Still locked: what stands at the path is this one.
        if let Err(e) = std::fs::remove_file(&self.path) {
            log::warn!("cannot remove {}: {e}", self.path.display());
        }
    }
}

struct Client {
    socket: OwnedFd,
    /// What it has not taken yet.
    pending: Vec<u8>,
    gone: bool,
}

struct Daemon {
    fifo: Fifo,
    listener: OwnedFd,
    signals: SignalFd,
    clients: Vec<Client>,
    lifetime: Lifetime,
    /// The beginning of a message whose end has not come.
    partial: Vec<u8>,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Flow {
    Go,
    End,
}

impl Daemon {
    fn run(mut self) -> Result<()> {
        let mut alone_since = Instant::now();
        loop {
            if !self.clients.is_empty() {
                alone_since = Instant::now();
            }
            let patience = match self.lifetime {
                Lifetime::WhileUsed if self.clients.is_empty() => {
                    Some(IDLE.saturating_sub(alone_since.elapsed()))
                }
                _ => None,
            };
            if patience == Some(Duration::ZERO) || self.turn(patience)? == Flow::End {
                return Ok(());
            }
        }
    }

    /// Waits for something and serves it.
    fn turn(&mut self, patience: Option<Duration>) -> Result<Flow> {
        let ready = self.wait(patience)?;
        let [signals, fifo, listener, clients @ ..] = &ready[..] else { return Ok(Flow::End) };
        if !signals.is_empty() && self.signals.take()?.is_some() {
            return Ok(Flow::End);
        }
        for (client, events) in self.clients.iter_mut().zip(clients) {
            if events.contains(PollFlags::OUT) {
                client.flush();
            }
            if events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
                && client.read() == Flow::End
            {
                return Ok(Flow::End);
            }
        }
        self.clients.retain(|client| !client.gone);
        // Connections before messages: who connected before a change hears of it.
        if !listener.is_empty() {
            self.accept();
        }
        if !fifo.is_empty() {
            self.relay()?;
        }
        Ok(Flow::Go)
    }

    /// What is ready of signals, fifo, listener and each client.
    fn wait(&self, patience: Option<Duration>) -> Result<Vec<PollFlags>> {
        let room = self.clients.len() < MOST_CLIENTS;
        let accept = if room { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.fifo.fd, PollFlags::IN),
            PollFd::new(&self.listener, accept),
        ];
        fds.extend(self.clients.iter().map(|client| {
            let out = if client.pending.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::new(&client.socket, PollFlags::IN | out)
        }));
        let patience = patience.and_then(|p| Timespec::try_from(p).ok());
        loop {
            match poll(&mut fds, patience.as_ref()) {
                Ok(_) => return Ok(fds.iter().map(PollFd::revents).collect()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(Error::new("poll", "the daemon's descriptors", e)),
            }
        }
    }

    fn accept(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Strangers who connect on and on must not keep messages waiting.
        for _ in 0..AT_ONCE {
            if self.clients.len() >= MOST_CLIENTS {
                return;
            }
            let Ok(socket) = rustix::net::accept_with(&self.listener, flags) else { return };
            let own = rustix::process::geteuid().as_raw();
            match socket::peer_ids(&socket) {
                Ok((uid, _)) if uid == 0 || uid == own => {
                    self.clients.push(Client { socket, pending: Vec::new(), gone: false });
                }
                Ok((uid, _)) => log::debug!("user {uid} may not listen"),
                Err(e) => log::debug!("{e}"),
            }
        }
    }

    /// Hands what is in the fifo to all clients. Messages are whole: a write of so few bytes is never divided. Bytes
    /// that make no message are dropped with the ones that follow at once.
    fn relay(&mut self) -> Result<()> {
        loop {
            let mut buffer = [0; BATCH * STATE_MESSAGE];
            let got = match rustix::io::read(&self.fifo.fd, &mut buffer) {
                Ok(got) => got,
                Err(Errno::AGAIN) => {
                    self.partial.clear();
                    return Ok(());
                }
                Err(Errno::INTR) => continue,
                Err(e) => return Err(e).op("read", &self.fifo.path),
            };
            self.partial.extend(buffer.iter().take(got));
            let whole = self.partial.len() / STATE_MESSAGE * STATE_MESSAGE;
            let messages: Vec<u8> = self.partial.drain(..whole).collect();
            for client in &mut self.clients {
                client.send(&messages);
            }
            self.clients.retain(|client| !client.gone);
        }
    }
}

impl Client {
    /// Queues bytes and sends what goes at once.
    fn send(&mut self, bytes: &[u8]) {
        if self.pending.len() + bytes.len() > MOST_PENDING {
            log::debug!("a client does not read and is given up");
            self.gone = true;
            return;
        }
        self.pending.extend_from_slice(bytes);
        self.flush();
    }

    fn flush(&mut self) {
        while !self.pending.is_empty() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(self.socket.as_fd(), &self.pending, flags) {
                Ok(sent) => drop(self.pending.drain(..sent.min(self.pending.len()))),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
    }

    /// What a client says: nothing but that the daemon may end.
    fn read(&mut self) -> Flow {
        let mut buffer = [0; 64];
        match rustix::net::recv(self.socket.as_fd(), &mut buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => self.gone = true,
            Ok((_, got)) if buffer.get(..got) == Some(QUIT) => return Flow::End,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.gone = true,
        }
        Flow::Go
    }
}

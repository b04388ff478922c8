//! Asking a running container's monitor. Runs in tools and libraries.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use lxc_sys::{Error as SysError, socket};
use lxc_types::state::State;

use super::wire::{self, Cmd, HEADER, RequestHeader, Which};
use crate::stuck;

/// Why a monitor did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens: the container does not run.
    #[error("the container is not running")]
    NotRunning,
    /// The monitor knows nothing of this command, or has nothing to say: it closed the connection.
    #[error("the monitor does not answer {0:?}")]
    NoAnswer(Cmd),
    /// The monitor refused.
    #[error("the monitor refused {0:?}: {text}", text = text_of(*.1))]
    Refused(Cmd, Errno),
    /// It has not answered in time. It may be stopped, or in the middle of a start.
    #[error("the monitor has not answered {cmd:?} within {} s{}", .after.as_secs(), .monitor.as_ref().map(|m| format!(": {m}")).unwrap_or_default())]
    TimedOut {
        /// What was asked.
        cmd: Cmd,
        /// How long was waited.
        after: Duration,
        /// What the monitor is doing, if it could be found.
        monitor: Option<String>,
    },
    /// The answer is not what the protocol says.
    #[error("the monitor's answer to {0:?} cannot be read")]
    Garbled(Cmd),
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] SysError),
}

fn text_of(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    /// The result, 0 or more.
    pub ret: i32,
    /// The number in the data field.
    pub number: i32,
    /// The bytes after the header.
    pub payload: Vec<u8>,
    /// The descriptors.
    pub fds: Vec<OwnedFd>,
    /// The connection, which some commands keep open.
    pub connection: OwnedFd,
}

/// All cgroup directories of a container, as fds of its monitor.
#[derive(Debug)]
pub struct CgroupContext {
    /// 0 legacy, 1 hybrid, 2 unified, -1 unknown.
    pub layout: i32,
    /// One directory a hierarchy.
    pub dirs: Vec<OwnedFd>,
}

/// How long an answer may take: monitors of ours answer at once, upstream's not before the container runs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Talks to the monitor of one container. Each call is a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    lxcpath: PathBuf,
    name: String,
    timeout: Duration,
}

type Result<T, E = ClientError> = std::result::Result<T, E>;

impl Client {
    /// A client for container `name` in `lxcpath`.
    pub fn new(lxcpath: &Path, name: &str) -> Self {
        Client { lxcpath: lxcpath.to_owned(), name: name.to_owned(), timeout: PATIENCE }
    }

    /// Waits for each answer at the most so long.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn connect(&self, cmd: Cmd) -> Result<OwnedFd> {
        self.connect_to(cmd, &super::socket_name(&self.lxcpath, &self.name))
    }

    fn connect_to(&self, cmd: Cmd, name: &[u8]) -> Result<OwnedFd> {
        match socket::connect_abstract(name, self.timeout) {
            Err(e) if matches!(e.errno(), Errno::CONNREFUSED | Errno::NOENT) => Err(ClientError::NotRunning),
            other => {
                let connection = self.gone(cmd, other)?;
                let what = format!("command socket of {}", self.name);
                check_peer(&connection, &self.lxcpath.join(&self.name), &what)?;
                socket::set_receive_timeout(&connection, Some(self.timeout))?;
                Ok(connection)
            }
        }
    }

    fn gone<T>(&self, cmd: Cmd, result: Result<T, SysError>) -> Result<T> {
        result.map_err(|e| match e.errno() {
            Errno::PIPE | Errno::CONNRESET => ClientError::NoAnswer(cmd),
            Errno::AGAIN => ClientError::TimedOut {
                cmd,
                after: self.timeout,
                monitor: stuck::monitor(&self.lxcpath, &self.name).and_then(stuck::one),
            },
            _ => ClientError::Socket(e),
        })
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`], a refusal, or a failure of the socket.
    pub fn exchange(&self, cmd: Cmd, data: u64, payload: &[u8], most: usize) -> Result<Answer> {
        let connection = self.connect(cmd)?;
        let length = i32::try_from(payload.len()).unwrap_or(i32::MAX);
        let header = RequestHeader { cmd: cmd as i32, length, data }.encode();
        self.gone(cmd, socket::send_credentials(&connection, &header))?;
        if !payload.is_empty() {
            self.gone(cmd, socket::send(&connection, payload, &[]))?;
        }
        self.answer(cmd, connection, most)
    }

    /// Reads an answer with at the most so many bytes after its header.
    fn answer(&self, cmd: Cmd, connection: OwnedFd, most: usize) -> Result<Answer> {
        let mut head = [0; HEADER];
        let first = self.gone(cmd, socket::receive(&connection, &mut head, RecvFlags::WAITALL))?;
        if first.len == 0 {
            return Err(ClientError::NoAnswer(cmd));
        }
        if first.len != HEADER {
            return Err(ClientError::Garbled(cmd));
        }
        let reply = RequestHeader::decode(&head);
        if reply.cmd < 0 {
            return Err(ClientError::Refused(cmd, Errno::from_raw_os_error(-reply.cmd)));
        }
        let length =
            usize::try_from(reply.length).ok().filter(|n| *n <= most).ok_or(ClientError::Garbled(cmd))?;
        let mut payload = vec![0; length];
        let mut got = 0;
        while got < length {
            let part =
                self.gone(cmd, socket::receive(&connection, &mut payload[got..], RecvFlags::WAITALL))?;
            if part.len == 0 {
                return Err(ClientError::Garbled(cmd));
            }
            got += part.len;
        }
        Ok(Answer { ret: reply.cmd, number: wire::int_of(reply.data), payload, fds: first.fds, connection })
    }

    fn ask(&self, cmd: Cmd, data: i32, payload: &[u8]) -> Result<Answer> {
        self.exchange(cmd, wire::data_of(data), payload, wire::MAX_PAYLOAD)
    }

    fn text(&self, cmd: Cmd, payload: &[u8]) -> Result<String> {
        let answer = self.ask(cmd, 0, payload)?;
        let text = answer.payload.strip_suffix(&[0]).unwrap_or(&answer.payload);
        String::from_utf8(text.to_vec()).map_err(|_| ClientError::Garbled(cmd))
    }

    fn one_fd(&self, cmd: Cmd, payload: &[u8]) -> Result<OwnedFd> {
        self.ask(cmd, 0, payload)?.fds.pop().ok_or(ClientError::Garbled(cmd))
    }

    /// The container's state; STOPPED when nobody listens.
    ///
    /// # Errors
    /// A failure of the socket, or a refusal.
    pub fn state(&self) -> Result<State> {
        match self.ask(Cmd::GetState, 0, &[]) {
            Ok(answer) => State::try_from(answer.number).map_err(|_| ClientError::Garbled(Cmd::GetState)),
            Err(ClientError::NotRunning | ClientError::NoAnswer(_)) => Ok(State::Stopped),
            Err(e) => Err(e),
        }
    }

    /// The process id of init, in the monitor's pid namespace.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn init_pid(&self) -> Result<i32> {
        Ok(self.ask(Cmd::GetInitPid, 0, &[])?.number)
    }

    /// A pidfd of init.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn init_pidfd(&self) -> Result<OwnedFd> {
        self.one_fd(Cmd::GetInitPidfd, &[])
    }

    /// The container's devpts.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn devpts_fd(&self) -> Result<OwnedFd> {
        self.one_fd(Cmd::GetDevptsFd, &[])
    }

    /// The namespaces that the container has for itself, as `CLONE_NEW*` bits.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn clone_flags(&self) -> Result<u64> {
        let flags = self.ask(Cmd::GetCloneFlags, 0, &[])?.number;
        Ok(u64::from(u32::from_ne_bytes(flags.to_ne_bytes())))
    }

    /// The path of the container's cgroup from its hierarchy's root; of the unified hierarchy without a controller.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn cgroup(&self, which: Which, controller: Option<&str>) -> Result<String> {
        let payload = controller.map(|c| [c.as_bytes(), &[0]].concat()).unwrap_or_default();
        if which == Which::Limit {
            match self.text(Cmd::GetLimitCgroup, &payload) {
                Err(ClientError::NoAnswer(_)) => {}
                other => return other,
            }
        }
        self.text(Cmd::GetCgroup, &payload)
    }

    /// The directory of the container's cgroup of a controller.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn cgroup_fd(&self, which: Which, controller: &str) -> Result<OwnedFd> {
        let cmd = match which {
            Which::Process => Cmd::GetCgroupFd,
            Which::Limit => Cmd::GetLimitCgroupFd,
        };
        self.one_fd(cmd, &wire::encode_cgroup_fd(0, 0, controller))
    }

    /// The cgroup2 directory of the container; refused by monitors of hosts that are not purely unified.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn cgroup2_fd(&self, which: Which) -> Result<OwnedFd> {
        self.one_fd(if which == Which::Limit { Cmd::GetLimitCgroup2Fd } else { Cmd::GetCgroup2Fd }, &[])
    }

    /// All cgroup directories, one a hierarchy.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn cgroup_context(&self) -> Result<CgroupContext> {
        let answer = self.ask(Cmd::GetCgroupCtx, 0, &[0; wire::CGROUP_CTX])?;
        let layout = answer.payload.get(..4).and_then(|b| b.try_into().ok()).map_or(-1, i32::from_ne_bytes);
        Ok(CgroupContext { layout, dirs: answer.fds })
    }

    /// A value of the configuration that the container runs with; `None` when it is empty or unknown there.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn config_item(&self, key: &str) -> Result<Option<String>> {
        match self.text(Cmd::GetConfigItem, &[key.as_bytes(), &[0]].concat()) {
            Ok(text) => Ok(Some(text)),
            Err(ClientError::Refused(_, e)) if e == Errno::PERM => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The name of the container in `lxcpath` whose monitor listens on `socket`, where the socket's name is a hash.
    /// Only root, the caller and whom the folder belongs to are asked, and the name must fit the hash: any user
    /// may listen there, and say what it likes as slowly as it likes. Each answer may take so long.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::Garbled`] when it is in another folder.
    pub fn name_at(socket: &[u8], lxcpath: &Path, patience: Duration) -> Result<String> {
        const CMD: Cmd = Cmd::GetName;
        // The folder itself stands for the container's, which is not known yet.
        let asker = Client::new(lxcpath, "").with_timeout(patience);
        let connection = asker.connect_to(CMD, socket)?;
        let header = RequestHeader { cmd: CMD as i32, length: 0, data: 0 }.encode();
        asker.gone(CMD, socket::send_credentials(&connection, &header))?;
        let answer = asker.answer(CMD, connection, wire::MAX_PAYLOAD)?;
        let name = String::from_utf8(answer.payload.strip_suffix(&[0]).unwrap_or_default().to_vec());
        let name = name.map_err(|_| ClientError::Garbled(CMD))?;
        if super::socket_name(lxcpath, &name) == socket { Ok(name) } else { Err(ClientError::Garbled(CMD)) }
    }

    /// Kills the container. The connection ends when its monitor has run the last hook; `None`: it has ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn begin_stop(&self) -> Result<Option<OwnedFd>> {
        let cmd = Cmd::Stop;
        let connection = self.connect(cmd)?;
        let header = RequestHeader { cmd: cmd as i32, length: 0, data: 0 }.encode();
        match self.gone(cmd, socket::send_credentials(&connection, &header)) {
            Ok(_) => Ok(Some(connection)),
            Err(ClientError::NoAnswer(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// What came over a connection of [`Client::begin_stop`] that is readable: the end, or a refusal.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn end_of_stop(connection: &OwnedFd) -> Result<()> {
        let mut head = [0; HEADER];
        match socket::receive(connection, &mut head, RecvFlags::WAITALL) {
            Ok(got) if got.len == HEADER => match RequestHeader::decode(&head).cmd {
                ret if ret < 0 => Err(ClientError::Refused(Cmd::Stop, Errno::from_raw_os_error(-ret))),
                _ => Ok(()),
            },
            Ok(_) => Ok(()),
            Err(e) if e.errno() == Errno::CONNRESET => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// A terminal of the container: `-1` the first that is free, 0 the console. The connection holds it.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `EBADF` when it is taken or does not exist.
    pub fn tty(&self, number: i32) -> Result<(OwnedFd, i32, OwnedFd)> {
        let mut answer = self.ask(Cmd::GetTtyFd, number, &[])?;
        let fd = answer.fds.pop().ok_or(ClientError::Garbled(Cmd::GetTtyFd))?;
        Ok((fd, answer.number, answer.connection))
    }

    /// The console's ring buffer.
    ///
    /// # Errors
    /// `EFAULT` without a buffer, `ENODATA` when it is empty.
    pub fn console_log(&self, request: &wire::ConsoleLog) -> Result<Vec<u8>> {
        let most = usize::try_from(i32::MAX).unwrap_or(usize::MAX);
        Ok(self.exchange(Cmd::ConsoleLog, 0, &wire::encode_console_log(request), most)?.payload)
    }

    /// Registers for state changes. Either the state that was waited for is there already, or a connection comes
    /// back on which it will be told.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn add_state_client(&self, flags: [i32; 8]) -> Result<Waiting> {
        let payload: Vec<u8> = flags.iter().flat_map(|f| f.to_ne_bytes()).collect();
        match self.ask(Cmd::AddStateClient, 0, &payload) {
            Ok(answer) if answer.ret < 8 => State::try_from(answer.ret)
                .map(Waiting::Already)
                .map_err(|_| ClientError::Garbled(Cmd::AddStateClient)),
            Ok(answer) => Ok(Waiting::Registered(answer.connection)),
            Err(ClientError::NotRunning | ClientError::NoAnswer(_)) => Ok(Waiting::Already(State::Stopped)),
            Err(e) => Err(e),
        }
    }

    /// Tells the monitor the state that its client has brought about, and through it all that wait.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn serve_state(&self, state: State) -> Result<()> {
        self.ask(Cmd::ServeStateClients, state.number(), &[]).map(|_| ())
    }

    /// Opens the monitor's log files anew. Monitors of upstream do not know this.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn reopen_logs(&self) -> Result<()> {
        self.ask(Cmd::ReopenLogs, 0, &[]).map(|_| ())
    }

    /// Adds a rule to the device program.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn add_device_rule(&self, rule: &wire::DeviceRule) -> Result<()> {
        self.ask(Cmd::AddBpfDeviceCgroup, 0, &wire::encode_device_rule(rule)).map(|_| ())
    }

    /// Hands the listener of a seccomp program over, whose calls the container's proxy is to decide.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `EINVAL` when the container has no proxy.
    pub fn add_listener(&self, listener: BorrowedFd<'_>) -> Result<()> {
        let cmd = Cmd::SeccompNotifyAddListener;
        let connection = self.connect(cmd)?;
        let header = RequestHeader { cmd: cmd as i32, length: 0, data: 0 }.encode();
        self.gone(cmd, socket::send_credentials(&connection, &header))?;
        self.gone(cmd, socket::send(&connection, &[0], &[listener]))?;
        self.answer(cmd, connection, 0).map(|_| ())
    }

    /// A command that has a number for an argument and none for an answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn order(&self, cmd: Cmd, number: i32) -> Result<()> {
        self.ask(cmd, number, &[]).map(|_| ())
    }
}

/// Any user may listen on the name of a container that does not run, and would be sent descriptors and be believed
/// process ids: who listens is root, the caller, or whom the folder belongs to. `what` names the socket in errors.
pub(crate) fn check_peer(connection: &OwnedFd, folder: &Path, what: &str) -> Result<(), SysError> {
    let (uid, _) = socket::peer_ids(connection)?;
    if uid == 0 || uid == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    if std::fs::metadata(folder).is_ok_and(|m| m.uid() == uid) {
        return Ok(());
    }
    let what = format!("{what}: user {uid}, who listens there, does not own it");
    Err(SysError::new("connect", what, Errno::PERM))
}

/// What came of asking to be told.
#[derive(Debug)]
pub enum Waiting {
    /// The container is in one of the states.
    Already(State),
    /// It will be told on this connection.
    Registered(OwnedFd),
}

/// Reads the state that a monitor tells; the end of the stream is STOPPED.
///
/// # Errors
/// That of recvmsg(2), `EAGAIN` after the socket's timeout.
pub fn read_state(connection: BorrowedFd<'_>) -> Result<Option<State>, SysError> {
    let mut bytes = [0; wire::STATE_MESSAGE];
    let mut got = 0;
    while got < bytes.len() {
        let part = match socket::receive(connection.as_fd(), &mut bytes[got..], RecvFlags::WAITALL) {
            Err(e) if e.errno() == Errno::CONNRESET => return Ok(Some(State::Stopped)),
            other => other?,
        };
        if part.len == 0 {
            break;
        }
        got += part.len;
    }
    Ok(wire::decode_state_message(&bytes[..got]).and_then(|n| State::try_from(n).ok()))
}

//! Bytes of the command protocol to values and back. Pure; fuzzed.
//!
//! A request is a header of 16 bytes (`i32` command, `i32` length, `u64` data) and then `length` bytes; a reply
//! is a header of 16 bytes (`i32` result, `i32` length, `u64` data), with descriptors on it, and then `length`
//! bytes. Integers are the host's. A request without bytes may carry a number in `data`, which is a pointer
//! field of upstream's structure.

use std::os::fd::OwnedFd;

/// Size of both headers.
pub const HEADER: usize = 16;
/// The most bytes that may follow a request, twice `PATH_MAX`.
pub const MAX_PAYLOAD: usize = 8192;

macro_rules! commands {
    ($($name:ident = $number:literal,)*) => {
        /// The commands, by upstream's numbers; those that upstream does not have from 10,000 on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(i32)]
        #[allow(missing_docs, reason = "the names are the protocol's")]
        pub enum Cmd { $($name = $number,)* }

        impl Cmd {
            /// The command of a number.
            pub fn from_number(number: i32) -> Option<Cmd> {
                match number { $($number => Some(Cmd::$name),)* _ => None }
            }
        }
    };
}

commands! {
    GetTtyFd = 0, TerminalWinch = 1, Stop = 2, GetState = 3, GetInitPid = 4, GetCloneFlags = 5, GetCgroup = 6,
    GetConfigItem = 7, GetName = 8, GetLxcpath = 9, AddStateClient = 10, ConsoleLog = 11, ServeStateClients = 12,
    SeccompNotifyAddListener = 13, AddBpfDeviceCgroup = 14, Freeze = 15, Unfreeze = 16, GetCgroup2Fd = 17,
    GetInitPidfd = 18, GetLimitCgroup = 19, GetLimitCgroup2Fd = 20, GetDevptsFd = 21, GetSeccompNotifyFd = 22,
    GetCgroupCtx = 23, GetCgroupFd = 24, GetLimitCgroupFd = 25, GetSystemdScope = 26,
    // Ours, far above upstream's.
    ReopenLogs = 10_000,
}

/// Which of a container's two cgroups is asked for: they differ with `lxc.cgroup.dir.container.inner`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one in which the processes live.
    Process,
    /// The one that carries the limits.
    Limit,
}

/// What is asked of the console log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ConsoleLog {
    /// Empty the buffer.
    pub clear: bool,
    /// Send its content.
    pub read: bool,
    /// Send so many bytes at the most; 0 for all.
    pub read_max: u64,
    /// Write it to the log file.
    pub write_logfile: bool,
}

/// A rule for the device program of a running container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRule {
    /// `a`, `b` or `c`.
    pub kind: u8,
    /// Major number; -1 for all.
    pub major: i32,
    /// Minor number; -1 for all.
    pub minor: i32,
    /// Letters of `rwm`.
    pub access: Vec<u8>,
    /// Allow (or deny).
    pub allow: bool,
}

/// A request that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A terminal: -1 any, 0 the console, else its number.
    GetTtyFd(i32),
    /// Kill the container.
    Stop,
    /// Its state.
    GetState,
    /// The process id of its init.
    GetInitPid,
    /// Its namespaces, as `CLONE_NEW*` bits.
    GetCloneFlags,
    /// The path of its cgroup, of a controller or unified.
    GetCgroup(Which, Option<String>),
    /// A value of the running configuration.
    GetConfigItem(String),
    /// Its name.
    GetName,
    /// Its folder's parent.
    GetLxcpath,
    /// Be told of state changes: flags by state number.
    AddStateClient([i32; 8]),
    /// The console's ring buffer.
    ConsoleLog(ConsoleLog),
    /// Take this state and tell those who wait for it.
    ServeStateClients(i32),
    /// A seccomp listener of a process that was attached.
    SeccompNotifyAddListener,
    /// Change the device program.
    AddBpfDeviceCgroup(DeviceRule),
    /// Freeze, with seconds to wait (-1 for ever).
    Freeze(i32),
    /// Thaw, with seconds to wait (-1 for ever).
    Unfreeze(i32),
    /// The cgroup2 directory.
    GetCgroup2Fd(Which),
    /// A pidfd of init.
    GetInitPidfd,
    /// The devpts of the container.
    GetDevptsFd,
    /// The seccomp listener of init.
    GetSeccompNotifyFd,
    /// All cgroup directories; the payload is the caller's structure, as long as the caller knows it.
    GetCgroupCtx(Vec<u8>),
    /// The cgroup directory of a controller, and how long the caller's structure is.
    GetCgroupFd(Which, String, usize),
    /// The systemd scope.
    GetSystemdScope,
    /// The terminal's size changed: nothing is answered.
    TerminalWinch,
    /// Open the log files anew: they were renamed.
    ReopenLogs,
}

/// A request that cannot be served, with the errno for the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The command has no such number: `ENOSYS`.
    Unknown,
    /// The payload is not what the command takes: `EINVAL`.
    Invalid,
    /// It has the right size, but says what cannot be: -1, as upstream answers.
    Senseless,
}

impl Refusal {
    /// The result in the answer.
    pub fn code(self) -> i32 {
        match self {
            Refusal::Unknown => -rustix::io::Errno::NOSYS.raw_os_error(),
            Refusal::Invalid => -rustix::io::Errno::INVAL.raw_os_error(),
            Refusal::Senseless => -1,
        }
    }
}

/// The fixed part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The command's number.
    pub cmd: i32,
    /// How many bytes follow.
    pub length: i32,
    /// A number, when no bytes follow.
    pub data: u64,
}

fn word(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4)?.try_into().ok().map(i32::from_ne_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes)
}

/// The low half of the data field, in which upstream puts an `int`.
#[allow(clippy::cast_possible_truncation, reason = "the field is a pointer that carries an int")]
pub fn int_of(data: u64) -> i32 {
    data as u32 as i32
}

/// An `int` in the data field, as upstream's `INT_TO_PTR` puts it.
#[allow(clippy::cast_sign_loss, reason = "sign extended into a pointer, as C does")]
pub fn data_of(number: i32) -> u64 {
    i64::from(number) as u64
}

impl RequestHeader {
    /// Reads a header.
    pub fn decode(bytes: &[u8; HEADER]) -> Self {
        let get = |at| word(bytes, at).unwrap_or(0);
        RequestHeader { cmd: get(0), length: get(4), data: long(bytes, 8).unwrap_or(0) }
    }

    /// Writes a header.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..4].copy_from_slice(&self.cmd.to_ne_bytes());
        out[4..8].copy_from_slice(&self.length.to_ne_bytes());
        out[8..].copy_from_slice(&self.data.to_ne_bytes());
        out
    }

    /// How many bytes follow, or a refusal for what is negative or too much.
    ///
    /// # Errors
    /// [`Refusal::Invalid`].
    pub fn payload_len(&self) -> Result<usize, Refusal> {
        usize::try_from(self.length).ok().filter(|n| *n <= MAX_PAYLOAD).ok_or(Refusal::Invalid)
    }
}

/// A text that ends with the only NUL in it.
fn text(payload: &[u8]) -> Result<String, Refusal> {
    let (last, rest) = payload.split_last().ok_or(Refusal::Invalid)?;
    if *last != 0 || rest.contains(&0) {
        return Err(Refusal::Invalid);
    }
    String::from_utf8(rest.to_vec()).map_err(|_| Refusal::Invalid)
}

impl Request {
    /// Reads a request from its header and the bytes after it.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn decode(header: &RequestHeader, payload: &[u8]) -> Result<Request, Refusal> {
        let number = int_of(header.data);
        let controller = || if payload.is_empty() { Ok(None) } else { text(payload).map(Some) };
        Ok(match Cmd::from_number(header.cmd).ok_or(Refusal::Unknown)? {
            Cmd::GetTtyFd => Request::GetTtyFd(number),
            Cmd::TerminalWinch => Request::TerminalWinch,
            Cmd::Stop => Request::Stop,
            Cmd::GetState => Request::GetState,
            Cmd::GetInitPid => Request::GetInitPid,
            Cmd::GetCloneFlags => Request::GetCloneFlags,
            Cmd::GetCgroup => Request::GetCgroup(Which::Process, controller()?),
            Cmd::GetLimitCgroup => Request::GetCgroup(Which::Limit, controller()?),
            Cmd::GetConfigItem => Request::GetConfigItem(text(payload)?),
            Cmd::GetName => Request::GetName,
            Cmd::GetLxcpath => Request::GetLxcpath,
            Cmd::AddStateClient => Request::AddStateClient(states(payload)?),
            Cmd::ConsoleLog => Request::ConsoleLog(console_log(payload)?),
            Cmd::ServeStateClients => Request::ServeStateClients(number),
            Cmd::SeccompNotifyAddListener => Request::SeccompNotifyAddListener,
            Cmd::AddBpfDeviceCgroup => Request::AddBpfDeviceCgroup(device_rule(payload)?),
            Cmd::Freeze => Request::Freeze(number),
            Cmd::Unfreeze => Request::Unfreeze(number),
            Cmd::GetCgroup2Fd => Request::GetCgroup2Fd(Which::Process),
            Cmd::GetLimitCgroup2Fd => Request::GetCgroup2Fd(Which::Limit),
            Cmd::GetInitPidfd => Request::GetInitPidfd,
            Cmd::GetDevptsFd => Request::GetDevptsFd,
            Cmd::GetSeccompNotifyFd => Request::GetSeccompNotifyFd,
            Cmd::GetCgroupCtx => Request::GetCgroupCtx(payload[..payload.len().min(CGROUP_CTX)].to_vec()),
            Cmd::GetCgroupFd => Request::GetCgroupFd(Which::Process, cgroup_fd(payload)?, payload.len()),
            Cmd::GetLimitCgroupFd => Request::GetCgroupFd(Which::Limit, cgroup_fd(payload)?, payload.len()),
            Cmd::GetSystemdScope => Request::GetSystemdScope,
            Cmd::ReopenLogs => Request::ReopenLogs,
        })
    }
}

fn states(payload: &[u8]) -> Result<[i32; 8], Refusal> {
    if payload.len() != 32 {
        return Err(Refusal::Invalid);
    }
    let mut out = [0; 8];
    for (at, flag) in out.iter_mut().enumerate() {
        *flag = word(payload, at * 4).ok_or(Refusal::Invalid)?;
    }
    Ok(out)
}

/// `struct lxc_console_log`: bool clear at 0, bool read at 1, u64 read_max at 8, bool write_logfile at 16; 24 bytes.
fn console_log(payload: &[u8]) -> Result<ConsoleLog, Refusal> {
    if payload.len() != 24 {
        return Err(Refusal::Invalid);
    }
    Ok(ConsoleLog {
        clear: payload[0] != 0,
        read: payload[1] != 0,
        read_max: long(payload, 8).ok_or(Refusal::Invalid)?,
        write_logfile: payload[16] != 0,
    })
}

/// Bytes of a console log request.
pub fn encode_console_log(request: &ConsoleLog) -> [u8; 24] {
    let mut out = [0; 24];
    out[0] = u8::from(request.clear);
    out[1] = u8::from(request.read);
    out[8..16].copy_from_slice(&request.read_max.to_ne_bytes());
    out[16] = u8::from(request.write_logfile);
    out
}

/// `struct device_item`: char type at 0, i32 major at 4, i32 minor at 8, char access[4] at 12, i32 allow at 16,
/// then 16 bytes of a list's head; 40 bytes with padding.
fn device_rule(payload: &[u8]) -> Result<DeviceRule, Refusal> {
    if payload.len() != 40 {
        return Err(Refusal::Invalid);
    }
    let kind = payload[0];
    let access: Vec<u8> = payload[12..16].iter().copied().take_while(|b| *b != 0).collect();
    let get = |at| word(payload, at).ok_or(Refusal::Invalid);
    let allow = match get(16)? {
        0 => false,
        1 => true,
        _ => return Err(Refusal::Senseless),
    };
    if !b"abc".contains(&kind) || access.iter().any(|b| !b"rwm".contains(b)) {
        return Err(Refusal::Senseless);
    }
    Ok(DeviceRule { kind, major: get(4)?, minor: get(8)?, access, allow })
}

/// Bytes of a device rule.
pub fn encode_device_rule(rule: &DeviceRule) -> [u8; 40] {
    let mut out = [0; 40];
    out[0] = rule.kind;
    out[4..8].copy_from_slice(&rule.major.to_ne_bytes());
    out[8..12].copy_from_slice(&rule.minor.to_ne_bytes());
    for (slot, letter) in out[12..15].iter_mut().zip(&rule.access) {
        *slot = *letter;
    }
    out[16..20].copy_from_slice(&i32::from(rule.allow).to_ne_bytes());
    out
}

/// Size of `struct cgroup_fd`: i32 layout, u32 utilities, i32 type, i32 fd, char controller[64].
pub const CGROUP_FD: usize = 80;

/// An older or newer client's structure may be shorter, and what it does not have counts as zero; a longer one is
/// refused, as upstream does.
fn cgroup_fd(payload: &[u8]) -> Result<String, Refusal> {
    let name = payload.get(16..).filter(|_| payload.len() <= CGROUP_FD).ok_or(Refusal::Invalid)?;
    let name = name.split(|b| *b == 0).next().unwrap_or_default();
    if name.is_empty() {
        return Err(Refusal::Invalid);
    }
    String::from_utf8(name.to_vec()).map_err(|_| Refusal::Invalid)
}

/// Bytes of `struct cgroup_fd`; the descriptor's number is the sender's and means nothing to the reader. `kind` is
/// the magic number of the file system, 0 in a request.
pub fn encode_cgroup_fd(layout: i32, kind: i32, controller: &str) -> [u8; CGROUP_FD] {
    let mut out = [0; CGROUP_FD];
    out[..4].copy_from_slice(&layout.to_ne_bytes());
    out[4..8].copy_from_slice(&utilities(layout).to_ne_bytes());
    out[8..12].copy_from_slice(&kind.to_ne_bytes());
    out[12..16].copy_from_slice(&(-1i32).to_ne_bytes());
    for (slot, byte) in out[16..CGROUP_FD - 1].iter_mut().zip(controller.bytes()) {
        *slot = byte;
    }
    out
}

/// The magic number of cgroup v1 file systems.
pub const CGROUP_V1: i32 = 0x0027_e0eb;
/// The magic number of cgroup2.
pub const CGROUP_V2: i32 = 0x6367_7270;

/// What upstream says it can do in this layout: bits for device programs and for the freezer, of pure v2 alone.
fn utilities(layout: i32) -> u32 {
    if layout == UNIFIED { 3 } else { 0 }
}

const UNIFIED: i32 = 2;

/// The most descriptors of `struct cgroup_ctx`.
pub const MAX_CGROUP_FDS: usize = 20;
/// Size of `struct cgroup_ctx`: i32 layout, u32 utilities, u32 count, i32 fd[20], and 4 bytes of padding.
pub const CGROUP_CTX: usize = 96;

/// Fills the caller's `struct cgroup_ctx`, which may be shorter than ours: what it has not is left out.
pub fn encode_cgroup_ctx(layout: i32, count: usize, theirs: &[u8]) -> Vec<u8> {
    let mut ours = vec![0; 12];
    ours[..4].copy_from_slice(&layout.to_ne_bytes());
    ours[4..8].copy_from_slice(&utilities(layout).to_ne_bytes());
    let count = count.min(MAX_CGROUP_FDS);
    ours[8..12].copy_from_slice(&u32::try_from(count).unwrap_or(0).to_ne_bytes());
    // The descriptors' numbers are ours, and mean nothing to the reader.
    ours.extend((0..count).flat_map(|_| (-1i32).to_ne_bytes()));
    let mut out = theirs[..theirs.len().min(CGROUP_CTX)].to_vec();
    for (slot, byte) in out.iter_mut().zip(ours) {
        *slot = byte;
    }
    out
}

/// An answer.
#[derive(Debug, Default)]
pub struct Reply {
    /// 0 or more, or a negative errno.
    pub ret: i32,
    /// A number, or nothing.
    pub data: u64,
    /// Bytes after the header.
    pub payload: Vec<u8>,
    /// Descriptors on the header.
    pub fds: Vec<OwnedFd>,
}

impl Reply {
    /// An answer that is one number.
    pub fn number(number: i32) -> Self {
        Reply { data: data_of(number), ..Reply::default() }
    }

    /// A failure.
    pub fn errno(errno: rustix::io::Errno) -> Self {
        Reply { ret: -errno.raw_os_error(), ..Reply::default() }
    }

    /// A text with its NUL.
    pub fn text(text: &str) -> Self {
        Reply { payload: [text.as_bytes(), &[0]].concat(), ..Reply::default() }
    }

    /// One descriptor.
    pub fn fd(fd: OwnedFd) -> Self {
        Reply { fds: vec![fd], ..Reply::default() }
    }

    /// The header's bytes.
    pub fn header(&self) -> [u8; HEADER] {
        let length = i32::try_from(self.payload.len()).unwrap_or(i32::MAX);
        RequestHeader { cmd: self.ret, length, data: self.data }.encode()
    }
}

/// Size of `struct lxc_msg`: i32 type, char name[256], i32 value.
pub const STATE_MESSAGE: usize = 264;

/// The type of a message whose value is a state.
pub const MESSAGE_STATE: i32 = 0;
/// The type of a message whose value is the wait status of init.
pub const MESSAGE_EXIT: i32 = 2;

/// The message that tells a waiting client of a state.
pub fn encode_state_message(name: &str, state: i32) -> [u8; STATE_MESSAGE] {
    encode_message(MESSAGE_STATE, name, state)
}

/// A message to a waiting client or the monitor's fifo.
pub fn encode_message(kind: i32, name: &str, value: i32) -> [u8; STATE_MESSAGE] {
    let mut out = [0; STATE_MESSAGE];
    out[..4].copy_from_slice(&kind.to_ne_bytes());
    for (slot, byte) in out[4..259].iter_mut().zip(name.bytes()) {
        *slot = byte;
    }
    out[260..].copy_from_slice(&value.to_ne_bytes());
    out
}

/// Type, name and value of a message.
pub fn decode_message(bytes: &[u8; STATE_MESSAGE]) -> (i32, String, i32) {
    let name: Vec<u8> = bytes[4..260].iter().copied().take_while(|byte| *byte != 0).collect();
    let number = |at| word(bytes, at).unwrap_or(0);
    (number(0), String::from_utf8_lossy(&name).into_owned(), number(260))
}

/// The state in such a message; all zero, as read from a socket that was closed, it is STOPPED.
pub fn decode_state_message(bytes: &[u8]) -> Option<i32> {
    if bytes.is_empty() { Some(0) } else { word(bytes, 260) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cmd: Cmd, data: u64, payload: &[u8]) -> Result<Request, Refusal> {
        let length = i32::try_from(payload.len()).unwrap();
        let header = RequestHeader { cmd: cmd as i32, length, data };
        assert_eq!(RequestHeader::decode(&header.encode()), header);
        Request::decode(&header, payload)
    }

    #[test]
    fn numbers_in_the_pointer() {
        assert_eq!(request(Cmd::GetTtyFd, data_of(-1), b""), Ok(Request::GetTtyFd(-1)));
        // A client may fill only the low half.
        assert_eq!(request(Cmd::GetTtyFd, 0xffff_ffff, b""), Ok(Request::GetTtyFd(-1)));
    }

    #[test]
    fn texts_need_their_nul() {
        assert_eq!(
            request(Cmd::GetConfigItem, 0, b"lxc.uts.name\0"),
            Ok(Request::GetConfigItem("lxc.uts.name".into()))
        );
        for bad in [&b""[..], b"lxc", b"a\0b\0", b"\xff\0"] {
            assert_eq!(request(Cmd::GetConfigItem, 0, bad), Err(Refusal::Invalid));
        }
        assert_eq!(request(Cmd::GetCgroup, 0, b""), Ok(Request::GetCgroup(Which::Process, None)));
    }

    #[test]
    fn structures() {
        let log = ConsoleLog { clear: true, read: true, read_max: 5, write_logfile: false };
        assert_eq!(request(Cmd::ConsoleLog, 0, &encode_console_log(&log)), Ok(Request::ConsoleLog(log)));
        let rule = DeviceRule { kind: b'c', major: 1, minor: -1, access: b"rw".to_vec(), allow: true };
        assert_eq!(
            request(Cmd::AddBpfDeviceCgroup, 0, &encode_device_rule(&rule)),
            Ok(Request::AddBpfDeviceCgroup(rule))
        );
        assert_eq!(
            request(Cmd::GetLimitCgroupFd, 0, &encode_cgroup_fd(1, 0, "memory")),
            Ok(Request::GetCgroupFd(Which::Limit, "memory".into(), CGROUP_FD))
        );
        let short = &encode_cgroup_fd(1, 0, "memory")[..24];
        assert_eq!(
            request(Cmd::GetCgroupFd, 0, short),
            Ok(Request::GetCgroupFd(Which::Process, "memory".into(), 24))
        );
        for bad in [&[0; CGROUP_FD][..], &[1; CGROUP_FD + 1], &short[..16], b""] {
            assert_eq!(request(Cmd::GetCgroupFd, 0, bad), Err(Refusal::Invalid));
        }
        assert_eq!(request(Cmd::AddStateClient, 0, &[0; 31]), Err(Refusal::Invalid));
    }

    #[test]
    fn a_context_is_as_long_as_the_callers() {
        for length in [0, 1, 4, 12, 92, 95, 96] {
            let filled = encode_cgroup_ctx(2, 1, &vec![0xee; length]);
            assert_eq!(filled.len(), length);
            let start = [2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0];
            assert_eq!(filled[..length.min(12)], start[..length.min(12)]);
            assert!(filled.iter().skip(16).all(|b| *b == 0xee));
        }
        assert_eq!(encode_cgroup_ctx(1, 0, &[0; 100]).len(), CGROUP_CTX);
    }

    #[test]
    fn rules_that_make_no_sense() {
        let rule = DeviceRule { kind: b'c', major: 1, minor: 3, access: b"r".to_vec(), allow: true };
        let good = encode_device_rule(&rule);
        for (at, byte) in [(0, b'x'), (12, b'z'), (16, 2)] {
            let mut bad = good;
            bad[at] = byte;
            assert_eq!(request(Cmd::AddBpfDeviceCgroup, 0, &bad), Err(Refusal::Senseless));
        }
        assert_eq!(request(Cmd::AddBpfDeviceCgroup, 0, &good[..39]), Err(Refusal::Invalid));
    }

    #[test]
    fn lengths() {
        for (length, good) in [(0, true), (8192, true), (8193, false), (-1, false), (i32::MAX, false)] {
            assert_eq!(RequestHeader { cmd: 0, length, data: 0 }.payload_len().is_ok(), good);
        }
        assert_eq!(
            Request::decode(&RequestHeader { cmd: 27, length: 0, data: 0 }, b""),
            Err(Refusal::Unknown)
        );
    }

    #[test]
    fn state_messages() {
        assert_eq!(decode_state_message(&encode_state_message("c1", 2)), Some(2));
        assert_eq!(decode_state_message(&[]), Some(0));
    }
}

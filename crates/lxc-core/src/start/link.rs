//! The link between monitor and guest during a start: one socket, typed stages.
//!
//! A stage is a question of the monitor (`down`), work in the guest, and the guest's answer (`up`). In place of
//! an answer the guest may send a [`Report`]. The socket is close-on-exec in the guest, so that the end of the
//! stream in the last stage means that the program runs.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::RecvFlags;

use lxc_sys::{Error as SysError, socket};

use crate::meanwhile::Meanwhile;

/// A failure in the guest, on its way to the monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The stage that failed, as its users know it.
    pub stage: String,
    /// The error and its causes, outermost first.
    pub chain: Vec<String>,
}

impl Report {
    /// A report of `error` and everything behind it.
    pub fn of(stage: &str, error: &dyn std::error::Error) -> Self {
        let mut chain = vec![error.to_string()];
        let mut next = error.source();
        while let Some(cause) = next {
            chain.push(cause.to_string());
            next = cause.source();
        }
        Report { stage: stage.to_owned(), chain }
    }

    /// For another process: each text and a NUL.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in std::iter::once(&self.stage).chain(&self.chain) {
            bytes.extend_from_slice(text.replace('\0', " ").as_bytes());
            bytes.push(0);
        }
        bytes
    }

    /// What [`Report::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Report> {
        let mut texts =
            bytes.strip_suffix(&[0])?.split(|b| *b == 0).map(|t| String::from_utf8_lossy(t).into_owned());
        Some(Report { stage: texts.next()?, chain: texts.collect() })
    }

    /// The report as an error with its causes.
    pub fn into_error(self) -> ReportedError {
        let mut cause = None;
        for text in self.chain.into_iter().rev() {
            cause = Some(Box::new(ReportedError { text, cause }));
        }
        cause.map_or(ReportedError { text: "unknown error".to_owned(), cause: None }, |b| *b)
    }
}

/// An error that happened in another process; prints as it did there.
#[derive(Debug)]
pub struct ReportedError {
    text: String,
    cause: Option<Box<ReportedError>>,
}

impl fmt::Display for ReportedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ReportedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|c| c as _)
    }
}

/// Why the link failed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The peer reported a failure of its own.
    #[error("{}", .0.stage)]
    Reported(Report),
    /// The peer is gone.
    #[error("the other process of the start ended without a word")]
    Gone,
    /// A message that no stage sends.
    #[error("a message of the start cannot be read: {0}")]
    Garbled(&'static str),
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] SysError),
}

/// What a stage sends in one direction: bytes and descriptors.
#[derive(Debug, Default)]
pub struct Parcel {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The descriptors, in the order in which the reader takes them.
    pub fds: Vec<OwnedFd>,
}

/// A value that crosses the link.
pub trait Message: Sized {
    /// Puts the value into a parcel.
    fn pack(self) -> Parcel;
    /// Takes it out again; `None` when the parcel holds something else.
    fn unpack(parcel: Parcel) -> Option<Self>;
}

impl Message for Option<OwnedFd> {
    fn pack(self) -> Parcel {
        Parcel { bytes: Vec::new(), fds: self.into_iter().collect() }
    }

    fn unpack(parcel: Parcel) -> Option<Self> {
        let mut fds = parcel.fds.into_iter();
        let fd = fds.next();
        (parcel.bytes.is_empty() && fds.next().is_none()).then_some(fd)
    }
}

impl Message for () {
    fn pack(self) -> Parcel {
        Parcel::default()
    }

    fn unpack(parcel: Parcel) -> Option<Self> {
        (parcel.bytes.is_empty() && parcel.fds.is_empty()).then_some(())
    }
}

const DATA: u8 = 0;
const REPORT: u8 = 1;
/// Tag, length of the bytes, count of the descriptors.
const HEADER: usize = 9;
const CHUNK: usize = 4 * 1024 - HEADER;
const CHUNK_FDS: usize = 60;

fn send(sock: BorrowedFd<'_>, tag: u8, parcel: &Parcel) -> Result<(), LinkError> {
    let length = u32::try_from(parcel.bytes.len()).map_err(|_| LinkError::Garbled("too long"))?;
    let count = u32::try_from(parcel.fds.len()).map_err(|_| LinkError::Garbled("too many descriptors"))?;
    let mut message = Vec::with_capacity(HEADER + parcel.bytes.len().min(CHUNK));
    message.push(tag);
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&count.to_ne_bytes());
    let (mut bytes, mut fds) = (parcel.bytes.as_slice(), parcel.fds.as_slice());
    loop {
        let (now, later) = bytes.split_at(bytes.len().min(CHUNK));
        let (fds_now, fds_later) = fds.split_at(fds.len().min(CHUNK_FDS));
        message.extend_from_slice(now);
        let borrowed: Vec<BorrowedFd<'_>> = fds_now.iter().map(AsFd::as_fd).collect();
        if message.is_empty() {
            // A message of no bytes would read as the end of the stream.
            message.push(0);
        }
        match socket::send(sock, &message, &borrowed) {
            Err(e) if e.errno() == Errno::PIPE => return Err(LinkError::Gone),
            other => other?,
        };
        (bytes, fds) = (later, fds_later);
        if bytes.is_empty() && fds.is_empty() {
            return Ok(());
        }
        message.clear();
    }
}

/// Sends a parcel; [`receive`] is the other side.
///
/// # Errors
/// [`LinkError::Gone`] when nobody can receive it any more.
pub(crate) fn send_data(sock: BorrowedFd<'_>, parcel: &Parcel) -> Result<(), LinkError> {
    send(sock, DATA, parcel)
}

/// Sends a report in place of a parcel.
///
/// # Errors
/// As [`send_data`].
pub(crate) fn send_report(sock: BorrowedFd<'_>, report: &Report) -> Result<(), LinkError> {
    send(sock, REPORT, &Parcel { bytes: report.to_bytes(), fds: Vec::new() })
}

/// Waits for what the other side sends.
///
/// # Errors
/// A report; [`LinkError::Gone`] when there is no other side.
pub(crate) fn receive(sock: BorrowedFd<'_>) -> Result<Parcel, LinkError> {
    let mut buffer = vec![0u8; HEADER + CHUNK];
    let first = receive_one(sock, &mut buffer)?;
    let mut head = [0u8; HEADER];
    head.copy_from_slice(
        buffer.get(..HEADER).filter(|_| first.len >= HEADER).ok_or(LinkError::Garbled("short"))?,
    );
    let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    let (length, count) = (word(1), word(5));
    let mut parcel = Parcel { bytes: buffer[HEADER..first.len].to_vec(), fds: first.fds };
    while parcel.bytes.len() < length || parcel.fds.len() < count {
        let next = receive_one(sock, &mut buffer)?;
        if parcel.bytes.len() < length {
            parcel.bytes.extend_from_slice(&buffer[..next.len]);
        }
        parcel.fds.extend(next.fds);
    }
    if parcel.bytes.len() != length || parcel.fds.len() != count {
        return Err(LinkError::Garbled("wrong size"));
    }
    match head[0] {
        DATA => Ok(parcel),
        REPORT => Err(LinkError::Reported(
            Report::from_bytes(&parcel.bytes).ok_or(LinkError::Garbled("a broken report"))?,
        )),
        _ => Err(LinkError::Garbled("unknown tag")),
    }
}

fn receive_one(sock: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<socket::Received, LinkError> {
    match socket::receive(sock, buffer, RecvFlags::empty()) {
        Ok(got) if got.len == 0 => Err(LinkError::Gone),
        Err(e) if e.errno() == Errno::CONNRESET => Err(LinkError::Gone),
        other => Ok(other?),
    }
}

/// A stage of the start.
pub trait Stage {
    /// What the monitor sends to let the guest begin.
    type Down: Message;
    /// What the guest answers.
    type Up: Message;
    /// The stage after this one.
    type Next: Stage;
    /// What users call it.
    const NAME: &'static str;
}

macro_rules! stages {
    ($($name:ident => $next:ident $text:literal { down: $down:ty, up: $up:ty })*) => {
        $(
            #[doc = concat!("The stage \"", $text, "\".")]
            #[derive(Debug)]
            pub enum $name {}
            impl Stage for $name {
                type Down = $down;
                type Up = $up;
                type Next = $next;
                const NAME: &'static str = $text;
            }
        )*
    };
}

use super::messages::{GuestFds, IdmapRequests, Wiring as WiringDown};

/// The network namespace that the guest is to enter, if it has not got one already.
pub type Network = Option<OwnedFd>;
/// The idmapped root file system, when there is one.
pub type IdmappedRoot = Option<OwnedFd>;

stages! { //                          monitor -> guest       guest -> monitor
    Identity => Mounts "identity" { down: Network,      up: () }
    Mounts => Wiring   "mounts"   { down: IdmappedRoot, up: IdmapRequests }
    Wiring => Commit   "setup"    { down: WiringDown,   up: GuestFds }
    Commit => Commit   "exec"     { down: (),           up: () }
}

/// The monitor's end.
#[derive(Debug)]
pub enum MonitorEnd {}
/// The guest's end.
#[derive(Debug)]
pub enum GuestEnd {}

/// One end of the link, at stage `S`.
#[derive(Debug)]
pub struct Link<End, S: Stage> {
    sock: OwnedFd,
    at: PhantomData<(End, S)>,
}

/// A stage that the guest is at work on.
#[derive(Debug)]
#[must_use]
pub struct Pending<S: Stage> {
    sock: OwnedFd,
    at: PhantomData<S>,
}

/// Both ends, at the first stage.
pub type Pair = (Link<MonitorEnd, Identity>, Link<GuestEnd, Identity>);

/// What a stage answered, and the link at the next one.
pub type Step<S> = (<S as Stage>::Up, Link<MonitorEnd, <S as Stage>::Next>);

/// Makes both ends.
///
/// # Errors
/// That of socketpair(2).
pub fn pair() -> Result<Pair, LinkError> {
    let (monitor, guest) = socket::seqpacket_pair()?;
    Ok((Link { sock: monitor, at: PhantomData }, Link { sock: guest, at: PhantomData }))
}

/// A second look at what the guest says, for when the monitor fails by itself.
#[derive(Debug)]
pub struct Ear(OwnedFd);

impl Ear {
    /// The report that the guest has left before it ended, if it has. To be asked when the guest is dead.
    pub fn last_words(self) -> Option<Report> {
        rustix::io::ioctl_fionbio(&self.0, true).ok()?;
        loop {
            match receive(self.0.as_fd()) {
                Ok(_) => {}
                Err(LinkError::Reported(report)) => return Some(report),
                Err(_) => return None,
            }
        }
    }
}

impl Link<MonitorEnd, Identity> {
    /// See [`Ear`].
    ///
    /// # Errors
    /// That of dup(2).
    pub fn ear(&self) -> Result<Ear, LinkError> {
        use lxc_sys::Op;
        Ok(Ear(self.sock.try_clone().op("dup", "link")?))
    }
}

impl<S: Stage> Link<MonitorEnd, S> {
    /// Lets the guest begin this stage; the monitor may do its own work meanwhile.
    ///
    /// # Errors
    /// [`LinkError::Gone`] when the guest has died.
    pub fn begin(self, down: S::Down) -> Result<Pending<S>, LinkError> {
        match send(self.sock.as_fd(), DATA, &down.pack()) {
            // The guest's last words, if it left some, say more than its absence.
            Err(LinkError::Gone) => Err(receive(self.sock.as_fd()).err().unwrap_or(LinkError::Gone)),
            other => other.map(|()| Pending { sock: self.sock, at: PhantomData }),
        }
    }

    /// Lets the guest run this stage and waits for its answer.
    ///
    /// # Errors
    /// The guest's report, or a failure of the link.
    pub fn step(self, down: S::Down) -> Result<Step<S>, LinkError> {
        self.begin(down)?.finish()
    }
}

/// Two stages that the guest was let into, one after the other: it does not wait between them.
#[derive(Debug)]
#[must_use]
pub struct Ahead<S: Stage>(Pending<S>);

impl<S: Stage> Ahead<S> {
    /// Waits for the guest's answer to the first of them, and others are served meanwhile.
    ///
    /// # Errors
    /// The guest's report, or a failure of the link.
    pub fn finish_while(self, meanwhile: &mut dyn Meanwhile) -> Result<(S::Up, Pending<S::Next>), LinkError> {
        let (up, Link { sock, .. }) = self.0.finish_while(meanwhile)?;
        Ok((up, Pending { sock, at: PhantomData }))
    }
}

impl<S: Stage> Pending<S> {
    /// Lets the guest into the next stage too, for when nothing is to be done here between the two.
    ///
    /// # Errors
    /// [`LinkError::Gone`] when the guest has died.
    pub fn ahead(self, down: <S::Next as Stage>::Down) -> Result<Ahead<S>, LinkError> {
        let next = Link::<MonitorEnd, S::Next> { sock: self.sock, at: PhantomData };
        let Pending { sock, .. } = next.begin(down)?;
        Ok(Ahead(Pending { sock, at: PhantomData }))
    }

    /// Waits for the guest's answer.
    ///
    /// # Errors
    /// The guest's report, or a failure of the link.
    pub fn finish(self) -> Result<Step<S>, LinkError> {
        let up = S::Up::unpack(receive(self.sock.as_fd())?).ok_or(LinkError::Garbled(S::NAME))?;
        Ok((up, Link { sock: self.sock, at: PhantomData }))
    }
}

impl<S: Stage> Pending<S> {
    /// As [`Pending::finish`], and others are served meanwhile: hooks of the guest may take long.
    ///
    /// # Errors
    /// As [`Pending::finish`].
    pub fn finish_while(self, meanwhile: &mut dyn Meanwhile) -> Result<Step<S>, LinkError> {
        self.until_ready(meanwhile)?;
        self.finish()
    }

    fn until_ready(&self, meanwhile: &mut dyn Meanwhile) -> Result<(), LinkError> {
        use lxc_sys::Op;
        meanwhile.until_ready(&[self.sock.as_fd()]).op("poll", "link")?;
        Ok(())
    }
}

impl Pending<Commit> {
    /// Waits until the guest's program runs.
    ///
    /// # Errors
    /// The guest's report, or a failure of the link.
    pub fn wait_exec(self, meanwhile: &mut dyn Meanwhile) -> Result<(), LinkError> {
        self.until_ready(meanwhile)?;
        match receive(self.sock.as_fd()) {
            Err(LinkError::Gone) => Ok(()),
            Err(e) => Err(e),
            Ok(_) => Err(LinkError::Garbled("an answer after the last stage")),
        }
    }
}

impl<S: Stage> Link<GuestEnd, S> {
    /// Waits for the monitor, runs the stage, answers with its result or with a report.
    ///
    /// # Errors
    /// [`LinkError::Gone`] when the monitor has died; the stage's own failure, after it was reported.
    pub fn run<E: std::error::Error>(
        self,
        work: impl FnOnce(S::Down) -> Result<S::Up, E>,
    ) -> Result<Link<GuestEnd, S::Next>, LinkError> {
        let down = S::Down::unpack(receive(self.sock.as_fd())?).ok_or(LinkError::Garbled(S::NAME))?;
        match work(down) {
            Ok(up) => {
                send(self.sock.as_fd(), DATA, &up.pack())?;
                Ok(Link { sock: self.sock, at: PhantomData })
            }
            Err(e) => Err(self.fail(&e)),
        }
    }

    fn fail(&self, error: &dyn std::error::Error) -> LinkError {
        let report = Report::of(S::NAME, error);
        match send_report(self.sock.as_fd(), &report) {
            Ok(()) => LinkError::Reported(report),
            Err(e) => e,
        }
    }
}

impl Link<GuestEnd, Commit> {
    /// Waits for the monitor's word and runs `work`, which replaces this program and returns only an error.
    pub fn exec<E: std::error::Error>(self, work: impl FnOnce() -> E) -> LinkError {
        match receive(self.sock.as_fd()) {
            Ok(_) => self.fail(&work()),
            Err(e) => e,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meanwhile::Nobody;

    #[test]
    fn long_messages_cross_in_parts() {
        let (a, b) = socket::seqpacket_pair().unwrap();
        let file = || lxc_sys::memfd::sealed("x", b"").unwrap();
        let parcel = Parcel {
            bytes: (0..100_000u32).map(|n| n.to_ne_bytes()[0]).collect(),
            fds: vec![file(), file()],
        };
        send(a.as_fd(), DATA, &parcel).unwrap();
        let got = receive(b.as_fd()).unwrap();
        assert_eq!((got.bytes == parcel.bytes, got.fds.len()), (true, 2));
        let many = Parcel { bytes: vec![7], fds: (0..100).map(|_| file()).collect() };
        send(a.as_fd(), DATA, &many).unwrap();
        let got = receive(b.as_fd()).unwrap();
        assert_eq!((got.bytes, got.fds.len()), (vec![7], 100));
    }

    #[test]
    fn a_report_keeps_its_causes() {
        let (monitor, guest) = pair().unwrap();
        let pending = monitor.begin(None).unwrap();
        let inner = SysError::new("mount", "/proc", Errno::PERM);
        let failed = guest.run(|_| Err::<(), _>(LinkError::Socket(inner)));
        assert!(matches!(failed, Err(LinkError::Reported(_))));
        let Err(LinkError::Reported(report)) = pending.finish() else { panic!("no report") };
        assert_eq!(report.stage, "identity");
        assert_eq!(report.into_error().to_string(), "mount(/proc): Operation not permitted");
    }

    #[test]
    fn two_stages_at_once() {
        let (monitor, guest) = pair().unwrap();
        let ahead = monitor.begin(None).unwrap().ahead(None).unwrap();
        let guest = guest.run(|_| Ok::<_, LinkError>(())).unwrap();
        let failed = guest.run(|_| Err::<IdmapRequests, _>(LinkError::Garbled("x")));
        assert!(failed.is_err());
        let ((), pending) = ahead.finish_while(&mut Nobody).unwrap();
        let Err(LinkError::Reported(report)) = pending.finish() else { panic!("no report") };
        assert_eq!(report.stage, "mounts");
    }

    #[test]
    fn a_dead_guest_is_noticed() {
        let (monitor, guest) = pair().unwrap();
        drop(guest);
        assert!(matches!(monitor.step(None), Err(LinkError::Gone)));
    }
}

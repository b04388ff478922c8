//! One blocking netlink socket: send a request, collect its answers or its error.
//!
//! Knows the framing of netlink(7) (headers, acknowledgements, dumps, extended errors), not the messages
//! inside: a request is a type and bytes. The kernel works while the sender sleeps in `send`, so every
//! answer is in the receive queue when `send` returns, and nothing here polls or waits with a timeout.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::{Op, error};

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// The kernel makes a piece of a dump as long as the longest buffer it was offered, up to this.
const BUFFER: usize = 32 * 1024;
/// How often a dump that changed underway is begun anew.
const DUMP_TRIES: usize = 16;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_MULTI: u16 = 0x2;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP_INTR: u16 = 0x10;
/// On an answer of type `NLMSG_ERROR` only.
const NLM_F_CAPPED: u16 = 0x100;
/// On an answer of type `NLMSG_ERROR` only.
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
const NLA_TYPE_MASK: u16 = 0x3fff;
/// Linux 4.20; where it is missing the filters of a dump are not heeded and the caller's own look at each
/// answer does the work.
const NETLINK_GET_STRICT_CHK: i32 = 12;

bitflags::bitflags! {
    /// What a request asks for, in the kernel's own bits. Acknowledgements are the socket's affair.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Flags: u16 {
        /// All objects instead of one.
        const DUMP = 0x300;
        /// Refuse to change an object that exists.
        const EXCL = 0x200;
        /// Make the object if it does not exist.
        const CREATE = 0x400;
    }
}

/// A message to the kernel, without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The message type, for example `RTM_NEWLINK`.
    pub kind: u16,
    /// What is asked for.
    pub flags: Flags,
    /// Everything behind the header.
    pub body: Vec<u8>,
}

/// A request that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The place of the request among those sent together, from 0.
    pub request: usize,
    /// The kernel's answer.
    pub errno: Errno,
    /// The kernel's explanation (extended acknowledgement); may be empty.
    pub text: String,
}

/// A failed exchange with the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The socket failed.
    Socket(error::Error),
    /// The kernel understood and refused.
    Refused(Refusal),
    /// The kernel's answer made no sense, or was longer than 32 KiB.
    Malformed,
    /// The objects kept changing while they were listed.
    Unsteady,
}

impl Error {
    /// The kernel's error number, if the kernel gave one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Socket(e) => Some(e.errno()),
            Error::Refused(r) => Some(r.errno),
            Error::Malformed | Error::Unsteady => None,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Socket(e) => e.fmt(f),
            Error::Refused(r) => {
                error::Error::new("netlink", "", r.errno).fmt(f)?;
                if r.text.is_empty() { Ok(()) } else { write!(f, " ({})", r.text) }
            }
            Error::Malformed => f.write_str("netlink: answer not understood"),
            Error::Unsteady => f.write_str("netlink: list kept changing while it was read"),
        }
    }
}

impl std::error::Error for Error {}

impl From<error::Error> for Error {
    fn from(e: error::Error) -> Self {
        Error::Socket(e)
    }
}

/// A netlink socket that only the kernel can write to.
///
/// It stays in the network namespace in which it was opened, wherever its owner goes.
#[derive(Debug)]
pub struct Netlink {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens a socket of family `NETLINK_ROUTE` in the calling thread's network namespace.
    ///
    /// # Errors
    /// That of socket(2) or connect(2).
    pub fn route() -> error::Result<Self> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None, // NETLINK_ROUTE is protocol 0
        )
        .op("socket", "netlink")?;
        // Connected to the kernel, so that no process of this namespace can slip an answer in.
        rustix::net::connect(&fd, &SocketAddrNetlink::new(0, 0)).op("connect", "netlink")?;
        set_option(&fd, libc::NETLINK_EXT_ACK).op("setsockopt", "NETLINK_EXT_ACK")?;
        set_option(&fd, libc::NETLINK_CAP_ACK).op("setsockopt", "NETLINK_CAP_ACK")?;
        match set_option(&fd, NETLINK_GET_STRICT_CHK) {
            // Fallback: needless from Linux 4.20 on.
            Err(Errno::NOPROTOOPT) | Ok(()) => {}
            other => other.op("setsockopt", "NETLINK_GET_STRICT_CHK")?,
        }
        Ok(Netlink { fd, sequence: 0, buffer: Vec::with_capacity(BUFFER) })
    }

    /// Sends all requests in one message and returns those that the kernel refused, in order. The kernel
    /// goes on with the next request after a refused one.
    ///
    /// # Errors
    /// [`Error::Socket`] or [`Error::Malformed`]: then it is not known what was done.
    pub fn submit(&mut self, requests: &[Request]) -> Result<Vec<Refusal>, Error> {
        let mut refused = Vec::new();
        let Some(last) = requests.len().checked_sub(1) else { return Ok(refused) };
        let first = self.send(requests, NLM_F_ACK)?;
        loop {
            let length = self.receive()?;
            for message in messages(&self.buffer[..length]) {
                let message = message?;
                let Some(place) = message.place(first, requests.len()) else { continue };
                if message.kind != NLMSG_ERROR {
                    continue;
                }
                if let Some((errno, text)) = message.error()? {
                    refused.push(Refusal { request: place, errno, text });
                }
                if place == last {
                    return Ok(refused);
                }
            }
        }
    }

    /// Sends all requests in one message; fails with the first one that the kernel refused. Those behind it
    /// are tried all the same.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn run(&mut self, requests: &[Request]) -> Result<(), Error> {
        match self.submit(requests)?.into_iter().next() {
            Some(refusal) => Err(Error::Refused(refusal)),
            None => Ok(()),
        }
    }

    /// Asks for one object; returns what stands behind the header of the answer.
    ///
    /// # Errors
    /// Any [`Error`]; a missing object is mostly `ENODEV`.
    pub fn get(&mut self, request: &Request) -> Result<Vec<u8>, Error> {
        let first = self.send(std::slice::from_ref(request), 0)?;
        loop {
            let length = self.receive()?;
            for message in messages(&self.buffer[..length]) {
                let message = message?;
                if message.place(first, 1).is_none() {
                    continue;
                }
                match message.kind {
                    NLMSG_NOOP => {}
                    NLMSG_ERROR => {
                        let (errno, text) = message.error()?.ok_or(Error::Malformed)?;
                        return Err(Error::Refused(Refusal { request: 0, errno, text }));
                    }
                    _ => return Ok(message.body.to_vec()),
                }
            }
        }
    }

    /// Asks for a list ([`Flags::DUMP`] is added); returns what stands behind the header of each answer. A
    /// list that changed while it was read is read again.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Unsteady`] when the list changed each of 16 times.
    pub fn dump(&mut self, request: &Request) -> Result<Vec<Vec<u8>>, Error> {
        let mut request = request.clone();
        request.flags |= Flags::DUMP;
        for _ in 0..DUMP_TRIES {
            if let Some(answers) = self.dump_once(&request)? {
                return Ok(answers);
            }
        }
        Err(Error::Unsteady)
    }

    /// `None`: the list changed underway.
    fn dump_once(&mut self, request: &Request) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let first = self.send(std::slice::from_ref(request), 0)?;
        let mut answers = Vec::new();
        let mut steady = true;
        loop {
            let length = self.receive()?;
            for message in messages(&self.buffer[..length]) {
                let message = message?;
                if message.place(first, 1).is_none() {
                    continue;
                }
                steady &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_NOOP => {}
                    NLMSG_ERROR | NLMSG_DONE => {
                        if let Some((errno, text)) = message.error()? {
                            return Err(Error::Refused(Refusal { request: 0, errno, text }));
                        }
                        return Ok(steady.then_some(answers));
                    }
                    _ => {
                        answers.push(message.body.to_vec());
                        if message.flags & NLM_F_MULTI == 0 {
                            return Ok(steady.then_some(answers));
                        }
                    }
                }
            }
        }
    }

    /// The index of the interface called `name` in this socket's namespace. Takes no lock, so it is far
    /// cheaper than asking by message.
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn index_of(&self, name: &str) -> error::Result<u32> {
        rustix::net::netdevice::name_to_index(&self.fd, name).op("interface index", name)
    }

    /// The name of the interface with this index in this socket's namespace.
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn name_of(&self, index: u32) -> error::Result<String> {
        rustix::net::netdevice::index_to_name(&self.fd, index).op("interface name", index.to_string())
    }

    /// Sends the requests as one message, the last one with `last_flags`; returns the first one's sequence
    /// number. An acknowledgement of the last is enough: errors are answered unasked, and in order.
    fn send(&mut self, requests: &[Request], last_flags: u16) -> Result<u32, Error> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(requests.iter().map(|r| HEADER + r.body.len() + 3).sum());
        for (place, request) in requests.iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let last = place + 1 == requests.len();
            let flags = NLM_F_REQUEST | request.flags.bits() | if last { last_flags } else { 0 };
            let length = u32::try_from(HEADER + request.body.len()).map_err(|_| Error::Malformed)?;
            bytes.extend_from_slice(&length.to_ne_bytes());
            bytes.extend_from_slice(&request.kind.to_ne_bytes());
            bytes.extend_from_slice(&flags.to_ne_bytes());
            bytes.extend_from_slice(&self.sequence.to_ne_bytes());
            bytes.extend_from_slice(&0u32.to_ne_bytes());
            bytes.extend_from_slice(&request.body);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, &bytes, SendFlags::NOSIGNAL))
            .op("send", "netlink")?;
        Ok(first)
    }

    fn receive(&mut self) -> Result<usize, Error> {
        // Only what arrives touches memory: zeroing all of it first would cost a page fault for each page.
        let (_, length) = rustix::io::retry_on_intr(|| {
            self.buffer.clear();
            rustix::net::recv(&self.fd, spare_capacity(&mut self.buffer), RecvFlags::TRUNC)
        })
        .op("recv", "netlink")?;
        if length > self.buffer.len() { Err(Error::Malformed) } else { Ok(length) }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One message of the kernel.
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

impl Message<'_> {
    /// Which of `count` requests, the first with sequence number `first`, this answers.
    fn place(&self, first: u32, count: usize) -> Option<usize> {
        let place = usize::try_from(self.sequence.wrapping_sub(first)).ok()?;
        (place < count).then_some(place)
    }

    /// The errno and text of an `NLMSG_ERROR` or `NLMSG_DONE`; `None` if it says that all went well.
    fn error(&self) -> Result<Option<(Errno, String)>, Error> {
        let code = match self.body.first_chunk::<4>() {
            Some(code) => i32::from_ne_bytes(*code),
            // Kernels before 4.19 end some dumps with an empty NLMSG_DONE.
            None if self.kind == NLMSG_DONE => 0,
            None => return Err(Error::Malformed),
        };
        if code == 0 {
            return Ok(None);
        }
        Ok(Some((Errno::from_raw_os_error(code.saturating_neg()), self.text().unwrap_or_default())))
    }

    /// The kernel's explanation, from the attributes behind the (possibly left out) copy of the request.
    fn text(&self) -> Option<String> {
        if self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let mut rest = self.body.get(4..)?;
        if self.kind == NLMSG_ERROR {
            let copy = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
            let copied = if self.flags & NLM_F_CAPPED != 0 {
                HEADER
            } else {
                usize::try_from(copy).ok()?.next_multiple_of(4)
            };
            rest = rest.get(copied..)?;
        }
        loop {
            let length = usize::from(u16::from_ne_bytes(*rest.first_chunk::<2>()?));
            let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk::<2>()?);
            let value = rest.get(4..length)?;
            if kind & NLA_TYPE_MASK == NLMSGERR_ATTR_MSG {
                let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
                return Some(String::from_utf8_lossy(&value[..end]).trim_end_matches('.').to_owned());
            }
            rest = rest.get(length.next_multiple_of(4)..)?;
        }
    }
}

/// The messages in a received buffer.
fn messages(mut buffer: &[u8]) -> impl Iterator<Item = Result<Message<'_>, Error>> {
    std::iter::from_fn(move || {
        if buffer.is_empty() {
            return None;
        }
        let parsed = first_message(buffer);
        buffer = parsed.as_ref().map_or(&[][..], |(_, rest)| *rest);
        Some(parsed.map(|(message, _)| message).ok_or(Error::Malformed))
    })
}

fn first_message(buffer: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let word = |at: usize| buffer.get(at..)?.first_chunk::<4>().map(|b| u32::from_ne_bytes(*b));
    let half = |at: usize| buffer.get(at..)?.first_chunk::<2>().map(|b| u16::from_ne_bytes(*b));
    let length = usize::try_from(word(0)?).ok()?;
    let message =
        Message { kind: half(4)?, flags: half(6)?, sequence: word(8)?, body: buffer.get(HEADER..length)? };
    // The last message of a buffer may come without its padding.
    let rest = buffer.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((message, rest))
}

/// Switches an option of level `SOL_NETLINK` on.
#[allow(unsafe_code)]
fn set_option(fd: &OwnedFd, option: i32) -> rustix::io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the value is an int that lives through the call, and its true size is passed.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const on).cast(),
            libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(4),
        )
    };
    if done == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTM_GETLINK: u16 = 18;
    const RTM_NEWADDR: u16 = 20;

    fn get_link(index: u32) -> Request {
        let mut body = vec![0; 16];
        body[4..8].copy_from_slice(&index.to_ne_bytes());
        Request { kind: RTM_GETLINK, flags: Flags::empty(), body }
    }

    #[test]
    fn get_and_dump_find_the_loopback() {
        let mut sock = Netlink::route().unwrap();
        let lo = sock.index_of("lo").unwrap();
        assert_eq!(sock.name_of(lo).unwrap(), "lo");
        let one = sock.get(&get_link(lo)).unwrap();
        assert_eq!(one[4..8], lo.to_ne_bytes());
        let all = sock.dump(&get_link(0)).unwrap();
        assert!(all.iter().any(|a| a[4..8] == lo.to_ne_bytes()));
    }

    #[test]
    fn a_refusal_names_request_errno_and_reason() {
        let mut sock = Netlink::route().unwrap();
        let missing = sock.get(&get_link(0x7fff_fff0)).unwrap_err();
        assert_eq!(missing.errno(), Some(Errno::NODEV));
        // An address of a wrong length: refused by the kernel's attribute policy, with an explanation.
        let mut body = vec![2, 24, 0, 0, 0, 0, 0, 0];
        body.extend_from_slice(&[5, 0, 2, 0, 1, 0, 0, 0]);
        let bad = Request { kind: RTM_NEWADDR, flags: Flags::CREATE, body };
        let refused = sock.submit(&[bad.clone(), bad.clone(), bad]).unwrap();
        assert_eq!(refused.iter().map(|r| r.request).collect::<Vec<_>>(), [0, 1, 2]);
        // Without CAP_NET_ADMIN the kernel answers EPERM before it looks.
        if refused[0].errno != Errno::PERM {
            assert!(!refused[0].text.is_empty(), "{refused:?}");
            assert!(Error::Refused(refused[0].clone()).to_string().ends_with(')'));
        }
        // The socket is in step afterwards.
        assert!(sock.get(&get_link(1)).is_ok());
    }

    #[test]
    fn nothing_sent_for_nothing() {
        assert_eq!(Netlink::route().unwrap().submit(&[]).unwrap(), []);
    }

    #[test]
    fn broken_answers_are_errors_not_panics() {
        assert!(messages(&[]).next().is_none());
        for bytes in
            [&[1u8, 2, 3][..], &[0; 16], &[255; 40], &[17, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert!(messages(bytes).any(|m| m.is_err()), "{bytes:?}");
            assert!(messages(bytes).count() < 4);
        }
        let message = Message { kind: NLMSG_ERROR, flags: 0, sequence: 0, body: &[1, 0] };
        assert_eq!(message.error(), Err(Error::Malformed));
        let message = Message { kind: NLMSG_DONE, flags: 0, sequence: 0, body: &[] };
        assert_eq!(message.error(), Ok(None));
    }

    #[test]
    fn explanation_behind_a_full_copy_of_the_request() {
        let mut body = (-1i32).to_ne_bytes().to_vec();
        body.extend_from_slice(&20u32.to_ne_bytes());
        body.extend_from_slice(&[0; 16]);
        body.extend_from_slice(&[8, 0, 2, 0, 9, 9, 9, 9]); // the offset attribute
        body.extend_from_slice(&[7, 0, 1, 0, b'n', b'o', 0, 0]);
        let message = Message { kind: NLMSG_ERROR, flags: NLM_F_ACK_TLVS, sequence: 0, body: &body };
        assert_eq!(message.error(), Ok(Some((Errno::PERM, "no".into()))));
        for cut in 4..body.len() {
            let message =
                Message { kind: NLMSG_ERROR, flags: NLM_F_ACK_TLVS, sequence: 0, body: &body[..cut] };
            assert!(message.error().unwrap().is_some());
        }
    }
}

//! The notify proxy against a real listener: what it is told, and what becomes of a call without an
//! answer. Needs root.
#![allow(clippy::unwrap_used)]

mod child;

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use lxc_host::seccomp::notify::{Address, Proxy, ProxySpec, Wants};
use lxc_host::seccomp::{self, Supervision, compile};
use lxc_sys::seccomp::{NotifySizes, notify_sizes};
use lxc_sys::socket::{self, Received};
use lxc_types::seccomp::{Action, NamedPolicy, Policy, Rule, Section, Target};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::getpid;

const COOKIE: &[u8] = b"a cookie";

fn notify_delete_module() -> seccomp::Program {
    let target = Target::Syscall("delete_module".to_owned());
    let rule = Rule { section: Section::All, target, action: Action::Notify, args: Vec::new(), line: 1 };
    let policy = NamedPolicy { default: Action::Allow, rules: vec![rule] };
    let program = compile(&Policy::Named(policy)).unwrap().program;
    assert_eq!(program.supervision, Supervision::Wanted);
    program
}

/// Receives a question, checks it, and answers with `errno`; without one with too few bytes.
fn decide(connection: &OwnedFd, sizes: NotifySizes, errno: Option<i32>) {
    let (notification, response) = (usize::from(sizes.notification), usize::from(sizes.response));
    let mut message = [0; 1024];
    let Received { len, fds, .. } = socket::receive(connection, &mut message, RecvFlags::empty()).unwrap();
    let whole = 32 + notification + response;
    assert_eq!(len, whole + COOKIE.len());
    assert_eq!(&message[whole..len], COOKIE);
    let number = |at: usize| i32::from_ne_bytes(message[at..at + 4].try_into().unwrap());
    let short = |at: usize| u16::from_ne_bytes(message[at..at + 2].try_into().unwrap());
    assert_eq!((number(0), number(4)), (0, 0));
    assert_eq!(number(8), getpid().as_raw_nonzero().get());
    assert_eq!(number(12), 4321);
    assert_eq!((short(16), short(18), short(20)), (sizes.notification, sizes.response, sizes.data));
    assert_eq!(number(24), i32::try_from(COOKIE.len()).unwrap());
    let pid = number(32 + 8);
    assert_eq!(message[32..40], message[32 + notification..40 + notification], "the response has the id");

    assert_eq!(fds.len(), 3);
    let flags = OFlags::RDONLY;
    let status = rustix::fs::openat(&fds[0], "status", flags, Mode::empty()).unwrap();
    let mut text = String::new();
    std::fs::File::from(status).read_to_string(&mut text).unwrap();
    assert_eq!(child::status(&text, "Pid"), pid.to_string());
    // The first argument of delete_module is a name in the task's memory.
    let at = 32 + 16 + 16;
    let address = u64::from_ne_bytes(message[at..at + 8].try_into().unwrap());
    let mut name = [0; 18];
    rustix::io::pread(&fds[1], &mut name, address).unwrap();
    assert_eq!(&name, b"lxc_no_such_module");

    let Some(errno) = errno else {
        socket::send(connection, &message[..whole - 1], &[]).unwrap();
        return;
    };
    let error = 32 + notification + 16;
    message[error..error + 4].copy_from_slice(&(-errno).to_ne_bytes());
    // A wrong id: the monitor puts the right one in.
    message[32 + notification] ^= 1;
    socket::send(connection, &message[..whole], &[]).unwrap();
}

fn monitor(spec: ProxySpec, inbox: &OwnedFd, calls: usize) {
    let got = socket::receive(inbox, &mut [0], RecvFlags::empty()).unwrap();
    let listener = got.fds.into_iter().next().unwrap();
    let init = rustix::process::Pid::from_raw(4321).unwrap();
    let mut proxy = Proxy::new(spec, init).unwrap();
    proxy.connect().unwrap();
    let number = proxy.add(listener);
    let mut served = 0;
    while served < calls || proxy.wants() != Wants::Calls {
        let (fd, flags) = match proxy.wants() {
            Wants::Calls => (proxy.first(), PollFlags::IN),
            Wants::Answer => (proxy.socket(), PollFlags::IN),
            Wants::ToSend => (proxy.socket(), PollFlags::OUT),
            Wants::Time => (None, PollFlags::empty()),
        };
        let mut fds: Vec<_> = fd.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, flags)).collect();
        let pause = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        let ready = poll(&mut fds, Some(&pause)).unwrap() > 0;
        if proxy.wants() != Wants::Calls {
            proxy.go_on();
        } else if ready {
            proxy.serve(number).unwrap();
            served += 1;
        }
    }
}

#[test]
fn the_proxy_decides_and_its_absence_refuses() {
    let program = notify_delete_module();
    let sizes = notify_sizes().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proxy");
    let server =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .unwrap();
    rustix::net::bind(&server, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&server, 4).unwrap();
    let spec = ProxySpec { address: Address::Path(path.clone()), cookie: Some(COOKIE.to_vec()) };
    let (inbox, outbox) = socket::seqpacket_pair().unwrap();
    let (mut turns, mut turn) = std::io::pipe().unwrap();

    let said = std::thread::scope(|scope| {
        scope.spawn(|| monitor(spec, &inbox, 4));
        scope.spawn(move || {
            let first = rustix::net::accept(&server).unwrap();
            decide(&first, sizes, Some(61));
            drop(first);
            turn.write_all(b".").unwrap();
            // The monitor connects anew, once an event.
            let second = rustix::net::accept(&server).unwrap();
            decide(&second, sizes, Some(62));
            decide(&second, sizes, None);
            drop(second);
            // The child has a copy of this socket, so closing it would not end it.
            rustix::net::shutdown(&server, rustix::net::Shutdown::Both).unwrap();
            turn.write_all(b".").unwrap();
        });
        let work = |guest: &_| {
            let listener = seccomp::guest::install(guest, &program).unwrap().unwrap();
            socket::send(&outbox, b".", &[listener.as_fd()]).unwrap();
            let first = child::delete_module();
            turns.read_exact(&mut [0]).unwrap();
            let second = (child::delete_module(), child::delete_module());
            turns.read_exact(&mut [0]).unwrap();
            format!("{first} {second:?} {}", child::delete_module())
        };
        child::run(work).said()
    });
    assert_eq!(said, format!("61 (62, {}) {}", libc::ENOSYS, libc::ENOSYS));
}

#[test]
fn a_missing_proxy_is_an_error() {
    let address = Address::Abstract(b"lxc-no-such-proxy".to_vec());
    let mut proxy = Proxy::new(ProxySpec { address, cookie: None }, getpid()).unwrap();
    let error = proxy.connect().unwrap_err();
    assert_eq!(error.to_string(), "connect(@lxc-no-such-proxy): Connection refused");
}

//! System calls that a program outside decides about: `lxc.seccomp.notify.proxy`.

use compliance::notify::{PROXY, container};
use compliance::{Bed, CommandSocket, Helper};

const NOTIFY_FD: i32 = 22;

#[test]
fn the_proxy_decides() {
    let bed = Bed::new();
    let (c, socket) = container(&bed);
    let mut proxy = Helper::python(0, PROXY, &[&socket, "17"]);
    c.start().ok();
    let (init, monitor) = (c.init(), compliance::process_parent(c.init()));
    // The program that was attached has a listener of its own; so has init.
    for _ in 0..2 {
        let out = c.attach(&["mkdir", "/tmp/new"]).expect(1);
        assert!(out.stderr.contains("File exists"), "{}", out.stderr);
        let said = proxy.line();
        let words: Vec<&str> = said.split(' ').collect();
        assert_eq!(words[..3], ["0", &monitor.to_string(), &init.to_string()], "{said}");
        assert_eq!(words[3..8], ["80", "24", "64", "6", "142"], "{said}");
        assert_eq!(
            words[8..],
            ["/proc/PID", "/proc/PID/mem", "anon_inode:seccomp", "notify", "crumbs"],
            "{said}"
        );
    }
    let fd = CommandSocket::call(c.name(), NOTIFY_FD, 0, b"");
    assert_eq!((fd.ret, fd.fds.len()), (0, 1));
    c.kill();
}

#[test]
fn a_proxy_that_dies() {
    let bed = Bed::new();
    let (c, socket) = container(&bed);
    let proxy = Helper::python(0, PROXY, &[&socket, "die"]);
    c.start().ok();
    // Each time the connection is made anew.
    for _ in 0..3 {
        let out = c.attach(&["mkdir", "/tmp/new"]).expect(1);
        assert!(out.stderr.contains("Function not implemented"), "{}", out.stderr);
    }
    drop(proxy);
    let out = c.attach(&["mkdir", "/tmp/new"]).expect(1);
    assert!(out.stderr.contains("Function not implemented"), "{}", out.stderr);
    assert_eq!(c.state(), "RUNNING");
    c.kill();
}

#[test]
fn without_its_proxy_it_does_not_run() {
    let bed = Bed::new();
    let (c, _) = container(&bed);
    // Debian's lxc-start says all is well.
    drop(c.start());
    c.wait("STOPPED");
}

//! A seccomp notify proxy that misbehaves delays nobody but the calls that it is to decide.

use std::time::{Duration, Instant};

use compliance::notify::{PROXY, container};
use compliance::{Bed, CommandSocket, Helper};

#[test]
fn a_proxy_that_hangs_delays_no_answer() {
    let bed = Bed::new();
    let (c, socket) = container(&bed);
    let mut proxy = Helper::python(0, PROXY, &[&socket, "hang"]);
    c.start().ok();
    let mut call = c.run("lxc-attach", &["--", "mkdir", "/tmp/new"]).spawn();
    assert_ne!(proxy.line(), "", "it was asked");
    for _ in 0..50 {
        let begin = Instant::now();
        assert_eq!(CommandSocket::call(c.name(), 3, 0, b"").number, 2);
        assert!(begin.elapsed() < Duration::from_millis(200), "{:?}", begin.elapsed());
    }
    assert!(call.alive(), "the call waits for the proxy");
    // A proxy that goes away lets the call go.
    drop(proxy);
    let out = call.output().expect(1);
    assert!(out.stderr.contains("Function not implemented"), "{}", out.stderr);
    // The next proxy is found.
    bed.host(&format!("rm {socket}"));
    let _proxy = Helper::python(0, PROXY, &[&socket, "17"]);
    let out = c.attach(&["mkdir", "/tmp/new"]).expect(1);
    assert!(out.stderr.contains("File exists"), "{}", out.stderr);
    c.kill();
}

#[test]
fn without_its_proxy_the_start_fails() {
    let bed = Bed::new();
    let (c, socket) = container(&bed);
    let out = c.start().expect(1);
    assert!(out.stderr.contains(&format!("connect({socket})")), "{}", out.stderr);
    assert_eq!(c.state(), "STOPPED");
}

//! Freeze, unfreeze, wait.

use std::time::{Duration, Instant};

use compliance::{Bed, without_source};

#[test]
fn freeze_and_unfreeze() {
    let bed = Bed::new();
    let c = bed.container().at_boot("while :; do echo >>/root/ticks; sleep 0.02; done &").start();
    c.wait_file("root/ticks");
    let out = c.tool("lxc-freeze", &[]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert_eq!(c.state(), "FROZEN");
    let ticks = c.read("root/ticks").len();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(c.read("root/ticks").len(), ticks, "it runs on");
    let out = c.tool("lxc-unfreeze", &[]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert_eq!(c.state(), "RUNNING");
    compliance::wait_until("it runs again", Duration::from_secs(5), || c.read("root/ticks").len() > ticks);
    c.kill();
}

#[test]
fn a_frozen_container_can_be_killed() {
    let bed = Bed::new();
    let c = bed.container().start();
    c.tool("lxc-freeze", &[]).ok();
    c.kill();
    assert_eq!(c.state(), "STOPPED");
}

#[test]
fn freezing_what_does_not_run() {
    let bed = Bed::new();
    let c = bed.container().make();
    let out = c.tool("lxc-freeze", &[]).expect(1);
    assert_eq!(out.stdout, "");
    assert!(
        without_source(&out.stderr).starts_with(&format!("lxc-freeze: {}: ", c.name())),
        "{}",
        out.stderr
    );
}

#[test]
fn wait_sees_the_state_that_is() {
    let bed = Bed::new();
    let c = bed.container().start();
    c.tool("lxc-wait", &["-s", "RUNNING"]).ok();
    c.tool("lxc-wait", &["-s", "FROZEN|RUNNING|STOPPED"]).ok();
    c.tool("lxc-wait", &["-s", "NOSUCH"]).expect(1);
    c.tool("lxc-wait", &["-s", "running"]).expect(1);
    let begin = Instant::now();
    c.tool("lxc-wait", &["-s", "STOPPED", "-t", "1"]).expect(1);
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
    c.kill();
}

#[test]
fn wait_for_the_end() {
    let bed = Bed::new();
    let c = bed.container().start();
    let waiting = c.run("lxc-wait", &["-s", "STOPPED"]).spawn();
    std::thread::sleep(Duration::from_millis(100));
    c.kill();
    waiting.output().ok();
}

#[test]
fn wait_for_a_start() {
    let bed = Bed::new();
    let c = bed.container().make();
    let waiting = c.run("lxc-wait", &["-s", "RUNNING", "-t", "10"]).spawn();
    std::thread::sleep(Duration::from_millis(100));
    c.start().ok();
    // Debian's lxc-wait only looks once when nothing listens: both answers are upstream's.
    let code = waiting.output().code;
    assert!(code == 0 || code == 1, "{code}");
    c.kill();
}

#[test]
fn wait_for_frozen() {
    let bed = Bed::new();
    let c = bed.container().start();
    let waiting = c.run("lxc-wait", &["-s", "FROZEN", "-t", "10"]).spawn();
    std::thread::sleep(Duration::from_millis(100));
    c.tool("lxc-freeze", &[]).ok();
    waiting.output().ok();
    c.kill();
}

//! A start that fails, or whose monitor is killed, at each of its steps.
//!
//! The tools are built with the cargo feature `faults`: `LXC_RS_FAULT=POINT` makes the step of that
//! name fail, `POINT:kill` kills the process that is at it, `list` prints the names.

use std::time::Duration;

use compliance::{Bed, Container, Draft, Inventory, Tools, View};

/// A container that has one of everything a start makes on the host.
fn full(bed: &Bed) -> Draft<'_> {
    bed.container().without("lxc.tty.max").config(&format!(
        "lxc.net.0.type = veth
             lxc.net.0.link = lxcbr0
             lxc.net.0.flags = up
             lxc.net.0.ipv4.address = 10.0.3.50/24
             lxc.net.1.type = veth
             lxc.tty.max = 2
             lxc.autodev = 1
             lxc.mount.auto = cgroup:mixed
             lxc.mount.entry = tmpfs mnt tmpfs size=64k 0 0
             lxc.cgroup.pids.max = 500
             lxc.cgroup.devices.deny = a
             lxc.cgroup.devices.allow = c *:* rwm
             lxc.cgroup2.devices.allow = c *:* rwm
             lxc.cap.drop = sys_time
             lxc.prlimit.nofile = 512
             lxc.sysctl.net.ipv4.ip_forward = 1
             lxc.seccomp.profile = /usr/share/lxc/config/common.seccomp
             lxc.console.logfile = {0}/console.log
             lxc.console.buffer.size = auto
             lxc.hook.pre-start = true
             lxc.hook.pre-mount = true
             lxc.hook.mount = true
             lxc.hook.autodev = true
             lxc.hook.start-host = true
             lxc.hook.start = /bin/true
             lxc.hook.stop = true
             lxc.hook.post-stop = true",
        bed.dir().display()
    ))
}

fn points(c: &Container<'_>) -> Vec<String> {
    let out = c.run("lxc-start", &[]).env("LXC_RS_FAULT", "list").output().ok();
    let points: Vec<String> = out.stdout.lines().map(str::to_owned).collect();
    assert!(points.len() >= 10, "points of failure: {points:?}");
    points
}

/// Whether a point is of a starter that makes the network while the monitor gets ready. A hook before the start
/// keeps the network with the monitor.
fn of_starter(point: &str) -> bool {
    point.starts_with("starter-")
}

fn start_with(c: &Container<'_>, fault: &str) -> compliance::Output {
    c.run("lxc-start", &[]).env("LXC_RS_FAULT", fault).limit(Duration::from_secs(20)).output()
}

/// The host before anything was started, and the proof that a whole life leaves it so.
fn baseline(c: &Container<'_>) -> Inventory {
    let before = Inventory::of(c.bed());
    c.start().ok();
    c.stop();
    before.assert_restored(c.bed());
    before
}

fn fails_clean(view: View) {
    let bed = Bed::make(Tools::with_faults(), view);
    let c = full(&bed).make();
    let before = baseline(&c);
    for point in points(&c).into_iter().filter(|p| !of_starter(p)) {
        let out = start_with(&c, &point);
        assert_ne!(out.code, 0, "{point}: the start did not fail");
        let first = out.stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with(&format!("lxc-start: {}: ", c.name())), "{point}: {first}");
        assert!(first.contains("start failed"), "{point}: the first line names no stage: {first}");
        assert!(out.stderr.contains(&point), "{point}: the step is not named:\n{}", out.stderr);
        assert_eq!(c.state(), "STOPPED", "{point}");
        let differences = settled(&before, &bed);
        assert!(differences.is_empty(), "{point}: left on the host:\n{}", differences.join("\n"));
    }
    c.start().ok();
    c.stop();
    before.assert_restored(&bed);
}

fn killed(view: View) {
    let bed = Bed::make(Tools::with_faults(), view);
    let c = full(&bed).make();
    let before = baseline(&c);
    for point in points(&c).into_iter().filter(|p| !of_starter(p)) {
        let out = start_with(&c, &format!("{point}:kill"));
        assert_ne!(out.code, 0, "{point}: the start did not fail");
        let again = c.start();
        assert_eq!(again.code, 0, "{point}: the next start: {}", again.stderr);
        assert_eq!(c.sh("echo in"), "in", "{point}");
        c.stop();
        let differences = settled(&before, &bed);
        assert!(differences.is_empty(), "{point}: left on the host:\n{}", differences.join("\n"));
    }
}

/// What still differs after a short wait.
fn settled(before: &Inventory, bed: &Bed) -> Vec<String> {
    let mut differences = Vec::new();
    for _ in 0..100 {
        differences = Inventory::of(bed).differences(before);
        if differences.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    differences
}

#[test]
fn a_failure_at_each_step_leaves_nothing() {
    fails_clean(View::Host);
}

#[test]
fn a_failure_at_each_step_leaves_nothing_on_unified() {
    fails_clean(View::Unified);
}

#[test]
fn a_monitor_killed_at_each_step_is_swept_up() {
    killed(View::Host);
}

#[test]
fn a_monitor_killed_at_each_step_is_swept_up_on_unified() {
    killed(View::Unified);
}

#[test]
fn a_starter_that_fails_leaves_nothing() {
    let bed = Bed::make(Tools::with_faults(), View::Host);
    let c = full(&bed).without("lxc.hook.pre-start").make();
    let before = baseline(&c);
    let points: Vec<String> = points(&c).into_iter().filter(|p| of_starter(p)).collect();
    assert_eq!(points.len(), 2, "{points:?}");
    for point in &points {
        let out = start_with(&c, point);
        let text = format!("start failed in stage \"network\": fault at point \"{point}\"");
        assert!(out.code == 1 && out.stderr.contains(&text), "{point}: {} {}", out.code, out.stderr);
        before.assert_restored(&bed);
        let out = start_with(&c, &format!("{point}:kill"));
        assert_ne!(out.code, 0, "{point}: the starter was not killed");
        compliance::wait_until("the monitor gives up", Duration::from_secs(5), || c.state() == "STOPPED");
        before.assert_restored(&bed);
    }
    c.start().ok();
    assert_eq!(c.sh("ip -o addr show dev eth0 | grep -c 10.0.3.50"), "1");
    c.stop();
    before.assert_restored(&bed);
}

#[test]
fn a_monitor_killed_while_running_is_swept_up() {
    let bed = Bed::make(Tools::with_faults(), View::Host);
    let c = full(&bed).make();
    let before = baseline(&c);
    c.start().ok();
    let monitor = compliance::process_parent(c.init());
    bed.host(&format!("kill -9 {monitor}"));
    compliance::wait_until("init dies with its monitor", Duration::from_secs(5), || c.state() == "STOPPED");
    c.start().ok();
    c.stop();
    before.assert_restored(&bed);
}

//! The same container on hosts with cgroup2 alone, and with v1 alone.

use compliance::{Bed, Container, Inventory, View};

fn life(c: &Container<'_>) {
    let bed = c.bed();
    c.start().ok();
    assert_eq!(c.state(), "RUNNING");
    assert_eq!(c.sh("echo in"), "in");
    let place = bed.host(&format!("cat /proc/{}/cgroup", c.init()));
    assert!(place.contains(&format!("/lxc.payload.{}", c.name())), "{place}");
    let attached = c.attach(&["cat", "/proc/self/cgroup"]).ok().stdout;
    assert!(!attached.contains("/../"), "attach is in another cgroup: {attached}");
    c.tool("lxc-freeze", &[]).ok();
    assert_eq!(c.state(), "FROZEN");
    c.tool("lxc-unfreeze", &[]).ok();
    assert_eq!(c.state(), "RUNNING");
    c.tool("lxc-info", &[]).ok();
    c.stop();
    assert_eq!(c.state(), "STOPPED");
}

/// The first start may make what stays (`lxc.pivot` of upstream); the second leaves all as it was.
fn twice(view: View, config: &str) {
    let bed = Bed::with(view);
    let c = bed.container().config(config).make();
    life(&c);
    let before = Inventory::of(&bed);
    life(&c);
    before.assert_restored(&bed);
}

#[test]
fn unified() {
    twice(View::Unified, "");
}

#[test]
fn legacy() {
    twice(View::Legacy, "");
}

#[test]
fn unified_mounts_its_cgroups() {
    let bed = Bed::with(View::Unified);
    let c = bed.container().config("lxc.mount.auto = cgroup:mixed").start();
    let table = c.sh("grep cgroup2 /proc/1/mounts");
    assert_eq!(table.split(' ').nth(1), Some("/sys/fs/cgroup"), "{table}");
    assert_eq!(c.sh("cat /proc/1/cgroup | grep ^0:"), "0::/");
    c.kill();
}

#[test]
fn device_rules_of_v2() {
    let bed = Bed::with(View::Unified);
    let c = bed
        .container()
        .config(
            "lxc.cgroup2.devices.deny = a\nlxc.cgroup2.devices.allow = c 1:3 rwm\nlxc.cgroup2.devices.allow = c 1:5 r",
        )
        .make();
    bed.host(&format!("cd {}/root; mknod zero c 1 5; mknod random c 1 8", c.rootfs().display()));
    c.start().ok();
    c.sh("mknod /root/null c 1 3; echo x >/root/null; head -c1 /root/zero");
    for script in ["mknod /root/full c 1 7", "echo x >/root/zero", "head -c1 /root/random"] {
        c.attach(&["sh", "-c", script]).expect(1);
    }
    c.kill();
}

#[test]
fn settings_of_v2() {
    let bed = Bed::with(View::Unified);
    let c = bed.container().config("lxc.cgroup2.cgroup.max.descendants = 33").start();
    let file = format!("/sys/fs/cgroup/lxc.payload.{}/cgroup.max.descendants", c.name());
    assert_eq!(bed.host(&format!("cat {file}")), "33");
    c.kill();
    let c = bed.container().config("lxc.cgroup2.cgroup.max.descendants = nonsense").make();
    c.start().expect(1);
}

#[test]
fn settings_of_the_other_version_are_ignored() {
    for (view, setting) in
        [(View::Unified, "lxc.cgroup.pids.max = 50"), (View::Legacy, "lxc.cgroup2.pids.max = 50")]
    {
        let bed = Bed::with(view);
        let c = bed.container().config(setting).start();
        c.kill();
    }
}

#[test]
fn debians_common_configuration() {
    for view in [View::Unified, View::Legacy] {
        let bed = Bed::with(view);
        let c = bed.container().config("lxc.include = /usr/share/lxc/config/common.conf").start();
        assert_eq!(c.sh("echo in"), "in");
        c.kill();
    }
}

//! `lxc-start --plan` says what would be done, and does nothing.

use compliance::{Bed, Inventory};

#[test]
fn a_plan_changes_nothing() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.cgroup.pids.max = 77")
        .make();
    let before = Inventory::of(&bed);
    let out = c.tool("lxc-start", &["--plan"]).ok();
    before.assert_restored(&bed);
    assert_eq!(c.state(), "STOPPED");
    for wanted in [c.name(), "veth", "lxcbr0", "pids.max", "/sbin/init"] {
        assert!(out.stdout.contains(wanted), "{wanted}: {}", out.stdout);
    }
}

#[test]
fn a_plan_that_cannot_be_made() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.cap.drop = no_such_capability").make();
    let out = c.tool("lxc-start", &["--plan"]).expect(1);
    assert!(out.stderr.contains("no_such_capability"), "{}", out.stderr);
}

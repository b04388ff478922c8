//! Exit codes of each tool for a container that does not exist, is stopped, or runs.

use compliance::{Bed, Output};

/// The table of the two states without a monitor.
const CASES: &[(&[&str], i32, i32)] = &[
    (&["lxc-info", "-n", "NAME"], 1, 0),
    (&["lxc-stop", "-n", "NAME"], 2, 2),
    (&["lxc-stop", "-n", "NAME", "-k"], 2, 2),
    (&["lxc-attach", "-n", "NAME", "--", "true"], 1, 1),
    (&["lxc-freeze", "-n", "NAME"], 1, 1),
    (&["lxc-unfreeze", "-n", "NAME"], 1, 0),
    (&["lxc-wait", "-n", "NAME", "-s", "STOPPED"], 0, 0),
    (&["lxc-wait", "-n", "NAME", "-s", "RUNNING", "-t", "1"], 1, 1),
    (&["lxc-console", "-n", "NAME"], 1, 1),
    (&["lxc-cgroup", "-n", "NAME", "pids.max"], 1, 1),
    (&["lxc-snapshot", "-n", "NAME", "-L"], 1, 0),
    (&["lxc-snapshot", "-n", "NAME"], 1, 0),
    (&["lxc-copy", "-n", "NAME", "-N", "copy-of-it"], 1, 0),
    (&["lxc-device", "-n", "NAME", "--", "add", "/dev/full"], 1, 1),
    (&["lxc-start", "-n", "NAME"], 1, 0),
];

fn run(bed: &Bed, case: &[&str], name: &str) -> Output {
    let args: Vec<&str> = case[1..].iter().map(|arg| if *arg == "NAME" { name } else { arg }).collect();
    bed.tool(case[0], &args)
}

#[test]
fn nonexistent_and_stopped() {
    let bed = Bed::new();
    let stopped = bed.container().make();
    for (case, nonexistent, defined) in CASES {
        run(&bed, case, "nosuch").expect(*nonexistent);
        run(&bed, case, stopped.name()).expect(*defined);
    }
    bed.tool("lxc-execute", &["-n", "nosuch", "--", "true"]).expect(1);
    bed.tool("lxc-destroy", &["-n", "nosuch"]).expect(1);
}

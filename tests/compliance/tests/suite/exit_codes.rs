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
    (&["lxc-device", "-n", "NAME", "--", "add", "/dev/null"], 1, 1),
    (&["lxc-snapshot", "-n", "NAME", "-L"], 1, 0),
    (&["lxc-snapshot", "-n", "NAME"], 1, 0),
    (&["lxc-copy", "-n", "NAME", "-N", "copy-of-it"], 1, 0),
    (&["lxc-device", "-n", "NAME", "--", "add", "/dev/full"], 1, 1),
    (&["lxc-info", "-n", "NAME", "-s"], 1, 0),
    (&["lxc-info", "-n", "NAME", "-p"], 1, 0),
    (&["lxc-info", "-n", "NAME", "-c", "lxc.uts.name"], 1, 0),
    (&["lxc-stop", "-n", "NAME", "-r"], 2, 2),
    (&["lxc-stop", "-n", "NAME", "-W"], 2, 2),
    (&["lxc-stop", "-n", "NAME", "-t", "5"], 2, 2),
    (&["lxc-stop", "-n", "NAME", "--nokill"], 2, 2),
    (&["lxc-stop", "-n", "NAME", "-k", "--nolock"], 2, 2),
    (&["lxc-stop", "-n", "NAME", "-k", "-r"], 1, 1),
    (&["lxc-stop", "-n", "NAME", "-k", "--nokill"], 1, 1),
    (&["lxc-stop", "-n", "NAME", "-k", "-t", "3"], 1, 1),
    (&["lxc-stop", "-n", "NAME", "--nolock"], 1, 1),
    (&["lxc-stop", "-n", "NAME", "-t", "word"], 1, 1),
    (&["lxc-attach", "-n", "NAME", "-u", "word", "--", "true"], 1, 1),
    (&["lxc-attach", "-n", "NAME", "-s", "NETWORK", "--", "true"], 1, 1),
    (&["lxc-attach", "-n", "NAME", "-e", "--", "true"], 1, 1),
    (&["lxc-wait", "-n", "NAME", "-s", "NOSUCH"], 1, 1),
    (&["lxc-wait", "-n", "NAME", "-s", "STOPPED|RUNNING", "-t", "0"], 0, 0),
    (&["lxc-console", "-n", "NAME", "-t", "1", "-e", "b"], 1, 1),
    (&["lxc-console", "-n", "NAME", "-t", "word"], 1, 1),
    (&["lxc-cgroup", "-n", "NAME", "pids.max", "10"], 1, 1),
    (&["lxc-cgroup", "-n", "NAME"], 1, 1),
    (&["lxc-execute", "-n", "NAME", "-u", "word", "--", "true"], 1, 1),
    (&["lxc-start", "-n", "NAME", "-s", "lxc.uts.name"], 1, 1),
    (&["lxc-start", "-n", "NAME", "-s", "lxc.no.such.key=1"], 1, 1),
    (&["lxc-start", "-n", "NAME", "-f", "/no/such/file"], 1, 1),
    (&["lxc-copy", "-n", "NAME"], 1, 1),
    (&["lxc-copy", "-n", "NAME", "-N", "NAME"], 1, 1),
    (&["lxc-device", "-n", "NAME", "--", "add", "/dev/null"], 1, 1),
    (&["lxc-snapshot", "-n", "NAME", "-L"], 1, 0),
    (&["lxc-snapshot", "-n", "NAME", "-r", "nosuch"], 1, 1),
    (&["lxc-snapshot", "-n", "NAME", "-d", "nosuch"], 1, 1),
    (&["lxc-create", "-n", "NAME"], 1, 1),
    (&["lxc-create", "-n", "NAME", "-t", "no-such-template"], 1, 1),
    (&["lxc-create", "-n", "NAME", "-t", "none", "-B", "nosuch"], 1, 1),
    (&["lxc-create", "-n", "NAME", "-t", "none", "--lvname", "a"], 1, 1),
    (&["lxc-create", "-n", "NAME", "-t", "none", "--dir", "relative"], 1, 1),
    // Of those that take no name, both are the same.
    (&["lxc-ls"], 0, 0),
    (&["lxc-ls", "-f"], 0, 0),
    (&["lxc-ls", "-1", "--running"], 0, 0),
    (&["lxc-ls", "-f", "-F", "no-such-column"], 0, 0),
    (&["lxc-ls", "-P", "/no/such/path"], 0, 0),
    (&["lxc-autostart", "-L"], 0, 0),
    (&["lxc-autostart", "-P", "/no/such/path"], 1, 1),
    (&["lxc-monitor", "-Q"], 1, 1),
    (&["lxc-config", "lxc.lxcpath"], 0, 0),
    (&["lxc-config", "no.such.item"], 1, 1),
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

/// The same for a container that runs; those that end it come last.
const RUNNING: &[(&[&str], i32)] = &[
    (&["lxc-info", "-n", "NAME"], 0),
    (&["lxc-info", "-n", "NAME", "-sSpiH"], 0),
    (&["lxc-start", "-n", "NAME"], 0),
    (&["lxc-execute", "-n", "NAME", "--", "true"], 1),
    (&["lxc-create", "-n", "NAME", "-t", "none"], 1),
    (&["lxc-destroy", "-n", "NAME"], 1),
    (&["lxc-copy", "-n", "NAME", "-N", "other"], 1),
    (&["lxc-copy", "-n", "NAME", "-N", "NAME", "-R"], 1),
    (&["lxc-snapshot", "-n", "NAME"], 1),
    (&["lxc-snapshot", "-n", "NAME", "-L"], 0),
    (&["lxc-attach", "-n", "NAME", "--", "true"], 0),
    (&["lxc-attach", "-n", "NAME", "--", "false"], 1),
    (&["lxc-attach", "-n", "NAME", "--", "sh", "-c", "exit 42"], 42),
    (&["lxc-attach", "-n", "NAME", "--", "sh", "-c", "kill -9 $$"], 137),
    (&["lxc-attach", "-n", "NAME", "--", "/no/such/program"], 127),
    (&["lxc-attach", "-n", "NAME", "--", "/etc/passwd"], 126),
    (&["lxc-cgroup", "-n", "NAME", "pids.max"], 0),
    (&["lxc-cgroup", "-n", "NAME", "pids.max", "100"], 0),
    (&["lxc-cgroup", "-n", "NAME", "pids.max", "nonsense"], 1),
    (&["lxc-cgroup", "-n", "NAME", "no.such.file"], 1),
    (&["lxc-wait", "-n", "NAME", "-s", "RUNNING"], 0),
    (&["lxc-wait", "-n", "NAME", "-s", "STOPPED", "-t", "1"], 1),
    (&["lxc-freeze", "-n", "NAME"], 0),
    (&["lxc-info", "-n", "NAME"], 0),
    (&["lxc-wait", "-n", "NAME", "-s", "FROZEN", "-t", "2"], 0),
    (&["lxc-unfreeze", "-n", "NAME"], 0),
    (&["lxc-unfreeze", "-n", "NAME"], 0),
    (&["lxc-autostart", "-L", "-a", "-A"], 0),
    (&["lxc-stop", "-n", "NAME", "-t", "10"], 0),
    (&["lxc-stop", "-n", "NAME"], 2),
    (&["lxc-copy", "-n", "NAME", "-N", "other"], 0),
    (&["lxc-snapshot", "-n", "NAME"], 0),
    (&["lxc-destroy", "-n", "NAME"], 1),
    (&["lxc-snapshot", "-n", "NAME", "-d", "snap0"], 0),
    (&["lxc-start", "-n", "NAME", "-F", "--", "/bin/sh", "-c", "exit 6"], 0),
    (&["lxc-destroy", "-n", "NAME", "-s"], 0),
    (&["lxc-destroy", "-n", "other"], 0),
];

#[test]
fn running() {
    let bed = Bed::new();
    let c = bed.container().start();
    c.wait_ready();
    for (case, code) in RUNNING {
        run(&bed, case, c.name()).expect(*code);
    }
    assert!(!c.dir().exists());
}

#[test]
fn what_succeeds_is_silent() {
    let bed = Bed::new();
    let c = bed.container().start();
    c.wait_ready();
    for case in [
        &["lxc-start", "-n", "NAME", "-q"][..],
        &["lxc-wait", "-n", "NAME", "-s", "RUNNING"],
        &["lxc-freeze", "-n", "NAME"],
        &["lxc-unfreeze", "-n", "NAME"],
        &["lxc-cgroup", "-n", "NAME", "pids.max", "100"],
        &["lxc-stop", "-n", "NAME", "-t", "10"],
        &["lxc-start", "-n", "NAME"],
        &["lxc-stop", "-n", "NAME", "-k"],
        &["lxc-copy", "-n", "NAME", "-N", "other"],
        &["lxc-snapshot", "-n", "NAME"],
        &["lxc-destroy", "-n", "NAME", "-s"],
        &["lxc-destroy", "-n", "other"],
    ] {
        let out = run(&bed, case, c.name()).ok();
        assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""), "{case:?}");
    }
}

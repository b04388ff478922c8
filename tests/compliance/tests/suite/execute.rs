//! `lxc-execute`: the command's output and its exit code.

use compliance::{Bed, Inventory};

#[test]
fn exit_codes() {
    let bed = Bed::new();
    let c = bed.container().make();
    for (command, code) in [
        (&["/bin/true"][..], 0),
        (&["/bin/sh", "-c", "exit 7"], 7),
        (&["/bin/sh", "-c", "kill -TERM $$"], 143),
        (&["/bin/sh", "-c", "kill -KILL $$"], 137),
        (&["/bin/nosuch"], 255),
    ] {
        let mut args = vec!["--"];
        args.extend(command);
        c.tool("lxc-execute", &args).expect(code);
    }
}

#[test]
fn output_and_input() {
    let bed = Bed::new();
    let c = bed.container().make();
    let out =
        c.run("lxc-execute", &["--", "/bin/sh", "-c", "cat; echo wrong >&2"]).input("given\n").output().ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("given\n", "wrong\n"));
}

#[test]
fn an_init_reaps() {
    let bed = Bed::new();
    let c = bed.container().make();
    let said = c.execute("echo $$; cat /proc/1/comm; tr '\\0' ' ' </proc/1/cmdline; echo");
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    assert_eq!(lines[0], "2", "{said}");
    assert!(lines[2].contains("init"), "{said}");
}

#[test]
fn orphans_are_waited_for() {
    let bed = Bed::new();
    let c = bed.container().make();
    c.execute("(sleep 0.3; echo late >/root/late) & exit 0");
    assert_eq!(c.read("root/late"), "late\n");
}

#[test]
fn nothing_is_left() {
    let bed = Bed::new();
    let c = bed.container().make();
    c.execute("true");
    let before = Inventory::of(&bed);
    c.execute("true");
    before.assert_restored(&bed);
}

#[test]
fn uid_and_gid() {
    let bed = Bed::new();
    let c = bed.container().make();
    let out = c.tool("lxc-execute", &["-u", "1000", "-g", "1000", "--", "/bin/id"]).ok();
    assert!(out.stdout.starts_with("uid=1000(user) gid=1000(user)"), "{}", out.stdout);
}

#[test]
fn the_command_of_the_config() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.execute.cmd = /bin/echo \"one two\" three").make();
    assert_eq!(c.tool("lxc-execute", &[]).ok().stdout, "one two three\n");
}

#[test]
fn without_a_config() {
    let bed = Bed::new();
    let c = bed.container().make();
    let out = c.tool("lxc-execute", &["-s", "lxc.uts.name=defined", "--", "/bin/hostname"]).ok();
    assert_eq!(out.stdout, "defined\n");
}

#[test]
fn as_a_daemon() {
    let bed = Bed::new();
    let c = bed.container().make();
    c.tool("lxc-execute", &["-d", "--", "/bin/sleep", "1000"]).ok();
    assert_eq!(c.state(), "RUNNING");
    c.kill();
}

#[test]
fn a_namespace_of_another_container() {
    let bed = Bed::new();
    let other = bed.container().start();
    let c = bed.container().make();
    let out = c.tool("lxc-execute", &["--share-uts", other.name(), "--", "/bin/hostname"]).ok();
    assert_eq!(out.stdout, format!("{}\n", other.name()));
    other.kill();
}

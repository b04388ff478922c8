//! `/dev`: nodes, terminals, the rules of the device controller.

use compliance::Bed;

#[test]
fn autodev() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.autodev = 1").start();
    assert_eq!(
        c.sh("cd /dev; for n in full null random tty urandom zero; do stat -c '%n %t:%T %a %F' $n; done"),
        "full 1:7 666 character special file\nnull 1:3 666 character special file\n\
         random 1:8 666 character special file\ntty 5:0 666 character special file\n\
         urandom 1:9 666 character special file\nzero 1:5 666 character special file"
    );
    assert_eq!(
        c.sh("cd /dev; for n in fd stdin stdout stderr; do readlink $n; done"),
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2"
    );
    assert_eq!(
        c.sh("ls /dev | tr '\\n' ' '"),
        "console fd full null ptmx pts random stderr stdin stdout tty urandom zero"
    );
    c.kill();
}

#[test]
fn terminals() {
    let bed = Bed::new();
    let c = bed.container().without("lxc.tty.max").config("lxc.tty.max = 3\nlxc.autodev = 1").start();
    assert_eq!(c.sh("ls /dev | grep -E '^tty[0-9]' | tr '\\n' ' '"), "tty1 tty2 tty3");
    assert_eq!(c.sh("stat -c %F /dev/tty1 /dev/console"), "character special file\ncharacter special file");
    c.kill();
}

#[test]
fn terminals_in_a_directory() {
    let bed = Bed::new();
    let c = bed
        .container()
        .without("lxc.tty.max")
        .config("lxc.tty.max = 2\nlxc.tty.dir = lxc\nlxc.autodev = 1")
        .start();
    assert_eq!(c.sh("ls /dev/lxc | tr '\\n' ' '; readlink /dev/tty1"), "console tty1 tty2 lxc/tty1");
    assert_eq!(c.sh("stat -c %F /dev/console"), "character special file");
    c.kill();
}

#[test]
fn devpts_is_its_own() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.autodev = 1").start();
    let options = c.sh("grep ' /dev/pts ' /proc/1/mounts | cut -d' ' -f4");
    for option in ["gid=5", "mode=620", "ptmxmode=666", "max=1024", "nosuid", "noexec"] {
        assert!(options.split(',').any(|o| o == option), "{option}: {options}");
    }
    assert_eq!(c.sh("stat -c %F /dev/ptmx"), "character special file");
    c.kill();
}

#[test]
fn no_console() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.console.path = none\nlxc.autodev = 1").start();
    assert_eq!(c.sh("ls /dev | grep -c console || true"), "0");
    c.kill();
}

const RULES: &str = "lxc.cgroup.devices.deny = a
                     lxc.cgroup.devices.allow = c 1:3 rwm
                     lxc.cgroup.devices.allow = c 1:5 r";

#[test]
fn rules_of_v1() {
    let bed = Bed::new();
    let c = bed.container().config(RULES).start();
    c.sh("mknod /root/null c 1 3; echo x >/root/null");
    c.attach(&["mknod", "/root/full", "c", "1", "7"]).expect(1);
    bed.host(&format!("cd {}/root; mknod zero c 1 5; mknod random c 1 8", c.rootfs().display()));
    c.sh("head -c1 /root/zero");
    c.attach(&["sh", "-c", "echo x >/root/zero"]).expect(1);
    c.attach(&["head", "-c1", "/root/random"]).expect(1);
    assert_eq!(c.tool("lxc-cgroup", &["devices.list"]).ok().stdout, "c 1:3 rwm\nc 1:5 r\n\n");
    c.tool("lxc-cgroup", &["devices.allow", "c 1:8 r"]).ok();
    c.sh("head -c1 /root/random");
    c.kill();
}

/// Nodes given to a running container, and taken away again.
#[test]
fn nodes_at_run_time() {
    let bed = Bed::new();
    let c = bed.container().config(RULES).start();
    let full = "stat -c '%t:%T %a %F %u:%g' /dev/full; head -c1 /dev/full | wc -c";
    c.tool("lxc-device", &["--", "del", "/dev/full"]).ok();
    c.attach(&["cat", "/dev/full"]).expect(1);
    for verb in ["add", "a", "add"] {
        let out = c.tool("lxc-device", &["--", verb, "/dev/full"]).ok();
        assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
        assert_eq!(c.sh(full), "1:7 644 character special file 0:0\n1", "{verb}");
    }
    assert_eq!(c.tool("lxc-cgroup", &["devices.list"]).ok().stdout, "c 1:3 rwm\nc 1:5 r\nc 1:7 rwm\n\n");
    let loop0 = bed.host("[ ! -b /dev/loop0 ] || echo yes");
    if loop0 == "yes" {
        c.tool("lxc-device", &["--", "add", "/dev/loop0"]).ok();
        assert_eq!(c.sh("stat -c '%t:%T %F' /dev/loop0"), "7:0 block special file");
        c.tool("lxc-device", &["--", "d", "/dev/loop0"]).ok();
    }
    c.tool("lxc-device", &["--", "del", "/dev/full"]).ok();
    assert_eq!(c.sh("ls /dev | grep -c -e full -e loop || true"), "0");
    assert_eq!(c.tool("lxc-cgroup", &["devices.list"]).ok().stdout, "c 1:3 rwm\nc 1:5 r\n\n");
    for wrong in [
        &["add"][..],
        &[],
        &["list", "/dev/full"],
        &["add", "/nosuch"],
        &["add", "/etc/passwd"],
        &["add", "nosuch"],
    ] {
        let args = [&["--"], wrong].concat();
        assert_eq!(c.tool("lxc-device", &args).expect(1).stdout, "", "{wrong:?}");
    }
    c.kill();
}

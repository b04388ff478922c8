//! `lxc-device`: other places inside, and containers that play tricks.

use compliance::{Bed, View};

#[test]
fn another_place_inside() {
    let bed = Bed::new();
    let c = bed.container().start();
    c.tool("lxc-device", &["--", "add", "/dev/full", "/dev/sub/dir/node"]).ok();
    assert_eq!(c.sh("stat -c '%t:%T %F' /dev/sub/dir/node"), "1:7 character special file");
    c.tool("lxc-device", &["--", "del", "/dev/full", "/dev/sub/dir/node"]).ok();
    c.attach(&["stat", "/dev/sub/dir/node"]).expect(1);
    let out = c.tool("lxc-device", &["--", "add", "/dev/full", "relative"]).expect(1);
    assert!(out.stderr.contains("must begin with a slash"), "{}", out.stderr);
    c.kill();
}

/// What the container has prepared leads nowhere.
#[test]
fn links_are_not_followed() {
    let bed = Bed::new();
    let work = bed.dir().display().to_string();
    let c = bed.container().start();
    c.sh(&format!("mkdir -p /dev/real; ln -s / /dev/out; ln -s /proc/1/root /dev/up; ln -s {work} /dev/host; ln -s real /dev/near"));
    for at in ["/dev/out/x", "/dev/up/x", "/dev/host/x", "/dev/near/x", "/../../x/../../../y"] {
        let out = c.tool("lxc-device", &["--", "add", "/dev/full", at]);
        assert!(out.code == 1 || at.contains(".."), "{at}: {out:?}");
    }
    assert_eq!(bed.host(&format!("ls {work}")), "");
    assert_eq!(bed.host("ls / | grep -cx -e x -e y || true"), "0");
    // A link in the place of the node is in the way, and stays.
    c.sh("rm -f /dev/full; ln -s /etc/passwd /dev/full");
    c.tool("lxc-device", &["--", "add", "/dev/full"]).expect(1);
    c.tool("lxc-device", &["--", "del", "/dev/full"]).expect(1);
    assert_eq!(c.sh("readlink /dev/full"), "/etc/passwd");
    c.kill();
}

#[test]
fn what_is_no_device_stays() {
    let bed = Bed::new();
    let c = bed.container().start();
    c.sh("echo text >/root/file; mknod /root/null c 1 3");
    for (verb, at) in [("add", "/root/file"), ("del", "/root/file"), ("add", "/root/null"), ("add", "/root")]
    {
        let out = c.tool("lxc-device", &["--", verb, "/dev/full", at]).expect(1);
        assert!(out.stderr.contains("something else"), "{verb} {at}: {}", out.stderr);
    }
    assert_eq!(c.sh("cat /root/file; stat -c %t:%T /root/null"), "text\n1:3");
    c.kill();
}

#[test]
fn the_program_of_cgroup2_learns() {
    let bed = Bed::with(View::Unified);
    let c = bed
        .container()
        .config("lxc.cgroup2.devices.deny = a\nlxc.cgroup2.devices.allow = c 1:3 rwm\nlxc.cgroup2.devices.allow = c 5:* rwm\nlxc.cgroup2.devices.allow = c 136:* rwm")
        .start();
    c.sh("! head -c1 /dev/full 2>/dev/null");
    c.tool("lxc-device", &["--", "add", "/dev/full"]).ok();
    assert_eq!(c.sh("head -c1 /dev/full | wc -c"), "1");
    c.sh("cp -a /dev/full /root/full");
    c.tool("lxc-device", &["--", "del", "/dev/full"]).ok();
    c.attach(&["head", "-c1", "/root/full"]).expect(1);
    c.kill();
}

#[test]
fn interfaces_come_later() {
    let bed = Bed::new();
    let c = bed.container().start();
    let out = c.tool("lxc-device", &["--", "add", "lxcbr0"]).expect(1);
    assert!(out.stderr.contains("network interface"), "{}", out.stderr);
    c.kill();
}

#[test]
fn plain_users_are_refused() {
    let bed = Bed::new();
    let tool = bed.tools().path("lxc-device").display().to_string();
    let script =
        format!("setpriv --reuid 65534 --clear-groups {tool} -n any -- add /dev/full 2>&1 || echo $?");
    let said = bed.host(&script);
    assert!(said.ends_with('1') && said.contains("root"), "{said}");
}

/// A container with ids of its own: the node is its root's.
#[test]
fn nodes_belong_to_the_mapped_root() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.idmap = u 0 700000 65536\nlxc.idmap = g 0 700000 65536\nlxc.rootfs.options = idmap=container")
        .start();
    c.tool("lxc-device", &["--", "add", "/dev/full", "/root/sub/full"]).ok();
    assert_eq!(c.sh("stat -c '%t:%T %a %u:%g' /root/sub/full; stat -c %u /root/sub"), "1:7 644 0:0\n0");
    assert_eq!(bed.host(&format!("stat -c %u {}/root/sub/full", c.rootfs().display())), "0");
    c.tool("lxc-device", &["--", "add", "/dev/full", "/root/sub/full"]).ok();
    c.tool("lxc-device", &["--", "add", "/dev/null", "/root/sub/full"]).expect(1);
    c.tool("lxc-device", &["--", "del", "/dev/full", "/root/sub/full"]).ok();
    c.attach(&["stat", "/root/sub/full"]).expect(1);
    c.kill();
}

//! Interfaces: none, empty, veth on a bridge, addresses, gateways, scripts.

use std::fs;

use compliance::{Bed, Inventory};

#[test]
fn empty_has_loopback_only() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.net.0.type = empty\nlxc.net.0.flags = up").start();
    assert_eq!(c.sh("ls /sys/class/net; cat /sys/class/net/lo/flags"), "lo\n0x9");
    c.kill();
    let c = bed.container().config("lxc.net.0.type = empty").start();
    assert_eq!(c.sh("cat /sys/class/net/lo/flags"), "0x8");
    c.kill();
}

#[test]
fn none_is_the_hosts() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.net.0.type = none").start();
    assert!(c.sh("ls /sys/class/net").lines().any(|name| name == "lxcbr0"));
    c.kill();
}

#[test]
fn a_veth_with_addresses() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config(
            "lxc.net.0.type = veth
             lxc.net.0.link = lxcbr0
             lxc.net.0.flags = up
             lxc.net.0.name = wan0
             lxc.net.0.veth.pair = tvhost0
             lxc.net.0.hwaddr = 00:16:3e:01:02:03
             lxc.net.0.mtu = 1400
             lxc.net.0.ipv4.address = 10.0.3.20/24
             lxc.net.0.ipv4.address = 10.0.4.20/24 10.0.4.255
             lxc.net.0.ipv4.gateway = 10.0.3.1
             lxc.net.0.ipv6.address = fd00:3::20/64
             lxc.net.0.ipv6.gateway = fd00:3::1",
        )
        .start();
    assert_eq!(c.sh("cat /sys/class/net/wan0/address /sys/class/net/wan0/mtu"), "00:16:3e:01:02:03\n1400");
    let addresses = c.sh("ip addr show wan0");
    for wanted in ["inet 10.0.3.20/24 ", "inet 10.0.4.20/24 brd 10.0.4.255", "inet6 fd00:3::20/64"] {
        assert!(addresses.contains(wanted), "{wanted}: {addresses}");
    }
    assert!(c.sh("ip route").contains("default via 10.0.3.1 dev wan0"));
    assert!(c.sh("ip -6 route").contains("default via fd00:3::1 dev wan0"));
    assert_eq!(bed.host("readlink /sys/class/net/tvhost0/master").rsplit('/').next(), Some("lxcbr0"));
    let host = bed.host("cat /sys/class/net/tvhost0/mtu /sys/class/net/tvhost0/address");
    assert!(host.starts_with("1400\nfe:"), "{host}");
    assert_eq!(c.sh("cat /sys/class/net/lo/flags"), "0x9");
    c.kill();
}

#[test]
fn the_gateway_of_the_bridge() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config(
            "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up
             lxc.net.0.ipv4.address = 10.0.3.21/24\nlxc.net.0.ipv4.gateway = auto",
        )
        .start();
    assert!(c.sh("ip route").contains("default via 10.0.3.1 dev eth0"));
    c.kill();
}

#[test]
fn a_gateway_by_device() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config(
            "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up
             lxc.net.0.ipv4.address = 10.0.3.22/32\nlxc.net.0.ipv4.gateway = dev",
        )
        .start();
    assert!(c.sh("ip route").contains("default dev eth0"), "{}", c.sh("ip route"));
    c.kill();
}

#[test]
fn several_interfaces() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config(
            "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0
             lxc.net.1.type = veth\nlxc.net.1.name = second
             lxc.net.3.type = veth",
        )
        .make();
    let before = Inventory::of(&bed);
    c.start().ok();
    assert_eq!(c.sh("ls /sys/class/net | sort | tr '\\n' ' '"), "eth0 eth1 lo second");
    c.kill();
    before.assert_restored(&bed);
}

#[test]
fn names_on_the_host() {
    let bed = Bed::new();
    let before: Vec<String> = bed.host("ls /sys/class/net").lines().map(str::to_owned).collect();
    let c = bed
        .container()
        .config("lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up")
        .start();
    let now = bed.host("ls /sys/class/net");
    let new: Vec<&str> = now.lines().filter(|name| !before.iter().any(|b| b == name)).collect();
    assert_eq!(new.len(), 1, "{new:?}");
    assert!(new[0].starts_with("veth") && new[0].len() == 10, "{new:?}");
    let mac = c.sh("cat /sys/class/net/eth0/address");
    assert_eq!(mac.len(), 17);
    c.kill();
}

#[test]
fn a_template_for_the_address() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.hwaddr = 00:16:3e:xx:xx:xx")
        .start();
    let mac = c.sh("cat /sys/class/net/eth0/address");
    assert!(mac.starts_with("00:16:3e:") && !mac.contains('x'), "{mac}");
    c.kill();
}

fn scripts(version: u8) -> (String, String, String) {
    let bed = Bed::new();
    let note = bed.dir().join("calls");
    let script = bed.dir().join("script");
    fs::write(
        &script,
        format!(
            "#!/bin/sh\necho \"$@\" \"[$LXC_HOOK_TYPE $LXC_HOOK_SECTION $LXC_NET_TYPE $LXC_NET_PARENT $LXC_NET_PEER $LXC_NAME]\" >>{}\n",
            note.display()
        ),
    )
    .expect("write a script");
    bed.host(&format!("chmod 755 {}", script.display()));
    let script = script.display();
    let c = bed
        .container()
        .config(&format!(
            "lxc.hook.version = {version}\nlxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up\n\
             lxc.net.0.veth.pair = tvscript\nlxc.net.0.script.up = {script}\nlxc.net.0.script.down = {script}"
        ))
        .start();
    c.kill();
    let text = fs::read_to_string(note).expect("the script's notes");
    let mut lines = text.lines().map(str::to_owned);
    let mut next = || lines.next().unwrap_or_default();
    (c.name().to_owned(), next(), next())
}

#[test]
fn scripts_of_version_0() {
    let (name, up, down) = scripts(0);
    // The variables of hook version 1 are empty.
    assert_eq!(up, format!("{name} net up veth lxcbr0 tvscript [     {name}]"));
    assert!(down.starts_with(&format!("{name} net down veth lxcbr0 tvscript [")), "{down}");
}

#[test]
fn scripts_of_version_1() {
    let (name, up, down) = scripts(1);
    assert_eq!(up, format!("veth lxcbr0 tvscript [up net veth lxcbr0 tvscript {name}]"));
    assert_eq!(down, format!("veth lxcbr0 tvscript [down net veth lxcbr0 tvscript {name}]"));
}

#[test]
fn a_failing_up_script_fails_the_start() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.script.up = /bin/false")
        .make();
    let before = Inventory::of(&bed);
    c.start().expect(1);
    before.assert_restored_by_ours(&bed);
}

#[test]
fn a_missing_bridge_fails_the_start() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.net.0.type = veth\nlxc.net.0.link = nosuchbr").make();
    let before = Inventory::of(&bed);
    let out = c.start().expect(1);
    assert_eq!(out.stdout, "");
    before.assert_restored_by_ours(&bed);
}

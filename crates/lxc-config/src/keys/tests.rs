//! What is special about single families.

use super::*;
use crate::config::{
    Capabilities, ConsolePath, HookVersion, IpvlanIsolation, IpvlanMode, NamespaceChoice, NetKind,
    ProxyAddress, SessionKeyring,
};

/// A config from lines; lines that are refused stop the test.
fn config(lines: &[&str]) -> Config {
    let mut config = Config::default();
    for line in lines {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if let Err(error) = config.set(key, value) {
            panic!("{error}");
        }
    }
    config
}

fn refused(lines: &[&str], key: &str, value: &str) -> String {
    match config(lines).set(key, value) {
        Ok(_) => panic!("{key} = {value} is not refused"),
        Err(error) => error.cause(),
    }
}

#[test]
fn automatic_mounts() {
    let auto =
        config(&["lxc.mount.auto=proc sys:ro\tcgroup", "lxc.mount.auto=cgroup:rw:force proc:rw"]).mounts.auto;
    assert_eq!(auto.cgroup.map(|cgroup| cgroup.to_string()).as_deref(), Some("cgroup:rw:force"));
    assert!(auto.proc.is_some() && auto.sys.is_some() && auto.shared.is_none());
    for (word, shown) in [
        ("cgroup", "cgroup"),
        ("cgroup:force", "cgroup:force"),
        ("cgroup-full:mixed", "cgroup-full:mixed"),
        ("cgroup2", "cgroup2"),
        ("cgroup2:ro:force", "cgroup2:ro:force"),
        ("sys", "sys:mixed"),
        ("shmounts:/a", "shmounts:/a"),
        ("shmounts:/a:/b", "shmounts:/a:/b"),
    ] {
        let config = config(&[&format!("lxc.mount.auto={word}")]);
        assert_eq!(config.get("lxc.mount.auto").unwrap(), shown, "{word}");
    }
    for word in ["proc:ro", "sys:x", "cgroups", "cgroup2:rw", "cgroup:rw:rw", "shmounts", "shmounts:a:b", "x"]
    {
        refused(&[], "lxc.mount.auto", word);
    }
    assert_eq!(config(&["lxc.mount.auto=proc shmounts:/a", "lxc.mount.auto="]), Config::default());
}

#[test]
fn capabilities() {
    let names = |config: &Config| config.get("lxc.cap.keep").unwrap();
    assert_eq!(names(&config(&["lxc.cap.keep=kill none chown", "lxc.cap.keep=0x15"])), "chown\nsys_admin\n");
    assert_eq!(config(&["lxc.cap.keep=kill none"]).caps, Capabilities::Keep(Vec::new()));
    assert_eq!(config(&["lxc.cap.keep=kill", "lxc.cap.drop="]).caps, Capabilities::All);
    refused(&["lxc.cap.keep=none"], "lxc.cap.drop", "kill");
    refused(&[], "lxc.cap.drop", "kill 64");
}

#[test]
fn network_devices() {
    let config = config(&[
        "lxc.net.7.type=veth",
        "lxc.net.7.link=br0",
        "lxc.net.007.flags=up",
        "lxc.net.2.type=ipvlan",
        "lxc.net.7.type=veth",
    ]);
    assert_eq!(config.net.iter().map(|device| device.index).collect::<Vec<_>>(), [2, 7]);
    let ipvlan = NetKind::Ipvlan { mode: IpvlanMode::L3, isolation: IpvlanIsolation::Bridge };
    assert_eq!(config.net[0].kind, ipvlan);
    assert!(config.net[1].link.is_none() && !config.net[1].up);
    assert_eq!(config.get("lxc.net").unwrap(), "ipvlan\nveth\n");
    assert_eq!(
        config.get("lxc.net.2.macvlan.mode").unwrap_err().cause(),
        "the network device 2 is no macvlan"
    );
    assert_eq!(config.get("lxc.net.1.type").unwrap_err().cause(), "there is no network device 1");
    assert_eq!(refused(&[], "lxc.net.1.veth.mode", "router"), "there is no network device 1");
    for bad in
        ["lxc.net.-1.type", "lxc.net.0x1.type", "lxc.net.2147483647.type", "lxc.net..type", "lxc.net.1x.type"]
    {
        assert!(find(bad).is_err(), "{bad}");
    }
    let broadcast = "lxc.net.0.ipv4.address=10.0.0.2/24 10.0.0.99";
    assert!(self::config(&[broadcast]).to_text().contains("10.0.0.2/24 10.0.0.99\n"));
}

#[test]
fn control_groups() {
    let lines = [
        "lxc.cgroup2.a=1",
        "lxc.cgroup2.b=2",
        "lxc.cgroup2.a=1",
        "lxc.cgroup.memory.limit=9",
        "lxc.cgroup.dir=x//y/",
    ];
    let config = config(&lines);
    assert_eq!(config.get("lxc.cgroup2.a").unwrap(), "1\n1\n");
    assert_eq!(
        config.get("lxc.cgroup2").unwrap(),
        "lxc.cgroup2.a = 1\nlxc.cgroup2.b = 2\nlxc.cgroup2.a = 1\n"
    );
    assert_eq!(config.get("lxc.cgroup").unwrap(), "lxc.cgroup.memory.limit = 9\n");
    assert_eq!(config.cgroup.dirs.both.as_deref(), Some("x/y"));
    let mut cleared = config.clone();
    cleared.set("lxc.cgroup2.a", "").unwrap();
    assert_eq!(cleared.get("lxc.cgroup2").unwrap(), "lxc.cgroup2.b = 2\n");
    assert_eq!(cleared.cgroup.legacy, config.cgroup.legacy);
    cleared.clear("lxc.cgroup").unwrap();
    assert_eq!(cleared.cgroup.dirs, config.cgroup.dirs);
}

#[test]
fn environment() {
    let look_up =
        |name: &str| (name != "GONE").then(|| if name == "EVIL" { "a\nb".into() } else { "v".into() });
    let context = Context { environment: &look_up, ..Context::default() };
    let mut config = Config::default();
    let mut set = |value| config.set_from("lxc.environment", value, &Origin::Program, &context);
    assert!(set("HOME").is_ok() && set("A=b=c").is_ok() && set("E=").is_ok());
    assert!(set("GONE").is_err() && set("EVIL").is_err() && set("=x").is_err());
    assert_eq!(config.get("lxc.environment").unwrap(), "HOME=v\nA=b=c\nE=\n");
}

#[test]
fn namespaces_and_clocks() {
    let both = config(&["lxc.namespace.keep=net", "lxc.namespace.keep=USER"]);
    assert_eq!(both.get("lxc.namespace.keep").unwrap(), "user\nnet\n");
    assert_eq!(both.get("lxc.namespace.clone").unwrap(), "");
    refused(&["lxc.namespace.keep=net"], "lxc.namespace.clone", "ipc");
    assert_eq!(
        config(&["lxc.namespace.keep=net", "lxc.namespace.keep="]).namespaces.choice,
        NamespaceChoice::Default
    );
    assert_eq!(config(&[]).get("lxc.namespace.share.net").unwrap(), "");
    assert_eq!(config(&["lxc.time.offset.boot=2h"]).get("lxc.time.offset.boot").unwrap(), "7200s\n");
}

#[test]
fn terminals() {
    let context = Context { page_size: 65536, ..Context::default() };
    let mut big = Config::default();
    big.set_from("lxc.console.size", "5KB", &Origin::Program, &context).unwrap();
    assert_eq!(big.get("lxc.console.size").unwrap(), "65536");
    assert_eq!(config(&["lxc.console.buffer.size=auto"]).get("lxc.console.buffer.size").unwrap(), "131072");
    assert_eq!(config(&["lxc.console.path=none"]).terminal.console.path, ConsolePath::Disabled);
    assert_eq!(config(&["lxc.console.path=/dev//tty8/"]).get("lxc.console.path").unwrap(), "/dev/tty8");
}

#[test]
fn root_filesystems() {
    for (text, path, written) in [
        ("/a:b", "/a:b", "/a:b"),
        ("dir:/a", "/a", "dir:/a"),
        ("overlayfs:/a:/b", "/a:/b", "overlay:/a:/b"),
        ("nbd:/img:1", "/img:1", "nbd:/img:1"),
    ] {
        let config = config(&[&format!("lxc.rootfs.path={text}")]);
        assert_eq!(config.get("lxc.rootfs.path").unwrap(), path);
        assert_eq!(config.to_text(), format!("lxc.rootfs.path = {written}\n"));
    }
    assert_eq!(config(&[]).get("lxc.rootfs.mount").unwrap(), crate::system::ROOTFS_MOUNT);
}

#[test]
fn words_with_numbers() {
    let config = config(&[
        "lxc.hook.version=01",
        "lxc.keyring.session=0x1",
        "lxc.seccomp.notify.proxy=unix:@abc",
        "lxc.arch=aarch64",
        "lxc.prlimit.core=0:unlimited",
        "lxc.prlimit.core=5",
        "lxc.sysctl.a.b=1",
        "lxc.sysctl.c=2",
        "lxc.sysctl.a.b=3",
        "lxc.proc.x=1",
        "lxc.proc.x=2",
    ]);
    assert_eq!(config.hooks.version, HookVersion::Environment);
    assert_eq!(config.lsm.session_keyring, SessionKeyring::Inherit);
    let proxy = config.seccomp.notify.proxy.as_ref().map(|proxy| &proxy.value);
    assert_eq!(proxy, Some(&ProxyAddress::Abstract("abc".into())));
    assert_eq!(config.get("lxc.arch").unwrap(), "x86_64");
    assert_eq!(config.get("lxc.prlimit").unwrap(), "lxc.prlimit.core = 5\n");
    assert_eq!(config.get("lxc.sysctl").unwrap(), "lxc.sysctl.a.b = 3\nlxc.sysctl.c = 2\n");
    assert_eq!(config.get("lxc.proc.x").unwrap(), "1\n2");
}

#[test]
fn suggestions() {
    for (name, near) in [
        ("lxc.uts.nmae", "lxc.uts.name"),
        ("lxc.net.12.ipv4.adress", "lxc.net.12.ipv4.address"),
        ("lxc.net.1.ipv6", "lxc.net.1.ipv6.address"),
        ("lxc.cgruop2.memory.max", "lxc.cgroup2.memory.max"),
        ("lxc.namespace.shar.net", "lxc.namespace.share.net"),
    ] {
        let Err(KeyError::Unknown { nearest, .. }) = find(name) else { panic!("{name} is known") };
        assert_eq!(nearest.as_deref(), Some(near), "{name}");
    }
    assert!(matches!(find("lxc.qqqqqq"), Err(KeyError::Unknown { nearest: None, .. })));
}

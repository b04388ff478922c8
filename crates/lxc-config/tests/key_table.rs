//! The table of keys, row by row.

use std::collections::BTreeSet;

use lxc_config::config::Config;
use lxc_config::keys::{self, Shape, Standing};

/// For each key a value that is not its default, with what must be set before.
const SAMPLES: &[(&str, &str)] = &[
    ("lxc.uts.name", "c1"),
    ("lxc.arch", "i686"),
    ("lxc.init.cmd", "/bin/sh -c 'a b'"),
    ("lxc.execute.cmd", "/bin/true"),
    ("lxc.init.cwd", "/root"),
    ("lxc.init.uid", "1000"),
    ("lxc.init.gid", "1001"),
    ("lxc.init.groups", "5,6"),
    ("lxc.signal.halt", "37"),
    ("lxc.signal.reboot", "15"),
    ("lxc.signal.stop", "2"),
    ("lxc.start.auto", "1"),
    ("lxc.start.delay", "5"),
    ("lxc.start.order", "-3"),
    ("lxc.start.after", "db"),
    ("lxc.group", "onboot"),
    ("lxc.ephemeral", "1"),
    ("lxc.monitor.unshare", "1"),
    ("lxc.monitor.signal.pdeath", "15"),
    ("lxc.rootfs.path", "/var/lib/lxc/c1/rootfs"),
    ("lxc.rootfs.mount", "/mnt"),
    ("lxc.rootfs.options", "ro,idmap=container"),
    ("lxc.rootfs.managed", "0"),
    ("lxc.mount.auto", "proc:mixed sys:rw cgroup:ro:force shmounts:/a:/b"),
    ("lxc.mount.fstab", "/etc/fstab"),
    ("lxc.mount.entry", "/a a none bind 0 0"),
    ("lxc.autodev", "0"),
    ("lxc.autodev.tmpfs.size", "1000000"),
    ("lxc.tty.max", "4"),
    ("lxc.tty.dir", "lxc"),
    ("lxc.pty.max", "1024"),
    ("lxc.console.path", "none"),
    ("lxc.console.logfile", "/var/log/c1"),
    ("lxc.console.rotate", "1"),
    ("lxc.console.size", "1048576"),
    ("lxc.console.buffer.size", "131072"),
    ("lxc.idmap", "u 0 100000 65536"),
    ("lxc.cap.drop", "sys_time"),
    ("lxc.cap.keep", "sys_time"),
    ("lxc.environment", "A=b"),
    ("lxc.environment.runtime", "A=b c"),
    ("lxc.environment.hooks", "A="),
    ("lxc.namespace.clone", "net"),
    ("lxc.namespace.keep", "net"),
    ("lxc.namespace.share.net", "other"),
    ("lxc.time.offset.boot", "5s"),
    ("lxc.time.offset.monotonic", "-1ns"),
    ("lxc.cgroup.memory.limit_in_bytes", "1"),
    ("lxc.cgroup2.memory.max", "1"),
    ("lxc.cgroup.dir", "a/b"),
    ("lxc.cgroup.dir.monitor", "a"),
    ("lxc.cgroup.dir.monitor.pivot", "a"),
    ("lxc.cgroup.dir.container", "a"),
    ("lxc.cgroup.dir.container.inner", "a"),
    ("lxc.cgroup.relative", "1"),
    ("lxc.apparmor.profile", "unconfined"),
    ("lxc.apparmor.allow_incomplete", "1"),
    ("lxc.apparmor.allow_nesting", "1"),
    ("lxc.apparmor.raw", "deny /x rw,"),
    ("lxc.selinux.context", "a:b:c"),
    ("lxc.selinux.context.keyring", "a:b:c"),
    ("lxc.seccomp.profile", "/p"),
    ("lxc.seccomp.allow_nesting", "1"),
    ("lxc.seccomp.notify.cookie", "x"),
    ("lxc.seccomp.notify.proxy", "unix:/run/x"),
    ("lxc.no_new_privs", "1"),
    ("lxc.keyring.session", "1"),
    ("lxc.prlimit.nofile", "1:2"),
    ("lxc.sysctl.net.ipv4.ip_forward", "1"),
    ("lxc.proc.oom_score_adj", "10"),
    ("lxc.sched.core", "1"),
    ("lxc.hook.pre-start", "/h"),
    ("lxc.hook.pre-mount", "/h"),
    ("lxc.hook.mount", "/h"),
    ("lxc.hook.autodev", "/h"),
    ("lxc.hook.start-host", "/h"),
    ("lxc.hook.start", "/h"),
    ("lxc.hook.stop", "/h"),
    ("lxc.hook.post-stop", "/h"),
    ("lxc.hook.clone", "/h"),
    ("lxc.hook.destroy", "/h"),
    ("lxc.hook.version", "1"),
    ("lxc.log.file", "/l"),
    ("lxc.log.level", "DEBUG"),
    ("lxc.log.syslog", "local3"),
    ("lxc.net.3.type", "phys"),
    ("lxc.net.3.link", "lxcbr0"),
    ("lxc.net.3.name", "eth0"),
    ("lxc.net.3.flags", "up"),
    ("lxc.net.3.hwaddr", "10:66:6a:01:02:03"),
    ("lxc.net.3.mtu", "1400"),
    ("lxc.net.3.ipv4.address", "10.0.3.2/24"),
    ("lxc.net.3.ipv4.gateway", "auto"),
    ("lxc.net.3.ipv6.address", "fd00::2/64"),
    ("lxc.net.3.ipv6.gateway", "dev"),
    ("lxc.net.3.script.up", "/u"),
    ("lxc.net.3.script.down", "/d"),
    ("lxc.net.3.l2proxy", "1"),
    ("lxc.net.3.veth.pair", "v0"),
    ("lxc.net.3.veth.mode", "router"),
    ("lxc.net.3.veth.n_rxqueues", "2"),
    ("lxc.net.3.veth.n_txqueues", "3"),
    ("lxc.net.3.veth.ipv4.route", "192.0.2.0/24"),
    ("lxc.net.3.veth.ipv6.route", "2001:db8::/32"),
    ("lxc.net.3.veth.vlan.id", "none"),
    ("lxc.net.3.veth.vlan.tagged.id", "7"),
    ("lxc.net.3.vlan.id", "100"),
    ("lxc.net.3.macvlan.mode", "vepa"),
    ("lxc.net.3.ipvlan.mode", "l2"),
    ("lxc.net.3.ipvlan.isolation", "private"),
];

/// A config in which `key` may be set.
fn prepared(key: &str) -> Config {
    let mut config = Config::default();
    let kinds = [(".veth.", "veth"), (".vlan.", "vlan"), (".macvlan.", "macvlan"), (".ipvlan.", "ipvlan")];
    if key.starts_with("lxc.net.") {
        let kind = kinds.iter().find(|(part, _)| key.contains(part)).map_or("veth", |(_, kind)| kind);
        config.set("lxc.net.3.type", kind).expect("it is a type");
    }
    config
}

#[test]
fn every_row_has_a_sample() {
    let sampled: BTreeSet<_> = SAMPLES.iter().map(|(key, _)| keys::find(key).unwrap().0.name).collect();
    for key in keys::all() {
        let wanted = matches!(key.shape, Shape::Single | Shape::List);
        assert_eq!(sampled.contains(key.name), wanted, "{}", key.name);
    }
}

#[test]
fn values_come_back() {
    for (key, value) in SAMPLES {
        let before = prepared(key);
        let mut config = before.clone();
        config.set(key, value).unwrap_or_else(|error| panic!("{error}"));
        let shown = config.get(key).unwrap();
        assert_ne!(shown, before.get(key).unwrap(), "{key}: the value is the default");
        let mut again = before.clone();
        for line in shown.lines() {
            again.set(key, line).unwrap_or_else(|error| panic!("{error}"));
        }
        assert_eq!(again.get(key).unwrap(), shown, "{key}");
        assert_eq!(again, config, "{key}");
        if *key != "lxc.net.3.type" {
            config.clear(key).unwrap();
            assert_eq!(config, before, "{key}: clear");
        }
    }
}

#[test]
fn an_empty_value_clears() {
    for (key, value) in SAMPLES.iter().filter(|(key, _)| !matches!(*key, "lxc.autodev" | "lxc.net.3.type")) {
        let before = prepared(key);
        let mut config = before.clone();
        config.set(key, value).unwrap();
        config.set(key, "").unwrap();
        assert_eq!(config, before, "{key}");
    }
    let mut config = Config::default();
    config.set("lxc.autodev", "").unwrap();
    assert!(!config.mounts.autodev);
    config.clear("lxc.autodev").unwrap();
    assert!(config.mounts.autodev);
}

#[test]
fn lists_add_and_single_values_replace() {
    for (key, value) in SAMPLES {
        let (row, _) = keys::find(key).unwrap();
        let mut once = prepared(key);
        once.set(key, value).unwrap();
        let mut twice = once.clone();
        twice.set(key, value).unwrap();
        // Sets of namespaces have every kind once.
        let adds = row.shape == Shape::List && !key.starts_with("lxc.namespace.");
        assert_eq!(once != twice, adds, "{key}");
    }
}

#[test]
fn refused_values_change_nothing() {
    let hostile = ["a\nlxc.hook.start = /x", "a\r", "a\0b"];
    for (key, value) in SAMPLES {
        for start in [prepared(key), Config::default()] {
            let mut config = start.clone();
            for bad in hostile {
                assert!(config.set(key, bad).is_err(), "{key}");
                assert_eq!(config, start, "{key}");
            }
            for doubtful in ["?\u{1}", "-1", "2", "::", "x y z", &"9".repeat(5000)] {
                let mut config = start.clone();
                if config.set(key, doubtful).is_err() {
                    assert_eq!(config, start, "{key} = {doubtful:?}");
                }
            }
            let _ = value;
        }
    }
}

#[test]
fn every_row_is_written() {
    for (key, value) in SAMPLES {
        let mut config = prepared(key);
        config.set(key, value).unwrap();
        let text = config.to_text();
        assert!(text.contains(&format!("{key} = ")), "{key}: {text}");
        let mut again = Config::default();
        for line in text.lines() {
            let (key, value) = line.split_once(" = ").unwrap();
            again.set(key, value).unwrap();
        }
        assert_eq!(again, config, "{text}");
    }
    assert_eq!(Config::default().to_text(), "");
}

#[test]
fn every_row_is_documented() {
    for family in keys::FAMILIES {
        assert!(!family.title.is_empty() && family.doc.ends_with('.'), "{}", family.title);
    }
    for key in keys::all() {
        assert!(key.doc.len() > 10 && key.doc.ends_with('.'), "{}", key.name);
        assert!(!key.doc.contains("  "), "{}", key.name);
        assert_eq!(key.values.is_empty(), key.shape == Shape::Group, "{}", key.name);
    }
}

#[test]
fn names_are_upstreams_or_ours() {
    let upstream: BTreeSet<_> = include_str!("upstream-keys.txt").lines().collect();
    let mut missing = upstream.clone();
    let mut seen = BTreeSet::new();
    for key in keys::all() {
        assert!(seen.insert(key.name), "{} is there twice", key.name);
        let known = upstream.contains(key.name);
        assert_eq!(known, key.standing == Standing::Upstream, "{}", key.name);
        missing.remove(key.name);
    }
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn groups_clear_what_is_below() {
    let groups = [
        ("lxc.net", "lxc.net.3.type", "veth"),
        ("lxc.net.3", "lxc.net.3.type", "veth"),
        ("lxc.hook", "lxc.hook.stop", "/x"),
        ("lxc.cgroup", "lxc.cgroup.a", "1"),
        ("lxc.cgroup2", "lxc.cgroup2.a", "1"),
        ("lxc.prlimit", "lxc.prlimit.core", "1"),
        ("lxc.sysctl", "lxc.sysctl.a", "1"),
        ("lxc.proc", "lxc.proc.a", "1"),
    ];
    for (group, key, value) in groups {
        for clear in [Config::clear, |config: &mut Config, group: &str| config.set(group, "").map(drop)] {
            let mut config = Config::default();
            config.set(key, value).unwrap();
            assert_ne!(config, Config::default());
            assert!(config.set(group, "x").is_err(), "{group}");
            clear(&mut config, group).unwrap();
            assert_eq!(config, Config::default(), "{group}");
        }
    }
}

#[test]
fn the_list_of_keys() {
    let config = Config::default();
    let all = config.keys("");
    assert!(
        all.iter().all(|key| config.get(key).is_ok() || ["lxc.hook", "lxc.include"].contains(&key.as_str()))
    );
    assert_eq!(config.keys("lxc.uts"), ["name"]);
    assert_eq!(config.keys("lxc.log"), ["file", "level", "syslog"]);
    assert!(config.keys("lxc.hook").contains(&"post-stop".to_owned()));
    assert!(config.keys("lxc.net.0").is_empty());
    assert!(config.keys("lxc.nothing").is_empty());
    let mut config = Config::default();
    config.set("lxc.net.0.type", "macvlan").unwrap();
    let device = config.keys("lxc.net.0");
    for (key, there) in
        [("type", true), ("hwaddr", true), ("macvlan.mode", true), ("veth.pair", false), ("", false)]
    {
        assert_eq!(device.contains(&key.to_owned()), there, "{key}");
    }
}

//! Which namespaces a container has, keeps and shares.

use compliance::{Bed, Container};

const KINDS: &[&str] = &["mnt", "pid", "uts", "ipc", "net", "cgroup", "user", "time"];

/// The kinds in which init is apart from the host.
fn own(bed: &Bed, c: &Container<'_>) -> Vec<&'static str> {
    let init = c.init();
    KINDS
        .iter()
        .copied()
        .filter(|kind| {
            bed.host(&format!("readlink /proc/{init}/ns/{kind}"))
                != bed.host(&format!("readlink /proc/self/ns/{kind}"))
        })
        .collect()
}

#[test]
fn the_default() {
    let bed = Bed::new();
    let c = bed.container().start();
    assert_eq!(own(&bed, &c), ["mnt", "pid", "uts", "ipc", "net", "cgroup"]);
    c.kill();
}

#[test]
fn kept() {
    let bed = Bed::new();
    let c = bed.container().without("lxc.uts.name").config("lxc.namespace.keep = user net ipc time").start();
    assert_eq!(own(&bed, &c), ["mnt", "pid", "uts", "cgroup"]);
    c.kill();
}

#[test]
fn cloned() {
    let bed = Bed::new();
    let c = bed.container().without("lxc.uts.name").config("lxc.namespace.clone = mnt pid net").start();
    assert_eq!(own(&bed, &c), ["mnt", "pid", "net"]);
    c.kill();
}

#[test]
fn no_network_means_the_hosts() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.net.0.type = none").start();
    assert!(!own(&bed, &c).contains(&"net"));
    c.kill();
}

#[test]
fn shared_by_name_pid_and_path() {
    let bed = Bed::new();
    let first = bed.container().start();
    let init = first.init();
    bed.host(&format!(
        "mkdir -p {0}; touch {0}/net; mount --bind /proc/{init}/ns/net {0}/net",
        bed.dir().display()
    ));
    let path = format!("{}/net", bed.dir().display());
    let pid = init.to_string();
    for (kind, value) in
        [("net", first.name()), ("net", &pid), ("net", &path), ("uts", first.name()), ("ipc", &pid)]
    {
        let mut draft = bed.container().config(&format!("lxc.namespace.share.{kind} = {value}"));
        if kind == "uts" {
            draft = draft.without("lxc.uts.name");
        }
        let c = draft.without("lxc.net.0").start();
        assert_eq!(
            bed.host(&format!("readlink /proc/{}/ns/{kind}", c.init())),
            bed.host(&format!("readlink /proc/{init}/ns/{kind}")),
            "{kind} {value}"
        );
        assert!(own(&bed, &c).contains(&"mnt"));
        c.kill();
    }
    bed.host(&format!("umount {path}"));
    first.kill();
}

#[test]
fn sharing_with_nobody_fails() {
    let bed = Bed::new();
    for value in ["nosuch", "/nosuch", "999999"] {
        let c = bed.container().config(&format!("lxc.namespace.share.ipc = {value}")).make();
        assert_eq!(c.start().code, 1, "{value}");
    }
}

#[test]
fn a_shared_pid_namespace() {
    let bed = Bed::new();
    let first = bed.container().start();
    let c = bed
        .container()
        .config(&format!("lxc.namespace.share.pid = {}\nlxc.init.cmd = /bin/sleep 1000", first.name()))
        .start();
    assert_eq!(
        bed.host(&format!("readlink /proc/{}/ns/pid", c.init())),
        bed.host(&format!("readlink /proc/{}/ns/pid", first.init()))
    );
    c.kill();
    first.kill();
}

#[test]
fn time_offsets() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.time.offset.boot = 240h\nlxc.time.offset.monotonic = 5h").start();
    let inside: f64 = c.sh("cut -d' ' -f1 /proc/uptime").parse().expect("seconds");
    let outside: f64 = bed.host("cut -d' ' -f1 /proc/uptime").parse().expect("seconds");
    let offset = inside - outside;
    assert!((863_990.0..864_010.0).contains(&offset), "{offset}");
    assert!(own(&bed, &c).contains(&"time"));
    c.kill();
}

#[test]
fn a_shared_namespace_by_option() {
    let bed = Bed::new();
    let first = bed.container().start();
    let c = bed.container().make();
    c.tool("lxc-start", &["--share-ipc", first.name()]).ok();
    assert_eq!(
        bed.host(&format!("readlink /proc/{}/ns/ipc", c.init())),
        bed.host(&format!("readlink /proc/{}/ns/ipc", first.init()))
    );
    c.kill();
    first.kill();
}

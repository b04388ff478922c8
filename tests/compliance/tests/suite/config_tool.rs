//! `lxc-config`.

use compliance::Bed;

#[test]
fn items() {
    let bed = Bed::new();
    let list = "lxc.default_config\nlxc.lxcpath\nlxc.bdev.lvm.vg\nlxc.bdev.lvm.thin_pool\nlxc.bdev.zfs.root\n\
                lxc.cgroup.use\nlxc.cgroup.pattern\n";
    for (args, out, code) in [
        (&["-l"][..], list, 0),
        (&["lxc.lxcpath"], "/var/lib/lxc\n", 0),
        (&["lxc.default_config"], "/etc/lxc/default.conf\n", 0),
        (&["lxc.bdev.lvm.vg"], "lxc\n", 0),
        (&["lxc.bdev.lvm.thin_pool"], "lxc\n", 0),
        (&["lxc.bdev.zfs.root"], "lxc\n", 0),
        (&["lxc.cgroup.use"], "lxc.cgroup.use is not set.\n", 0),
        (&["lxc.nosuch"], "Unknown configuration item: lxc.nosuch\n", 1),
    ] {
        let said = bed.tool("lxc-config", args).expect(code);
        assert_eq!(said.stdout, out, "{args:?}");
        assert_eq!(said.stderr, "", "{args:?}");
    }
}

#[test]
fn beginnings_of_items_do() {
    let bed = Bed::new();
    assert_eq!(bed.tool("lxc-config", &["lxc.l"]).ok().stdout, "/var/lib/lxc\n");
}

#[test]
fn help() {
    let bed = Bed::new();
    for args in [&[][..], &["-h"], &["--help"]] {
        let out = bed.tool("lxc-config", args).ok();
        assert!(out.stdout.contains("lxc-config -l"), "{args:?}: {}", out.stdout);
    }
}

//! `lxc-update-config`: old names to new ones.

use compliance::Bed;

/// What becomes of a text, and that it is kept beside.
fn updated(bed: &Bed, text: &str) -> String {
    let file = bed.dir().join("config");
    std::fs::write(&file, text).expect("a config");
    bed.tool("lxc-update-config", &["-c", &file.display().to_string()]).ok();
    let kept = std::fs::read_to_string(bed.dir().join("config.backup")).expect("a backup");
    assert_eq!(kept, text);
    std::fs::read_to_string(&file).expect("the config")
}

const RENAMED: [(&str, &str); 28] = [
    ("lxc.id_map = u 0 100000 65536", "lxc.idmap = u 0 100000 65536"),
    ("lxc.pts = 10", "lxc.pty.max = 10"),
    ("lxc.tty = 4", "lxc.tty.max = 4"),
    ("lxc.devttydir = lxc", "lxc.tty.dir = lxc"),
    ("lxc.aa_profile = unconfined", "lxc.apparmor.profile = unconfined"),
    ("lxc.aa_allow_incomplete = 1", "lxc.apparmor.allow_incomplete = 1"),
    ("lxc.se_context = a", "lxc.selinux.context = a"),
    ("lxc.mount = /a/fstab", "lxc.mount.fstab = /a/fstab"),
    ("lxc.mount.entry = proc proc proc", "lxc.mount.entry = proc proc proc"),
    ("lxc.utsname = a", "lxc.uts.name = a"),
    ("lxc.seccomp = /p", "lxc.seccomp.profile = /p"),
    ("lxc.console = none", "lxc.console.path = none"),
    ("lxc.console.logfile = /l", "lxc.console.logfile = /l"),
    ("lxc.haltsignal = SIGPWR", "lxc.signal.halt = SIGPWR"),
    ("lxc.rebootsignal=1", "lxc.signal.reboot=1"),
    ("lxc.stopsignal\t= 9", "lxc.signal.stop\t= 9"),
    ("lxc.syslog = daemon", "lxc.log.syslog = daemon"),
    ("lxc.loglevel = 1", "lxc.log.level = 1"),
    ("lxc.logfile = /f", "lxc.log.file = /f"),
    ("lxc.init_cmd = /init", "lxc.init.cmd = /init"),
    ("lxc.init_uid = 0", "lxc.init.uid = 0"),
    ("lxc.init_gid = 0", "lxc.init.gid = 0"),
    ("# lxc.utsname = b # lxc.utsname = c", "# lxc.uts.name = b # lxc.uts.name = c"),
    (" xlxc.utsname = b", " xlxc.uts.name = b"),
    ("lxc.utsname", "lxc.utsname"),
    ("lxc.utsnamefoo = e", "lxc.utsnamefoo = e"),
    ("lxcxutsname = e", "lxcxutsname = e"),
    ("LXC.ID_MAP = 3", "LXC.ID_MAP = 3"),
];

#[test]
fn names() {
    let bed = Bed::new();
    let text = |side: fn(&(&'static str, &'static str)) -> &'static str| {
        RENAMED.iter().map(|pair| format!("{}\n", side(pair))).collect::<String>()
    };
    assert_eq!(updated(&bed, &text(|pair| pair.0)), text(|pair| pair.1));
    assert_eq!(updated(&bed, "lxc.utsname = no end of line"), "lxc.uts.name = no end of line");
    let new = "lxc.rootfs.path = dir:/a\nlxc.net.0.type = veth\n";
    assert_eq!(updated(&bed, new), new);
    assert_eq!(updated(&bed, ""), "");
}

#[test]
fn lines_that_go() {
    let bed = Bed::new();
    for gone in
        ["lxc.kmsg = 1", "lxc.kmsg=1", "#lxc.kmsg = 0", " lxc.pivotdir = x", "lxc.rootfs.backend = dir"]
    {
        assert_eq!(updated(&bed, &format!("a\n{gone}\nb\n")), "a\nb\n", "{gone}");
    }
    for stays in ["lxc.kmsg", "lxc.kmsgx = 0", "lxc.pivotdir", "lxc.rootfs.backendx = 3"] {
        assert_eq!(updated(&bed, &format!("{stays}\n")), format!("{stays}\n"));
    }
}

#[test]
fn roots() {
    let bed = Bed::new();
    for (old, new) in [
        ("lxc.rootfs = /a", "lxc.rootfs.path = dir:/a"),
        ("lxc.rootfs=/a", "lxc.rootfs.path=dir:/a"),
        ("lxc.rootfs\t= /a", "lxc.rootfs.path\t= dir:/a"),
        ("#lxc.rootfs = /a", "#lxc.rootfs.path = dir:/a"),
        ("lxc.rootfs", "lxc.rootfs"),
        ("lxc.rootfs /x", "lxc.rootfs /x"),
        ("lxc.rootfs.path = /x", "lxc.rootfs.path = /x"),
        ("lxc.rootfs.mount = /x", "lxc.rootfs.mount = /x"),
        ("lxc.rootfs = /a\nlxc.rootfs.backend = btrfs", "lxc.rootfs.path = btrfs:/a"),
    ] {
        assert_eq!(updated(&bed, &format!("{old}\n")), format!("{new}\n"));
    }
}

#[test]
fn networks() {
    let bed = Bed::new();
    let old = "lxc.network.type = veth\nlxc.network.link = lxcbr0\nlxc.network.ipv4 = 1.2.3.4\n\
               lxc.network.ipv4.gateway = auto\nlxc.network.ipv6=::1\nlxc.network.hwaddr = 00:16:3e:xx:xx:xx\n\
               lxc.network.type=veth\nlxc.network.veth.pair = v\n#lxc.network.type = macvlan\n\
               lxc.network.script.up = /x\nlxc.network.5.type = empty\nlxc.network.5.link = a\n\
               lxc.network.link = b\nlxc.network = \nlxc.networks.type = c\nlxc.network\n";
    let new = "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.ipv4.address = 1.2.3.4\n\
               lxc.net.0.ipv4.gateway = auto\nlxc.net.0.ipv6.address=::1\nlxc.net.0.hwaddr = 00:16:3e:xx:xx:xx\n\
               lxc.net.1.type=veth\nlxc.net.1.veth.pair = v\n#lxc.net.2.type = macvlan\n\
               lxc.net.2.script.up = /x\nlxc.net.5.type = empty\nlxc.net.5.link = a\n\
               lxc.net.2.link = b\nlxc.net = \nlxc.networks.type = c\nlxc.network\n";
    assert_eq!(updated(&bed, old), new);
}

#[test]
fn command_lines() {
    let bed = Bed::new();
    let file = bed.dir().join("config").display().to_string();
    for (args, code) in [
        (&[][..], 0),
        (&["-h"], 0),
        (&["--help"], 0),
        (&["-c"], 1),
        (&["-c", "/nosuch"], 1),
        (&["-c", "/var/tmp"], 1),
        (&["-x"], 1),
        (&["/nosuch"], 1),
    ] {
        let out = bed.tool("lxc-update-config", args).expect(code);
        assert_eq!(out.stdout.contains("lxc-update-config"), code == 0, "{args:?}");
    }
    for args in [&["-c", &file][..], &["--config", &file], &["--config", &file, "more"]] {
        std::fs::write(&file, "lxc.tty = 1\n").expect("a config");
        let out = bed.tool("lxc-update-config", args).ok();
        assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
        assert_eq!(std::fs::read_to_string(&file).expect("a config"), "lxc.tty.max = 1\n", "{args:?}");
    }
    let attached = format!("--config={file}");
    std::fs::write(&file, "lxc.tty = 1\n").expect("a config");
    bed.tool("lxc-update-config", &[&attached]).ok();
    assert_eq!(std::fs::read_to_string(&file).expect("a config"), "lxc.tty.max = 1\n");
}

//! A hundred broken configurations: the first line that `lxc-start` says names what is wrong.

use compliance::Bed;

/// The lines that break a configuration, and the word that has to be in the first line of the error.
const BROKEN: &[(&str, &str)] = &[
    ("lxc.nosuch = 1", "lxc.nosuch"),
    ("lxc.utsname = a", "lxc.utsname"),
    ("lxc.rootfs = /x", "lxc.rootfs"),
    ("lxc.network.type = veth", "lxc.network.type"),
    ("lxc.tty = 4", "lxc.tty"),
    ("lxc.pts = 10", "lxc.pts"),
    ("lxc.mount = /etc/fstab", "lxc.mount"),
    ("lxc.console = none", "lxc.console"),
    ("lxc.id_map = u 0 1 2", "lxc.id_map"),
    ("lxc.aa_profile = x", "lxc.aa_profile"),
    ("lxc.se_context = x", "lxc.se_context"),
    ("lxc.kmsg = 1", "lxc.kmsg"),
    ("lxc.haltsignal = SIGPWR", "lxc.haltsignal"),
    ("lxc.loglevel = INFO", "lxc.loglevel"),
    ("lxc.logfile = /x", "lxc.logfile"),
    ("lxc.seccomp = /x", "lxc.seccomp"),
    ("lxc.init_cmd = /x", "lxc.init_cmd"),
    ("lxc.devttydir = lxc", "lxc.devttydir"),
    ("lxc.rootfs.backend = dir", "lxc.rootfs.backend"),
    ("lxc.pivotdir = x", "lxc.pivotdir"),
    ("lxc.netw.0.type = veth", "lxc.netw.0.type"),
    ("lxc.uts.nmae = a", "lxc.uts.nmae"),
    ("lxc.hook.prestart = x", "lxc.hook.prestart"),
    ("lxc.cgroupx.memory = 1", "lxc.cgroupx.memory"),
    ("lxc.mount.entri = x", "lxc.mount.entri"),
    ("lxc.uts.name", "lxc.uts.name"),
    ("lxc.arch = nosuch", "nosuch"),
    ("lxc.tty.max = many", "many"),
    ("lxc.tty.max = -1", "-1"),
    ("lxc.pty.max = 1x", "1x"),
    ("lxc.autodev = 2", "2"),
    ("lxc.autodev = yes", "yes"),
    ("lxc.ephemeral = 7", "7"),
    ("lxc.start.auto = maybe", "maybe"),
    ("lxc.start.delay = soon", "soon"),
    ("lxc.start.order = first", "first"),
    ("lxc.signal.halt = SIGNOSUCH", "SIGNOSUCH"),
    ("lxc.signal.stop = 99", "99"),
    ("lxc.signal.reboot = nosuch", "nosuch"),
    ("lxc.idmap = x 0 1 2", "lxc.idmap"),
    ("lxc.idmap = u 0 1", "lxc.idmap"),
    ("lxc.idmap = u zero 1 2", "zero"),
    ("lxc.net.0.type = nosuch", "nosuch"),
    ("lxc.net.0.hwaddr = 00:zz", "00:zz"),
    ("lxc.net.0.mtu = wide", "wide"),
    ("lxc.net.0.ipv4.address = 10.0.0.300/24", "10.0.0.300"),
    ("lxc.net.0.ipv4.address = 10.0.0.1/99", "99"),
    ("lxc.net.0.ipv6.address = fd00::g/64", "fd00::g"),
    ("lxc.net.0.ipv4.gateway = nowhere", "nowhere"),
    ("lxc.net.0.ipv6.gateway = nowhere", "nowhere"),
    ("lxc.net.0.nosuch = 1", "lxc.net.0.nosuch"),
    ("lxc.net.x.type = veth", "lxc.net.x.type"),
    ("lxc.namespace.keep = nosuch", "nosuch"),
    ("lxc.namespace.clone = nosuch", "nosuch"),
    ("lxc.mount.auto = nosuch", "nosuch"),
    ("lxc.mount.auto = proc:nosuch", "proc:nosuch"),
    ("lxc.no_new_privs = 2", "2"),
    ("lxc.prlimit.nofile = lots", "lots"),
    ("lxc.prlimit.nosuch = 1", "nosuch"),
    ("lxc.cgroup.relative = 2", "2"),
    ("lxc.log.level = LOUD", "LOUD"),
    ("lxc.log.syslog = nosuch", "nosuch"),
    ("lxc.hook.version = 2", "2"),
    ("lxc.init.uid = root", "root"),
    ("lxc.init.gid = -5", "-5"),
    ("lxc.init.groups = a,b", "\"a\""),
    ("lxc.console.buffer.size = big", "big"),
    ("lxc.console.rotate = 2", "2"),
    ("lxc.rootfs.managed = 2", "2"),
    ("lxc.time.offset.boot = 10x", "10x"),
    ("lxc.time.offset.monotonic = x", "x"),
    ("lxc.keyring.session = 2", "2"),
    ("lxc.seccomp.allow_nesting = 2", "2"),
    ("lxc.sched.core = 2", "2"),
    ("lxc.personality = x", "lxc.personality"),
    ("lxc.cap.drop = no_such_capability", "no_such_capability"),
    ("lxc.cap.keep = no_such_capability", "no_such_capability"),
    ("lxc.include = /nosuch.conf", "/nosuch.conf"),
    ("lxc.mount.entry = /nosuch mnt none bind 0 0", "mount"),
    ("lxc.mount.entry = tmpfs nosuch tmpfs defaults 0 0", "mount"),
    ("lxc.mount.fstab = /nosuch/fstab", "/nosuch/fstab"),
    ("lxc.net.0.type = veth\nlxc.net.0.link = nosuchbr", "nosuchbr"),
    ("lxc.seccomp.profile = /nosuch/policy", "/nosuch/policy"),
    ("lxc.namespace.share.net = nosuch-container", "nosuch-container"),
    ("lxc.namespace.share.net = /nosuch/ns", "/nosuch/ns"),
    ("lxc.hook.pre-start = /nosuch/hook", "pre-start"),
    ("lxc.hook.mount = /nosuch/hook", "mount"),
    ("lxc.hook.start = /nosuch/hook", "/nosuch/hook"),
    ("lxc.init.cmd = /nosuch/init", "/nosuch/init"),
    ("lxc.sysctl.kernel.nosuch = 1", "kernel.nosuch"),
    ("lxc.proc.nosuch = 1", "nosuch"),
    ("lxc.cgroup.pids.max = lots", "pids.max"),
    ("lxc.cgroup.pids.nosuch = 1", "pids.nosuch"),
    ("lxc.rootfs.path = dir:/nosuch/rootfs", "/nosuch/rootfs"),
    ("lxc.rootfs.path = overlay:/proc/nosuch/lower:/proc/nosuch/upper", "/proc/nosuch/lower"),
    ("lxc.rootfs.mount = /nosuch/mount", "/nosuch/mount"),
    ("lxc.cgroup.dir = ../escape", "../escape"),
    ("lxc.cgroup.dir.monitor = only", "lxc.cgroup.dir"),
    ("lxc.cap.keep = chown\nlxc.cap.drop = setuid", "lxc.cap."),
    (
        "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.script.up = /nosuch/script",
        "/nosuch/script",
    ),
];

#[test]
fn there_are_a_hundred() {
    assert!(BROKEN.len() >= 100, "{}", BROKEN.len());
}

#[test]
fn the_first_line_names_the_culprit() {
    let bed = Bed::new();
    let mut wrong = Vec::new();
    for (lines, culprit) in BROKEN {
        let c = bed.container().config(lines).make();
        let out = c.start();
        let first = out.stderr.lines().next().unwrap_or_default();
        if out.code != 1 || !first.starts_with("lxc-start: ") || !first.contains(culprit) {
            wrong.push(format!("{lines:?}: exit code {}, {culprit:?} is not in: {first}", out.code));
        }
        if out.code == 0 {
            drop(c.tool("lxc-stop", &["-k"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), BROKEN.len(), wrong.join("\n"));
}

#[test]
fn old_names_lead_to_the_new_ones() {
    let bed = Bed::new();
    for (old, new) in [
        ("lxc.utsname = a", "lxc.uts.name"),
        ("lxc.rootfs = /x", "lxc.rootfs.path"),
        ("lxc.network.type = veth", "lxc.net"),
        ("lxc.id_map = u 0 1 2", "lxc.idmap"),
        ("lxc.tty = 4", "lxc.tty.max"),
    ] {
        let c = bed.container().config(old).make();
        let out = c.start().expect(1);
        assert!(out.stderr.contains(new), "{old}: {}", out.stderr);
    }
}

//! What init is: environment, ids, capabilities, limits, sysctls, personality.

use compliance::Bed;

fn environment_of(bed: &Bed, pid: u32) -> Vec<String> {
    let text = bed.host(&format!("tr '\\0' '\\n' </proc/{pid}/environ"));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn environment() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.environment = FIRST=1\nlxc.environment = SECOND=a b").make();
    c.run("lxc-start", &[]).env("OTHER", "gone").output().ok();
    assert_eq!(environment_of(&bed, c.init()), ["FIRST=1", "SECOND=a b", "container=lxc"]);
    c.kill();
}

#[test]
fn ids_and_groups() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.init.uid = 1000\nlxc.init.gid = 1001\nlxc.init.cmd = /bin/sleep 1000")
        .start();
    let ids = bed.host(&format!("grep -E '^(Uid|Gid|Groups)' /proc/{}/status", c.init()));
    assert_eq!(ids, "Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\nGroups:");
    c.kill();
}

#[test]
fn supplementary_groups() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.init.groups = 20,30\nlxc.init.groups = 40\nlxc.init.cmd = /bin/sleep 1000")
        .start();
    let groups = bed.host(&format!("grep ^Groups /proc/{}/status", c.init()));
    assert_eq!(groups.split_whitespace().collect::<Vec<_>>(), ["Groups:", "20", "30", "40"]);
    c.kill();
}

#[test]
fn no_groups_of_the_caller() {
    let bed = Bed::new();
    let c = bed.container().start();
    let groups = bed.host(&format!("grep ^Groups /proc/{}/status", c.init()));
    assert_eq!(groups.trim(), "Groups:");
    c.kill();
}

#[test]
fn working_directory() {
    let bed = Bed::new();
    let c = bed
        .container()
        .file("there/file", "")
        .config("lxc.init.cwd = /there")
        .init("pwd >/root/cwd; exec sleep 1000")
        .start();
    assert_eq!(c.wait_file("root/cwd"), "/there\n");
    c.kill();
}

#[test]
fn capabilities_dropped() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.cap.drop = sys_time sys_module\nlxc.cap.drop = mac_admin").start();
    let bounding =
        c.sh("grep CapBnd /proc/1/status").split('\t').nth(1).map(|hex| u64::from_str_radix(hex, 16));
    let Some(Ok(bounding)) = bounding else { panic!("no CapBnd") };
    for (name, bit) in [("sys_time", 25), ("sys_module", 16), ("mac_admin", 33)] {
        assert_eq!(bounding >> bit & 1, 0, "{name}");
    }
    assert_eq!(bounding >> 21 & 1, 1, "sys_admin");
    c.kill();
}

#[test]
fn capabilities_kept() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.cap.keep = chown sys_admin").start();
    assert_eq!(c.sh("grep CapBnd /proc/1/status"), "CapBnd:\t0000000000200001");
    c.kill();
    let c = bed.container().config("lxc.cap.keep = none").start();
    assert_eq!(c.sh("grep CapBnd /proc/1/status"), "CapBnd:\t0000000000000000");
    c.kill();
}

#[test]
fn keeping_and_dropping_exclude_each_other() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.cap.keep = chown\nlxc.cap.drop = setuid").make();
    c.start().expect(1);
    let c = bed.container().config("lxc.cap.drop = no_such_capability").make();
    c.start().expect(1);
}

#[test]
fn limits() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.prlimit.nofile = 123:456\nlxc.prlimit.core = unlimited\nlxc.prlimit.nproc = 77")
        .start();
    let limits = bed.host(&format!("cat /proc/{}/limits", c.init()));
    let of = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).expect("a limit");
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("Max open files"), ["123", "456"]);
    assert_eq!(of("Max core file size"), ["unlimited", "unlimited"]);
    assert_eq!(of("Max processes"), ["77", "77"]);
    c.kill();
}

#[test]
fn sysctls_and_proc() {
    let bed = Bed::new();
    let c = bed
        .container()
        .without("lxc.mount.auto")
        .config("lxc.mount.auto = proc:rw\nlxc.sysctl.net.ipv4.ip_forward = 1\nlxc.sysctl.kernel.msgmax = 4242\nlxc.proc.oom_score_adj = 321")
        .start();
    assert_eq!(
        c.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/1/oom_score_adj"),
        "1\n4242\n321"
    );
    c.kill();
    let c = bed.container().config("lxc.sysctl.kernel.nosuch = 1").make();
    c.start().expect(1);
}

#[test]
fn no_new_privs() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.no_new_privs = 1").start();
    assert_eq!(c.sh("grep NoNewPrivs /proc/1/status"), "NoNewPrivs:\t1");
    c.kill();
    let c = bed.container().start();
    assert_eq!(c.sh("grep NoNewPrivs /proc/1/status"), "NoNewPrivs:\t0");
    c.kill();
}

#[test]
fn personality() {
    let bed = Bed::new();
    for (arch, machine) in [("i686", "i686"), ("linux32", "i686"), ("x86_64", "x86_64"), ("amd64", "x86_64")]
    {
        let c =
            bed.container().config(&format!("lxc.arch = {arch}")).at_boot("uname -m >/root/machine").start();
        assert_eq!(c.wait_file("root/machine"), format!("{machine}\n"), "{arch}");
        assert_eq!(c.sh("uname -m"), machine, "attach: {arch}");
        c.kill();
    }
}

#[test]
fn the_host_name() {
    let bed = Bed::new();
    let c = bed.container().start();
    assert_eq!(c.sh("hostname"), c.name());
    c.kill();
}

#[test]
fn the_session_keyring_is_its_own() {
    let bed = Bed::new();
    let c = bed.container().start();
    let host = bed.host("cat /proc/keys 2>/dev/null | grep -c _ses || true");
    let inside = c.sh("cat /proc/keys 2>/dev/null | grep -c _ses || true");
    assert!(!inside.is_empty() && !host.is_empty());
    c.kill();
}

#[test]
fn open_files_do_not_leak() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.init.cmd = /bin/sleep 1000").start();
    assert_eq!(bed.host(&format!("ls /proc/{}/fd", c.init())), "0\n1\n2");
    c.kill();
}

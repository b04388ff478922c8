//! Where Debian's LXC is plainly wrong, or older than what we follow: see `doc/differences.md`.

use compliance::Bed;

#[test]
fn bind_mounts_take_their_restrictions() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config(&format!(
            "lxc.mount.entry = {} mnt none bind,nosuid,nodev,noexec,noatime 0 0",
            bed.dir().display()
        ))
        .start();
    let options = c.sh("grep ' /mnt ' /proc/1/mountinfo | cut -d' ' -f6");
    for wanted in ["nosuid", "nodev", "noexec", "noatime"] {
        assert!(options.split(',').any(|option| option == wanted), "{wanted}: {options}");
    }
    c.kill();
}

#[test]
fn init_cmd_takes_quotes() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.init.cmd = /root/init \"one two\" 'three' four")
        .file("root/init", "#!/bin/sh\necho \"$#:$1:$2:$3\" >/root/got\nexec sleep 1000\n")
        .start();
    assert_eq!(c.wait_file("root/got"), "3:one two:three:four\n");
    c.kill();
}

#[test]
fn a_missing_working_directory_is_made() {
    let bed = Bed::new();
    let c =
        bed.container().config("lxc.init.cwd = /made/here").init("pwd >/root/cwd; exec sleep 1000").start();
    assert_eq!(c.wait_file("root/cwd"), "/made/here\n");
    c.kill();
}

#[test]
fn cgroup2_settings_on_a_hybrid_host() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.cgroup2.cgroup.max.descendants = 33\nlxc.cgroup2.devices.deny = a\nlxc.cgroup2.devices.allow = c 1:3 rwm")
        .start();
    let unified = bed.host("grep ' cgroup2 ' /proc/1/mounts | head -n1 | cut -d' ' -f2");
    let file = format!("{unified}/lxc.payload.{}/cgroup.max.descendants", c.name());
    assert_eq!(bed.host(&format!("cat {file}")), "33");
    c.sh("mknod /root/null c 1 3; echo x >/root/null");
    c.attach(&["mknod", "/root/full", "c", "1", "7"]).expect(1);
    c.kill();
}

#[test]
fn leftovers_do_not_change_the_name() {
    let bed = Bed::new();
    let c = bed.container().make();
    bed.host(&format!(
        "for d in $(grep -E ' cgroup2? ' /proc/1/mounts | cut -d' ' -f2); do mkdir $d/lxc.payload.{0} $d/lxc.monitor.{0}; done",
        c.name()
    ));
    c.start().ok();
    let places = bed.host(&format!("cut -d: -f3 /proc/{}/cgroup | sort -u", c.init()));
    assert_eq!(places, format!("/lxc.payload.{}", c.name()));
    c.kill();
}

#[test]
fn freezing_is_quick() {
    let bed = Bed::new();
    let c = bed.container().start();
    let begin = std::time::Instant::now();
    for _ in 0..5 {
        c.tool("lxc-freeze", &[]).ok();
        c.tool("lxc-unfreeze", &[]).ok();
    }
    assert!(begin.elapsed() < std::time::Duration::from_secs(2), "{:?}", begin.elapsed());
    c.kill();
}

#[test]
fn an_errors_cause_comes_first() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.mount.entry = /nosuch/dir mnt none bind 0 0").make();
    let out = c.start().expect(1);
    let lines: Vec<&str> = out.stderr.lines().collect();
    assert!(lines[0].starts_with(&format!("lxc-start: {}: ", c.name())), "{}", out.stderr);
    let all = out.stderr.as_str();
    for wanted in ["/nosuch/dir", "No such file or directory", "line 6"] {
        assert!(all.contains(wanted), "{wanted}: {all}");
    }
    assert!(!all.contains("run the container in foreground"), "{all}");
}

#[test]
fn old_configs_become_good_ones() {
    let bed = Bed::new();
    let file = bed.dir().join("old");
    let old = "lxc.network.link = early\nlxc.network.2.ipv4 = 10.0.0.1/24\nlxc.limit.nofile = 5\n\
               lxc.rootfs.backend=overlay\nlxc.rootfs = \"/a b\"\n#lxc.rootfs = btrfs:/c\n# lxc.rootfs =\n";
    std::fs::write(&file, old).expect("a config");
    bed.tool("lxc-update-config", &["-c", &file.display().to_string()]).ok();
    let new = "lxc.net.0.link = early\nlxc.net.2.ipv4.address = 10.0.0.1/24\nlxc.prlimit.nofile = 5\n\
               lxc.rootfs.path = \"overlay:/a b\"\n#lxc.rootfs.path = btrfs:/c\n# lxc.rootfs.path =\n";
    assert_eq!(std::fs::read_to_string(&file).expect("the config"), new);
}

//! `lxc-containers`: what the host's service manager runs.

use std::path::PathBuf;

use compliance::{Bed, Output, Run, Side};

/// The script, in a bed with settings of its own.
struct Script<'a> {
    bed: &'a Bed,
    path: PathBuf,
}

impl<'a> Script<'a> {
    fn new(bed: &'a Bed, settings: &str) -> Self {
        let path = match bed.tools().side() {
            Side::Upstream => PathBuf::from("/usr/libexec/lxc/lxc-containers"),
            Side::Ours => bed.tools().bin().join("../libexec/lxc/lxc-containers"),
        };
        let dir = bed.dir();
        let text = format!("USE_LXC_BRIDGE=false\n{settings}\n");
        std::fs::write(dir.join("defaults"), text).expect("settings");
        bed.host(&format!(
            "mkdir {0}/default; for file in lxc lxc-net; do cp {0}/defaults {0}/default/$file; done; \
             mount --bind {0}/default /etc/default; mount -t tmpfs tmpfs /run/lock",
            dir.display()
        ));
        Script { bed, path }
    }

    fn run(&self, args: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.bed.tools().bin().display());
        Run::new(&self.path, args).env("PATH", &path).output()
    }

    fn running(&self) -> String {
        self.bed.tool("lxc-ls", &["-1", "--running"]).ok().stdout
    }
}

#[test]
fn usage() {
    let bed = Bed::new();
    let script = Script::new(&bed, "");
    for args in [&[][..], &["bogus"]] {
        let out = script.run(args).expect(2);
        assert!(
            out.stdout.ends_with("lxc-containers {start|stop|restart|reload|force-reload}\n"),
            "{}",
            out.stdout
        );
    }
}

#[test]
fn the_boot_groups_start_and_all_stop() {
    let bed = Bed::new();
    let script = Script::new(&bed, "");
    let boot = bed.container().config("lxc.start.auto = 1\nlxc.group = onboot").make();
    let plain = bed.container().config("lxc.start.auto = 1").make();
    let other = bed.container().config("lxc.start.auto = 1\nlxc.group = other").make();
    let manual = bed.container().make();
    script.run(&["start"]).ok();
    assert_eq!(script.running(), format!("{}\n{}\n", boot.name(), plain.name()));
    for c in [&other, &manual] {
        c.start().ok();
    }
    for c in [&boot, &plain, &other, &manual] {
        c.wait_ready();
    }
    // What runs is left alone.
    let pid = boot.init();
    plain.kill();
    script.run(&["start"]).ok();
    assert_eq!(boot.init(), pid);
    assert_eq!(script.running().lines().count(), 4);
    // While somebody else is at it there is nothing to do.
    boot.kill();
    bed.host("touch /var/lock/lxc");
    script.run(&["start"]).ok();
    assert_eq!(script.running().lines().count(), 3);
    bed.host("rm /var/lock/lxc");
    plain.wait_ready();
    script.run(&["restart"]).ok();
    assert_eq!(script.running(), format!("{}\n{}\n", boot.name(), plain.name()));
    for again in ["reload", "force-reload"] {
        let pid = boot.init();
        boot.wait_ready();
        plain.wait_ready();
        script.run(&[again]).ok();
        assert_ne!(boot.init(), pid, "{again}");
    }
    script.run(&["stop"]).ok();
    assert_eq!(script.running(), "");
}

#[test]
fn settings() {
    let bed = Bed::new();
    let script =
        Script::new(&bed, "BOOTGROUPS=mine\nOPTIONS=-A\nSHUTDOWNDELAY=1\nSTOPOPTS='-a -A -s'\nLXC_AUTO=true");
    let mine =
        bed.container().config("lxc.group = mine").init("trap '' PWR TERM; while :; do sleep 9; done").make();
    let plain = bed.container().config("lxc.start.auto = 1").make();
    script.run(&["start"]).ok();
    assert_eq!(script.running(), format!("{}\n", mine.name()));
    script.run(&["stop"]).ok();
    assert_eq!(script.running(), "");
    drop(plain);
}

#[test]
fn switched_off() {
    let bed = Bed::new();
    let script = Script::new(&bed, "LXC_AUTO=false");
    let _c = bed.container().config("lxc.start.auto = 1").make();
    script.run(&["start"]).ok();
    assert_eq!(script.running(), "");
}

#[test]
fn a_host_without_containers() {
    let bed = Bed::new();
    let script = Script::new(&bed, "");
    script.run(&["start"]).ok();
    script.run(&["restart"]).ok();
    let bad = bed.container().config("lxc.start.auto = 1\nlxc.init.cmd = /nosuch").make();
    script.run(&["restart"]).ok();
    drop(bad);
}

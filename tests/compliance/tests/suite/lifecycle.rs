//! Start, stop, reboot and the end of a container.

use std::fs;
use std::time::{Duration, Instant};

use compliance::{Bed, Inventory, Side, wait_until, without_source};

#[test]
fn start_and_stop_leave_nothing() {
    let bed = Bed::new();
    let c =
        bed.container().config("lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up").make();
    let before = Inventory::of(&bed);
    let out = c.start().ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert!(!out.held_open, "the monitor keeps the caller's outputs open");
    assert_eq!(c.state(), "RUNNING");
    assert!(!Inventory::of(&bed).differences(&before).is_empty(), "the inventory sees no container");
    c.wait_ready();
    let out = c.tool("lxc-stop", &["-t", "10"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert_eq!(c.state(), "STOPPED");
    before.assert_restored(&bed);
}

#[test]
fn a_failed_start_leaves_nothing() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.mount.entry = /nosuch mnt none bind 0 0")
        .make();
    let before = Inventory::of(&bed);
    let out = c.start().expect(1);
    assert!(out.stderr.starts_with(&format!("lxc-start: {}: ", c.name())), "{}", out.stderr);
    assert_eq!(c.state(), "STOPPED");
    before.assert_restored_by_ours(&bed);
}

#[test]
fn starting_twice_is_no_failure() {
    let bed = Bed::new();
    let c = bed.container().start();
    let init = c.init();
    let out = c.start().ok();
    let said = without_source(&out.stderr);
    assert!(
        said.starts_with(&format!("lxc-start: {}: ", c.name())) && said.contains("already running"),
        "{said}"
    );
    assert_eq!(c.init(), init);
    c.kill();
}

#[test]
fn a_missing_config_is_named() {
    let bed = Bed::new();
    let out = bed.tool("lxc-start", &["-n", "nosuch"]).expect(1);
    let said = without_source(&out.stderr);
    assert!(said.starts_with("lxc-start: nosuch: ") && said.contains("config"), "{said}");
}

#[test]
fn stop_asks_init_first() {
    let bed = Bed::new();
    let c = bed.container().at_boot("trap 'echo power >/root/got; exit 0' PWR").start();
    c.wait_file("etc/booted");
    c.stop();
    assert_eq!(c.read("root/got"), "power\n");
}

#[test]
fn the_halt_signal_can_be_chosen() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.signal.halt = SIGUSR2")
        .at_boot("trap 'echo usr2 >/root/got; exit 0' USR2")
        .start();
    c.wait_file("etc/booted");
    c.stop();
    assert_eq!(c.read("root/got"), "usr2\n");
}

#[test]
fn the_stop_signal_can_be_chosen() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.signal.stop = SIGUSR1")
        .at_boot("trap 'echo usr1 >/root/got; exit 0' USR1")
        .start();
    c.wait_file("etc/booted");
    c.kill();
    assert_eq!(c.read("root/got"), "usr1\n");
}

#[test]
fn stop_kills_after_its_time() {
    let bed = Bed::new();
    let c = bed.container().at_boot("trap '' PWR").start();
    c.wait_file("etc/booted");
    let begin = Instant::now();
    c.tool("lxc-stop", &["-t", "1"]).ok();
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(c.state(), "STOPPED");
}

#[test]
fn nokill_gives_up() {
    let bed = Bed::new();
    let c = bed.container().at_boot("trap '' PWR").start();
    c.wait_file("etc/booted");
    c.tool("lxc-stop", &["--nokill", "-t", "1"]).expect(1);
    assert_eq!(c.state(), "RUNNING");
    c.kill();
}

#[test]
fn nowait_returns_at_once() {
    let bed = Bed::new();
    let c = bed.container().at_boot("trap 'sleep 1; exit 0' PWR").start();
    c.wait_file("etc/booted");
    let begin = Instant::now();
    c.tool("lxc-stop", &["-W"]).ok();
    assert!(begin.elapsed() < Duration::from_millis(900));
    c.wait("STOPPED");
}

#[test]
fn stop_options_that_exclude_each_other() {
    let bed = Bed::new();
    let c = bed.container().start();
    for args in [&["-k", "--nokill"][..], &["-k", "-r"], &["-k", "-t", "3"], &["--nolock"]] {
        c.tool("lxc-stop", args).expect(1);
    }
    assert_eq!(c.state(), "RUNNING");
    c.kill();
}

#[test]
fn reboot_from_inside() {
    let bed = Bed::new();
    let c = bed.container().start();
    c.wait_file("etc/booted");
    let first = c.init();
    // The command dies with the container.
    assert_ne!(c.attach(&["reboot", "-f"]).code, 127);
    wait_until("a second boot", Duration::from_secs(10), || c.read("etc/booted") == "up\nup\n");
    wait_until("RUNNING", Duration::from_secs(10), || c.state() == "RUNNING");
    assert_ne!(c.init(), first);
    c.kill();
}

#[test]
fn reboot_by_stop() {
    let bed = Bed::new();
    let c = bed.container().start();
    c.wait_file("etc/booted");
    let first = c.init();
    let parent = compliance::process_parent(first);
    c.tool("lxc-stop", &["-r", "-t", "10"]).ok();
    wait_until("a second boot", Duration::from_secs(10), || c.read("etc/booted") == "up\nup\n");
    let second = c.init();
    assert_ne!(second, first);
    assert_eq!(compliance::process_parent(second), parent, "the monitor stays over a reboot");
    c.kill();
}

#[test]
fn reboot_ten_times() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up")
        .at_boot("[ \"$(wc -l </etc/booted)\" -ge 10 ] && exit 0; echo up >>/etc/booted; reboot -f")
        .file("etc/booted", "up\n")
        .make();
    let before = Inventory::of(&bed);
    c.start().ok();
    // Between two boots it is STOPPED for a moment.
    wait_until("ten boots", Duration::from_secs(20), || c.read("etc/booted").lines().count() == 10);
    c.wait("STOPPED");
    before.assert_restored(&bed);
}

#[test]
fn halt_from_inside() {
    let bed = Bed::new();
    let c = bed.container().start();
    assert_ne!(c.attach(&["poweroff", "-f"]).code, 127);
    c.wait("STOPPED");
}

#[test]
fn foreground_ends_with_0() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.console.path = none").make();
    let out = c.tool("lxc-start", &["-F", "--", "/bin/sh", "-c", "echo said; echo wrong >&2; exit 6"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("said\n", "wrong\n"));
}

#[test]
fn foreground_hands_signals_on() {
    let bed = Bed::new();
    let c = bed.container().at_boot("trap 'echo term >/root/got; exit 0' TERM").make();
    let mut running = c.run("lxc-start", &["-F"]).spawn();
    c.wait_file("etc/booted");
    assert!(running.alive());
    running.signal(rustix::process::Signal::TERM);
    assert_eq!(running.output().code, 0);
    assert_eq!(c.read("root/got"), "term\n");
}

#[test]
fn a_command_in_place_of_init() {
    let bed = Bed::new();
    let c = bed.container().make();
    c.tool("lxc-start", &["--", "/bin/sleep", "1000"]).ok();
    assert_eq!(bed.host(&format!("tr '\\0' ' ' </proc/{}/cmdline", c.init())), "/bin/sleep 1000");
    c.kill();
}

#[test]
fn init_cmd_is_split() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.init.cmd = /root/init one  two")
        .file("root/init", "#!/bin/sh\necho \"$#:$1:$2\" >/root/got\nexec sleep 1000\n")
        .start();
    assert_eq!(c.wait_file("root/got"), "2:one:two\n");
    c.kill();
}

#[test]
fn define_sets_a_key() {
    let bed = Bed::new();
    let c = bed.container().make();
    c.tool("lxc-start", &["-s", "lxc.uts.name=other", "-s", "lxc.environment=A=b c"]).ok();
    assert_eq!(c.sh("hostname"), "other");
    assert_eq!(bed.host(&format!("tr '\\0' '\\n' </proc/{}/environ | grep ^A=", c.init())), "A=b c");
    c.kill();
    c.tool("lxc-start", &["-s", "lxc.nosuch=1"]).expect(1);
}

#[test]
fn rcfile_takes_the_place_of_the_config() {
    let bed = Bed::new();
    let c = bed.container().make();
    let other = bed.dir().join("other.conf");
    let config = c.dir().join("config");
    bed.host(&format!("sed s/uts.name.*/uts.name=fromrc/ {} >{}", config.display(), other.display()));
    c.tool("lxc-start", &["-f", other.to_str().expect("a path of ASCII letters")]).ok();
    assert_eq!(c.sh("hostname"), "fromrc");
    c.kill();
}

#[test]
fn the_pidfile_holds_the_monitor() {
    let bed = Bed::new();
    let c = bed.container().make();
    let file = bed.dir().join("pid");
    c.tool("lxc-start", &["-p", file.to_str().expect("a path of ASCII letters")]).ok();
    let text = fs::read_to_string(&file).expect("the pid file");
    assert_eq!(text, compliance::process_parent(c.init()).to_string());
    assert_eq!(bed.host(&format!("stat -c %a {}", file.display())), "600");
    c.kill();
    wait_until("the pid file goes", Duration::from_secs(5), || !file.exists());
}

#[test]
fn ephemeral_containers_vanish() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.ephemeral = 1").start();
    c.wait_file("etc/booted");
    c.stop();
    wait_until("the directory goes", Duration::from_secs(5), || !c.dir().exists());
}

#[test]
fn ephemeral_containers_survive_a_reboot() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.ephemeral = 1").start();
    c.wait_file("etc/booted");
    assert_ne!(c.attach(&["reboot", "-f"]).code, 127);
    wait_until("a second boot", Duration::from_secs(10), || c.read("etc/booted") == "up\nup\n");
    c.wait("RUNNING");
    c.kill();
    wait_until("the directory goes", Duration::from_secs(5), || !c.dir().exists());
}

#[test]
fn a_start_fails_when_init_is_missing() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.init.cmd = /sbin/nosuch").make();
    let before = Inventory::of(&bed);
    let out = c.start().expect(1);
    assert!(out.stderr.starts_with(&format!("lxc-start: {}: ", c.name())), "{}", out.stderr);
    if bed.tools().side() == Side::Ours {
        assert!(out.stderr.contains("/sbin/nosuch"), "{}", out.stderr);
    }
    before.assert_restored_by_ours(&bed);
}

#[test]
fn a_killed_init_is_a_stop() {
    let bed = Bed::new();
    let c = bed.container().start();
    let before = c.init();
    bed.host(&format!("kill -9 {before}"));
    c.wait("STOPPED");
}

#[test]
fn the_log_file_has_lines_of_upstreams_shape() {
    let bed = Bed::new();
    let c = bed.container().make();
    let log = bed.dir().join("log");
    c.tool("lxc-start", &["-l", "INFO", "-o", log.to_str().expect("a path of ASCII letters")]).ok();
    c.kill();
    let text = fs::read_to_string(&log).expect("the log");
    assert!(!text.is_empty());
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[0], "lxc-start", "{line}");
        assert_eq!(words[1], c.name(), "{line}");
        let (date, fraction) = words[2].split_once('.').expect("a time with a fraction");
        assert!(date.len() == 14 && date.bytes().all(|b| b.is_ascii_digit()), "{line}");
        assert!(!fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()), "{line}");
        assert!(["INFO", "NOTICE", "WARN", "ERROR"].contains(&words[3]), "{line}");
        assert_eq!(words[5], "-", "{line}");
        assert_eq!(words[7], "-", "{line}");
    }
}

#[test]
fn the_default_log_file() {
    let bed = Bed::new();
    let c = bed.container().make();
    c.tool("lxc-start", &["-l", "INFO"]).ok();
    c.kill();
    let log = format!("/var/log/lxc/{}.log", c.name());
    assert!(fs::metadata(&log).is_ok_and(|m| m.len() > 0), "{log}");
}

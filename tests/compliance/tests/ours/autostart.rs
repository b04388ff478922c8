//! `lxc-autostart`: what LXC does not have. Dependencies, several at a time, bounded shutdown.

use std::time::{Duration, Instant};

use compliance::{Bed, Container, check_json};

fn auto<'a>(bed: &'a Bed, lines: &str) -> Container<'a> {
    bed.container().config("lxc.start.auto = 1").config(lines).make()
}

fn listed(bed: &Bed, args: &[&str]) -> Vec<String> {
    let mut all = vec!["-L"];
    all.extend(args);
    let out = bed.tool("lxc-autostart", &all).ok();
    assert_eq!(out.stderr, "");
    out.stdout.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}

fn names<const N: usize>(containers: [&Container<'_>; N]) -> Vec<String> {
    containers.iter().map(|c| c.name().to_owned()).collect()
}

/// How long a run of the tool takes.
fn time(bed: &Bed, args: &[&str]) -> Duration {
    let begin = Instant::now();
    bed.tool("lxc-autostart", args).ok();
    begin.elapsed()
}

#[test]
fn after_orders_across_orders_and_groups() {
    let bed = Bed::new();
    let log = auto(&bed, "lxc.start.order = 9");
    let db = auto(&bed, "lxc.start.order = 9");
    let web = auto(&bed, "");
    let front = auto(&bed, "lxc.group = onboot");
    web.append(&format!("lxc.start.after = {}", db.name()));
    front.append(&format!(
        "lxc.start.after = {}\nlxc.start.after =\nlxc.start.after = {}",
        db.name(),
        web.name()
    ));
    assert_eq!(listed(&bed, &[]), names([&db, &web, &log]));
    assert_eq!(listed(&bed, &["-g", "onboot,"]), names([&db, &web, &front, &log]));
    assert_eq!(listed(&bed, &["-g", "onboot"]), names([&front]), "it starts nobody by itself");
    bed.tool("lxc-autostart", &["-a", "--jobs", "0"]).ok();
    assert_eq!(listed(&bed, &["-a", "-s"]), names([&front, &web, &db, &log]));
    let value = check_json("autostart", &bed.tool("lxc-autostart", &["-aLk", "--format=json"]).ok().stdout);
    assert_eq!(value["action"], "kill");
    assert_eq!(value["containers"][2]["name"], db.name());
    assert_eq!(value["containers"][1]["after"][0], db.name());
    bed.tool("lxc-autostart", &["-a", "-k"]).ok();
    let value = check_json("autostart", &bed.tool("lxc-autostart", &["-L", "--format=json"]).ok().stdout);
    assert_eq!(value["action"], "start");
    assert_eq!(value["containers"][0]["name"], db.name());
    assert_eq!(value["containers"][0]["order"], 9);
    bed.tool("lxc-autostart", &["--format=json"]).expect(1);
}

#[test]
fn cycles_and_unknown_names() {
    let bed = Bed::new();
    let a = auto(&bed, "lxc.start.after = nosuch");
    let out = bed.tool("lxc-autostart", &["-L"]).ok();
    assert_eq!(out.stdout, format!("{} 0\n", a.name()));
    assert!(out.stderr.contains("there is no container nosuch"), "{}", out.stderr);
    let b = auto(&bed, &format!("lxc.start.after = {}", a.name()));
    a.append(&format!("lxc.start.after = {}", b.name()));
    for args in [&["-L"][..], &[], &["-s"]] {
        let out = bed.tool("lxc-autostart", args).expect(1);
        assert_eq!(out.stdout, "");
        let (first, line, second) = if args == ["-s"] { (&b, 7, &a) } else { (&a, 9, &b) };
        let wanted = format!(
            "{}/config:{line}:1: lxc.start.after: containers wait for each other: {1}, {2}, {1}\n",
            first.dir().display(),
            first.name(),
            second.name()
        );
        assert!(out.stderr.contains(&wanted), "{}", out.stderr);
    }
    assert_eq!(bed.tool("lxc-ls", &["-1", "--running"]).ok().stdout, "");
    a.append("lxc.start.after = a/b");
    assert!(bed.tool("lxc-start", &["-n", a.name()]).expect(1).stderr.contains("a/b"));
}

#[test]
fn several_at_a_time() {
    let bed = Bed::new();
    let slow = "lxc.hook.pre-start = sh -c 'sleep 1'";
    let all: Vec<_> = (0..4).map(|_| auto(&bed, slow)).collect();
    let one_by_one = time(&bed, &[]);
    assert!(one_by_one >= Duration::from_secs(4), "{one_by_one:?}");
    bed.tool("lxc-autostart", &["-k"]).ok();
    let together = time(&bed, &["--jobs", "0"]);
    assert!(together < Duration::from_secs(3), "{together:?}");
    bed.tool("lxc-autostart", &["-k"]).ok();
    let two = time(&bed, &["--jobs=2"]);
    assert!(two >= Duration::from_secs(2) && two < one_by_one, "{two:?}");
    bed.tool("lxc-autostart", &["-k"]).ok();
    // A container waits for what it is after, and for lower orders.
    all[1].append(&format!("lxc.start.after = {}", all[0].name()));
    all[2].append("lxc.start.order = 1");
    all[3].append("lxc.start.order = 1");
    let stages = time(&bed, &["--jobs", "9"]);
    assert!(stages >= Duration::from_secs(3) && stages < one_by_one, "{stages:?}");
    bed.tool("lxc-autostart", &["-k"]).ok();

    let conf = bed.dir().join("lxc.conf");
    std::fs::write(&conf, "lxc.autostart.jobs = 4\n").expect("a config");
    bed.host(&format!(
        "mkdir -p {0}/etc-lxc; cp -a /etc/lxc/. {0}/etc-lxc; cp {1} {0}/etc-lxc/lxc.conf; \
         mount --bind {0}/etc-lxc /etc/lxc",
        bed.dir().display(),
        conf.display()
    ));
    let configured = time(&bed, &[]);
    assert!(configured < Duration::from_secs(4), "{configured:?}");
    assert_eq!(bed.tool("lxc-config", &["lxc.autostart.jobs"]).ok().stdout, "4\n");
    bed.tool("lxc-autostart", &["-k"]).ok();
}

#[test]
fn shutdown_takes_one_patience_for_all() {
    let bed = Bed::new();
    let draft = || bed.container().config("lxc.start.auto = 1");
    let deaf: Vec<_> =
        (0..5).map(|_| draft().init("trap '' PWR TERM INT; while :; do sleep 100; done").make()).collect();
    bed.tool("lxc-autostart", &["--jobs", "0"]).ok();
    let took = time(&bed, &["-s", "-t", "2"]);
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(5), "{took:?}");
    for c in &deaf {
        assert_eq!(c.tool("lxc-info", &["-sH"]).ok().stdout, "STOPPED\n");
    }
}

#[test]
fn failures_are_told() {
    let bed = Bed::new();
    let bad = auto(&bed, "lxc.init.cmd = /nosuch");
    let out = bed.tool("lxc-autostart", &["--jobs", "3"]).expect(1);
    assert!(out.stderr.starts_with(&format!("lxc-autostart: {}: ", bad.name())), "{}", out.stderr);
    assert!(out.stderr.contains("/nosuch"), "{}", out.stderr);
    assert_eq!(bed.tool("lxc-autostart", &["-q"]).expect(1).stderr, "");
}

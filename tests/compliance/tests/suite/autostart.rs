//! `lxc-autostart`: which containers, in which order, what is done, exit codes.

use std::time::{Duration, Instant};

use compliance::{Bed, Container, Draft};

/// A container that starts with the host, with these lines.
fn auto<'a>(bed: &'a Bed, lines: &str) -> Draft<'a> {
    bed.container().config("lxc.start.auto = 1").config(lines)
}

/// One whose init does not listen to anybody.
fn stubborn<'a>(bed: &'a Bed, lines: &str) -> Container<'a> {
    auto(bed, lines).init("trap '' PWR TERM INT; while :; do sleep 100; done").make()
}

/// Hooks that write down when a container starts and stops.
fn diary(bed: &Bed) -> (String, impl Fn() -> String) {
    let file = bed.dir().join("diary");
    let shown = file.display();
    let lines = format!(
        "lxc.hook.start-host = sh -c 'echo +$LXC_NAME >>{shown}'\n\
         lxc.hook.post-stop = sh -c 'echo -$LXC_NAME >>{shown}'"
    );
    let read = move || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        drop(std::fs::remove_file(&file));
        text
    };
    (lines, read)
}

fn told<'a>(containers: impl IntoIterator<Item = &'a Container<'a>>, sign: &str) -> String {
    containers.into_iter().map(|c| format!("{sign}{}\n", c.name())).collect()
}

#[test]
fn the_list() {
    let bed = Bed::new();
    let late = auto(&bed, "lxc.start.order = 5\nlxc.start.delay = 3").make();
    let boot = auto(&bed, "lxc.group = onboot").make();
    let manual = bed.container().config("lxc.start.auto = 0").make();
    let on = auto(&bed, "lxc.group = on\nlxc.group = web,db").make();
    let early = auto(&bed, "lxc.group = web db\nlxc.start.order = -1").make();
    let plain = auto(&bed, "lxc.start.order = -1").make();
    let late_too = auto(&bed, "lxc.start.order = 5").make();
    let none = [&plain, &late, &late_too];
    for (args, want) in [
        ("", &none[..]),
        ("-a", &[&early, &plain, &boot, &on, &late, &late_too]),
        ("-A", &[&plain, &manual, &late, &late_too]),
        ("-A -a", &[&early, &plain, &boot, &manual, &on, &late, &late_too]),
        ("--ignore-auto --all", &[&early, &plain, &boot, &manual, &on, &late, &late_too]),
        ("-g onboot", &[&boot, &on]),
        ("--groups=onboot", &[&boot, &on]),
        ("-g onboot,", &[&boot, &on, &plain, &late, &late_too]),
        ("-g onboot -g ,", &[&boot, &on, &plain, &late, &late_too]),
        ("-g ,web", &none),
        ("-g web", &[&early]),
        ("-g webx", &[&early]),
        ("-g web,onboot,db", &[&early, &boot, &on]),
        ("-g web,,onboot", &[&early, &plain, &late, &late_too]),
        ("-g web -g db", &[&early]),
        ("-g web,web", &[&early]),
        ("-g o", &[]),
        ("-g nosuch", &[]),
        ("-a -g web", &[&early, &plain, &boot, &on, &late, &late_too]),
        ("-q", &none),
        ("-t -5", &none),
        ("-n nosuch", &none),
        ("nosuch", &none),
        ("-r -a", &[]),
        ("-s -a", &[]),
        ("-k -a", &[]),
    ] {
        let mut all = vec!["-L"];
        all.extend(args.split_whitespace());
        let out = bed.tool("lxc-autostart", &all).ok();
        let want: String = want
            .iter()
            .map(|c| format!("{} {}\n", c.name(), if c.name() == late.name() { 3 } else { 0 }))
            .collect();
        assert_eq!(out.stdout, want, "{args}");
        assert_eq!(out.stderr, "", "{args}");
    }
}

#[test]
fn the_order_of_names() {
    let bed = Bed::new();
    let (diary, read) = diary(&bed);
    let stem = bed.name();
    let names = ["a", "ab", "abb", "abc", "b"].map(|end| format!("{stem}{end}"));
    let model = auto(&bed, &diary).make();
    let config = std::fs::read_to_string(model.dir().join("config")).expect("a config");
    for (name, order) in names.iter().zip([1, 1, 2, 1, 1]) {
        let text = format!("{config}lxc.start.order = {order}\n");
        std::fs::create_dir(format!("/var/lib/lxc/{name}")).expect("a folder");
        std::fs::write(format!("/var/lib/lxc/{name}/config"), text).expect("a config");
    }
    std::fs::remove_file(model.dir().join("config")).expect("the model goes");
    let [a, ab, abb, abc, b] = &names;
    let list = |args: &[&str]| bed.tool("lxc-autostart", args).ok().stdout;
    let up: String = [a, ab, abc, b, abb].map(|name| format!("{name} 0\n")).concat();
    let down: String = [abb, b, a, ab, abc].map(|name| format!("{name}\n")).concat();
    assert_eq!(list(&["-L"]), up);
    bed.tool("lxc-autostart", &[]).ok();
    assert_eq!(read(), up.replace(" 0", "").lines().map(|name| format!("+{name}\n")).collect::<String>());
    assert_eq!(list(&["-L"]), "");
    assert_eq!(list(&["-L", "-r"]), up);
    assert_eq!(list(&["--list", "--reboot"]), up);
    for args in [&["-L", "-s"][..], &["-L", "-k"], &["-L", "-r", "-s"], &["-L", "-k", "-r"]] {
        assert_eq!(list(args), down, "{args:?}");
    }
    bed.tool("lxc-autostart", &["-k"]).ok();
    let ended = read();
    // The last order ends first; ours kills those of one order at the same time.
    assert_eq!(ended.lines().next(), Some(format!("-{abb}").as_str()));
    assert_eq!(ended.lines().count(), 5);
}

#[test]
fn start_and_stop_by_order() {
    let bed = Bed::new();
    let (diary, read) = diary(&bed);
    let third = auto(&bed, &diary).config("lxc.start.order = 30").make();
    let first = auto(&bed, &diary).config("lxc.start.order = -3\nlxc.start.delay = 1").make();
    let second = auto(&bed, &diary).config("lxc.start.order = 2").make();
    let begin = Instant::now();
    let out = bed.tool("lxc-autostart", &[]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert!(begin.elapsed() >= Duration::from_secs(1), "the delay");
    assert_eq!(read(), told([&first, &second, &third], "+"));
    let running = bed.tool("lxc-ls", &["-1", "--running"]).ok().stdout;
    assert_eq!(running, told([&third, &first, &second], ""));
    for c in [&first, &second, &third] {
        c.wait_ready();
    }
    bed.tool("lxc-autostart", &["--shutdown", "--timeout=20"]).ok();
    assert_eq!(read(), told([&third, &second, &first], "-"));
}

#[test]
fn shutdown_has_its_limits() {
    let bed = Bed::new();
    let deaf = stubborn(&bed, "");
    bed.tool("lxc-autostart", &[]).ok();
    let pid = deaf.init();
    bed.tool("lxc-autostart", &["-s", "-t", "0"]).ok();
    assert_eq!(deaf.init(), pid, "nobody waits and nobody kills");
    let begin = Instant::now();
    bed.tool("lxc-autostart", &["-s", "-t", "2"]).ok();
    assert_eq!(deaf.tool("lxc-info", &["-sH"]).ok().stdout, "STOPPED\n");
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn kill_and_reboot() {
    let bed = Bed::new();
    let (diary, read) = diary(&bed);
    let c = auto(&bed, &diary).config("lxc.start.delay = 1").start();
    let other = bed.container().start();
    read();
    c.wait_ready();
    let begin = Instant::now();
    bed.tool("lxc-autostart", &["-r"]).ok();
    assert!(begin.elapsed() >= Duration::from_secs(1), "the delay counts for reboots, too");
    compliance::wait_until("it is up again", Duration::from_secs(10), || {
        c.read("etc/booted").lines().count() == 2
    });
    assert_eq!(read(), format!("-{0}\n+{0}\n", c.name()));
    bed.tool("lxc-autostart", &["-k"]).ok();
    assert_eq!(read(), told([&c], "-"));
    assert_eq!(other.tool("lxc-info", &["-sH"]).ok().stdout, "RUNNING\n");
    other.kill();
}

#[test]
fn exit_codes() {
    let bed = Bed::new();
    bed.tool("lxc-autostart", &[]).expect(1);
    bed.tool("lxc-autostart", &["-L"]).expect(1);
    bed.tool("lxc-autostart", &["-P", "/nosuch"]).expect(1);
    let bad = auto(&bed, "lxc.init.cmd = /nosuch").make();
    bed.tool("lxc-autostart", &[]).expect(1);
    bed.tool("lxc-autostart", &["-q"]).expect(1);
    bed.tool("lxc-autostart", &["-g", "nosuch"]).ok();
    let good = auto(&bed, "").make();
    bed.tool("lxc-autostart", &[]).expect(2);
    assert_eq!(good.tool("lxc-info", &["-sH"]).ok().stdout, "RUNNING\n");
    // One that runs already is no failure.
    bed.tool("lxc-autostart", &[]).expect(2);
    bed.tool("lxc-autostart", &["-k"]).ok();
    for (timeout, code) in
        [("5x", 1), ("", 1), ("-", 1), (" 5", 0), ("+5", 0), ("0x5", 0), ("99999999999", 0)]
    {
        bed.tool("lxc-autostart", &["-L", "-t", timeout]).expect(code);
    }
    bed.tool("lxc-autostart", &["-L", "-P", "/a", "-P", "/b"]).expect(1);
    bed.tool("lxc-autostart", &["-Z"]).expect(1);
    bed.tool("lxc-autostart", &["-t"]).expect(1);
    drop(bad);
}

#[test]
fn a_faulty_configuration_holds_nobody_up() {
    let bed = Bed::new();
    let good = auto(&bed, "").make();
    let bad = auto(&bed, "lxc.nosuch = 1").make();
    let out = bed.tool("lxc-autostart", &["-L"]).ok();
    assert_eq!(out.stdout, format!("{} 0\n", good.name()));
    assert!(out.stderr.contains(bad.name()), "{}", out.stderr);
}

#[test]
fn another_lxcpath_and_a_log() {
    let bed = Bed::new();
    let there = bed.dir().join("there");
    let name = bed.name();
    let c = auto(&bed, "").make();
    std::fs::create_dir_all(there.join(&name)).expect("a folder");
    let config = std::fs::read_to_string(c.dir().join("config")).expect("a config");
    std::fs::write(there.join(&name).join("config"), config).expect("a config");
    let path = there.display().to_string();
    let log = bed.dir().join("log");
    let out = bed.tool("lxc-autostart", &["-P", &path, "-o", &log.display().to_string(), "-l", "INFO"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert!(std::fs::read_to_string(&log).is_ok_and(|text| text.contains("lxc-autostart")));
    assert_eq!(bed.tool("lxc-ls", &["-P", &path, "--running", "-1"]).ok().stdout, format!("{name}\n"));
    assert_eq!(bed.tool("lxc-ls", &["--running", "-1"]).ok().stdout, "");
    bed.tool("lxc-autostart", &["-P", &path, "-k"]).ok();
}

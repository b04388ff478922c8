//! `--format json`: what `doc/json.md` says of it.

use compliance::{Bed, check_json};

#[test]
fn info() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config(
            "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up\nlxc.net.0.veth.pair = tvjson
             lxc.net.0.ipv4.address = 10.0.3.78/24",
        )
        .start();
    let args = ["--format", "json", "-c", "lxc.uts.name", "-c", "lxc.nosuch"];
    let value = check_json("container", &c.tool("lxc-info", &args).ok().stdout);
    assert_eq!(value["name"], c.name());
    assert_eq!(value["lxcpath"], "/var/lib/lxc");
    assert_eq!(value["state"], "RUNNING");
    assert_eq!(value["defined"], true);
    assert_eq!(value["pid"], c.init());
    assert_eq!(value["addresses"][0]["link"], "eth0");
    assert_eq!(value["addresses"][0]["address"], "10.0.3.78");
    assert_eq!(value["links"][0]["host_name"], "tvjson");
    assert!(value["usage"]["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{value}");
    assert!(value["usage"]["pids"].as_u64().is_some_and(|tasks| tasks > 0), "{value}");
    assert_eq!(value["config"]["lxc.uts.name"], c.name());
    assert!(value["config"]["lxc.nosuch"].is_null());
    c.kill();

    let value = check_json("container", &c.tool("lxc-info", &["--format=json"]).ok().stdout);
    assert_eq!(value["state"], "STOPPED");
    assert!(value["pid"].is_null() && value["usage"].is_null());
}

#[test]
fn ls() {
    let bed = Bed::new();
    let nothing = check_json("containers", &bed.tool("lxc-ls", &["--format=json"]).ok().stdout);
    assert_eq!(nothing["containers"].as_array().map(Vec::len), Some(0));
    let stopped = bed.container().config("lxc.start.auto = 1\nlxc.group = one\nlxc.group = two").make();
    let running = bed.container().start();
    let value = check_json("containers", &bed.tool("lxc-ls", &["--format=json"]).ok().stdout);
    let [first, second] = value["containers"].as_array().map_or(&[][..], Vec::as_slice) else {
        panic!("{value}")
    };
    assert_eq!(first["name"], stopped.name());
    assert_eq!(first["state"], "STOPPED");
    assert_eq!(first["autostart"], true);
    assert_eq!(first["groups"], serde_json::json!(["one", "two"]));
    assert_eq!(second["name"], running.name());
    assert_eq!(second["pid"], running.init());
    assert_eq!(second["interfaces"], serde_json::json!(["lo"]));
    let value = check_json("containers", &bed.tool("lxc-ls", &["--running", "--format=json"]).ok().stdout);
    assert_eq!(value["containers"].as_array().map(Vec::len), Some(1));
    running.kill();
}

#[test]
fn snapshots() {
    let bed = Bed::new();
    let c = bed.container().make();
    let list = || check_json("snapshots", &c.tool("lxc-snapshot", &["-L", "--format", "json"]).ok().stdout);
    assert_eq!(list()["snapshots"], serde_json::json!([]));
    let comment = bed.dir().join("comment");
    std::fs::write(&comment, "two\nlines").expect("write a comment");
    c.tool("lxc-snapshot", &["-c", comment.to_str().expect("a path of ASCII letters")]).ok();
    c.tool("lxc-snapshot", &[]).ok();
    let value = list();
    assert_eq!((&value["lxcpath"], &value["container"]), (&"/var/lib/lxc".into(), &c.name().into()));
    let [first, second] = value["snapshots"].as_array().map_or(&[][..], Vec::as_slice) else {
        panic!("{value}")
    };
    assert_eq!((&first["name"], &first["comment"]), (&"snap0".into(), &"two\nlines".into()));
    assert_eq!(first["path"], format!("{}/snaps/snap0", c.dir().display()));
    assert_eq!(first["timestamp"].as_str().map(str::len), Some(19));
    assert!(second["comment"].is_null(), "{value}");
    c.tool("lxc-snapshot", &["--format", "json"]).expect(1);
}

#[test]
fn top() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up\nlxc.net.0.veth.pair = tvtop")
        .start();
    let d = bed.container().start();
    let value = check_json("usage", &bed.tool("lxc-top", &["--format=json", "-r"]).ok().stdout);
    let names: Vec<_> = value["containers"].as_array().expect("a list").iter().map(|c| &c["name"]).collect();
    assert_eq!(names, [d.name(), c.name()]);
    assert_eq!(value["containers"][1]["links"][0]["host_name"], "tvtop");
    assert!(value["containers"][0]["usage"]["cpu_pressure"]["some"]["total_us"].is_u64(), "{value}");
    // Again and again, until it is told to end.
    let tool = bed.run("lxc-top", &["-b", "-d", "1", "--format=json"]).spawn();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    tool.signal(rustix::process::Signal::INT);
    let text = tool.output().ok().stdout;
    assert_eq!(text.lines().count(), 2, "{text}");
    for line in text.split_inclusive('\n') {
        assert_eq!(check_json("usage", line)["containers"].as_array().map(Vec::len), Some(2));
    }
    c.kill();
    d.kill();
}

#[test]
fn an_unknown_format() {
    let bed = Bed::new();
    let out = bed.tool("lxc-ls", &["--format=xml"]).expect(1);
    assert!(out.stderr.contains("xml") && out.stderr.contains("json"), "{}", out.stderr);
    assert_eq!(out.stdout, "");
}

#[test]
fn checkconfig() {
    let bed = Bed::new();
    let value = check_json("checkconfig", &bed.tool("lxc-checkconfig", &["--format=json"]).ok().stdout);
    assert_eq!(value["config"], "/proc/config.gz");
    assert_eq!(value["checks"][0]["symbol"], "CONFIG_NAMESPACES");
    assert_eq!(value["checks"][0]["verdict"], "enabled");
    let release = bed.host("uname -r");
    assert!(value["kernel"].as_str().is_some_and(|kernel| release.starts_with(kernel)), "{value}");
    let out = bed.run("lxc-checkconfig", &["--format", "json"]).env("CONFIG", "/nosuch").output().expect(1);
    assert_eq!(out.stdout, "");
    bed.tool("lxc-checkconfig", &["nosuch"]).expect(1);
}

//! `lxc-config check` and `lxc-config --format json`.

use compliance::{Bed, Output, check_json};

/// What is said of a text, without the file's name.
fn checked(bed: &Bed, args: &[&str], text: &str) -> Output {
    let file = bed.dir().join("config");
    std::fs::write(&file, text).expect("a config");
    let file = file.display().to_string();
    let mut all = vec!["check"];
    all.extend(args);
    all.push(&file);
    let mut out = bed.tool("lxc-config", &all);
    out.stdout = out.stdout.replace(&file, "FILE");
    out
}

#[test]
fn mistakes_are_told_by_place() {
    let bed = Bed::new();
    let out = checked(&bed, &[], "lxc.uts.nmae = a\n  lxc.utsname = a\nlxc.tty.max = many\n").expect(1);
    assert_eq!(
        out.stdout,
        "FILE:1:1: error: lxc.uts.nmae: unknown key (did you mean \"lxc.uts.name\"?) [unknown]\n\
         FILE:2:3: error: lxc.utsname: this key was renamed in LXC 2.1 (it is \"lxc.uts.name\" now) [legacy]\n\
         FILE:3:1: error: lxc.tty.max: \"many\" is no whole number [invalid]\n"
    );
    let out = bed.tool("lxc-config", &["check", "/nosuch"]).expect(1);
    assert!(out.stdout.contains("/nosuch"), "{}", out.stdout);
    bed.tool("lxc-config", &["check"]).expect(1);
    bed.tool("lxc-config", &["check", "--nosuch", "/x"]).expect(1);
}

#[test]
fn oddities_are_warnings() {
    let bed = Bed::new();
    let text = "lxc.uts.name = a\nlxc.uts.name = b\nlxc.apparmor.raw = deny /x rw,\n\
                lxc.namespace.keep = net\nlxc.namespace.clone = ipc\n";
    let out = checked(&bed, &[], text);
    for line in [
        "FILE:1:1: warning: lxc.uts.name: line 2 of FILE takes this back [shadowed]\n",
        "FILE:3:1: warning: lxc.apparmor.raw: it does nothing without lxc.apparmor.profile = generated [idle]\n",
        "FILE:4:1: warning: lxc.namespace.keep: it excludes lxc.namespace.clone, line 5 of FILE [contradictory]\n",
    ] {
        assert!(out.stdout.contains(line), "{}", out.stdout);
    }
    checked(&bed, &[], "lxc.uts.name = a\nlxc.uts.name = b\n").ok();
    checked(&bed, &["--strict"], "lxc.uts.name = a\nlxc.uts.name = b\n").expect(1);
    assert_eq!(checked(&bed, &["--strict"], "lxc.uts.name = a\n").ok().stdout, "");
}

#[test]
fn what_the_kernel_lacks() {
    let bed = Bed::new();
    let out =
        checked(&bed, &[], "lxc.sysctl.net.nosuch = 1\nlxc.cgroup2.nosuch.max = 1\nlxc.cap.drop = 63\n");
    assert!(
        out.stdout.contains(
            "FILE:1:1: warning: lxc.sysctl.net.nosuch: this kernel has no /proc/sys/net/nosuch [lacking]\n"
        ),
        "{}",
        out.stdout
    );
    assert!(out.stdout.contains("FILE:2:1: ") && out.stdout.contains("nosuch.max"), "{}", out.stdout);
    if bed.host("zcat /proc/config.gz | grep -c ^CONFIG_VLAN_8021Q= || true") == "0" {
        let text = "lxc.net.0.type = vlan\nlxc.net.0.vlan.id = 5\nlxc.net.0.link = lo\n";
        let out = checked(&bed, &[], text);
        let wanted =
            "FILE:1:1: warning: lxc.net.0.type: this kernel was built without CONFIG_VLAN_8021Q [lacking]\n";
        assert!(out.stdout.contains(wanted), "{}", out.stdout);
    }
    let out = checked(&bed, &[], "lxc.seccomp.profile = /nosuch\n").expect(1);
    assert!(out.stdout.starts_with("FILE:1:1: error: ") && out.stdout.contains("/nosuch"), "{}", out.stdout);
}

#[test]
fn configs_in_use_are_clean() {
    let bed = Bed::new();
    let c = bed.container().make();
    let file = c.dir().join("config");
    let own = std::fs::read_to_string(&file).expect("a config");
    let include = "lxc.include = /usr/share/lxc/config/common.conf\n";
    let check = |text: &str| {
        std::fs::write(&file, text).expect("a config");
        bed.tool("lxc-config", &["check", &file.display().to_string()]).ok().stdout
    };
    assert_eq!(check(&format!("{include}{own}")), "");
    // What is included later changes lines of the file.
    assert!(check(&format!("{own}{include}")).contains("common.conf takes this back [shadowed]"));
}

#[test]
fn for_programs() {
    let bed = Bed::new();
    let out =
        checked(&bed, &["--format=json"], "lxc.uts.nmae = a\nlxc.tty.max = 1\nlxc.tty.max = 2\n").expect(1);
    let value = check_json("lint", &out.stdout);
    assert_eq!(value["findings"][0]["rule"], "unknown");
    assert_eq!(value["findings"][0]["severity"], "error");
    assert_eq!(value["findings"][0]["line"], 1);
    assert_eq!(value["findings"][0]["help"], "did you mean \"lxc.uts.name\"?");
    assert_eq!(value["findings"][1]["rule"], "shadowed");
    let value = check_json("config", &bed.tool("lxc-config", &["--format", "json"]).ok().stdout);
    assert_eq!(value["items"]["lxc.lxcpath"], "/var/lib/lxc");
    assert!(value["items"]["lxc.cgroup.use"].is_null());
    let value = check_json("config", &bed.tool("lxc-config", &["--format=json", "lxc.l"]).ok().stdout);
    assert_eq!(value["items"].as_object().map(serde_json::Map::len), Some(1));
    bed.tool("lxc-config", &["--format=json", "lxc.nosuch"]).expect(1);
    bed.tool("lxc-config", &["--format=xml"]).expect(1);
}

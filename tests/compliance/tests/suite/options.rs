//! What all tools have in common: help, usage, version, the name, unknown options.

use compliance::{Bed, without_source};

const TOOLS: &[&str] = &[
    "lxc-start",
    "lxc-stop",
    "lxc-attach",
    "lxc-autostart",
    "lxc-execute",
    "lxc-info",
    "lxc-ls",
    "lxc-copy",
    "lxc-create",
    "lxc-destroy",
    "lxc-snapshot",
    "lxc-wait",
    "lxc-console",
    "lxc-freeze",
    "lxc-unfreeze",
    "lxc-cgroup",
    "lxc-monitor",
    "lxc-top",
    "lxc-device",
];

/// Those that cannot do without a container.
const NAMED: &[&str] = &[
    "lxc-start",
    "lxc-stop",
    "lxc-attach",
    "lxc-execute",
    "lxc-info",
    "lxc-copy",
    "lxc-create",
    "lxc-destroy",
    "lxc-snapshot",
    "lxc-wait",
    "lxc-console",
    "lxc-freeze",
    "lxc-unfreeze",
    "lxc-cgroup",
];

#[test]
fn version_is_bare() {
    let bed = Bed::new();
    for tool in TOOLS {
        let out = bed.tool(tool, &["--version"]).ok();
        let line = out.stdout.strip_suffix('\n').unwrap_or_else(|| panic!("{tool}: {:?}", out.stdout));
        let mut numbers = line.split('.');
        for _ in 0..2 {
            let word = numbers.next().unwrap_or_default();
            assert!(!word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()), "{tool}: {line:?}");
        }
        assert_eq!(out.stderr, "", "{tool}");
    }
}

#[test]
fn help_goes_to_stderr() {
    let bed = Bed::new();
    for tool in TOOLS {
        for (option, code) in [("--help", 0), ("-h", 0), ("-?", 1)] {
            let out = bed.tool(tool, &[option]).expect(code);
            assert_eq!(out.stdout, "", "{tool} {option}");
            assert!(out.stderr.contains(&format!("Usage: {tool} ")), "{tool} {option}: {}", out.stderr);
            assert!(out.stderr.contains("--lxcpath"), "{tool} {option}: {}", out.stderr);
        }
    }
}

#[test]
fn usage_goes_to_stderr() {
    let bed = Bed::new();
    for tool in TOOLS {
        let out = bed.tool(tool, &["--usage"]).ok();
        assert_eq!(out.stdout, "", "{tool}");
        assert!(out.stderr.starts_with(&format!("Usage: {tool} [")), "{tool}: {}", out.stderr);
        assert!(out.stderr.contains("[-n|--name=NAME]"), "{tool}: {}", out.stderr);
    }
}

#[test]
fn unknown_options_end_with_1() {
    let bed = Bed::new();
    for tool in TOOLS {
        let out = bed.tool(tool, &["--no-such-option"]).expect(1);
        assert!(out.stderr.contains("no-such-option"), "{tool}: {}", out.stderr);
        assert_eq!(out.stdout, "", "{tool}");
    }
}

#[test]
fn the_name_is_asked_for() {
    let bed = Bed::new();
    for tool in NAMED {
        let out = bed.tool(tool, &[]).expect(1);
        assert_eq!(without_source(&out.stderr), format!("{tool}: No container name specified\n"));
    }
}

#[test]
fn the_name_may_be_positional() {
    let bed = Bed::new();
    let c = bed.container().start();
    for args in [[c.name(), "-sH"], ["-sH", c.name()]] {
        assert_eq!(bed.tool("lxc-info", &args).ok().stdout, "RUNNING\n");
    }
    bed.tool("lxc-stop", &[c.name(), "-k"]).ok();
}

#[test]
fn long_options_may_be_short() {
    let bed = Bed::new();
    let c = bed.container().make();
    assert_eq!(bed.tool("lxc-info", &["--nam", c.name(), "--stat", "--no-h"]).expect(1).stdout, "");
    assert_eq!(bed.tool("lxc-info", &["--nam", c.name(), "--state", "--no-h"]).ok().stdout, "STOPPED\n");
}

#[test]
fn missing_items_are_parse_errors() {
    let bed = Bed::new();
    let c = bed.container().make();
    for (tool, args) in [
        ("lxc-wait", &[][..]),
        ("lxc-cgroup", &[]),
        ("lxc-attach", &["-s", "NOSUCH", "--", "true"]),
        ("lxc-attach", &["-a", "nosuch", "--", "true"]),
        ("lxc-attach", &["-e=NOSUCH", "--", "true"]),
    ] {
        let out = c.tool(tool, args).expect(1);
        assert!(out.stderr.starts_with(&format!("{tool}: ")), "{tool} {args:?}: {}", out.stderr);
    }
}

#[test]
fn one_lxcpath_only() {
    let bed = Bed::new();
    let out = bed.tool("lxc-info", &["-n", "nosuch", "-P", "/var/lib/lxc", "-P", "/var/lib/lxc"]).expect(1);
    assert!(out.stderr.contains("only accepts 1 -P,--lxcpath argument"), "{}", out.stderr);
}

#[test]
fn another_lxcpath() {
    let bed = Bed::new();
    let c = bed.container().make();
    let other = bed.dir().join("containers");
    let other = other.to_str().expect("a path of ASCII letters");
    bed.host(&format!("mkdir -p {other}; mv {} {other}/", c.dir().display()));
    bed.host(&format!("sed -i s,/var/lib/lxc/,{other}/, {other}/{}/config", c.name()));
    bed.tool("lxc-info", &["-n", c.name()]).expect(1);
    // The slashes at its end do not count.
    let path = format!("{other}//");
    bed.tool("lxc-start", &["-P", &path, "-n", c.name()]).ok();
    assert_eq!(bed.tool("lxc-info", &["-P", other, "-n", c.name(), "-sH"]).ok().stdout, "RUNNING\n");
    let sockets = bed.host("cat /proc/1/net/unix");
    assert!(sockets.contains(&format!("@{other}/{}/command", c.name())), "{sockets}");
    bed.tool("lxc-stop", &["-P", other, "-n", c.name(), "-k"]).ok();
}

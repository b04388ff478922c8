//! `lxc-create`, the contract of templates, `lxc-destroy`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use compliance::{Bed, Container, Side};

/// A template that writes down how it was called and makes a root with one file.
const TEMPLATE: &str = r#"#!/bin/sh
path= name= rootfs= rest=
for arg; do
    case $arg in
    --path=*) path=${arg#*=} ;;
    --name=*) name=${arg#*=} ;;
    --rootfs=*) rootfs=${arg#*=} ;;
    *) rest="$rest $arg" ;;
    esac
done
mkdir -p "$rootfs"
echo "$path|$name|$rootfs|$rest|$(id -u)" >"$path/called"
echo "lxc.uts.name = $name" >>"$path/config"
echo "template says hello"
[ -n "$rest" ] && [ "$rest" = " fail" ] && exit 3
exit 0
"#;

fn template(bed: &Bed) -> String {
    let path = bed.dir().join("template");
    fs::write(&path, TEMPLATE).expect("write a template");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
    path.to_str().expect("a path of ASCII letters").to_owned()
}

#[test]
fn how_a_template_is_called() {
    let bed = Bed::new();
    let template = template(&bed);
    let c = Container::known(&bed, &bed.name());
    let out = c.tool("lxc-create", &["-t", &template, "--", "--colour", "red"]).ok();
    assert!(out.stdout.contains("template says hello"), "{}", out.stdout);
    let dir = c.dir();
    let dir = dir.display();
    let called = fs::read_to_string(c.dir().join("called")).expect("the template's note");
    assert_eq!(called, format!("{dir}|{}|{dir}/rootfs| --colour red|0\n", c.name()));
    let config = fs::read_to_string(c.dir().join("config")).expect("the config");
    assert!(config.contains(&format!("lxc.rootfs.path = dir:{dir}/rootfs\n")), "{config}");
    assert!(config.contains(&format!("# Template used to create this container: {template}\n")), "{config}");
    assert!(config.contains("# Parameters passed to the template: --colour red\n"), "{config}");
    assert!(config.ends_with(&format!("lxc.uts.name = {}\n", c.name())), "{config}");
    assert!(!c.dir().join("partial").exists());
    assert_eq!(bed.host(&format!("stat -c %a {dir}")), "770");
}

#[test]
fn quiet_is_quiet() {
    let bed = Bed::new();
    let template = template(&bed);
    let c = Container::known(&bed, &bed.name());
    let out = c.tool("lxc-create", &["-q", "-t", &template]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
}

#[test]
fn a_failing_template_leaves_nothing() {
    let bed = Bed::new();
    let template = template(&bed);
    let c = Container::known(&bed, &bed.name());
    let out = c.tool("lxc-create", &["-t", &template, "--", "fail"]).expect(1);
    assert!(out.stderr.contains(&format!("lxc-create: {}: ", c.name())), "{}", out.stderr);
    assert!(!c.dir().exists());
}

#[test]
fn what_is_there_is_not_made_again() {
    let bed = Bed::new();
    let c = bed.container().make();
    let out = c.tool("lxc-create", &["-t", "none"]).expect(1);
    assert!(out.stderr.contains("exists"), "{}", out.stderr);
    assert!(c.rootfs().join("bin/busybox").exists());
}

#[test]
fn without_a_template() {
    let bed = Bed::new();
    let c = Container::known(&bed, &bed.name());
    c.tool("lxc-create", &["-t", "none"]).ok();
    assert!(c.dir().join("config").exists());
    let d = Container::known(&bed, &bed.name());
    d.tool("lxc-create", &[]).expect(1);
    assert!(!d.dir().exists());
    let e = Container::known(&bed, &bed.name());
    e.tool("lxc-create", &["-t", "nosuch"]).expect(1);
    assert!(!e.dir().exists());
}

#[test]
fn a_default_config() {
    let bed = Bed::new();
    let default = bed.dir().join("default.conf");
    fs::write(&default, "lxc.start.order = 9\nlxc.net.0.type = empty\n").expect("write a config");
    let template = template(&bed);
    let c = Container::known(&bed, &bed.name());
    c.tool("lxc-create", &["-f", default.to_str().expect("a path of ASCII letters"), "-t", &template]).ok();
    assert_eq!(c.tool("lxc-info", &["-H", "-c", "lxc.start.order"]).ok().stdout, "9\n");
}

#[test]
fn destroy() {
    let bed = Bed::new();
    let c = bed.container().start();
    let out = c.tool("lxc-destroy", &[]).expect(1);
    assert!(out.stderr.contains("running") || bed.tools().side() == Side::Upstream, "{}", out.stderr);
    assert!(c.dir().exists());
    let out = c.tool("lxc-destroy", &["-f"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert!(!c.dir().exists());
    let d = bed.container().make();
    d.tool("lxc-destroy", &[]).ok();
    assert!(!d.dir().exists());
}

#[test]
fn destroy_hooks_run() {
    let bed = Bed::new();
    let note = bed.dir().join("destroyed");
    let hook = bed.dir().join("hook");
    fs::write(&hook, format!("#!/bin/sh\necho \"$@\" >{}\n", note.display())).expect("write a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("chmod");
    let c = bed.container().config(&format!("lxc.hook.destroy = {}", hook.display())).make();
    c.tool("lxc-destroy", &[]).ok();
    assert_eq!(fs::read_to_string(&note).expect("the hook's note"), format!("{} lxc destroy\n", c.name()));
}

#[test]
fn debians_busybox_template() {
    let bed = Bed::new();
    let c = Container::known(&bed, &bed.name());
    c.tool("lxc-create", &["-t", "busybox"]).ok();
    let config = fs::read_to_string(c.dir().join("config")).expect("the config");
    assert!(config.contains("lxc.signal.halt = SIGUSR1"), "{config}");
    assert_eq!(c.state(), "STOPPED");
    c.tool("lxc-destroy", &[]).ok();
}

/// A template that has help, ends badly after it, and knows nothing else.
const HELPFUL: &str = "#!/bin/sh
for arg; do
    case $arg in
    -h) echo template help; exit 5 ;;
    --rootfs=*) mkdir -p \"${arg#*=}\" ;;
    esac
done
";

fn helpful(bed: &Bed) -> String {
    let path = bed.dir().join("helpful");
    fs::write(&path, HELPFUL).expect("write a template");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
    path.to_str().expect("a path of ASCII letters").to_owned()
}

#[test]
fn a_templates_help() {
    let bed = Bed::new();
    let template = helpful(&bed);
    let t = template.as_str();
    let cases: [(&[&str], i32, &str); 7] = [
        (&["-t", t, "-h"], 0, "template help\n"),
        (&["-n", "x", "-t", t, "--help"], 0, "template help\n"),
        (&["-t", t, "-?"], 1, "template help\n"),
        (&["-h", "-t", t], 0, ""),
        (&["-t", "none", "-h"], 0, ""),
        (&["-t", "nosuch", "-h"], 0, ""),
        (&["-h"], 0, ""),
    ];
    for (args, code, said) in cases {
        let out = bed.tool("lxc-create", args).expect(code);
        assert_eq!(out.stdout, said, "{args:?}");
        assert!(out.stderr.contains("Usage: lxc-create "), "{args:?}: {}", out.stderr);
    }
}

/// The configuration without comments and without the header's blank lines.
fn lines(c: &Container<'_>) -> String {
    let text = fs::read_to_string(c.dir().join("config")).expect("the config");
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn what_is_written() {
    let bed = Bed::new();
    let template = helpful(&bed);
    let (first, root) = (bed.dir().join("first"), bed.dir().join("root"));
    bed.host(&format!(
        "mkdir {1}; printf '# c\\n\\nlxc.arch = x86_64\\n\\nlxc.rootfs.path = {1}\\n' >{0}",
        first.display(),
        root.display()
    ));
    let first = first.to_str().expect("a path of ASCII letters");
    let root = root.display();
    let own = format!("lxc.arch = x86_64\nlxc.rootfs.path = {root}\nlxc.rootfs.path = dir:{root}\n");
    for word in ["none", "n", ""] {
        let c = Container::known(&bed, &bed.name());
        c.tool("lxc-create", &["-t", word, "-f", first]).ok();
        assert_eq!(
            fs::read_to_string(c.dir().join("config")).expect("the config"),
            format!("# c\n{own}"),
            "{word}"
        );
        assert!(!c.dir().join("rootfs").exists());
    }
    let c = Container::known(&bed, &bed.name());
    c.tool("lxc-create", &["-t", &template, "-f", first]).ok();
    assert_eq!(lines(&c), own);
    bed.host(&format!("rmdir {root}"));
    let c = Container::known(&bed, &bed.name());
    c.tool("lxc-create", &["-t", "none", "-f", first]).expect(1);
    assert!(!c.dir().join("config").exists());
}

#[test]
fn kinds_of_storage() {
    let bed = Bed::new();
    let template = helpful(&bed);
    let elsewhere = bed.dir().join("elsewhere");
    let dir = elsewhere.to_str().expect("a path of ASCII letters");
    let root = |c: &Container<'_>| {
        let text = lines(c);
        let line = text.lines().find_map(|line| line.strip_prefix("lxc.rootfs.path = "));
        line.unwrap_or_else(|| panic!("{text}")).replace(&c.dir().display().to_string(), "OWN")
    };
    let overlay = "overlay:OWN/rootfs:OWN/overlay/delta";
    let cases: &[(&[&str], &str)] = &[
        (&[], "dir:OWN/rootfs"),
        (&["-B", "dir"], "dir:OWN/rootfs"),
        (&["-B", "none"], "dir:OWN/rootfs"),
        (&["-B", ""], "dir:OWN/rootfs"),
        (&["-B", "best"], "dir:OWN/rootfs"),
        (&["--bdev", "overlay"], overlay),
        (&["-B", "overlayfs"], overlay),
        (&["-B", "overlay", "--dir", dir], overlay),
        (&["--dir", dir], "dir:DIR"),
        (&["-6", dir], "dir:DIR"),
    ];
    for (args, source) in cases {
        let c = Container::known(&bed, &bed.name());
        c.tool("lxc-create", &[&["-t", template.as_str()], *args].concat()).ok();
        assert_eq!(root(&c), source.replace("DIR", dir), "{args:?}");
        assert!(c.rootfs().is_dir() && !c.dir().join("partial").exists(), "{args:?}");
    }
}

#[test]
fn options_that_do_not_fit() {
    let bed = Bed::new();
    let template = helpful(&bed);
    let cases: &[&[&str]] = &[
        &["-B", "di"],
        &["-B", "nosuch"],
        &["-B", "btrfs,dir"],
        &["--fstype", "ext4"],
        &["--fssize", "10M"],
        &["-B", "overlay", "-3", "ext4"],
        &["-B", "dir", "-4", "10M"],
        &["-B", "dir", "-0", "lv"],
        &["--lvname", "lv"],
        &["-1", "vg"],
        &["-2", "pool"],
        &["-5", "tank"],
        &["-B", "dir", "--zfsroot", "tank"],
        &["-7", "image"],
        &["-8", "pool"],
        &["--dir", "relative"],
    ];
    for args in cases {
        let c = Container::known(&bed, &bed.name());
        c.tool("lxc-create", &[&["-t", template.as_str()], *args].concat()).expect(1);
        assert!(!c.dir().exists(), "{args:?}");
    }
}

#[test]
fn the_folder_of_containers_is_made() {
    let bed = Bed::new();
    let template = helpful(&bed);
    let path = bed.dir().join("a/b");
    bed.tool(
        "lxc-create",
        &["-P", path.to_str().expect("a path of ASCII letters"), "-n", "x", "-t", &template],
    )
    .ok();
    assert_eq!(bed.host(&format!("cd {}; stat -c %a . .. x x/rootfs", path.display())), "755\n755\n770\n755");
}

#[test]
fn positional_words_are_the_templates() {
    let bed = Bed::new();
    let template = template(&bed);
    let c = Container::known(&bed, &bed.name());
    bed.tool("lxc-create", &[c.name(), "-t", &template, "one", "--", "two"]).ok();
    let called = fs::read_to_string(c.dir().join("called")).expect("the template's note");
    assert!(called.contains("| one two|"), "{called}");
    // A folder without a configuration is no container.
    let d = Container::known(&bed, &bed.name());
    bed.host(&format!("mkdir -p {}/rootfs; touch {0}/kept", d.dir().display()));
    d.tool("lxc-create", &["-t", &template]).ok();
    assert!(d.dir().join("kept").exists() && d.dir().join("config").exists());
}

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

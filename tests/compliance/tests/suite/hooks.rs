//! Hooks: their arguments, their environment, what their failure does.

use std::collections::BTreeMap;
use std::fs;

use compliance::{Bed, Container, Draft, wait_until};

/// Writes down arguments and environment, one line for each call.
const RECORD: &str = r#"#!/bin/sh
printf '%s|' "$#" "$@" >>DIR/calls
env | grep '^LXC_' | sort | tr '\n' '|' >>DIR/calls
echo >>DIR/calls
"#;

const HOST_HOOKS: &[&str] = &["pre-start", "start-host", "stop", "post-stop"];
const GUEST_HOOKS: &[&str] = &["pre-mount", "mount", "autodev"];

#[derive(Debug)]
struct Call {
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

/// A container that records all its hooks. Those that run in its mount namespace before the root is
/// changed still see the host's files.
fn recorded(bed: &Bed, version: u8) -> Draft<'_> {
    let dir = bed.dir();
    let script = dir.join("record");
    fs::write(&script, RECORD.replace("DIR", &dir.display().to_string())).expect("write a hook");
    bed.host(&format!("chmod 755 {}", script.display()));
    let mut lines = format!("lxc.hook.version = {version}\nlxc.autodev = 1\n");
    for hook in HOST_HOOKS.iter().chain(GUEST_HOOKS) {
        lines.push_str(&format!("lxc.hook.{hook} = {}\n", script.display()));
    }
    bed.container().config(&lines)
}

fn calls(bed: &Bed) -> Vec<Call> {
    let text = fs::read_to_string(bed.dir().join("calls")).expect("the hooks' notes");
    text.lines()
        .map(|line| {
            let mut words = line.split('|');
            let count = words.next().and_then(|w| w.parse().ok()).expect("a count");
            let args = words.by_ref().take(count).map(str::to_owned).collect();
            let env =
                words.filter_map(|w| w.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            Call { args, env }
        })
        .collect()
}

fn run(c: &Container<'_>) {
    c.start().ok();
    c.kill();
    wait_until("post-stop", std::time::Duration::from_secs(5), || calls(c.bed()).len() >= 7);
}

#[test]
fn version_0_has_arguments() {
    let bed = Bed::new();
    let c = recorded(&bed, 0).make();
    run(&c);
    let calls = calls(&bed);
    let order: Vec<&str> = calls.iter().map(|call| call.args[2].as_str()).collect();
    assert_eq!(order, ["pre-start", "pre-mount", "mount", "autodev", "start-host", "stop", "post-stop"]);
    for call in &calls {
        assert_eq!(&call.args[..2], [c.name(), "lxc"], "{call:?}");
        if call.args[2] != "stop" {
            assert_eq!(call.args.len(), 3, "{call:?}");
        }
    }
    let namespaces: Vec<&str> =
        calls[5].args[3..].iter().map(|arg| arg.split(':').next().unwrap_or_default()).collect();
    for wanted in ["mnt", "pid", "uts", "ipc", "net"] {
        assert!(namespaces.contains(&wanted), "{:?}", calls[5]);
    }
    for arg in &calls[5].args[3..] {
        assert!(arg.contains(":/proc/") && arg.contains("/fd/"), "{arg}");
    }
}

#[test]
fn the_environment_of_version_0() {
    let bed = Bed::new();
    let c = recorded(&bed, 0).make();
    run(&c);
    let config = c.dir().join("config").display().to_string();
    let rootfs = c.rootfs().display().to_string();
    for call in calls(&bed) {
        let get = |key: &str| call.env.get(key).map(String::as_str);
        let hook = call.args[2].as_str();
        assert_eq!(get("LXC_NAME"), Some(c.name()), "{call:?}");
        assert_eq!(get("LXC_CONFIG_FILE"), Some(config.as_str()), "{call:?}");
        assert_eq!(get("LXC_ROOTFS_PATH"), Some(rootfs.as_str()), "{call:?}");
        assert!(get("LXC_ROOTFS_MOUNT").is_some_and(|v| v.starts_with('/')), "{call:?}");
        assert_eq!(get("LXC_CGNS_AWARE"), Some("1"), "{call:?}");
        assert_eq!(get("LXC_LOG_LEVEL"), Some("ERROR"), "{call:?}");
        assert_eq!(get("LXC_HOOK_VERSION"), Some("0"), "{call:?}");
        assert_eq!(get("LXC_HOOK_TYPE"), None, "{call:?}");
        assert_eq!(get("LXC_PID").is_some(), ["start-host", "stop", "post-stop"].contains(&hook), "{call:?}");
        let target = ["stop", "post-stop"].contains(&hook).then_some("stop");
        assert_eq!(get("LXC_TARGET"), target, "{call:?}");
    }
}

#[test]
fn version_1_has_the_environment() {
    let bed = Bed::new();
    let c = recorded(&bed, 1).make();
    run(&c);
    let calls = calls(&bed);
    let order: Vec<&str> = calls.iter().map(|call| call.env["LXC_HOOK_TYPE"].as_str()).collect();
    assert_eq!(order, ["pre-start", "pre-mount", "mount", "autodev", "start-host", "stop", "post-stop"]);
    for call in &calls {
        assert!(call.args.is_empty(), "{call:?}");
        assert_eq!(call.env["LXC_HOOK_SECTION"], "lxc");
        assert_eq!(call.env["LXC_HOOK_VERSION"], "1");
    }
    for call in &calls[5..] {
        for key in ["LXC_MNT_NS", "LXC_PID_NS", "LXC_UTS_NS", "LXC_IPC_NS", "LXC_NET_NS"] {
            assert!(call.env[key].starts_with("/proc/"), "{call:?}");
        }
    }
}

#[test]
fn start_hooks_run_inside() {
    let bed = Bed::new();
    let hook =
        "#!/bin/sh\necho \"$@\" >/root/hook; env | grep '^LXC_NAME' >>/root/hook; hostname >>/root/hook\n";
    let c = bed.container().config("lxc.hook.start = /root/start").file("root/start", hook).start();
    assert_eq!(c.wait_file("root/hook"), format!("{0} lxc start\nLXC_NAME={0}\n{0}\n", c.name()));
    c.kill();
}

#[test]
fn hooks_see_their_own_environment() {
    let bed = Bed::new();
    let hook = "#!/bin/sh\nenv | grep -E '^(FOR|IN)_' | sort >/root/hook\n";
    let c = bed
        .container()
        .config("lxc.hook.start = /root/start\nlxc.environment = FOR_ALL=1")
        .file("root/start", hook)
        .start();
    assert_eq!(c.wait_file("root/hook"), "FOR_ALL=1\n");
    c.kill();
}

#[test]
fn hooks_run_in_order_and_through_a_shell() {
    let bed = Bed::new();
    let note = bed.dir().join("note");
    let note = note.display();
    let c = bed
        .container()
        .config(&format!(
            "lxc.hook.version = 1\nlxc.hook.pre-start = sh -c 'echo one >>{note}'\n\
             lxc.hook.pre-start = sh -c 'echo two >>{note}'"
        ))
        .start();
    c.kill();
    assert_eq!(bed.host(&format!("cat {note}")), "one\ntwo");
}

#[test]
fn an_empty_value_clears_the_list() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.hook.pre-start = /bin/false\nlxc.hook.pre-start =").start();
    c.kill();
}

#[test]
fn a_failing_hook_fails_the_start() {
    for hook in ["pre-start", "pre-mount", "mount", "autodev", "start-host", "start"] {
        let bed = Bed::new();
        let failing = if hook == "start" { "/bin/false" } else { "false" };
        let c = bed.container().config(&format!("lxc.hook.{hook} = {failing}\nlxc.autodev = 1")).make();
        let out = c.start();
        assert_eq!(out.code, 1, "{hook}: {}", out.stderr);
        assert_eq!(c.state(), "STOPPED", "{hook}");
    }
}

#[test]
fn a_failing_stop_hook_does_not_matter() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.hook.stop = false\nlxc.hook.post-stop = false").start();
    c.kill();
    assert_eq!(c.state(), "STOPPED");
}

#[test]
fn a_failing_post_stop_hook_turns_a_reboot_into_a_stop() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.hook.post-stop = sh -c 'test \"$LXC_TARGET\" = stop'").start();
    c.wait_file("etc/booted");
    assert_ne!(c.attach(&["reboot", "-f"]).code, 127);
    c.wait("STOPPED");
    assert_eq!(c.read("etc/booted"), "up\n");
}

#[test]
fn the_target_of_a_reboot() {
    let bed = Bed::new();
    let note = bed.dir().join("note");
    let hook = bed.dir().join("hook");
    fs::write(&hook, format!("#!/bin/sh\necho $3 $LXC_TARGET >>{}\n", note.display())).expect("write a hook");
    bed.host(&format!("chmod 755 {}", hook.display()));
    let hook = hook.display();
    let c = bed.container().config(&format!("lxc.hook.stop = {hook}\nlxc.hook.post-stop = {hook}")).start();
    c.wait_file("etc/booted");
    assert_ne!(c.attach(&["reboot", "-f"]).code, 127);
    wait_until("a second boot", std::time::Duration::from_secs(10), || c.read("etc/booted") == "up\nup\n");
    wait_until("RUNNING", std::time::Duration::from_secs(10), || c.state() == "RUNNING");
    c.kill();
    wait_until("four calls", std::time::Duration::from_secs(5), || {
        fs::read_to_string(&note)
            .is_ok_and(|text| text == "stop reboot\npost-stop reboot\nstop stop\npost-stop stop\n")
    });
}

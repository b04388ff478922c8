//! Whole systems: Debian's busybox container, Debian 12 with systemd.

use std::time::Duration;

use compliance::{Bed, Container, Inventory, Tools, View, debian_root, wait_until};

fn busybox(view: View) {
    let bed = Bed::with(view);
    let c = Container::known(&bed, &bed.name());
    c.tool("lxc-create", &["-t", "busybox"]).ok();
    bed.serve_dhcp();
    let before = Inventory::of(&bed);
    c.start().ok();
    wait_until("getty", Duration::from_secs(10), || c.sh("ps").contains("getty"));
    let mut console = c.terminal("lxc-console", &["-t", "1"]);
    console.expect("Connected to tty 1");
    console.nudge(b"\n", "login: ");
    console.send(b"\x01q");
    assert_eq!(console.finish().0, 0);
    let mut console = c.terminal("lxc-console", &["-t", "0"]);
    console.expect("Connected to tty 0");
    console.nudge(b"\n", "# ");
    console.send(b"tty\n");
    console.expect("/dev/console");
    console.send(b"\x01q");
    assert_eq!(console.finish().0, 0);
    assert!(c.tool("lxc-info", &["-iH"]).ok().stdout.starts_with("10.0.3.1"));
    c.tool("lxc-stop", &["-t", "15"]).ok();
    before.assert_restored(&bed);
}

#[test]
fn busybox_has_a_getty_and_a_console() {
    busybox(View::Host);
}

#[test]
fn busybox_on_unified() {
    busybox(View::Unified);
}

#[test]
fn busybox_on_legacy() {
    busybox(View::Legacy);
}

/// What systemd says of itself, and the units that failed, once it has come up.
fn systemd(tools: Tools, view: View) -> (String, String) {
    let root = debian_root();
    let bed = Bed::make(tools, view);
    let name = bed.name();
    let delta = bed.dir().join("delta");
    bed.host(&format!("mkdir -p {} /var/lib/lxc/{name}", delta.display()));
    let config = format!(
        "lxc.include = /usr/share/lxc/config/common.conf\n\
         lxc.uts.name = {name}\nlxc.arch = amd64\nlxc.net.0.type = empty\n\
         lxc.rootfs.path = overlay:{}:{}\n",
        root.display(),
        delta.display()
    );
    std::fs::write(format!("/var/lib/lxc/{name}/config"), config).expect("write a config");
    let c = Container::known(&bed, &name);
    c.start().ok();
    let mut word = String::new();
    wait_until("systemd is up", Duration::from_secs(60), || {
        let said = c.attach(&["systemctl", "is-system-running"]).stdout;
        word = said.trim_end().to_owned();
        ["running", "degraded", "maintenance"].contains(&word.as_str())
    });
    let failed = c.attach(&["systemctl", "--failed", "--plain", "--no-legend"]).ok().stdout;
    let mut units: Vec<&str> = failed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    units.sort_unstable();
    let units = units.join(" ");
    assert!(c.sh("ps -e -o args").contains("getty"));
    let out = c.tool("lxc-stop", &["-t", "30"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    (word, units)
}

fn like_upstream(view: View) {
    let got = systemd(Tools::under_test(), view);
    println!("systemd: {got:?}");
    if let Some(upstream) = Tools::upstream() {
        assert_eq!(got, systemd(upstream, view));
    }
}

#[test]
fn systemd_comes_up() {
    let got = systemd(Tools::under_test(), View::Host);
    assert_eq!(got, ("running".to_owned(), String::new()));
}

#[test]
fn systemd_on_the_hosts_cgroups() {
    like_upstream(View::Host);
}

#[test]
fn systemd_on_unified() {
    like_upstream(View::Unified);
}

#[test]
fn systemd_on_legacy() {
    like_upstream(View::Legacy);
}

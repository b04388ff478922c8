//! `lxc-ls --nesting` into containers that run, and into ones that play tricks.

use compliance::{Bed, check_json};

const INNER: &str = "mkdir -p /var/lib/lxc/inner/rootfs; echo 'lxc.group = gg' >/var/lib/lxc/inner/config";

#[test]
fn containers_in_running_ones() {
    let bed = Bed::new();
    let c = bed.container().start();
    c.sh(INNER);
    let name = c.name();
    assert_eq!(bed.tool("lxc-ls", &["--nesting", "-1"]).ok().stdout, format!("{name}\n{name}/inner\n"));
    let value = check_json("containers", &bed.tool("lxc-ls", &["--nesting", "--format=json"]).ok().stdout);
    let inner = &value["containers"][0]["nested"][0];
    assert_eq!((&inner["name"], &inner["state"]), (&"inner".into(), &"STOPPED".into()));
    assert_eq!(inner["groups"], serde_json::json!(["gg"]));
    c.kill();
}

/// A container inside has the name of one of the host that runs: it is not mistaken for it.
#[test]
fn the_hosts_containers_are_others() {
    let bed = Bed::new();
    let (outer, other) = (bed.container().make(), bed.container().start());
    bed.host(&format!(
        "mkdir -p {0}/var/lib/lxc/{1}; echo 'lxc.group = x' >{0}/var/lib/lxc/{1}/config",
        outer.rootfs().display(),
        other.name()
    ));
    let value = check_json("containers", &bed.tool("lxc-ls", &["--nesting", "--format=json"]).ok().stdout);
    assert_eq!(value["containers"][0]["nested"][0]["state"], "STOPPED");
    assert_eq!(value["containers"][1]["state"], "RUNNING");
    other.kill();
}

/// Links in a container lead to its own files only.
#[test]
fn links_lead_nowhere() {
    let bed = Bed::new();
    let secret = bed.dir().join("secret");
    bed.host(&format!("mkdir -p {0}/hidden; echo 'lxc.group = x' >{0}/hidden/config", secret.display()));
    let stopped = bed.container().make();
    bed.host(&format!(
        "mkdir -p {0}/var/lib; ln -s {1} {0}/var/lib/lxc",
        stopped.rootfs().display(),
        secret.display()
    ));
    let out = bed.tool("lxc-ls", &["--nesting", "-1"]).ok();
    assert_eq!(out.stdout, format!("{}\n", stopped.name()));
}

//! Control groups: names, settings, `lxc-cgroup`.

use compliance::{Bed, Container, Draft, Inventory};

/// The paths of init in the hierarchies, `:`-separated fields two and three, by the host.
fn paths(c: &Container<'_>) -> Vec<(String, String)> {
    let text = c.bed().host(&format!("cat /proc/{}/cgroup", c.init()));
    text.lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
        })
        .collect()
}

fn all_at(draft: Draft<'_>, payload: &str, monitor: &str) {
    let c = draft.make();
    let before = Inventory::of(c.bed());
    c.start().ok();
    for (controllers, path) in paths(&c) {
        assert_eq!(path, payload, "{controllers}");
    }
    let of_monitor =
        c.bed().host(&format!("cut -d: -f3 /proc/{}/cgroup | sort -u", compliance::process_parent(c.init())));
    assert_eq!(of_monitor, monitor);
    c.kill();
    let left = Inventory::of(c.bed()).differences(&before);
    let left: Vec<&String> =
        left.iter().filter(|thing| thing.contains("cgroup") && thing.contains("lxc.")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_default_names() {
    let bed = Bed::new();
    let draft = bed.container();
    let name = draft.name().to_owned();
    all_at(draft, &format!("/lxc.payload.{name}"), &format!("/lxc.monitor.{name}"));
}

#[test]
fn below_a_directory() {
    let bed = Bed::new();
    let draft = bed.container();
    let name = draft.name().to_owned();
    let dir = format!("dir-{}", bed.id());
    all_at(
        draft.config(&format!("lxc.cgroup.dir = {dir}")),
        &format!("/{dir}/lxc.payload.{name}"),
        &format!("/{dir}/lxc.monitor.{name}"),
    );
}

#[test]
fn chosen_names() {
    let bed = Bed::new();
    let id = bed.id().to_owned();
    all_at(
        bed.container()
            .config(&format!("lxc.cgroup.dir.monitor = m-{id}/x\nlxc.cgroup.dir.container = p-{id}/y")),
        &format!("/p-{id}/y"),
        &format!("/m-{id}/x"),
    );
    all_at(
        bed.container().config(&format!(
            "lxc.cgroup.dir.monitor = m-{id}/x\nlxc.cgroup.dir.container = p-{id}/y\nlxc.cgroup.dir.container.inner = ns"
        )),
        &format!("/p-{id}/y/ns"),
        &format!("/m-{id}/x"),
    );
}

#[test]
fn half_chosen_names_are_refused() {
    let bed = Bed::new();
    let id = bed.id();
    for lines in [
        format!("lxc.cgroup.dir.monitor = m-{id}"),
        format!("lxc.cgroup.dir.container = p-{id}"),
        format!(
            "lxc.cgroup.dir = d-{id}\nlxc.cgroup.dir.monitor = m-{id}\nlxc.cgroup.dir.container = p-{id}"
        ),
    ] {
        let c = bed.container().config(&lines).make();
        assert_eq!(c.start().code, 1, "{lines}");
    }
}

#[test]
fn settings_of_v1() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.cgroup.memory.limit_in_bytes = 33554432\nlxc.cgroup.pids.max = 50\nlxc.cgroup.cpu.shares = 300")
        .start();
    let root = "/sys/fs/cgroup";
    let name = c.name();
    assert_eq!(bed.host(&format!("cat {root}/memory/lxc.payload.{name}/memory.limit_in_bytes")), "33554432");
    assert_eq!(bed.host(&format!("cat {root}/pids/lxc.payload.{name}/pids.max")), "50");
    assert_eq!(bed.host(&format!("cat {root}/cpu/lxc.payload.{name}/cpu.shares")), "300");
    c.kill();
    let c = bed.container().config("lxc.cgroup.pids.max = nonsense").make();
    c.start().expect(1);
}

#[test]
fn limits_bind() {
    let bed = Bed::new();
    let c =
        bed.container().config("lxc.cgroup.pids.max = 12\nlxc.cgroup.memory.limit_in_bytes = 32M").start();
    // More processes than allowed; the shell says it cannot fork.
    assert_ne!(c.attach(&["sh", "-c", "for i in $(seq 40); do sleep 5 & done 2>/dev/null"]).code, 0);
    c.kill();
    let c = bed.container().config("lxc.cgroup.memory.limit_in_bytes = 32M").start();
    let out = c.attach(&["sh", "-c", "head -c 100000000 /dev/zero | tail -c 90000000 | wc -c"]);
    assert_ne!(out.stdout.trim(), "90000000", "64 MB and more were held in 32 MB");
    c.kill();
}

#[test]
fn get_and_set() {
    let bed = Bed::new();
    let c = bed.container().start();
    let out = c.tool("lxc-cgroup", &["pids.max", "77"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert_eq!(c.tool("lxc-cgroup", &["pids.max"]).ok().stdout, "77\n\n");
    c.tool("lxc-cgroup", &["pids.nosuch"]).expect(1);
    c.tool("lxc-cgroup", &["nosuch.max"]).expect(1);
    c.tool("lxc-cgroup", &["pids.max", "nonsense"]).expect(1);
    c.kill();
}

#[test]
fn groups_made_inside_go_with_the_container() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.mount.auto = cgroup:rw:force").make();
    let before = Inventory::of(&bed);
    c.start().ok();
    c.sh("for d in /sys/fs/cgroup/*/; do mkdir -p $d/inner/more 2>/dev/null; done; true");
    c.kill();
    before.assert_restored(&bed);
}

#[test]
fn the_caller_keeps_its_place() {
    let bed = Bed::new();
    let before = bed.host("cat /proc/self/cgroup");
    let c = bed.container().start();
    assert_eq!(bed.host("cat /proc/self/cgroup"), before);
    c.kill();
}

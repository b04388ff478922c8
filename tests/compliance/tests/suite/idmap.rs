//! Containers with mapped ids, started by root.

use compliance::{Bed, Draft, Inventory};

fn mapped(bed: &Bed) -> Draft<'_> {
    bed.container().config("lxc.idmap = u 0 700000 65536\nlxc.idmap = g 0 700000 65536\nlxc.autodev = 1")
}

/// Gives the root to the container's root user. The way to it must be open for that user.
fn hand_over(c: &compliance::Container<'_>) {
    c.bed().host(&format!(
        "chmod 755 {}; chown -hR 700000:700000 {}",
        c.dir().display(),
        c.rootfs().display()
    ));
}

#[test]
fn ids_are_mapped() {
    let bed = Bed::new();
    let c = mapped(&bed).make();
    hand_over(&c);
    let before = Inventory::of(&bed);
    c.start().ok();
    assert_eq!(bed.host(&format!("stat -c %u:%g /proc/{}", c.init())), "700000:700000");
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        words(c.sh("cat /proc/self/uid_map /proc/self/gid_map")),
        ["0", "700000", "65536", "0", "700000", "65536"]
    );
    assert_eq!(c.sh("id -u; id -g; touch /root/made; stat -c %u /root/made"), "0\n0\n0");
    assert_eq!(bed.host(&format!("stat -c %u {}/root/made", c.rootfs().display())), "700000");
    assert_eq!(
        bed.tool("lxc-ls", &["-f", "-F", "UNPRIVILEGED"]).ok().stdout,
        "UNPRIVILEGED \ntrue         \n"
    );
    c.stop();
    before.assert_restored(&bed);
}

#[test]
fn its_cgroup_belongs_to_it() {
    let bed = Bed::new();
    let c = mapped(&bed).make();
    hand_over(&c);
    c.start().ok();
    let dir = format!("/sys/fs/cgroup/pids/lxc.payload.{}", c.name());
    assert_eq!(
        bed.host(&format!("stat -c '%u:%g %a' {dir} {dir}/cgroup.procs {dir}/tasks")),
        "0:700000 775\n0:700000 664\n0:700000 664"
    );
    c.kill();
}

#[test]
fn a_mapped_root_file_system() {
    let bed = Bed::new();
    let c = mapped(&bed).config("lxc.rootfs.options = idmap=container").make();
    bed.host(&format!("chmod 755 {}", c.dir().display()));
    c.start().ok();
    assert_eq!(c.sh("stat -c %u /sbin/init; touch /root/made; stat -c %u /root/made"), "0\n0");
    assert_eq!(bed.host(&format!("stat -c %u {}/root/made", c.rootfs().display())), "0");
    c.kill();
}

#[test]
fn a_mapped_entry() {
    let bed = Bed::new();
    let dir = bed.dir().join("data");
    bed.host(&format!("mkdir {0}; touch {0}/file", dir.display()));
    let c = mapped(&bed)
        .config(&format!("lxc.mount.entry = {} mnt none bind,idmap=container 0 0", dir.display()))
        .make();
    hand_over(&c);
    c.start().ok();
    assert_eq!(c.sh("stat -c %u /mnt/file"), "0");
    c.kill();
}

#[test]
fn overlapping_maps_fail() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config("lxc.idmap = u 0 700000 65536\nlxc.idmap = u 0 800000 65536\nlxc.idmap = g 0 700000 65536")
        .make();
    hand_over(&c);
    c.start().expect(1);
}

//! `lxc-create -t host`: a container from the machine's own files, with nothing downloaded.

use compliance::{Bed, Container, Inventory};

#[test]
fn a_container_from_nothing() {
    let bed = Bed::new();
    let c = Container::known(&bed, &bed.name());
    c.tool("lxc-create", &["-t", "host"]).ok();
    let before = Inventory::of(&bed);
    c.start().ok();
    assert_eq!(c.sh("hostname 2>/dev/null || cat /proc/sys/kernel/hostname"), c.name());
    assert_eq!(c.sh("cat /proc/1/cgroup >/dev/null; id -u"), "0");
    assert_eq!(c.sh("touch /etc/of-the-container; ls /etc/of-the-container"), "/etc/of-the-container");
    assert_eq!(bed.host("ls /etc/of-the-container 2>/dev/null || echo none"), "none");
    c.tool("lxc-stop", &["-t", "20"]).ok();
    before.assert_restored(&bed);
    c.tool("lxc-destroy", &[]).ok();
    assert!(!c.dir().exists());
}

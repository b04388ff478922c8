//! `lxc.log.syslog`.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use compliance::Bed;

/// A `/dev` of the bed's own, in which somebody may listen as syslog.
const OWN_DEV: &str = "mount -t tmpfs tmpfs /mnt; cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty \
                       /mnt/; mkdir /mnt/pts /mnt/shm; mount --bind /dev/pts /mnt/pts; ln -s pts/ptmx /mnt/ptmx; \
                       mount --make-rprivate /; mount --move /mnt /dev; mount --make-rshared /";

#[test]
fn errors_go_to_syslog() {
    let bed = Bed::new();
    bed.host(OWN_DEV);
    let c = bed.container().config("lxc.log.syslog = local3\nlxc.init.cmd = /nosuch").make();
    // Without anybody who listens it makes no difference.
    c.tool("lxc-start", &[]).expect(1);
    let socket = UnixDatagram::bind("/dev/log").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    c.tool("lxc-start", &[]).expect(1);
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).expect("a line");
    let line = String::from_utf8_lossy(&bytes[..length]);
    // 19 * 8 + 3: local3, error.
    assert!(line.starts_with("<155>"), "{line}");
    assert!(line.contains("lxc-start[") && line.contains(&format!("]: {}: ", c.name())), "{line}");
}

#[test]
fn the_level_counts_for_syslog() {
    let bed = Bed::new();
    bed.host(OWN_DEV);
    let c = bed.container().config("lxc.log.syslog = daemon\nlxc.log.level = INFO").make();
    let socket = UnixDatagram::bind("/dev/log").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    let start = c.run("lxc-start", &[]).spawn();
    // 3 * 8 + 3 to 3 * 8 + 6: daemon, error to info. Upstream waits for whoever does not read.
    let mut informed = false;
    let mut bytes = [0; 4096];
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a limit");
    while let Ok(length) = socket.recv(&mut bytes) {
        let line = String::from_utf8_lossy(&bytes[..length]);
        assert!(["<27>", "<28>", "<29>", "<30>"].iter().any(|level| line.starts_with(level)), "{line}");
        informed |= line.starts_with("<30>");
    }
    assert!(informed);
    start.output().ok();
    c.kill();
}

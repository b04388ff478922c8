//! Tools say what they wait for, and do not wait for ever.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use compliance::{Bed, CommandSocket, Container, View};

/// A file system on which whoever writes sleeps and cannot be killed, until it is thawed.
struct Frozen<'a> {
    bed: &'a Bed,
    dir: PathBuf,
    frozen: bool,
}

impl<'a> Frozen<'a> {
    fn new(bed: &'a Bed) -> Self {
        let (image, dir) = (bed.dir().join("image"), bed.dir().join("fs"));
        bed.host(&format!(
            "truncate -s 16M {0}; mkfs.ext4 -q {0}; mkdir {1}; mount -o loop {0} {1}",
            image.display(),
            dir.display()
        ));
        Frozen { bed, dir, frozen: false }
    }

    fn freeze(&mut self) {
        let dir = self.dir.display();
        // Whatever becomes of the test: nobody could ever end a process that sleeps there.
        self.bed.host(&format!("(sleep 60; fsfreeze -u {dir}) >/dev/null 2>&1 &\nfsfreeze -f {dir}"));
        self.frozen = true;
    }

    fn thaw(&mut self) {
        if std::mem::take(&mut self.frozen) {
            self.bed.host(&format!("fsfreeze -u {}", self.dir.display()));
        }
    }

    /// A container with a process that sleeps there.
    fn sleeper(&mut self) -> Container<'a> {
        let entry = format!("lxc.mount.entry = {} mnt none bind 0 0", self.dir.display());
        let script = "(until [ -e /root/go ]; do sleep 0.02; done; echo >/mnt/file) & echo >/root/up";
        let c = self.bed.container().config(&entry).at_boot(script).start();
        c.wait_file("root/up");
        self.freeze();
        fs::write(c.rootfs().join("root/go"), "").expect("write a file");
        let group = format!(
            "cat /sys/fs/cgroup/lxc.payload.{0}/cgroup.procs || cat /sys/fs/cgroup/*/lxc.payload.{0}/cgroup.procs",
            c.name()
        );
        let sleeps =
            format!("for p in $({group}); do grep -q 'State:.D' /proc/$p/status && echo yes; done; true");
        compliance::wait_until("a process that sleeps", Duration::from_secs(5), || {
            self.bed.host(&sleeps).contains("yes")
        });
        c
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.thaw();
    }
}

#[test]
fn stop_names_what_does_not_die() {
    let bed = Bed::new();
    let mut frozen = Frozen::new(&bed);
    let c = frozen.sleeper();
    let stop = c.run("lxc-stop", &["-k"]).limit(Duration::from_secs(30)).spawn();
    std::thread::sleep(Duration::from_millis(5500));
    // The monitor answers meanwhile.
    assert_eq!(CommandSocket::call(c.name(), 3, 0, b"").ret, 0);
    frozen.thaw();
    let out = stop.output().ok();
    assert!(out.stderr.contains("killed, and not dead: process "), "{}", out.stderr);
    assert!(out.stderr.contains("is in state D (disk sleep) in "), "{}", out.stderr);
    assert_eq!(c.state(), "STOPPED");
}

#[test]
fn freezing_what_does_not_freeze_delays_nobody() {
    let bed = Bed::with(View::Unified);
    let mut frozen = Frozen::new(&bed);
    let c = frozen.sleeper();
    let ask = |timeout| {
        let socket = CommandSocket::open(c.name()).expect("a monitor");
        socket.send(15, timeout, b"");
        socket
    };
    let begin = Instant::now();
    let (soon, never) = (ask(1), ask(-1));
    while begin.elapsed() < Duration::from_millis(800) {
        let asked = Instant::now();
        assert_eq!(CommandSocket::call(c.name(), 3, 0, b"").number, 2);
        assert!(asked.elapsed() < Duration::from_millis(300), "{:?}", asked.elapsed());
    }
    assert_eq!(soon.reply().expect("an answer").ret, -110, "ETIMEDOUT");
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    drop(never);
    frozen.thaw();
    // What was not frozen in time runs on.
    assert_eq!(c.sh("echo alive"), "alive");
    c.kill();
}

#[test]
fn shutting_down_names_what_goes_on() {
    let bed = Bed::new();
    let c = bed.container().init("trap '' PWR; while :; do sleep 1000; done").start();
    let out = c.tool("lxc-stop", &["-t", "1", "--nokill"]).expect(1);
    let init =
        format!("the container did not shut down in time: process {} (test-init) is in state S", c.init());
    assert!(out.stderr.contains(&init), "{}", out.stderr);
    c.kill();
}

#[test]
fn a_monitor_that_does_not_answer_is_named() {
    let bed = Bed::new();
    let c = bed.container().start();
    let monitor = compliance::process_parent(c.init());
    bed.host(&format!("kill -STOP {monitor}"));
    let begin = Instant::now();
    let out = c.run("lxc-info", &["-s"]).limit(Duration::from_secs(30)).output().expect(1);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    let said = format!("process {monitor} (lxc-start) is in state T (stopped)");
    assert!(out.stderr.contains(&said), "{}", out.stderr);
    bed.host(&format!("kill -CONT {monitor}"));
    assert_eq!(c.state(), "RUNNING");
    c.kill();
}

//! `lxc-monitor`, the daemon behind it, and what containers write to its fifo.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use compliance::{Bed, Container, Run, Side, wait_until};
use rustix::fs::{Mode, OFlags};

const FIFO: &str = "/run/lxc/var/lib/lxc/monitor-fifo";
const SOCKET: &str = "@lxc/ad055575fe28ddd5//var/lib/lxc";

/// Waits until so many ends of the daemon's socket are there: one listens, each client is another.
#[track_caller]
fn wait_clients(count: usize) {
    wait_until("clients of the monitor daemon", Duration::from_secs(5), || {
        let sockets = fs::read_to_string("/proc/1/net/unix").expect("/proc/1/net/unix");
        sockets.lines().filter(|line| line.ends_with(SOCKET)).count() == count + 1
    });
}

/// The lines, each once where it stands several times in a row: Debian's LXC tells some states twice.
fn distinct(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.dedup();
    lines
}

fn lines(name: &str, words: &str) -> Vec<String> {
    let line = |word: &str| match word.parse::<i32>() {
        Ok(code) => format!("'{name}' exited with status [{code}]"),
        Err(_) => format!("'{name}' changed state to [{word}]"),
    };
    words.split_whitespace().map(line).collect()
}

fn daemon(bed: &Bed) -> PathBuf {
    match bed.tools().side() {
        Side::Upstream => PathBuf::from("/usr/libexec/lxc/lxc-monitord"),
        Side::Ours => bed.tools().bin().join("../libexec/lxc/lxc-monitord"),
    }
}

/// Ends the daemon and reads what the tool has printed. A start that failed returns before its monitor has told all:
/// it gets some time for it.
fn printed(bed: &Bed, tool: compliance::Running) -> String {
    std::thread::sleep(Duration::from_millis(500));
    bed.tool("lxc-monitor", &["-Q"]).ok();
    tool.output().expect(1).stdout
}

#[test]
fn a_life() {
    let bed = Bed::new();
    let c = bed.container().make();
    let tool = bed.run("lxc-monitor", &["-n", c.name()]).spawn();
    wait_clients(1);
    c.start().ok();
    c.wait_ready();
    c.tool("lxc-freeze", &[]).ok();
    c.tool("lxc-unfreeze", &[]).ok();
    c.stop();
    c.start().ok();
    c.kill();
    c.wait("STOPPED");
    let text = printed(&bed, tool);
    let want = "STARTING RUNNING FREEZING FROZEN THAWED RUNNING 0 STOPPING STOPPED \
                STARTING RUNNING 0 STOPPING STOPPED";
    assert_eq!(distinct(&text), lines(c.name(), want));
}

#[test]
fn ends_of_all_kinds() {
    let bed = Bed::new();
    let tool = bed.run("lxc-monitor", &[]).spawn();
    wait_clients(1);
    let c = bed.container().make();
    c.tool("lxc-execute", &["--", "/bin/sh", "-c", "exit 5"]).expect(5);
    let d = bed.container().config("lxc.hook.pre-start = /bin/false").make();
    d.tool("lxc-start", &["-q"]).expect(1);
    let e = bed.container().config("lxc.init.cmd = /nosuch").make();
    e.tool("lxc-start", &["-q"]).expect(1);
    let text = printed(&bed, tool);
    let mut want = lines(c.name(), "STARTING RUNNING 5 STOPPING STOPPED");
    want.extend(lines(d.name(), "STARTING ABORTING STOPPING STOPPED"));
    want.extend(lines(e.name(), "STARTING ABORTING STOPPING STOPPED"));
    assert_eq!(distinct(&text), want);
}

#[test]
fn a_reboot_from_inside() {
    let bed = Bed::new();
    let c = bed
        .container()
        .init("[ -e /rebooted ] && exec sleep 1000\ntouch /rebooted\nsleep 0.2\nreboot -f")
        .make();
    let tool = bed.run("lxc-monitor", &[]).spawn();
    wait_clients(1);
    c.start().ok();
    wait_until("a second run", Duration::from_secs(10), || c.rootfs().join("rebooted").exists());
    // SIGHUP is how the kernel ends an init that reboots.
    std::thread::sleep(Duration::from_secs(1));
    c.wait("RUNNING");
    c.kill();
    c.wait("STOPPED");
    let text = printed(&bed, tool);
    let want = "STARTING RUNNING 0 STOPPING STOPPED STARTING RUNNING 0 STOPPING STOPPED";
    assert_eq!(distinct(&text), lines(c.name(), want));
}

#[test]
fn names_are_expressions() {
    let bed = Bed::new();
    let (a, b) = (bed.container().make(), bed.container().make());
    let last = |c: &Container<'_>| c.name()[c.name().len() - 2..].to_owned();
    let exact = bed.run("lxc-monitor", &["-n", a.name()]).spawn();
    wait_clients(1);
    let part = bed.run("lxc-monitor", &["-n", &last(&a)]).spawn();
    wait_clients(2);
    let pattern = bed.run("lxc-monitor", &["-n", &format!(".*({}|{})", last(&a), last(&b))]).spawn();
    wait_clients(3);
    // A name without -n does not count.
    let all = bed.run("lxc-monitor", &[a.name()]).spawn();
    wait_clients(4);
    for c in [&a, &b] {
        c.tool("lxc-execute", &["--", "true"]).ok();
    }
    let all = printed(&bed, all);
    let [of_a, of_b] =
        [&a, &b].map(|c| lines(c.name(), "STARTING RUNNING 0 STOPPING STOPPED").join("\n") + "\n");
    assert_eq!(all, format!("{of_a}{of_b}"));
    assert_eq!(exact.output().expect(1).stdout, of_a);
    assert_eq!(part.output().expect(1).stdout, "");
    assert_eq!(pattern.output().expect(1).stdout, all);
    for wrong in ["[", "x("] {
        assert_eq!(bed.tool("lxc-monitor", &["-n", wrong]).expect(1).stdout, "", "{wrong}");
    }
}

#[test]
fn several_folders() {
    let bed = Bed::new();
    let c = bed.container().make();
    let other = bed.dir().join("more");
    let other = other.to_str().expect("a path of ASCII letters");
    bed.host(&format!("mkdir -p {other}; cp -a {} {other}/", c.dir().display()));
    bed.host(&format!("sed -i s,/var/lib/lxc/,{other}/, {other}/{}/config", c.name()));
    let tool = bed.run("lxc-monitor", &["-P", "/var/lib/lxc", "-P", other]).spawn();
    wait_clients(1);
    let fifo = format!("/run/lxc{other}/monitor-fifo");
    wait_until("the second daemon", Duration::from_secs(5), || Path::new(&fifo).exists());
    std::thread::sleep(Duration::from_millis(300));
    bed.tool("lxc-execute", &["-P", other, "-n", c.name(), "--", "/bin/sh", "-c", "exit 3"]).expect(3);
    c.tool("lxc-execute", &["--", "true"]).ok();
    // One that is not there does not keep the others from being asked.
    bed.tool("lxc-monitor", &["-Q", "-P", "/nosuch", "-P", "/var/lib/lxc", "-P", other]).expect(1);
    let mut want = lines(c.name(), "STARTING RUNNING 3 STOPPING STOPPED");
    want.extend(lines(c.name(), "STARTING RUNNING 0 STOPPING STOPPED"));
    assert_eq!(distinct(&tool.output().expect(1).stdout), want);
    wait_until("the end of both", Duration::from_secs(5), || {
        !Path::new(&fifo).exists() && !Path::new(FIFO).exists()
    });
}

#[test]
fn nobody_to_be_ended() {
    let bed = Bed::new();
    assert_eq!(bed.tool("lxc-monitor", &["-Q"]).expect(1).stdout, "");
    assert_eq!(bed.tool("lxc-monitor", &["--quit", "-P", "/nosuch"]).expect(1).stdout, "");
}

#[test]
fn places_and_modes() {
    let bed = Bed::new();
    let tool = bed.run("lxc-monitor", &[]).spawn();
    wait_clients(1);
    let meta = fs::metadata(FIFO).expect("the fifo");
    assert!(meta.file_type().is_fifo());
    assert_eq!(meta.permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata("/run/lxc/var").expect("its folder").permissions().mode() & 0o7777, 0o755);
    let daemon = bed.host("grep -lz '^[^ ]*lxc-monitord$' /proc/[0-9]*/cmdline | cut -d/ -f3");
    let stat = bed.host(&format!("cut -d' ' -f4-6 /proc/{daemon}/stat"));
    assert_eq!(stat, format!("1 {daemon} {daemon}"), "a session of its own, and nobody's child");
    for fd in 0..3 {
        assert_eq!(bed.host(&format!("readlink /proc/{daemon}/fd/{fd}")), "/dev/null");
    }
    assert_eq!(printed(&bed, tool), "");
    assert!(!Path::new(FIFO).exists());
}

/// The fifo as a consumer of its own reads it.
fn own_fifo() -> File {
    fs::create_dir_all("/run/lxc/var/lib/lxc").expect("a folder");
    rustix::fs::mkfifoat(rustix::fs::CWD, FIFO, Mode::RUSR | Mode::WUSR).expect("a fifo");
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    File::from(rustix::fs::open(FIFO, flags, Mode::empty()).expect("the fifo"))
}

/// The messages in it: type, name, value.
fn messages(fifo: &mut File) -> Vec<(i32, String, i32)> {
    let mut all = Vec::new();
    let mut bytes = [0; 264];
    while fifo.read_exact(&mut bytes).is_ok() {
        let word = |at: usize| i32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let name = bytes[4..260].split(|byte| *byte == 0).next().unwrap_or_default();
        all.push((word(0), String::from_utf8_lossy(name).into_owned(), word(260)));
    }
    all
}

#[test]
fn raw_messages() {
    let bed = Bed::new();
    let c = bed.container().make();
    let mut fifo = own_fifo();
    c.tool("lxc-execute", &["--", "/bin/sh", "-c", "exit 7"]).expect(7);
    let name = || c.name().to_owned();
    assert_eq!(
        messages(&mut fifo),
        [(0, name(), 1), (0, name(), 2), (2, name(), 0x0700), (0, name(), 3), (0, name(), 0)]
    );
    c.start().ok();
    c.kill();
    c.wait("STOPPED");
    wait_until("the last message", Duration::from_secs(5), || {
        messages(&mut fifo).last().is_some_and(|(_, _, state)| *state == 0)
    });
}

#[test]
fn what_is_no_fifo_is_no_matter() {
    let bed = Bed::new();
    let c = bed.container().make();
    bed.host(&format!("mkdir -p {FIFO}"));
    c.tool("lxc-execute", &["--", "true"]).ok();
    bed.host(&format!("rmdir {FIFO}; mkfifo {FIFO}"));
    c.tool("lxc-execute", &["--", "true"]).ok();
}

#[test]
fn one_daemon_a_folder() {
    let bed = Bed::new();
    let daemon = daemon(&bed);
    let first = Run::new(&daemon, &["--daemon"]).spawn();
    wait_clients(0);
    assert_eq!(Run::new(&daemon, &["--daemon", "/var/lib/lxc"]).output().expect(1).stdout, "");
    first.signal(rustix::process::Signal::TERM);
    let out = first.output().ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert!(!Path::new(FIFO).exists());
}

#[test]
fn a_killed_daemon_leaves_no_trouble() {
    let bed = Bed::new();
    let first = Run::new(&daemon(&bed), &["--daemon"]).spawn();
    wait_clients(0);
    first.signal(rustix::process::Signal::KILL);
    drop(first.output());
    assert!(Path::new(FIFO).exists());
    let c = bed.container().make();
    c.tool("lxc-execute", &["--", "true"]).ok();
    let inode = fs::metadata(FIFO).expect("the fifo").ino();
    let tool = bed.run("lxc-monitor", &[]).spawn();
    wait_clients(1);
    assert_eq!(fs::metadata(FIFO).expect("the fifo").ino(), inode);
    c.tool("lxc-execute", &["--", "true"]).ok();
    let text = printed(&bed, tool);
    assert_eq!(distinct(&text), lines(c.name(), "STARTING RUNNING 0 STOPPING STOPPED"));
}

#[test]
fn the_daemons_command_line() {
    let bed = Bed::new();
    for wrong in [&[][..], &["/var/lib/lxc"], &["-h"], &["/var/lib/lxc", "x"], &["--daemon", "a", "b"]] {
        assert_eq!(Run::new(&daemon(&bed), wrong).output().expect(1).stdout, "", "{wrong:?}");
    }
    assert!(!Path::new("/run/lxc/var").exists());
}

/// The name of its socket would be too long.
#[test]
fn a_path_too_long() {
    let bed = Bed::new();
    let long = bed.dir().join("x".repeat(80));
    fs::create_dir(&long).expect("a folder");
    let long = long.to_str().expect("a path of ASCII letters");
    assert_eq!(bed.tool("lxc-monitor", &["-P", long]).expect(1).stdout, "");
}

#[test]
fn the_daemon_leaves_when_nobody_listens() {
    let bed = Bed::new();
    let tool = bed.run("lxc-monitor", &[]).spawn();
    wait_clients(1);
    drop(tool);
    let begin = Instant::now();
    wait_until("the daemon's end", Duration::from_secs(35), || !Path::new(FIFO).exists());
    assert!(begin.elapsed() > Duration::from_secs(25), "it ended after {:?}", begin.elapsed());
}

//! `lxc-monitor` and `lxc-monitord`, ours and Debian's in every mixture; what only ours can.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use compliance::{Bed, Container, Run, Tools, check_json, wait_until};

const THEIRS: &str = "/usr/libexec/lxc/lxc-monitord";
const FIFO: &str = "/run/lxc/var/lib/lxc/monitor-fifo";

fn ours(bed: &Bed) -> PathBuf {
    bed.tools().bin().join("../libexec/lxc/lxc-monitord")
}

/// Waits until the daemon listens and has so many clients.
#[track_caller]
fn wait_clients(count: usize) {
    wait_until("clients of the monitor daemon", Duration::from_secs(5), || {
        let sockets = fs::read_to_string("/proc/1/net/unix").expect("/proc/1/net/unix");
        sockets.lines().filter(|line| line.contains("@lxc/")).count() == count + 1
    });
}

/// Runs a container with the tools in `bin`, and freezes it.
fn live(c: &Container<'_>, bin: &Path) {
    let tool = |name: &str, args: &[&str]| {
        let mut all = vec!["-n", c.name()];
        all.extend(args);
        Run::new(&bin.join(name), &all).output().ok();
    };
    tool("lxc-start", &[]);
    tool("lxc-freeze", &[]);
    tool("lxc-unfreeze", &[]);
    tool("lxc-stop", &["-k"]);
    tool("lxc-execute", &["--", "true"]);
}

#[test]
fn every_mixture() {
    let bed = Bed::new();
    let Some(upstream) = Tools::upstream() else { return };
    let c = bed.container().make();
    let of = |state: &str| format!("'{}' {state}\n", c.name());
    let mut want: String = ["STARTING", "RUNNING", "FREEZING", "FROZEN", "THAWED", "RUNNING"]
        .map(|state| of(&format!("changed state to [{state}]")))
        .concat();
    let end =
        [of("exited with status [0]"), of("changed state to [STOPPING]"), of("changed state to [STOPPED]")]
            .concat();
    want.push_str(&end);
    want.push_str(&of("changed state to [STARTING]"));
    want.push_str(&of("changed state to [RUNNING]"));
    want.push_str(&end);
    let (ours_bin, theirs_bin) = (bed.tools().bin().to_owned(), upstream.bin().to_owned());
    for daemon in [ours(&bed), PathBuf::from(THEIRS)] {
        for tool in [&ours_bin, &theirs_bin] {
            for containers in [&ours_bin, &theirs_bin] {
                let mixture = format!("{daemon:?} {tool:?} {containers:?}");
                let serving = Run::new(&daemon, &["--daemon"]).spawn();
                wait_clients(0);
                let printing = Run::new::<&str>(&tool.join("lxc-monitor"), &[]).spawn();
                wait_clients(1);
                live(&c, containers);
                Run::new(&tool.join("lxc-monitor"), &["-Q"]).output().ok();
                serving.output().ok();
                let printed = printing.output().expect(1).stdout;
                let mut lines: Vec<&str> = printed.lines().collect();
                lines.dedup();
                assert_eq!(lines, want.lines().collect::<Vec<_>>(), "{mixture}");
            }
        }
    }
}

#[test]
fn events_as_json() {
    let bed = Bed::new();
    let c = bed.container().make();
    let tool = bed.run("lxc-monitor", &["--format=json"]).spawn();
    wait_clients(1);
    c.tool("lxc-execute", &["--", "/bin/sh", "-c", "exit 7"]).expect(7);
    c.start().ok();
    c.kill();
    c.wait("STOPPED");
    bed.tool("lxc-monitor", &["-Q"]).ok();
    let text = tool.output().expect(1).stdout;
    let events: Vec<_> = text.split_inclusive('\n').map(|line| check_json("event", line)).collect();
    let told: Vec<String> = events
        .iter()
        .map(|event| match event["state"].as_str() {
            Some(state) => state.to_owned(),
            None => format!("{}", event["exit"]),
        })
        .collect();
    assert_eq!(
        told,
        [
            "STARTING",
            "RUNNING",
            "{\"code\":7,\"signal\":null}",
            "STOPPING",
            "STOPPED",
            "STARTING",
            "RUNNING",
            "{\"code\":null,\"signal\":9}",
            "STOPPING",
            "STOPPED"
        ]
    );
    assert!(events.iter().all(|event| event["container"] == c.name() && event["lxcpath"] == "/var/lib/lxc"));
}

/// Each state is told once.
#[test]
fn states_are_told_once() {
    let bed = Bed::new();
    let c = bed.container().make();
    let tool = bed.run("lxc-monitor", &[]).spawn();
    wait_clients(1);
    live(&c, bed.tools().bin());
    bed.tool("lxc-monitor", &["-Q"]).ok();
    let text = tool.output().expect(1).stdout;
    for state in ["FREEZING", "FROZEN", "THAWED"] {
        assert_eq!(text.matches(&format!("[{state}]")).count(), 1, "{text}");
    }
}

/// A client that stands still costs the others nothing, and in the end its place.
#[test]
fn a_client_that_does_not_read() {
    let bed = Bed::new();
    let serving = Run::new(&ours(&bed), &["--daemon"]).spawn();
    wait_clients(0);
    let stuck = bed.run("lxc-monitor", &[]).spawn();
    wait_clients(1);
    stuck.signal(rustix::process::Signal::STOP);
    let c = bed.container().make();
    let listening = bed.run("lxc-monitor", &["-n", c.name()]).spawn();
    wait_clients(2);
    // With pauses: who reads must not be left behind on a busy machine.
    bed.host(&format!(
        "python3 -c 'import os, time\nf = os.open(\"{FIFO}\", os.O_WRONLY)\nfor n in range(20000):\n \
         os.write(f, bytes(4) + b\"other\" + bytes(255))\n if n % 500 == 0: time.sleep(0.02)'"
    ));
    c.tool("lxc-execute", &["--", "true"]).ok();
    wait_clients(1);
    bed.tool("lxc-monitor", &["-Q"]).ok();
    serving.output().ok();
    assert_eq!(listening.output().expect(1).stdout.lines().count(), 5);
    stuck.signal(rustix::process::Signal::CONT);
    let seen = stuck.output().expect(1).stdout.lines().count();
    assert!(seen < 20000, "{seen}");
}

/// What other users may do: nothing.
#[test]
fn strangers_hear_nothing() {
    let bed = Bed::new();
    let serving = Run::new(&ours(&bed), &["--daemon"]).spawn();
    wait_clients(0);
    let script = "import socket\ns = socket.socket(socket.AF_UNIX)\n\
                  s.connect('\\0lxc/ad055575fe28ddd5//var/lib/lxc')\n\
                  try:\n s.send(b'quit')\nexcept OSError: pass\n\
                  try: print(len(s.recv(300)))\nexcept OSError: print(0)";
    let args = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-c", script];
    let out = Run::new(Path::new("/usr/bin/setpriv"), &args).output().ok();
    assert_eq!(out.stdout, "0\n");
    // It still serves.
    let tool = bed.run("lxc-monitor", &[]).spawn();
    wait_clients(1);
    bed.tool("lxc-monitor", &["-Q"]).ok();
    drop((tool.output().expect(1), serving.output().ok()));
}

/// Bytes that make no message do not spoil those that do.
#[test]
fn garbage_in_the_fifo() {
    let bed = Bed::new();
    let serving = Run::new(&ours(&bed), &["--daemon"]).spawn();
    wait_clients(0);
    let c = bed.container().make();
    let tool = bed.run("lxc-monitor", &[]).spawn();
    wait_clients(1);
    bed.host(&format!("printf garbage >{FIFO}"));
    std::thread::sleep(Duration::from_millis(200));
    c.tool("lxc-execute", &["--", "true"]).ok();
    bed.tool("lxc-monitor", &["-Q"]).ok();
    serving.output().ok();
    assert_eq!(tool.output().expect(1).stdout.lines().count(), 5);
}

/// The socket's clients get whole messages, as the fifo had them.
#[test]
fn raw_bytes_of_the_socket() {
    let bed = Bed::new();
    let _serving = Run::new(&ours(&bed), &["--daemon"]).spawn();
    wait_clients(0);
    let script = "import socket\ns = socket.socket(socket.AF_UNIX)\n\
                  s.connect('\\0lxc/ad055575fe28ddd5//var/lib/lxc')\nprint('ready', flush=True)\n\
                  m = b''\nwhile len(m) < 264 * 5: m += s.recv(4096)\n\
                  import struct\nfor n in range(5): print(struct.unpack('i256si', m[264 * n:264 * (n + 1)])[::2])";
    let mut client = std::process::Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3");
    let mut out = client.stdout.take().expect("a pipe");
    let mut ready = [0; 6];
    out.read_exact(&mut ready).expect("a client that is connected");
    let c = bed.container().make();
    c.tool("lxc-execute", &["--", "/bin/sh", "-c", "exit 3"]).expect(3);
    let mut text = String::new();
    out.read_to_string(&mut text).expect("its lines");
    client.wait().expect("its end");
    assert_eq!(text, "(0, 1)\n(0, 2)\n(2, 768)\n(0, 3)\n(0, 0)\n");
}

/// A reader of the fifo that does not read delays no container.
#[test]
fn a_full_fifo() {
    let bed = Bed::new();
    let c = bed.container().make();
    bed.host(&format!("mkdir -p /run/lxc/var/lib/lxc; mkfifo {FIFO}"));
    let fill = "import os, signal\nf = os.open('FIFO', os.O_RDWR | os.O_NONBLOCK)\n\
                try:\n while True: os.write(f, bytes(264))\nexcept BlockingIOError: pass\n\
                print('full', flush=True)\nsignal.pause()";
    let mut reader = std::process::Command::new("/usr/bin/python3")
        .args(["-c", &fill.replace("FIFO", FIFO)])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3");
    let mut ready = [0; 5];
    reader.stdout.take().expect("a pipe").read_exact(&mut ready).expect("a full fifo");
    let begin = std::time::Instant::now();
    c.tool("lxc-execute", &["--", "true"]).ok();
    assert!(begin.elapsed() < Duration::from_secs(5));
    reader.kill().expect("its end");
    reader.wait().expect("its end");
}

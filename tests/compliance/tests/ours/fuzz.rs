//! Requests that no honest client sends, as root, as the monitor's own user, as somebody else.
//!
//! A few seconds each; `FUZZ_SECONDS=600 cargo test -p compliance --test ours fuzz::` takes as long as asked for.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use compliance::{Bed, CommandSocket, Container, Run, View};

const GET_STATE: i32 = 3;
const SERVE_STATE: i32 = 12;
const UNFREEZE: i32 = 16;

/// Who sends the requests.
#[derive(Clone, Copy)]
enum Who {
    Root,
    Owner,
    Stranger,
}

fn seconds() -> u64 {
    std::env::var("FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(3)
}

fn fuzz(c: &Container<'_>, who: Who, seconds: u64, seed: u64) {
    let ids: &[&str] = match who {
        Who::Root => &[],
        Who::Owner => &["--reuid", "1000", "--regid", "1000", "--clear-groups"],
        Who::Stranger => &["--reuid", "65534", "--regid", "65534", "--clear-groups"],
    };
    let name = format!("/var/lib/lxc/{}/command", c.name());
    let (seconds_text, seed) = (seconds.to_string(), seed.to_string());
    let role = if matches!(who, Who::Stranger) { "stranger" } else { "friend" };
    let program = env!("CARGO_BIN_EXE_command-fuzzer");
    // A plain user may not be able to reach the program's folder.
    let copy = c.bed().dir().join("fuzzer");
    fs::copy(program, &copy).expect("copy the fuzzer");
    c.bed().host(&format!("chmod 755 {0} {0}/.. {1}", c.bed().dir().display(), copy.display()));
    let copy = copy.to_str().expect("a path of ASCII letters");
    let mut args = ids.to_vec();
    args.extend([copy, &name, &seconds_text, &seed, role]);
    let out = Run::new(Path::new("setpriv"), &args).limit(Duration::from_secs(seconds + 60)).output();
    println!("{}", out.stdout);
    assert_eq!(out.code, 0, "{}{}", out.stdout, out.stderr);
}

fn field(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a monitor that lives");
    let line = status.lines().find_map(|l| l.strip_prefix(name)).expect("a field of /proc/PID/status");
    line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}

fn descriptors(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("a monitor that lives").flatten();
    let mut all: Vec<String> = entries
        .filter_map(|e| Some(fs::read_link(e.path()).ok()?.display().to_string()))
        // Sockets have numbers, which differ.
        .map(|name| name.split(":[").next().unwrap_or_default().to_owned())
        .collect();
    all.sort();
    all
}

fn survives(who: Who, view: View) {
    let bed = Bed::with(view);
    let c = bed
        .container()
        .without("lxc.tty.max")
        .config("lxc.tty.max = 2\nlxc.console.buffer.size = auto")
        .at_boot("head -c 60000 /dev/zero | tr '\\0' x >/dev/console; echo >/root/said")
        .make();
    let start = c.run("lxc-start", &[]);
    match who {
        // The monitor's real ids are what makes somebody its owner.
        Who::Owner => {
            let path = bed.tools().path("lxc-start");
            let path = path.to_str().expect("a path of ASCII letters");
            let args = ["--ruid", "1000", "--rgid", "1000", "--keep-groups", path, "-n", c.name()];
            Run::new(Path::new("setpriv"), &args).output().ok();
        }
        Who::Root | Who::Stranger => drop(start.output().ok()),
    }
    c.wait_file("root/said");
    let init = c.init();
    let monitor = compliance::process_parent(init);
    // What the first requests leave in the monitor's memory is no leak.
    fuzz(&c, who, 1, 7);
    let quiet = || {
        for (command, number) in [(SERVE_STATE, 2), (UNFREEZE, 0)] {
            drop(CommandSocket::call(c.name(), command, number, b""));
        }
    };
    quiet();
    // The last connections of the first requests are closed soon.
    std::thread::sleep(Duration::from_millis(300));
    let open = descriptors(monitor);
    let memory = field(monitor, "VmRSS:");
    fuzz(&c, who, seconds(), 4_000_000 + u64::from(std::process::id()));
    quiet();
    let end = Instant::now() + Duration::from_secs(5);
    while descriptors(monitor) != open && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(descriptors(monitor), open, "the monitor's descriptors");
    let grown = field(monitor, "VmRSS:").saturating_sub(memory);
    println!("{} descriptors, {memory} KiB, grown by {grown} KiB", open.len());
    assert!(grown < 512, "the monitor has grown by {grown} KiB");
    let state = CommandSocket::call(c.name(), GET_STATE, 0, b"");
    assert_eq!((state.ret, state.number), (0, 2), "it runs on");
    assert_eq!(c.init(), init, "it is the same container");
    assert_eq!(c.sh("echo alive"), "alive");
    c.kill();
}

#[test]
fn root_may_ask_anything() {
    survives(Who::Root, View::Host);
}

#[test]
fn root_may_ask_anything_on_unified() {
    survives(Who::Root, View::Unified);
}

#[test]
fn the_owner_may_ask_anything() {
    survives(Who::Owner, View::Host);
}

#[test]
fn strangers_are_refused() {
    survives(Who::Stranger, View::Host);
}

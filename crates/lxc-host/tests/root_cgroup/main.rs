//! Control groups on the real hierarchies of this host, as root. Each test runs its body in a process
//! of its own with a mount namespace of its own, under a name of its own, and looks afterwards whether
//! a group of that name is left anywhere.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lxc_host::cgroup::spec::{Family, Need};
use lxc_host::cgroup::{
    Base, Born, CgroupSpec, Hierarchies, Layout, Names, NamesConfig, PayloadLease, Setting, Version,
};
use rustix::process::Pid;

#[path = "../child/mod.rs"]
mod child;
mod devices;
mod groups;
mod life;
mod mounts;

const INSIDE: &str = "LXC_CGROUP_TEST_NAME";
/// Hides v1 behind a fresh cgroup2 mount.
const PURE_V2: &str = "mount -t cgroup2 none /sys/fs/cgroup";
/// Hides v2.
const PURE_V1: &str = "{ test ! -d /sys/fs/cgroup/unified || mount -t tmpfs none /sys/fs/cgroup/unified; }";
/// Everything as it is.
const HOST: &str = "true";

/// Runs a test's body in another process, after `setup` in a mount namespace of its own. `test` is the
/// test's path.
fn isolated(test: &str, setup: &str, body: fn(&str)) {
    if let Ok(name) = std::env::var(INSIDE) {
        return body(&name);
    }
    let layout = found().layout();
    let fits = match setup {
        PURE_V1 => layout != Layout::Unified,
        other if other.starts_with(PURE_V2) => layout != Layout::Legacy,
        _ => layout == Layout::Hybrid,
    };
    if !fits {
        return eprintln!("{test} is skipped: it cannot be done on a host that is {layout:?}");
    }
    let name = format!("t{}-{}", std::process::id(), test.rsplit(':').next().unwrap());
    let status = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c"])
        .arg(format!("{setup} && exec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, &name)
        .output()
        .unwrap();
    // What the set-up has made is called so, and held by the body's process until its end.
    let given = |path: &PathBuf| path.to_string_lossy().contains(&format!("{name}-given"));
    let left: Vec<PathBuf> = clean(&name).into_iter().filter(|path| !given(path)).collect();
    let text = String::from_utf8_lossy(&status.stdout) + String::from_utf8_lossy(&status.stderr);
    assert!(status.status.success() && text.contains("1 passed"), "{test}: {text}");
    assert_eq!(left, Vec::<PathBuf>::new(), "{test} has left groups behind");
}

/// Removes every group that has the test's name in its path; returns them.
fn clean(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap() {
        collect(&hierarchy.unwrap().path(), name, 0, &mut found);
    }
    for path in &found {
        std::fs::remove_dir(path).ok();
    }
    found
}

fn collect(dir: &Path, name: &str, depth: u32, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) && depth < 6 {
            collect(&entry.path(), name, depth + 1, found);
            if entry.path().to_string_lossy().contains(name) {
                found.push(entry.path());
            }
        }
    }
}

/// A process that waits for a line and then runs a shell command.
struct Waiter(Child);

impl Waiter {
    fn new(command: &str) -> Waiter {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("read go; {command}")).stdin(Stdio::piped()).stderr(Stdio::null());
        Waiter(shell.spawn().unwrap())
    }

    /// One that is in the container's groups.
    fn inside(lease: &mut PayloadLease, command: &str) -> Waiter {
        let waiter = Waiter::new(command);
        lease.settle(waiter.pid(), Born::Outside).unwrap();
        waiter
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn cgroups(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/cgroup", self.0.id())).unwrap()
    }

    fn go(mut self) -> bool {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        self.0.wait().unwrap().success()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn found() -> Hierarchies {
    let host = Hierarchies::discover(Base::Init, &[]).unwrap();
    assert_eq!(host.warnings, []);
    host
}

fn names(name: &str) -> Names {
    Names::resolve(&NamesConfig { name, ..NamesConfig::default() }).unwrap()
}

fn setting(line: &str) -> Setting {
    let (key, value) = line.split_once(" = ").unwrap();
    let (family, file) = match key.strip_prefix("cgroup2.") {
        Some(file) => (Family::V2, file),
        None => (Family::V1, key.strip_prefix("cgroup.").unwrap()),
    };
    let origin = format!("lxc.{line}");
    Setting { family, file: file.into(), value: value.into(), origin, need: Need::Required }
}

fn spec(name: &str, lines: &[&str]) -> CgroupSpec {
    let settings = lines.iter().map(|line| setting(line)).collect();
    CgroupSpec { names: names(name), settings, owner: None, via: Default::default() }
}

fn file(dir: &str, name: &str, file: &str) -> String {
    let path = format!("/sys/fs/cgroup/{dir}/lxc.payload.{name}/{file}");
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

fn own_cgroups() -> String {
    std::fs::read_to_string("/proc/thread-self/cgroup").unwrap()
}

/// Moves the test's thread back to where it harms nobody.
fn go_home(host: &Hierarchies) {
    for hierarchy in host.iter().filter(|h| h.version() == Version::V1) {
        hierarchy.base().write("tasks", "0").unwrap();
    }
}

/// Each line of a cgroup file without the hierarchy's number.
fn places(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split_once(':')).map(|(_, rest)| rest).collect()
}

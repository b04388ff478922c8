//! What a container may leave on its host, listed, so that before and after can be compared.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::bed::{Bed, cgroup_mounts, named_below};
use crate::tools::Side;

/// Everything of a bed that outlives a call: one line for each thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    things: BTreeSet<String>,
}

impl Inventory {
    /// Looks now.
    #[must_use]
    pub fn of(bed: &Bed) -> Self {
        let mut things = BTreeSet::new();
        cgroups(bed, &mut things);
        links(&mut things);
        mounts(&mut things);
        sockets(&mut things);
        processes(&mut things);
        loop_devices(bed, &mut things);
        files(Path::new("/run/lxc"), &mut things);
        profiles(bed, &mut things);
        Self { things }
    }

    /// What is here and not there (`+`), and there and not here (`-`). A process that has ended meanwhile was
    /// on its way out before.
    #[must_use]
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let new = self.things.difference(&before.things).map(|thing| format!("+ {thing}"));
        let gone = before.things.difference(&self.things).filter(|thing| !thing.starts_with("process "));
        let gone = gone.map(|thing| format!("- {thing}"));
        new.chain(gone).collect()
    }

    /// Waits until the bed looks like this again.
    ///
    /// # Panics
    /// When it does not within five seconds.
    #[track_caller]
    pub fn assert_restored(&self, bed: &Bed) {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let differences = Self::of(bed).differences(self);
            if differences.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "the host is not as before:\n{}", differences.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// As [`Inventory::assert_restored`], for ours alone: Debian's LXC at times leaves the monitor's
    /// control groups behind when a start fails.
    #[track_caller]
    pub fn assert_restored_by_ours(&self, bed: &Bed) {
        if bed.tools().side() == Side::Ours {
            self.assert_restored(bed);
        }
    }

    /// The lines, for tests of the inventory itself.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.things.iter().map(String::as_str)
    }
}

fn cgroups(bed: &Bed, things: &mut BTreeSet<String>) {
    for mount in cgroup_mounts() {
        let mut found = Vec::new();
        named_below(&mount, bed.id(), 4, &mut found);
        things.extend(found.iter().map(|dir| format!("cgroup {}", dir.display())));
    }
}

fn links(things: &mut BTreeSet<String>) {
    for name in names(Path::new("/sys/class/net")) {
        let number = fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).unwrap_or_default();
        let bridge = fs::read_link(format!("/sys/class/net/{name}/master"));
        let bridge = bridge.ok().and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
        things.insert(format!("link {name} {} of {}", number.trim(), bridge.unwrap_or_default()));
    }
}

fn mounts(things: &mut BTreeSet<String>) {
    let text = fs::read_to_string("/proc/1/mountinfo").unwrap_or_default();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let Some(dash) = words.iter().position(|word| *word == "-") else { continue };
        let (before, after) = (&words[..dash], &words[dash + 1..]);
        if let (&[_, _, device, root, at, options, ..], &[kind, ..]) = (before, after) {
            things.insert(format!("mount {at} {kind} {device} {root} {options}"));
        }
    }
}

fn sockets(things: &mut BTreeSet<String>) {
    let text = fs::read_to_string("/proc/1/net/unix").unwrap_or_default();
    for line in text.lines() {
        // Num RefCount Protocol Flags Type St Inode Path; listening sockets have the accept flag.
        let words: Vec<&str> = line.split_whitespace().collect();
        if let &[_, _, _, flags, _, _, _, path] = words.as_slice()
            && flags == "00010000"
        {
            things.insert(format!("socket {path}"));
        }
    }
}

fn processes(things: &mut BTreeSet<String>) {
    for name in names(Path::new("/proc")) {
        if name.bytes().all(|b| b.is_ascii_digit()) {
            let line = fs::read_to_string(format!("/proc/{name}/cmdline")).unwrap_or_default();
            let comm = fs::read_to_string(format!("/proc/{name}/comm")).unwrap_or_default();
            things.insert(format!(
                "process {name} {} {}",
                comm.trim_end(),
                line.replace('\0', " ").trim_end()
            ));
        }
    }
}

/// The devices whose file is the bed's: others on this machine may come and go.
fn loop_devices(bed: &Bed, things: &mut BTreeSet<String>) {
    for name in names(Path::new("/sys/block")) {
        let Ok(file) = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")) else { continue };
        let of_bed = file.contains(bed.id()) || Path::new(file.trim_end()).starts_with(bed.dir());
        if of_bed {
            things.insert(format!("loop {name} {}", file.trim_end()));
        }
    }
}

/// Lock files stay for ever, with upstream too (`lxc_container_new`).
fn files(dir: &Path, things: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path: PathBuf = entry.path();
        if path == Path::new("/run/lxc/lock") {
            continue;
        }
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            files(&path, things);
        } else {
            things.insert(format!("file {}", path.display()));
        }
    }
}

fn profiles(bed: &Bed, things: &mut BTreeSet<String>) {
    let text = fs::read_to_string("/sys/kernel/security/apparmor/profiles").unwrap_or_default();
    things.extend(text.lines().filter(|l| l.contains(bed.id())).map(|l| format!("profile {l}")));
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

//! A bed for tests that mount: each body runs in a process of its own, in new namespaces, on a root
//! directory of its own.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libseccomp::{ScmpAction, ScmpFilterContext, ScmpSyscall};
use lxc_host::devpts::{ConsoleSource, TerminalSpec, Terminals};
use lxc_host::rootfs::guest::{self, Mounted, Rootfs};
use lxc_host::rootfs::{AutoSpec, Error, MountSpec, Place, Resolution, RootKind, RootfsSpec};
use lxc_host::storage::{self, Ids, Source};
use lxc_sys::clone::InGuest;
use lxc_types::mount::RootfsOptions;

const INSIDE: &str = "LXC_RS_TEST_INSIDE";
const HERE: &str = "LXC_RS_TEST_DIR";

/// Runs `body` in new namespaces: `flags` are `unshare`'s. Mounts of `body` die with its process.
pub fn inside(test: &str, flags: &[&str], body: impl FnOnce(&Bed)) {
    if std::env::var(INSIDE).as_deref() == Ok(test) {
        let dir = PathBuf::from(std::env::var_os(HERE).expect("the outer process sets it"));
        body(&Bed::new(dir));
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let dir = tempfile::Builder::new().prefix("lxc-rs-rootfs-").tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let out = Command::new("unshare")
        .args(flags)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .env(HERE, dir.path())
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && text.contains("1 passed"), "{test} inside:\n{text}");
}

/// New namespaces of a privileged container.
pub const ROOT: &[&str] = &["--mount", "--pid", "--fork", "--uts", "--ipc", "--net"];
/// With a user namespace in which only root exists.
pub const USER: &[&str] =
    &["--user", "--map-root-user", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net"];

/// Makes a system call unknown to this process from now on.
pub fn forbid(calls: &[&str]) {
    let mut filter = ScmpFilterContext::new(ScmpAction::Allow).unwrap();
    for call in calls {
        let number = ScmpSyscall::from_name(call).unwrap();
        filter.add_rule(ScmpAction::Errno(libc_enosys()), number).unwrap();
    }
    filter.load().unwrap();
}

fn libc_enosys() -> i32 {
    rustix::io::Errno::NOSYS.raw_os_error()
}

/// The calls that came after the oldest kernel.
pub const NEW_CALLS: &[&str] =
    &["openat2", "open_tree", "move_mount", "mount_setattr", "fsopen", "fsconfig", "fsmount", "fspick"];

/// The directories of one test.
pub struct Bed {
    /// All is below it.
    pub dir: PathBuf,
    /// The rootfs of a container, with the usual empty directories.
    pub rootfs: PathBuf,
    /// The mount point.
    pub mount: PathBuf,
}

impl Bed {
    fn new(dir: PathBuf) -> Bed {
        let (rootfs, mount) = (dir.join("c/rootfs"), dir.join("mnt"));
        for sub in ["dev", "proc", "sys", "etc", "srv", "tmp", "mnt"] {
            std::fs::create_dir_all(rootfs.join(sub)).unwrap();
        }
        std::fs::create_dir_all(&mount).unwrap();
        Bed { dir, rootfs, mount }
    }

    /// A directory of the host with a file in it.
    pub fn source(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("file"), name).unwrap();
        path
    }

    pub fn spec(&self) -> RootfsSpec {
        RootfsSpec { kind: RootKind::Separate, mount: self.mount.clone(), pin: None }
    }

    /// Isolates and mounts the rootfs.
    pub fn mounted(&self, guest: &InGuest, options: &str) -> Rootfs<Mounted> {
        guest::isolate(guest).unwrap();
        let at = guest::prepare(guest, &self.spec()).unwrap();
        let source = Source { kind: Some(lxc_types::StorageKind::Dir), path: self.rootfs.clone() };
        let options: RootfsOptions = options.parse().unwrap();
        storage::open(&source).unwrap().mount(at.point(), options.options(), Ids::Initial).unwrap();
        guest::mounted(guest, at).unwrap()
    }

    /// Resolves an entry.
    pub fn entry(&self, line: &str) -> MountSpec {
        let container = self.dir.join("c");
        let place = Place { kind: RootKind::Separate, container: &container, rootfs: Some(&self.rootfs) };
        match MountSpec::resolve(&line.parse().unwrap(), &place, "line 41 of config").unwrap() {
            Resolution::Mount(spec) => *spec,
            Resolution::Ignored(why) => panic!("{why}"),
        }
    }

    /// Mounts entries and gives the first error as its chain of messages.
    pub fn entries(&self, guest: &InGuest, rootfs: &Rootfs<Mounted>, lines: &[String]) -> Result<(), String> {
        let specs: Vec<MountSpec> = lines.iter().map(|l| self.entry(l)).collect();
        guest::mount_entries(guest, rootfs, &specs)
            .map(|requests| assert!(requests.is_empty()))
            .map_err(|e| chain(&e))
    }
}

/// What `lxc.mount.auto` would be.
pub fn auto(line: &str, net_admin: lxc_host::rootfs::NetAdmin) -> AutoSpec {
    let auto: lxc_types::mount::AutoMounts = line.parse().unwrap();
    AutoSpec { proc: auto.proc, sys: auto.sys, net_admin }
}

/// Terminals.
pub fn terminals(ptys: u32, ttys: u32, dir: Option<&str>, console: ConsoleSource) -> TerminalSpec {
    TerminalSpec { ptys, ttys, dir: dir.map(str::to_owned), console }
}

/// What a whole set-up is made with.
pub struct Setup<'a> {
    pub options: &'a str,
    pub auto: AutoSpec,
    pub autodev: bool,
    pub entries: Vec<String>,
    pub terminals: TerminalSpec,
}

impl Bed {
    /// All steps in their order, up to the pivot and what follows it.
    pub fn set_up(&self, guest: &InGuest, setup: &Setup<'_>) -> Terminals {
        let rootfs = self.mounted(guest, setup.options);
        if setup.autodev {
            guest::autodev(guest, &rootfs, 500_000).unwrap();
        }
        guest::auto_mounts(guest, &rootfs, &setup.auto).unwrap();
        self.entries(guest, &rootfs, &setup.entries).unwrap();
        let dev = rootfs.dev().unwrap().unwrap();
        guest::check_root(guest, &rootfs).unwrap();
        if setup.autodev {
            guest::device_nodes(guest, &dev).unwrap();
        }
        let terminals = lxc_host::devpts::setup(guest, &dev, &setup.terminals, None).unwrap();
        guest::standard_links(guest, &dev).unwrap();
        let rootfs = guest::pivot(guest, rootfs).unwrap();
        if setup.autodev {
            guest::private_boot_id(guest, &rootfs).unwrap();
        }
        terminals
    }
}

/// An error with all its causes.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// One mount, as mountinfo shows it: root within its file system, flags, type, source, options of the file
/// system.
pub type Line = (String, String, String, String, String);

/// The mount table by mount point; what covers another at the same place wins.
pub fn table() -> BTreeMap<String, Line> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let dash = fields.iter().position(|f| *f == "-").unwrap();
        let text = |i: usize| fields[i].to_owned();
        all.insert(text(4), (text(3), text(5), text(dash + 1), text(dash + 2), text(dash + 3)));
    }
    all
}

/// The propagation fields of one mount point.
pub fn propagation(point: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = text
        .lines()
        .rfind(|l| l.split(' ').nth(4) == Some(point))
        .unwrap_or_else(|| panic!("{point}:\n{text}"));
    let words = line.split(' ').skip(6).take_while(|f| *f != "-");
    words.map(|w| w.split(':').next().unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

/// The flags of one mount point.
pub fn flags(point: &str) -> String {
    table().remove(point).unwrap_or_else(|| panic!("{point} is not mounted")).1
}

/// Where a path below the mount point shows up in mountinfo.
pub fn shown(bed: &Bed, rel: &str) -> String {
    bed.mount.join(rel).display().to_string()
}

/// Reads a file of the test.
pub fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

//! Mount entries: every option, right and wrong; ids; hostile roots; a renamer at work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod rootfs_bed;

use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lxc_host::devpts::ConsoleSource;
use lxc_host::rootfs::guest::{Mounted, Rootfs};
use lxc_host::rootfs::{NetAdmin, guest, host};
use lxc_sys::clone::InGuest;
use lxc_types::mount::SharedMount;
use rootfs_bed::{
    Bed, NEW_CALLS, ROOT, auto, chain, flags, forbid, inside, propagation, read, shown, table, terminals,
};
use rustix::mount::{MountFlags, MountPropagationFlags};

fn tmpfs(at: &Path, flags: MountFlags) {
    rustix::mount::mount("x", at, "tmpfs", flags, None).unwrap();
}

/// All options that need nothing but themselves. Also run as on an old kernel.
fn every_option(bed: &Bed) {
    let guest = InGuest::for_tests();
    let plain = bed.source("plain").display().to_string();
    let strict = bed.source("strict");
    tmpfs(&strict, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME);
    std::fs::create_dir(strict.join("below")).unwrap();
    tmpfs(&strict.join("below"), MountFlags::empty());
    let strict = strict.display();
    let moved = bed.source("moved");
    tmpfs(&moved, MountFlags::empty());
    let rootfs = bed.mounted(&guest, "");
    let cases = [
        (format!("{plain} a none bind,create=dir"), "a", "rw,relatime"),
        (format!("{plain} b none bind,ro,create=dir"), "b", "ro,relatime"),
        (
            format!("{plain} c none ro,bind,nosuid,nodev,noexec,create=dir"),
            "c",
            "ro,nosuid,nodev,noexec,relatime",
        ),
        (format!("{plain} d none bind,noatime,nodiratime,create=dir"), "d", "rw,noatime,nodiratime"),
        (format!("{plain} e none bind,strictatime,create=dir"), "e", "rw"),
        (format!("{plain} f none bind,defaults,rw,create=dir"), "f", "rw,relatime"),
        (format!("{strict} g none bind,create=dir"), "g", "rw,nosuid,nodev,noexec,noatime"),
        (format!("{strict} h none bind,ro,create=dir"), "h", "ro,nosuid,nodev,noexec,noatime"),
        (format!("{strict} i none bind,dev,exec,suid,create=dir"), "i", "rw,nosuid,noexec,noatime"),
        (format!("{strict} j none rbind,ro,create=dir"), "j/below", "rw,relatime"),
        (format!("{plain}/file deep/er/file none bind,ro,create=file"), "deep/er/file", "ro,relatime"),
        ("word k tmpfs size=64k,mode=0700,nosuid,ro,create=dir".into(), "k", "ro,nosuid,relatime"),
        ("word l tmpfs size=64k,noatime,create=dir".into(), "l", "rw,noatime"),
        (format!("{} m none move,create=dir", moved.display()), "m", "rw,relatime"),
        (format!("{}/var n none bind,create=dir,x-unknown", ""), "n", "rw,relatime"),
        ("usr o none bind,ro,create=dir".into(), "o", "ro,relatime"),
        ("/etc p none bind,relative,create=dir".into(), "p", "rw,relatime"),
    ];
    for (line, point, expected) in &cases {
        bed.entries(&guest, &rootfs, std::slice::from_ref(line)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(flags(&shown(bed, point)), *expected, "{line}");
    }
    assert_eq!(read(bed.mount.join("deep/er/file")), "plain");
    assert_eq!(std::fs::metadata(bed.mount.join("k")).unwrap().mode() & 0o777, 0o700);
    assert!(!table().contains_key(&moved.display().to_string()));
    assert!(!table().contains_key(&shown(bed, "i/below")));
    let same = |a: &str, b: &Path| {
        assert_eq!(std::fs::metadata(bed.mount.join(a)).unwrap().ino(), std::fs::metadata(b).unwrap().ino())
    };
    same("o", Path::new("/usr"));
    same("p", &bed.rootfs.join("etc"));
    // A file made for a mount has no permissions of its own.
    assert_eq!(std::fs::metadata(bed.rootfs.join("deep/er/file")).unwrap().permissions().mode() & 0o777, 0);
    assert_eq!(std::fs::metadata(bed.rootfs.join("deep/er")).unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn each_option_works() {
    inside("each_option_works", ROOT, every_option);
}

#[test]
fn each_option_works_on_old_kernels() {
    inside("each_option_works_on_old_kernels", ROOT, |bed| {
        forbid(NEW_CALLS);
        every_option(bed);
    });
}

#[test]
fn each_option_works_without_mount_setattr() {
    inside("each_option_works_without_mount_setattr", ROOT, |bed| {
        forbid(&["mount_setattr"]);
        every_option(bed);
    });
}

fn every_propagation(bed: &Bed) {
    let guest = InGuest::for_tests();
    let source = bed.source("s");
    tmpfs(&source, MountFlags::empty());
    std::fs::create_dir(source.join("b")).unwrap();
    tmpfs(&source.join("b"), MountFlags::empty());
    // Made shared after the isolation, so that the clones have a peer group to leave.
    let rootfs = bed.mounted(&guest, "");
    rustix::mount::mount_change(&source, MountPropagationFlags::SHARED | MountPropagationFlags::REC).unwrap();
    for (option, top, below) in [
        ("", "shared", "shared"),
        ("private", "", "shared"),
        ("rprivate", "", ""),
        ("slave", "master", "shared"),
        ("rslave", "master", "master"),
        ("unbindable", "unbindable", "shared"),
        ("runbindable", "unbindable", "unbindable"),
        ("shared", "shared", "shared"),
        ("rshared", "shared", "shared"),
    ] {
        let name = format!("p{option}");
        let line = format!("{} {name} none rbind,create=dir,{option}", source.display());
        bed.entries(&guest, &rootfs, &[line]).unwrap();
        let got = (propagation(&shown(bed, &name)), propagation(&shown(bed, &format!("{name}/b"))));
        assert_eq!((got.0.as_str(), got.1.as_str()), (top, below), "{option}");
    }
    bed.entries(&guest, &rootfs, &["t t tmpfs create=dir,shared".into()]).unwrap();
    assert_eq!(propagation(&shown(bed, "t")), "shared");
}

#[test]
fn each_propagation_works() {
    inside("each_propagation_works", ROOT, every_propagation);
}

#[test]
fn each_propagation_works_on_old_kernels() {
    inside("each_propagation_works_on_old_kernels", ROOT, |bed| {
        forbid(NEW_CALLS);
        every_propagation(bed);
    });
}

#[test]
fn failures_are_named_and_optional_ones_ignored() {
    inside("failures_are_named_and_optional_ones_ignored", ROOT, |bed| {
        let guest = InGuest::for_tests();
        let plain = bed.source("plain").display().to_string();
        let rootfs = bed.mounted(&guest, "");
        let cases = [
            (
                "/no/such/dir srv none bind,ro".to_owned(),
                "open_tree(/no/such/dir): No such file or directory",
            ),
            (format!("{plain} missing none bind"), "No such file or directory"),
            (format!("{plain}/file srv none bind"), "Not a directory"),
            ("w srv nosuchfs defaults".to_owned(), "No such device"),
            ("w srv tmpfs size=banana".to_owned(), "Invalid argument"),
            ("usr/../etc srv none bind".to_owned(), "Invalid cross-device link"),
            (format!("{plain} etc/x/y none bind,create=dir"), "Not a directory"),
        ];
        std::fs::write(bed.rootfs.join("etc/x"), "a file").unwrap();
        for (line, why) in cases {
            let e = bed.entries(&guest, &rootfs, std::slice::from_ref(&line)).unwrap_err();
            assert!(
                e.starts_with("mount entry \"") && e.contains("(line 41 of config): ") && e.ends_with(why),
                "{e}"
            );
            bed.entries(&guest, &rootfs, &[format!("{line},optional")]).unwrap();
        }
        let e = bed.entries(&guest, &rootfs, &["/no/such/dir srv none bind,ro 0 0".into()]).unwrap_err();
        assert_eq!(
            e,
            "mount entry \"/no/such/dir srv none bind,ro\" (line 41 of config): \
             open_tree(/no/such/dir): No such file or directory"
        );
        assert!(!table().contains_key(&shown(bed, "srv")));
    });
}

#[test]
fn overlays_get_their_directories() {
    inside("overlays_get_their_directories", ROOT, |bed| {
        let guest = InGuest::for_tests();
        let lower = bed.source("lower");
        tmpfs(&bed.dir.join("c"), MountFlags::empty());
        std::fs::create_dir_all(bed.rootfs.join("srv")).unwrap();
        let rootfs = bed.mounted(&guest, "");
        let c = bed.dir.join("c");
        let line = format!(
            "overlay srv overlay lowerdir={},upperdir={1}/o/up,workdir={1}/o/work",
            lower.display(),
            c.display()
        );
        bed.entries(&guest, &rootfs, &[line]).unwrap();
        assert_eq!(read(bed.mount.join("srv/file")), "lower");
        std::fs::write(bed.mount.join("srv/new"), "x").unwrap();
        assert_eq!(read(c.join("o/up/new")), "x");
        assert!(!lower.join("new").exists());
    });
}

#[test]
fn nesting_and_shared_mounts() {
    inside("nesting_and_shared_mounts", MOUNT, |bed| {
        let guest = InGuest::for_tests();
        let host_side = bed.source("share");
        tmpfs(&host_side, MountFlags::empty());
        // The host has a peer of it, whose mounts are to come in.
        rustix::mount::mount_change(&host_side, MountPropagationFlags::SHARED).unwrap();
        let _host = Peer::start();
        let rootfs = bed.mounted(&guest, "");
        let dev = guest::autodev(&guest, &rootfs, 500_000).unwrap();
        guest::auto_mounts(&guest, &rootfs, &auto("proc:mixed sys:mixed", NetAdmin::Kept)).unwrap();
        let nesting = lxc_host::rootfs::MountSpec::nesting().map(|e| e.to_string());
        bed.entries(&guest, &rootfs, &nesting).unwrap();
        let shared =
            SharedMount { host: host_side.display().to_string(), container: "/dev/.lxc-mounts".into() };
        let entry = lxc_host::rootfs::MountSpec::shared(&shared).to_string();
        bed.entries(&guest, &rootfs, &[entry]).unwrap();
        lxc_host::devpts::setup(&guest, &dev, &terminals(1, 0, None, ConsoleSource::None), None).unwrap();
        let rootfs = guest::pivot(&guest, rootfs).unwrap();
        assert_eq!(flags("/dev/.lxc/proc"), "rw,relatime");
        assert_eq!(flags("/dev/.lxc/sys"), "rw,relatime");
        assert_eq!(propagation("/dev/.lxc-mounts"), "shared master");
        guest::slave_shared_mounts(&guest, &rootfs, Path::new("/dev/.lxc-mounts")).unwrap();
        assert_eq!(propagation("/dev/.lxc-mounts"), "master");
        let e = guest::slave_shared_mounts(&guest, &rootfs, Path::new("/none")).unwrap_err();
        assert!(chain(&e).ends_with("No such file or directory"), "{}", chain(&e));
    });
}

/// A mount namespace with copies of this one's mounts.
struct Peer(Child);

impl Peer {
    fn start() -> Peer {
        let args = ["--mount", "--propagation", "unchanged", "sleep", "60"];
        let peer = Peer(Command::new("unshare").args(args).stdin(Stdio::null()).spawn().unwrap());
        let own = std::fs::read_link("/proc/self/ns/mnt").unwrap();
        while std::fs::read_link(format!("/proc/{}/ns/mnt", peer.0.id())).unwrap() == own {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        peer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A user namespace that shifts ids, kept by a sleeping process.
struct Ids(Child);

impl Ids {
    fn shifted() -> Ids {
        let child =
            Command::new("unshare").args(["--user", "sleep", "60"]).stdin(Stdio::null()).spawn().unwrap();
        let ids = Ids(child);
        let own = std::fs::read_link("/proc/self/ns/user").unwrap();
        let theirs = format!("/proc/{}/ns/user", ids.0.id());
        while std::fs::read_link(&theirs).unwrap() == own {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        for map in ["uid_map", "gid_map"] {
            std::fs::write(format!("/proc/{}/{map}", ids.0.id()), "0 700000 65536").unwrap();
        }
        ids
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/user", self.0.id())
    }
}

impl Drop for Ids {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// New mount and network namespaces only: `/proc` must show the processes that are started.
const MOUNT: &[&str] = &["--mount", "--net"];

#[test]
fn idmapped_entries_show_other_ids() {
    inside("idmapped_entries_show_other_ids", MOUNT, |bed| {
        let guest = InGuest::for_tests();
        let ids = Ids::shifted();
        let userns = lxc_sys::ns::open(Path::new(&ids.path())).unwrap();
        let plain = bed.source("plain");
        tmpfs(&plain, MountFlags::empty());
        std::fs::write(plain.join("file"), "x").unwrap();
        std::fs::create_dir(plain.join("below")).unwrap();
        tmpfs(&plain.join("below"), MountFlags::empty());
        let plain = plain.display();
        let rootfs = bed.mounted(&guest, "");
        let specs = [
            bed.entry(&format!("{plain} before none bind,create=dir")),
            bed.entry(&format!("{plain} one none bind,create=dir,idmap=container,ro,nosuid")),
            bed.entry(&format!("{plain} tree none rbind,create=dir,idmap={},rslave", ids.path())),
            bed.entry("/proc odd none bind,create=dir,idmap=container,optional"),
            bed.entry("/gone odd none bind,create=dir,idmap=container,optional"),
            bed.entry(&format!("{plain} after none bind,create=dir")),
        ];
        let requests = guest::mount_entries(&guest, &rootfs, &specs).unwrap();
        assert_eq!(requests.iter().map(|r| r.mount).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(!table().contains_key(&shown(bed, "one")));
        let trees = host::idmapped(requests, &specs, Some(userns.as_fd())).unwrap();
        assert_eq!(trees.iter().map(|r| r.mount).collect::<Vec<_>>(), [1, 2]);
        guest::attach_idmapped(&guest, &rootfs, &specs, trees).unwrap();
        let owner = |rel: &str| std::fs::metadata(bed.mount.join(rel)).unwrap().uid();
        assert_eq!([owner("before/file"), owner("after/file")], [0, 0]);
        assert_eq!([owner("one/file"), owner("tree/file"), owner("tree/below")], [700_000; 3]);
        assert!(flags(&shown(bed, "one")).starts_with("ro,nosuid"));
        assert!(!table().contains_key(&shown(bed, "odd")));
        // The same without "optional", and without a user namespace.
        let specs = [bed.entry("/proc odd none bind,idmap=container")];
        let requests = guest::mount_entries(&guest, &rootfs, &specs).unwrap();
        let e = host::idmapped(requests, &specs, Some(userns.as_fd())).unwrap_err();
        assert!(chain(&e).ends_with("mount_setattr(odd): Invalid argument"), "{}", chain(&e));
        let requests = guest::mount_entries(&guest, &rootfs, &specs).unwrap();
        let e = host::idmapped(requests, &specs, None).unwrap_err();
        assert!(chain(&e).contains("idmap= needs a container with a user namespace"), "{}", chain(&e));
    });
}

#[test]
fn an_idmapped_root() {
    inside("an_idmapped_root", MOUNT, |bed| {
        let guest = InGuest::for_tests();
        let ids = Ids::shifted();
        let userns = lxc_sys::ns::open(Path::new(&ids.path())).unwrap();
        guest::isolate(&guest).unwrap();
        let at = guest::prepare(&guest, &bed.spec()).unwrap();
        let options = "idmap=container,ro".parse().unwrap();
        let tree = host::idmapped_root(&bed.rootfs, &options, Some(userns.as_fd())).unwrap();
        guest::attach_root(&guest, &at, tree).unwrap();
        let rootfs = guest::mounted(&guest, at).unwrap();
        guest::check_root(&guest, &rootfs).unwrap();
        assert_eq!(std::fs::metadata(bed.mount.join("etc")).unwrap().uid(), 700_000);
        assert_eq!(flags(&bed.mount.display().to_string()).split(',').next(), Some("ro"));
        let e = host::idmapped_root(Path::new("/gone"), &options, Some(userns.as_fd())).unwrap_err();
        assert!(chain(&e).ends_with("open_tree(/gone): No such file or directory"), "{}", chain(&e));
        forbid(&["mount_setattr"]);
        let e = host::idmapped_root(&bed.rootfs, &options, Some(userns.as_fd())).unwrap_err();
        assert!(chain(&e).ends_with("needs Linux 5.12"), "{}", chain(&e));
    });
}

/// Everything that a set-up touches is a link to somewhere outside.
fn hostile(bed: &Bed, outside: &Path) {
    let guest = InGuest::for_tests();
    for name in ["dev", "proc", "sys", "srv"] {
        std::fs::remove_dir(bed.rootfs.join(name)).unwrap();
        symlink(outside, bed.rootfs.join(name)).unwrap();
    }
    symlink("../../..", bed.rootfs.join("up")).unwrap();
    symlink("/proc/self/root", bed.rootfs.join("magic")).unwrap();
    let rootfs = bed.mounted(&guest, "");
    let link = "has a symbolic link in its path, which a mount target must not have";
    let e = guest::autodev(&guest, &rootfs, 500_000).unwrap_err();
    assert!(chain(&e).ends_with(link), "{}", chain(&e));
    assert!(rootfs.dev().is_err());
    for what in ["proc", "sys"] {
        let e = guest::auto_mounts(&guest, &rootfs, &auto(what, NetAdmin::Kept)).unwrap_err();
        assert!(chain(&e).ends_with(link), "{}", chain(&e));
    }
    let source = bed.source("plain").display().to_string();
    for target in ["srv", "srv/sub", "srv/new/dir", "up/x", "magic/srv", "magic", "proc/tty", "dev/pts"] {
        for create in ["", ",create=dir", ",create=file"] {
            let e =
                bed.entries(&guest, &rootfs, &[format!("{source} {target} none bind{create}")]).unwrap_err();
            assert!(e.ends_with(link), "{target}{create}: {e}");
            let e = bed.entries(&guest, &rootfs, &[format!("t {target} tmpfs size=1m{create}")]).unwrap_err();
            assert!(e.ends_with(link), "{target}{create}: {e}");
        }
    }
    let inside = bed.mount.display().to_string();
    assert!(table().keys().all(|p| !p.starts_with(&format!("{inside}/"))), "{:?}", table().keys());
    assert!(!table().contains_key(&outside.display().to_string()));
    let left: Vec<_> = std::fs::read_dir(outside).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["sub"], "something was made outside");
}

#[test]
fn a_hostile_root_diverts_nothing() {
    inside("a_hostile_root_diverts_nothing", ROOT, |bed| {
        let outside = bed.dir.join("outside");
        std::fs::create_dir_all(outside.join("sub")).unwrap();
        hostile(bed, &outside);
    });
}

#[test]
fn a_hostile_root_diverts_nothing_on_old_kernels() {
    inside("a_hostile_root_diverts_nothing_on_old_kernels", ROOT, |bed| {
        forbid(NEW_CALLS);
        let outside = bed.dir.join("outside");
        std::fs::create_dir_all(outside.join("sub")).unwrap();
        hostile(bed, &outside);
    });
}

#[test]
fn a_hostile_dev_diverts_no_terminal() {
    inside("a_hostile_dev_diverts_no_terminal", ROOT, |bed| {
        let guest = InGuest::for_tests();
        let outside = bed.dir.join("outside");
        std::fs::create_dir(&outside).unwrap();
        let dev = bed.rootfs.join("dev");
        for name in ["console", "ptmx", "tty1", "stdin", "null"] {
            symlink(outside.join(name), dev.join(name)).unwrap();
        }
        symlink(&outside, dev.join("lxc")).unwrap();
        let rootfs = bed.mounted(&guest, "");
        let dir = rootfs.dev().unwrap().unwrap();
        guest::standard_links(&guest, &dir).unwrap();
        guest::device_nodes(&guest, &dir).unwrap();
        let setup = |ttys, inner, console| {
            lxc_host::devpts::setup(&guest, &dir, &terminals(10, ttys, inner, console), None)
        };
        for (ttys, inner, console) in [
            (1, None, ConsoleSource::None),
            (0, None, ConsoleSource::Container),
            (1, Some("lxc"), ConsoleSource::None),
            (0, Some("lxc"), ConsoleSource::Container),
        ] {
            setup(ttys, inner, console).unwrap_err();
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        std::fs::remove_file(dev.join("console")).unwrap();
        // A name in pts that is not the terminal that was opened.
        setup(0, None, ConsoleSource::Container).unwrap();
    });
}

/// Swaps a directory and a link for as long as it lives.
struct Renamer(Child);

impl Renamer {
    fn start(a: &Path, b: &Path) -> Renamer {
        let script = "import ctypes,sys\nl=ctypes.CDLL(None)\na,b=sys.argv[1].encode(),sys.argv[2].encode()\n\
                      while True: l.renameat2(-100,a,-100,b,2)\n";
        let child = Command::new("python3").args(["-c", script]).arg(a).arg(b).spawn().unwrap();
        while !std::fs::symlink_metadata(a).unwrap().is_symlink() {
            std::thread::yield_now();
        }
        Renamer(child)
    }
}

impl Drop for Renamer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Mounts below a directory that is a link half of the time; none may land outside.
fn race(bed: &Bed, rounds: u32) {
    let guest = InGuest::for_tests();
    let outside = bed.dir.join("outside");
    std::fs::create_dir_all(outside.join("x/y")).unwrap();
    std::fs::create_dir_all(bed.rootfs.join("srv/x/y")).unwrap();
    symlink(&outside, bed.rootfs.join("link")).unwrap();
    let source = bed.source("plain").display().to_string();
    let rootfs: Rootfs<Mounted> = bed.mounted(&guest, "");
    let renamer = Renamer::start(&bed.rootfs.join("srv"), &bed.rootfs.join("link"));
    let (mut landed, mut refused) = (0, 0);
    for round in 0..rounds {
        let line = match round % 3 {
            0 => format!("{source} srv/x/y none bind,ro"),
            1 => "t srv/x/y tmpfs size=64k".to_owned(),
            _ => format!("{source} srv/x/new{round} none bind,create=dir"),
        };
        match bed.entries(&guest, &rootfs, &[line]) {
            Ok(()) => landed += 1,
            Err(_) => refused += 1,
        }
        if round % 64 == 0 {
            let mounts = table();
            assert!(
                mounts.keys().all(|p| !p.starts_with(&outside.display().to_string())),
                "{:?}",
                mounts.keys()
            );
        }
    }
    drop(renamer);
    assert!(landed > 0 && refused > 0, "no race: {landed} landed, {refused} refused");
    assert!(table().keys().all(|p| !p.starts_with(&outside.display().to_string())));
    let left: Vec<_> =
        std::fs::read_dir(outside.join("x")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["y"], "a directory was made outside");
}

#[test]
fn a_racing_renamer_never_wins() {
    inside("a_racing_renamer_never_wins", ROOT, |bed| race(bed, 1500));
}

#[test]
fn a_racing_renamer_never_wins_on_old_kernels() {
    inside("a_racing_renamer_never_wins_on_old_kernels", ROOT, |bed| {
        forbid(NEW_CALLS);
        race(bed, 1500);
    });
}

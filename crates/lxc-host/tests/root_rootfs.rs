//! The root of a container: the final mount table, every mount option, old kernels, user namespaces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod rootfs_bed;

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use lxc_host::devpts::ConsoleSource;
use lxc_host::rootfs::{NetAdmin, guest};
use lxc_sys::clone::InGuest;
use rootfs_bed::{
    Bed, NEW_CALLS, ROOT, Setup, USER, auto, flags, forbid, inside, propagation, shown, table, terminals,
};

/// The table of a container of Debian's LXC 5.0.2 with the same configuration (`proc:mixed sys:mixed`, pty.max
/// 1024, tty.max 4, tty.dir lxc, console): point, root, flags, type, source, options.
const MIXED: &str = "
/dev / rw,relatime tmpfs none rw,size=492k,mode=755
/proc / rw,nosuid,nodev,noexec,relatime proc proc rw
/proc/sys /sys ro,relatime proc proc rw
/proc/sys/net /sys/net rw,nosuid,nodev,noexec,relatime proc proc rw
/sys / ro,nosuid,nodev,noexec,relatime sysfs sysfs rw
/sys/devices/virtual/net /devices/virtual/net rw,nosuid,nodev,noexec,relatime sysfs sysfs rw
/dev/pts / rw,nosuid,noexec,relatime devpts devpts rw,gid=5,mode=620,ptmxmode=666,max=1028
/dev/ptmx /ptmx rw,nosuid,noexec,relatime devpts devpts rw,gid=5,mode=620,ptmxmode=666,max=1028
/dev/lxc/console /0 rw,nosuid,noexec,relatime devpts devpts rw,gid=5,mode=620,ptmxmode=666,max=1028
/dev/console /0 rw,nosuid,noexec,relatime devpts devpts rw,gid=5,mode=620,ptmxmode=666,max=1028
/dev/lxc/tty1 /1 rw,nosuid,noexec,relatime devpts devpts rw,gid=5,mode=620,ptmxmode=666,max=1028
/dev/lxc/tty2 /2 rw,nosuid,noexec,relatime devpts devpts rw,gid=5,mode=620,ptmxmode=666,max=1028
/dev/lxc/tty3 /3 rw,nosuid,noexec,relatime devpts devpts rw,gid=5,mode=620,ptmxmode=666,max=1028
/dev/lxc/tty4 /4 rw,nosuid,noexec,relatime devpts devpts rw,gid=5,mode=620,ptmxmode=666,max=1028
/proc/sys/kernel/random/boot_id /.lxc-boot-id ro,nosuid,nodev,noexec,relatime tmpfs none rw,size=492k,mode=755
";

fn without_root(bed_table: std::collections::BTreeMap<String, rootfs_bed::Line>) -> Vec<String> {
    bed_table
        .into_iter()
        .filter(|(point, _)| point != "/")
        .map(|(point, (root, flags, fstype, source, options))| {
            format!("{point} {root} {flags} {fstype} {source} {options}")
        })
        .collect()
}

fn expected(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect();
    lines.sort_by(|a, b| a.split(' ').next().cmp(&b.split(' ').next()));
    lines
}

fn mixed<'a>() -> Setup<'a> {
    Setup {
        options: "",
        auto: auto("proc:mixed sys:mixed", NetAdmin::Kept),
        autodev: true,
        entries: Vec::new(),
        terminals: terminals(1024, 4, Some("lxc"), ConsoleSource::Container),
    }
}

fn mixed_table(bed: &Bed) {
    let guest = InGuest::for_tests();
    let host_boot_id = rootfs_bed::read("/proc/sys/kernel/random/boot_id");
    let all = bed.set_up(&guest, &mixed());
    assert_eq!(without_root(table()), expected(MIXED));
    assert_eq!(all.names(), "pts/1 pts/2 pts/3 pts/4");
    assert_eq!(all.console.as_ref().map(|c| c.number), Some(0));
    for (name, major, minor) in
        [("full", 1, 7), ("null", 1, 3), ("random", 1, 8), ("tty", 5, 0), ("zero", 1, 5)]
    {
        let node = std::fs::metadata(Path::new("/dev").join(name)).unwrap();
        assert!(node.file_type().is_char_device());
        assert_eq!((node.rdev() >> 8, node.rdev() & 0xff), (major, minor), "{name}");
        assert_eq!(node.permissions().mode() & 0o7777, 0o666, "{name}");
    }
    for (link, text) in [("fd", "/proc/self/fd"), ("stdout", "/proc/self/fd/1"), ("tty3", "lxc/tty3")] {
        assert_eq!(std::fs::read_link(Path::new("/dev").join(link)).unwrap(), Path::new(text));
    }
    let mode = |p: &str| std::fs::metadata(p).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("/dev/console"), mode("/dev/pts"), mode("/dev")), (0o620, 0o755, 0o755));
    assert_ne!(rootfs_bed::read("/proc/sys/kernel/random/boot_id"), host_boot_id);
    assert_eq!(rootfs_bed::read("/proc/sys/kernel/random/boot_id").len(), 37);
    assert!(std::fs::write("/proc/sys/kernel/hostname", "x").is_err());
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    assert_eq!(propagation("/"), "shared");
    assert_eq!(propagation("/proc/sys"), "shared");
    // Nothing of the host is left.
    assert!(!Path::new("/usr").exists());
    // What is written to the console comes out at the monitor's end.
    let console = all.console.unwrap();
    std::fs::write("/dev/console", "hello\n").unwrap();
    let mut got = [0u8; 16];
    let length = rustix::io::read(&console.controller, &mut got).unwrap();
    assert_eq!(&got[..length], b"hello\r\n");
}

#[test]
fn mixed_mounts_equal_upstreams() {
    inside("mixed_mounts_equal_upstreams", ROOT, mixed_table);
}

#[test]
fn old_kernels_get_the_same_table() {
    inside("old_kernels_get_the_same_table", ROOT, |bed| {
        forbid(NEW_CALLS);
        mixed_table(bed);
    });
}

#[test]
fn kernels_without_one_call_get_the_same_table() {
    for call in ["openat2", "open_tree", "mount_setattr"] {
        let name = "kernels_without_one_call_get_the_same_table";
        if std::env::var("LXC_RS_TEST_INSIDE").as_deref() == Ok(name) {
            let call = std::env::var("CALL").unwrap();
            return inside(name, ROOT, |bed| {
                forbid(&[call.as_str()]);
                mixed_table(bed);
            });
        }
        let mut flags = vec!["--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "env"];
        let set = format!("CALL={call}");
        flags.push(&set);
        inside(name, &flags, |_| {});
    }
}

#[test]
fn read_write_and_read_only_automatic_mounts() {
    inside("read_write_and_read_only_automatic_mounts", ROOT, |bed| {
        let guest = InGuest::for_tests();
        // Something that came along with the root is taken off first.
        rustix::mount::mount("x", bed.rootfs.join("proc"), "tmpfs", rustix::mount::MountFlags::empty(), None)
            .unwrap();
        std::fs::remove_dir(bed.rootfs.join("sys")).unwrap();
        let setup = Setup {
            options: "ro",
            auto: auto("proc:rw sys:ro", NetAdmin::Kept),
            autodev: true,
            terminals: terminals(10, 0, None, ConsoleSource::None),
            ..mixed()
        };
        std::fs::create_dir(bed.rootfs.join("sys")).unwrap();
        let all = bed.set_up(&guest, &setup);
        assert!(all.console.is_none() && all.ttys.is_empty());
        assert_eq!(flags("/"), "ro,relatime");
        assert_eq!(flags("/proc"), "rw,nosuid,nodev,noexec,relatime");
        assert_eq!(table()["/sys"].4, "ro");
        assert!(!table().contains_key("/proc/sys"));
        assert!(!table().contains_key("/dev/console"));
        assert_eq!(table()["/dev/pts"].4, "rw,gid=5,mode=620,ptmxmode=666,max=10");
        std::fs::write("/proc/sys/kernel/hostname", "x").unwrap();
    });
}

#[test]
fn dropped_net_admin_makes_all_sysctls_read_only() {
    inside("dropped_net_admin_makes_all_sysctls_read_only", ROOT, |bed| {
        let guest = InGuest::for_tests();
        let rootfs = bed.mounted(&guest, "");
        let spec = auto("proc sys:rw", NetAdmin::Dropped);
        guest::auto_mounts(&guest, &rootfs, &spec).unwrap();
        assert_eq!(flags(&shown(bed, "proc/sys")), "ro,relatime");
        assert!(!table().contains_key(&shown(bed, "proc/sys/net")));
        assert_eq!(flags(&shown(bed, "sys")), "rw,relatime");
        assert!(std::fs::write(bed.mount.join("proc/sys/net/ipv4/ip_forward"), "1").is_err());
    });
}

#[test]
fn missing_directories_are_made_for_automatic_mounts() {
    inside("missing_directories_are_made_for_automatic_mounts", ROOT, |bed| {
        let guest = InGuest::for_tests();
        for gone in ["proc", "sys", "dev"] {
            std::fs::remove_dir(bed.rootfs.join(gone)).unwrap();
        }
        let rootfs = bed.mounted(&guest, "");
        assert!(rootfs.dev().unwrap().is_none());
        guest::autodev(&guest, &rootfs, 500_000).unwrap();
        guest::auto_mounts(&guest, &rootfs, &auto("sys:mixed", NetAdmin::Kept)).unwrap();
        assert_eq!(flags(&shown(bed, "sys")), "ro,nosuid,nodev,noexec,relatime");
        guest::auto_mounts(&guest, &rootfs, &auto("proc:mixed", NetAdmin::Kept)).unwrap();
        assert_eq!(std::fs::metadata(bed.rootfs.join("proc")).unwrap().permissions().mode() & 0o777, 0o755);
    });
}

#[test]
fn without_a_pty_limit_the_ttys_stay_and_the_devpts_goes() {
    inside("without_a_pty_limit_the_ttys_stay_and_the_devpts_goes", ROOT, |bed| {
        let guest = InGuest::for_tests();
        let terminals = terminals(0, 2, None, ConsoleSource::None);
        let all = bed.set_up(&guest, &Setup { terminals, ..mixed() });
        assert_eq!(all.names(), "pts/0 pts/1");
        assert!(!table().contains_key("/dev/pts"));
        assert!(!Path::new("/dev/ptmx").exists());
        assert_eq!(table()["/dev/tty2"].0, "/1");
        std::fs::write("/dev/tty2", "x\n").unwrap();
        let mut got = [0u8; 4];
        assert_eq!(rustix::io::read(&all.ttys[1].controller, &mut got).unwrap(), 3);
    });
}

#[test]
fn a_console_of_the_host_is_bound() {
    inside("a_console_of_the_host_is_bound", ROOT, |bed| {
        let guest = InGuest::for_tests();
        let pair = lxc_sys::pty::Pair::open().unwrap();
        let rootfs = bed.mounted(&guest, "");
        let dev = guest::autodev(&guest, &rootfs, 500_000).unwrap();
        let spec = terminals(0, 0, None, ConsoleSource::Host);
        let fd = std::os::fd::AsFd::as_fd(&pair.terminal);
        let all = lxc_host::devpts::setup(&guest, &dev, &spec, Some(fd)).unwrap();
        assert!(all.devpts.is_none() && all.console.is_none());
        let node = std::fs::metadata(bed.mount.join("dev/console")).unwrap();
        assert_eq!(node.rdev(), rustix::fs::fstat(&pair.terminal).unwrap().st_rdev);
        assert_eq!(table()[&shown(bed, "dev/console")].0, format!("/{}", pair.number));
        // A second one replaces the first instead of hiding it.
        lxc_host::devpts::setup(&guest, &dev, &spec, Some(fd)).unwrap();
        let text = rootfs_bed::read("/proc/self/mountinfo");
        assert_eq!(text.lines().filter(|l| l.contains("/dev/console ")).count(), 1);
    });
}

#[test]
fn without_autodev_the_roots_own_dev_is_used() {
    inside("without_autodev_the_roots_own_dev_is_used", ROOT, |bed| {
        let guest = InGuest::for_tests();
        std::os::unix::fs::symlink("kept", bed.rootfs.join("dev/stdin")).unwrap();
        std::fs::write(bed.rootfs.join("dev/ptmx"), "old").unwrap();
        let terminals = terminals(10, 0, None, ConsoleSource::Container);
        let _open = bed.set_up(&guest, &Setup { autodev: false, terminals, ..mixed() });
        assert!(!table().contains_key("/dev"));
        assert_eq!(table()["/dev/ptmx"].0, "/ptmx");
        assert_eq!(table()["/dev/console"].0, "/0");
        assert_eq!(std::fs::read_link("/dev/stdin").unwrap(), Path::new("kept"));
        assert_eq!(std::fs::read_link("/dev/stdout").unwrap(), Path::new("/proc/self/fd/1"));
        assert!(!Path::new("/dev/null").exists());
    });
}

#[test]
fn a_user_namespace_gets_bound_nodes_and_no_tty_group() {
    inside("a_user_namespace_gets_bound_nodes_and_no_tty_group", USER, |bed| {
        let guest = InGuest::for_tests();
        let all = bed.set_up(&guest, &mixed());
        assert_eq!(table()["/dev/null"].2, "devtmpfs");
        assert_eq!(table()["/dev/pts"].4, "rw,mode=620,ptmxmode=666,max=1028");
        assert_eq!(all.ttys.len(), 4);
        std::fs::write("/dev/null", "x").unwrap();
        assert_eq!(flags("/proc/sys"), "ro,relatime");
        assert_eq!(flags("/sys"), "ro,nosuid,nodev,noexec,relatime");
    });
}

#[test]
fn the_hosts_root_is_used_in_place() {
    inside("the_hosts_root_is_used_in_place", ROOT, |bed| {
        let guest = InGuest::for_tests();
        guest::isolate(&guest).unwrap();
        let spec = lxc_host::rootfs::RootfsSpec { kind: lxc_host::rootfs::RootKind::Host, ..bed.spec() };
        let at = guest::prepare(&guest, &spec).unwrap();
        let rootfs = guest::mounted(&guest, at).unwrap();
        guest::auto_mounts(&guest, &rootfs, &auto("proc:mixed", NetAdmin::Kept)).unwrap();
        guest::check_root(&guest, &rootfs).unwrap();
        guest::pivot(&guest, rootfs).unwrap();
        assert_eq!(flags("/proc/sys"), "ro,relatime");
        assert_eq!(
            rootfs_bed::read("/proc/self/stat").split(' ').next().unwrap(),
            std::process::id().to_string()
        );
        assert!(Path::new("/usr").exists());
    });
}

#[test]
fn a_covered_root_is_noticed() {
    inside("a_covered_root_is_noticed", ROOT, |bed| {
        let guest = InGuest::for_tests();
        let rootfs = bed.mounted(&guest, "");
        guest::check_root(&guest, &rootfs).unwrap();
        bed.entries(&guest, &rootfs, &["x . tmpfs size=1m".into()]).unwrap();
        let e = guest::check_root(&guest, &rootfs).unwrap_err().to_string();
        assert!(e.contains("mounted over the root file system"), "{e}");
    });
}

#[test]
fn nothing_reaches_the_host() {
    inside(
        "nothing_reaches_the_host",
        &["--mount", "--propagation", "shared", "--pid", "--fork", "--net"],
        |bed| {
            // A second namespace that receives what this one sends.
            let point = bed.source("shared");
            rustix::mount::mount("x", &point, "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
            let watcher = std::process::Command::new("unshare")
                .args(["--mount", "--propagation", "unchanged", "sleep", "60"])
                .spawn()
                .unwrap();
            let mounts = format!("/proc/{}/mountinfo", watcher.id());
            let count = || rootfs_bed::read(&mounts).lines().count();
            std::thread::sleep(std::time::Duration::from_millis(300));
            let before = count();
            let guest = InGuest::for_tests();
            assert!(propagation("/").contains("shared"));
            let rootfs = bed.mounted(&guest, "");
            assert!(!propagation("/").contains("shared"));
            guest::autodev(&guest, &rootfs, 500_000).unwrap();
            assert_eq!(count(), before);
            let mut watcher = watcher;
            watcher.kill().unwrap();
            watcher.wait().unwrap();
        },
    );
}

#[test]
fn what_the_monitor_mounted_becomes_the_root() {
    inside("what_the_monitor_mounted_becomes_the_root", ROOT, |bed| {
        let guest = InGuest::for_tests();
        rustix::mount::mount("device", &bed.mount, "tmpfs", rustix::mount::MountFlags::empty(), None)
            .unwrap();
        for sub in ["dev", "proc"] {
            std::fs::create_dir(bed.mount.join(sub)).unwrap();
        }
        guest::isolate(&guest).unwrap();
        let at = guest::prepare(&guest, &bed.spec()).unwrap();
        guest::rebind_root(&guest, &at).unwrap();
        let rootfs = guest::mounted(&guest, at).unwrap();
        guest::auto_mounts(&guest, &rootfs, &auto("proc:rw", NetAdmin::Kept)).unwrap();
        guest::check_root(&guest, &rootfs).unwrap();
        guest::hostname(&guest, "lxc-rs-test").unwrap();
        guest::pivot(&guest, rootfs).unwrap();
        assert_eq!(table()["/"].3, "device");
        assert_eq!(rootfs_bed::read("/proc/sys/kernel/hostname"), "lxc-rs-test\n");
    });
}

#[test]
fn in_a_chroot_each_mount_is_cut_off() {
    inside("in_a_chroot_each_mount_is_cut_off", ROOT, |bed| {
        let guest = InGuest::for_tests();
        let none = rustix::mount::MountFlags::empty();
        rustix::mount::mount("proc", bed.rootfs.join("proc"), "proc", none, None).unwrap();
        std::fs::create_dir(bed.rootfs.join("a b")).unwrap();
        rustix::mount::mount("x", bed.rootfs.join("a b"), "tmpfs", none, None).unwrap();
        rustix::mount::mount_change(bed.rootfs.join("a b"), rustix::mount::MountPropagationFlags::SHARED)
            .unwrap();
        rustix::process::chroot(&bed.rootfs).unwrap();
        rustix::process::chdir("/").unwrap();
        assert_eq!(propagation("/a\\040b"), "shared");
        guest::isolate(&guest).unwrap();
        assert_eq!(propagation("/a\\040b"), "");
    });
}

#[test]
fn a_missing_mount_point_is_named() {
    inside("a_missing_mount_point_is_named", ROOT, |bed| {
        let guest = InGuest::for_tests();
        let prepare = |mount: &Path| {
            let spec = lxc_host::rootfs::RootfsSpec { mount: mount.to_owned(), ..bed.spec() };
            rootfs_bed::chain(&guest::prepare(&guest, &spec).unwrap_err())
        };
        assert!(prepare(Path::new("/gone")).ends_with("open(/gone): No such file or directory"));
        let link = bed.dir.join("link");
        std::os::unix::fs::symlink(&bed.mount, &link).unwrap();
        let e = prepare(&link);
        assert!(e.ends_with("Too many levels of symbolic links"), "{e}");
        assert!(prepare(Path::new("relative")).ends_with("Invalid argument"));
        forbid(NEW_CALLS);
        assert_eq!(prepare(&link), e);
    });
}

//! The cgroup mounts of a container, in all variants.

use lxc_host::cgroup::guest;
use lxc_host::cgroup::mounts::{Admin, Force, Mode, MountPlan, Namespace, View, Wish};
use lxc_sys::proc::{self, Mount};

use super::*;

const ROOT: &str = "/tmp/lxc-cgroup-test-root";
const ROOTFS: &str = "mkdir -p /tmp/lxc-cgroup-test-root && mount -t tmpfs none /tmp/lxc-cgroup-test-root \
    && mkdir -p /tmp/lxc-cgroup-test-root/sys/fs/cgroup";

/// Mounts in a fresh rootfs and unmounts again. What was there: path, root, `ro` or `rw`, type.
fn mounts_of(plan: &MountPlan) -> Vec<String> {
    let target = Path::new(ROOT).join("sys/fs/cgroup");
    let rootfs = std::fs::File::open(ROOT).unwrap();
    guest::mount(plan, std::os::fd::AsFd::as_fd(&rootfs)).unwrap();
    let text = proc::read("/proc/thread-self/mountinfo").unwrap();
    let line = |mount: Mount<'_>| {
        let path = mount.path().strip_prefix(&target).ok()?.display().to_string();
        let rights = if mount.read_only() { "ro" } else { "rw" };
        let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(format!("{path} {} {rights} {}", show(&mount.root), show(&mount.fs_type)))
    };
    let all = proc::mounts(&text).filter_map(line).collect();
    if let Ok(meta) = std::fs::metadata(target.join("memory")) {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(meta.permissions().mode() & 0o555, 0o555, "everybody may look");
    }
    assert!(Command::new("umount").arg("-l").arg(target).status().unwrap().success());
    all
}

fn of_memory(plan: &MountPlan) -> Vec<String> {
    let all = mounts_of(plan);
    assert_eq!(all[0], " / rw tmpfs");
    all.into_iter().filter(|line| line.starts_with("memory")).collect()
}

fn wish(view: View, mode: Mode, namespace: Namespace) -> Wish {
    Wish { view, mode, force: Force::No, namespace, admin: Admin::Kept }
}

#[test]
fn without_a_namespace() {
    isolated("mounts::without_a_namespace", ROOTFS, |name| {
        let host = found();
        let lease = PayloadLease::create(&host, &spec(name, &[])).unwrap();
        let plan = |view, mode| MountPlan::decide(wish(view, mode, Namespace::Host), &host, &lease);
        let memory = |view, mode| of_memory(&plan(view, mode).unwrap());
        let own = format!("lxc.payload.{name}");
        let line = |rights: &str| format!("memory/{own} /{own} {rights} cgroup");
        let around = "memory /memory ro tmpfs".to_owned();
        assert_eq!(memory(View::Own, Mode::ReadWrite), [line("rw")]);
        assert_eq!(memory(View::Own, Mode::Unset), [line("rw")]);
        assert_eq!(memory(View::Own, Mode::Mixed), [around.clone(), line("rw")]);
        assert_eq!(memory(View::Own, Mode::ReadOnly), [around, line("ro")]);
        let whole = |rights: &str| format!("memory / {rights} cgroup");
        assert_eq!(memory(View::Full, Mode::ReadOnly), [whole("ro")]);
        assert_eq!(memory(View::Full, Mode::ReadWrite), [whole("rw")]);
        assert_eq!(memory(View::Full, Mode::Mixed), [whole("ro"), line("rw")]);
        assert!(plan(View::Unified, Mode::Unset).is_err());
        let all = mounts_of(&plan(View::Full, Mode::ReadWrite).unwrap());
        assert!(all.contains(&"systemd / rw cgroup".to_owned()), "{all:?}");
        assert!(all.contains(&"unified / rw cgroup2".to_owned()), "{all:?}");
        assert_eq!(all.len(), host.iter().count() + 1);
        lease.release().unwrap();
    });
}

#[test]
fn in_a_namespace() {
    isolated("mounts::in_a_namespace", ROOTFS, |name| {
        let host = found();
        let mut lease = PayloadLease::create(&host, &spec(name, &[])).unwrap();
        let plan = |wish| MountPlan::decide(wish, &host, &lease).unwrap();
        let own = wish(View::Own, Mode::Mixed, Namespace::Own);
        assert_eq!(plan(own), MountPlan::Nothing);
        let forced = plan(Wish { force: Force::Yes, ..own });
        assert_eq!(plan(Wish { admin: Admin::Dropped, ..own }), forced);
        let read_only = plan(Wish { force: Force::Yes, mode: Mode::ReadOnly, ..own });
        let unified = plan(Wish { view: View::Unified, mode: Mode::ReadOnly, ..own });
        lease.birth().unwrap().enter().unwrap();
        #[expect(deprecated, reason = "the safe one: a cgroup namespace of a thread harms nobody")]
        rustix::thread::unshare(rustix::thread::UnshareFlags::NEWCGROUP).unwrap();
        assert_eq!(of_memory(&forced), ["memory / rw cgroup"]);
        let all = mounts_of(&read_only);
        assert!(all.contains(&"systemd / ro cgroup".to_owned()), "{all:?}");
        assert!(all.contains(&"unified / ro cgroup2".to_owned()), "{all:?}");
        assert_eq!(mounts_of(&unified), [" / ro cgroup2"]);
        go_home(&host);
        lease.release().unwrap();
    });
}

#[test]
fn on_v2() {
    isolated("mounts::on_v2", &format!("{PURE_V2} && {ROOTFS}"), |name| {
        let host = found();
        let lease = PayloadLease::create(&host, &spec(name, &[])).unwrap();
        let decide = |wish| MountPlan::decide(wish, &host, &lease);
        let rights = |view, mode| mounts_of(&decide(wish(view, mode, Namespace::Own)).unwrap());
        assert_eq!(rights(View::Own, Mode::Mixed), [" / rw cgroup2"]);
        assert_eq!(rights(View::Own, Mode::ReadOnly), [" / ro cgroup2"]);
        assert_eq!(rights(View::Full, Mode::ReadOnly), [" / ro cgroup2"]);
        assert_eq!(rights(View::Unified, Mode::Unset), [" / rw cgroup2"]);
        assert!(decide(wish(View::Own, Mode::Mixed, Namespace::Host)).is_err());
        lease.release().unwrap();
    });
}

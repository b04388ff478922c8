//! Names, leftovers, directories above and below, filters, attaching.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use lxc_host::cgroup::attach::Entry;
use lxc_host::cgroup::dir::Dir;
use lxc_host::cgroup::spec::{Clash, Need, Owner};
use lxc_host::cgroup::{Error, MonitorLease, PayloadLease, Which, host};

use super::*;

#[test]
fn leftovers_are_used_again_and_the_living_left_alone() {
    isolated("groups::leftovers_are_used_again_and_the_living_left_alone", HOST, |name| {
        let host = found();
        let spec = spec(name, &["cgroup.pids.max = 7"]);
        PayloadLease::create(&host, &spec).unwrap().keep();
        let pids = PathBuf::from(format!("/sys/fs/cgroup/pids/lxc.payload.{name}"));
        for sub in ["a", "a/b", "a/b/c", "d"] {
            std::fs::create_dir(pids.join(sub)).unwrap();
        }
        let first = PayloadLease::create(&host, &spec).unwrap();
        assert_eq!(first.below(), Path::new(&format!("lxc.payload.{name}")));
        assert!(pids.exists() && !pids.join("a").exists());

        // A process in a group below is enough to be left alone.
        std::fs::create_dir(pids.join("deep")).unwrap();
        let waiter = Waiter::new("true");
        std::fs::write(pids.join("deep/cgroup.procs"), waiter.0.id().to_string()).unwrap();
        let second = PayloadLease::create(&host, &spec).unwrap();
        assert_eq!(second.below(), Path::new(&format!("lxc.payload.{name}-1")));
        let mut exact = spec.clone();
        exact.names.clash = Clash::Fail;
        assert!(matches!(PayloadLease::create(&host, &exact), Err(Error::Busy(_))));
        second.release().unwrap();
        drop(first); // kills the waiter
        assert!(!pids.exists());
    });
}

#[test]
fn an_empty_group_that_another_is_starting_with_is_left_alone() {
    isolated("groups::an_empty_group_that_another_is_starting_with_is_left_alone", HOST, |name| {
        let host = found();
        let spec = spec(name, &["cgroup.pids.max = 7"]);
        let first = PayloadLease::create(&host, &spec).unwrap();
        let second = PayloadLease::create(&host, &spec).unwrap();
        assert_eq!(first.below(), Path::new(&format!("lxc.payload.{name}")));
        assert_eq!(second.below(), Path::new(&format!("lxc.payload.{name}-1")));
    });
}

#[test]
fn sweeping_after_a_killed_monitor() {
    isolated("groups::sweeping_after_a_killed_monitor", HOST, |name| {
        let host = found();
        let spec = spec(name, &[]);
        let mut lease = PayloadLease::create(&host, &spec).unwrap();
        MonitorLease::create(&host, &spec.names).unwrap().keep();
        let waiter = Waiter::inside(&mut lease, "true");
        // The monitor's go, the container's stay: a process is in them.
        assert_eq!(host::sweep(&host, &spec.names).unwrap().len(), host.iter().count());
        assert!(waiter.go());
        lease.keep();
        assert_eq!(host::sweep(&host, &spec.names).unwrap().len(), host.iter().count());
        assert_eq!(host::sweep(&host, &spec.names).unwrap(), Vec::<PathBuf>::new());
    });
}

#[test]
fn what_fails_leaves_nothing() {
    isolated("groups::what_fails_leaves_nothing", HOST, |name| {
        let host = found();
        for (line, text) in [
            ("cgroup.memory.none = 1", "No such file or directory"),
            ("cgroup.cpu.shares = x", "Invalid argument"),
            ("cgroup.nosuch.x = 1", "no cgroup hierarchy with the controller \"nosuch\""),
            ("cgroup.freezer.state = FROZEN", "use lxc-freeze"),
            ("cgroup2.devices.allow = c 1:3 q", "\"q\" is not a device access"),
            ("cgroup2.devices.foo = a", "\"devices.foo\" is not the name of a cgroup file"),
            ("cgroup.../memory.x = 1", "is not the name of a cgroup file"),
        ] {
            let error = PayloadLease::create(&host, &spec(name, &[line])).unwrap_err();
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(error.to_string(), format!("cannot apply lxc.{line}"));
            assert!(source.contains(text), "{source}");
            assert_eq!(clean(name), Vec::<PathBuf>::new(), "{line}");
        }
        let mut lenient = spec(name, &["cgroup.nosuch.x = 1", "cgroup.devices.deny = /none r"]);
        lenient.settings[0].need = Need::BestEffort;
        assert_eq!(lenient.check(&host).unwrap().len(), 1);
        let mut lease = PayloadLease::create(&host, &lenient).unwrap();
        assert_eq!(lease.take_warnings().len(), 1);
        assert_eq!(
            lease.attach_devices().unwrap_err().to_string(),
            "cannot apply lxc.cgroup.devices.deny = /none r"
        );
        lease.release().unwrap();
    });
}

#[test]
fn directories_above_are_removed_again() {
    isolated("groups::directories_above_are_removed_again", HOST, |name| {
        let host = found();
        let top = format!("{name}-top");
        let dir = format!("{top}/sub");
        let config = NamesConfig { name, dir: Some(&dir), ..NamesConfig::default() };
        let mut spec = spec(name, &[]);
        spec.names = Names::resolve(&config).unwrap();
        // The administrator's own: it and its set stay as they are, and are handed down.
        let admin = PathBuf::from(format!("/sys/fs/cgroup/cpuset/{top}"));
        std::fs::create_dir(&admin).unwrap();
        std::fs::write(admin.join("cpuset.cpus"), "0").unwrap();
        std::fs::write(admin.join("cpuset.mems"), "0").unwrap();
        let payload = PayloadLease::create(&host, &spec).unwrap();
        let mut monitor = MonitorLease::create(&host, &spec.names).unwrap();
        monitor.enter_v1().unwrap();
        assert_eq!(std::fs::read_to_string(admin.join("cpuset.cpus")).unwrap(), "0\n");
        let below = admin.join(format!("sub/lxc.payload.{name}/cpuset.cpus"));
        assert_eq!(std::fs::read_to_string(below).unwrap(), "0\n");
        payload.release().unwrap();
        monitor.release().unwrap();
        assert!(!Path::new(&format!("/sys/fs/cgroup/pids/{top}")).exists());
        assert!(admin.exists() && !admin.join("sub").exists());
        std::fs::remove_dir(admin).unwrap();
    });
}

#[test]
fn a_pivot_where_one_is_wanted() {
    isolated("groups::a_pivot_where_one_is_wanted", HOST, |name| {
        let host = found();
        let mut names = names(name);
        names.pivot = Some(PathBuf::from(format!("{name}-p")));
        let mut monitor = MonitorLease::create(&host, &names).unwrap();
        monitor.enter_v1().unwrap();
        monitor.release().unwrap();
        let pivot = format!("/{name}-p/lxc.pivot");
        let text = own_cgroups();
        assert_eq!(
            places(&text).iter().filter(|place| place.ends_with(&pivot)).count(),
            host.iter().count() - 1,
            "{text}"
        );
        // It stays, for we are in it.
        go_home(&host);
        for hierarchy in host.iter() {
            hierarchy.base().remove_tree(Path::new(&format!("{name}-p"))).unwrap();
        }
    });
}

#[test]
fn inner_groups_and_owners() {
    isolated("groups::inner_groups_and_owners", HOST, |name| {
        use std::os::unix::fs::MetadataExt;
        let host = found();
        let (payload, monitor) = (format!("{name}-c/d"), format!("{name}-m"));
        let config = NamesConfig {
            name,
            dir_container: Some(&payload),
            dir_monitor: Some(&monitor),
            dir_container_inner: Some("in"),
            ..NamesConfig::default()
        };
        let lines = ["cgroup.devices.deny = a", "cgroup.pids.max = 9", "cgroup.cpuset.cpus = 1"];
        let mut spec = spec(name, &lines);
        spec.names = Names::resolve(&config).unwrap();
        spec.owner = Some(Owner { uid: 1234, gid: 100_000 });
        let mut lease = PayloadLease::create(&host, &spec).unwrap();
        let waiter = Waiter::inside(&mut lease, "true");
        lease.attach_devices().unwrap();
        let text = waiter.cgroups();
        let inner = format!("/{payload}/in");
        assert!(places(&text).iter().all(|place| place.ends_with(&inner)), "{text}");
        assert_eq!(lease.path(Some("pids"), Which::Limit).unwrap(), Path::new(&format!("/{payload}")));
        assert_eq!(lease.path(Some("pids"), Which::Process).unwrap(), Path::new(&inner));
        let at = |hierarchy: &str, rest: &str| {
            PathBuf::from(format!("/sys/fs/cgroup/{hierarchy}/{payload}/{rest}"))
        };
        let read = |hierarchy: &str, rest: &str| std::fs::read_to_string(at(hierarchy, rest)).unwrap();
        assert_eq!((&*read("pids", "pids.max"), &*read("pids", "in/pids.max")), ("9\n", "max\n"));
        assert_eq!((&*read("cpuset", "cpuset.cpus"), &*read("cpuset", "in/cpuset.cpus")), ("1\n", "1\n"));
        assert_eq!(read("devices", "devices.list"), "");
        let owner = |path: PathBuf| {
            let meta = path.metadata().unwrap();
            (meta.uid(), meta.gid(), meta.mode() & 0o7777)
        };
        assert_eq!(owner(at("memory", "in")), (1234, 100_000, 0o775));
        assert_eq!(owner(at("memory", "in/tasks")), (1234, 100_000, 0o664));
        assert_eq!(owner(at("unified", "in/cgroup.subtree_control")), (1234, 100_000, 0o664));
        assert_eq!(owner(at("memory", "")), (0, 0, 0o755));
        lease.release().unwrap();
    });
}

#[test]
fn the_use_filter() {
    isolated("groups::the_use_filter", HOST, |name| {
        let only = ["memory".to_owned(), "freezer".to_owned()];
        let host = Hierarchies::discover(Base::Init, &only).unwrap();
        let titles: Vec<String> = host.iter().map(|h| h.title()).collect();
        assert_eq!(titles, ["freezer", "memory", "unified"]);
        let error = PayloadLease::create(&host, &spec(name, &["cgroup.pids.max = 1"])).unwrap_err();
        assert_eq!(error.to_string(), "cannot apply lxc.cgroup.pids.max = 1");
        let missing = Hierarchies::discover(Base::Init, &["nosuch".to_owned()]).unwrap_err();
        assert!(matches!(missing, Error::MissingController(name) if name == "nosuch"));
    });
}

#[test]
fn hierarchies_that_cannot_be_used() {
    // Hidden: not there for us. Read-only: dropped with a warning, unless a key needs it.
    let setup = "mount -t tmpfs none /sys/fs/cgroup/blkio && \
        mount --bind /sys/fs/cgroup/cpu /sys/fs/cgroup/cpu && \
        mount -o remount,bind,ro /sys/fs/cgroup/cpu";
    isolated("groups::hierarchies_that_cannot_be_used", setup, |name| {
        let host = found();
        assert!(host.by_controller(Some("blkio")).is_none());
        let mut lease = PayloadLease::create(&host, &spec(name, &["cgroup.pids.max = 9"])).unwrap();
        let warnings = lease.take_warnings();
        assert!(warnings[0].to_string().starts_with("cgroup hierarchy /sys/fs/cgroup/cpu is not used"));
        assert_eq!(warnings.len(), 1);
        assert_eq!(lease.process_fds().count(), host.iter().count() - 1);
        lease.release().unwrap();
        let needs = spec(name, &["cgroup.cpu.shares = 9"]);
        let error = PayloadLease::create(&host, &needs).unwrap_err();
        assert_eq!(error.to_string(), "the cpu hierarchy is needed and cannot be used");
    });
}

#[test]
fn attaching() {
    isolated("groups::attaching", HOST, |name| {
        use std::os::unix::fs::MetadataExt;
        let host = found();
        let mut spec = spec(name, &[]);
        spec.owner = Some(Owner { uid: 1234, gid: 100_000 });
        let mut lease = PayloadLease::create(&host, &spec).unwrap();
        let init = Waiter::inside(&mut lease, "true");
        let dirs = || {
            let dir = |fd: BorrowedFd<'_>| Dir::from_fd(fd.try_clone_to_owned().unwrap(), "group");
            lease.process_fds().map(dir).collect::<Vec<_>>()
        };
        let entry = Entry::prepare(dirs()).unwrap();
        let waiter = Waiter::new("true");
        entry.enter(waiter.pid()).unwrap();
        let text = waiter.cgroups();
        let payload = format!("/lxc.payload.{name}");
        assert!(text.contains(&format!("0::{payload}/.lxc\n")), "{text}");
        assert_eq!(
            places(&text).iter().filter(|place| place.ends_with(&payload)).count(),
            host.iter().count() - 1
        );
        for leaf in [".lxc", ".lxc/cgroup.procs"] {
            let path = format!("/sys/fs/cgroup/unified{payload}/{leaf}");
            let meta = std::fs::metadata(path).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (1234, 100_000), "{leaf}");
        }
        drop(init);
        // A second one finds the leaf that is there, by path as well.
        let unified = host.unified().unwrap().open(&lease.path(None, Which::Process).unwrap()).unwrap();
        assert!(host.unified().unwrap().open(Path::new("/../x")).is_err());
        let again = Entry::prepare(vec![unified]).unwrap();
        assert!(again.clone_into().is_some_and(|fd| fd.as_fd().try_clone_to_owned().is_ok()));
        let other = Waiter::new("true");
        again.enter_unified(other.pid()).unwrap();
        assert!(other.cgroups().contains("/.lxc\n"));
        Entry::prepare(dirs()).unwrap().birth().unwrap().enter().unwrap();
        assert!(own_cgroups().contains(&format!("pids:{payload}")));
        go_home(&host);
        lease.release().unwrap();
    });
}

#[test]
fn a_plain_user_below_what_was_handed_over() {
    let setup = "top=/sys/fs/cgroup/unified/$LXC_CGROUP_TEST_NAME-given && mkdir -p $top/own && \
        chown -R 1000:1000 $top && echo $$ > $top/own/cgroup.procs && \
        set -- --reuid 1000 --regid 1000 --clear-groups \"$0\" \"$@\" && exec setpriv \"$@\"";
    isolated("groups::a_plain_user_below_what_was_handed_over", setup, |name| {
        assert!(Hierarchies::discover(Base::Init, &[]).unwrap().iter().next().is_none());
        let host = Hierarchies::discover(Base::Own, &[]).unwrap();
        assert_eq!(host.layout(), lxc_host::cgroup::Layout::Unified);
        let base = format!("/{name}-given/own");
        let mut lease = PayloadLease::create(&host, &spec(name, &[])).unwrap();
        assert_eq!(lease.path(None, Which::Limit).unwrap(), Path::new(&format!("{base}/lxc.payload.{name}")));
        let waiter = Waiter::inside(&mut lease, "true");
        assert!(waiter.cgroups().contains(&format!("{base}/lxc.payload.{name}\n")));
        let mut monitor = MonitorLease::create(&host, &names(name)).unwrap();
        monitor.enter_unified().unwrap();
        assert!(own_cgroups().contains(&format!("{base}/lxc.monitor.{name}\n")));
        lease.release().unwrap();
        monitor.release().unwrap();
        assert!(own_cgroups().contains(&format!("0::{base}\n")));
    });
}

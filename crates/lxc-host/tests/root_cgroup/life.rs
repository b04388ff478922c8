//! A container's groups from beginning to end, on the three layouts.

use std::path::Path;
use std::time::{Duration, Instant};

use lxc_host::cgroup::spec::Verdict;
use lxc_host::cgroup::{Born, Error, Layout, MonitorLease, PayloadLease, Which, freezer, item};

use super::*;

const LINES: [&str; 10] = [
    "cgroup.memory.memsw.limit_in_bytes = 256M",
    "cgroup.memory.limit_in_bytes = 128M",
    "cgroup.cpu.shares = 512",
    "cgroup.pids.max = 200",
    "cgroup.cpuset.cpus = 0",
    "cgroup2.memory.max = 64M",
    "cgroup.devices.deny = a",
    "cgroup.devices.allow = c 1:3 rwm",
    "cgroup.devices.allow = /dev/zero rwm",
    "cgroup2.devices.allow = c 1:9 rwm",
];

#[test]
fn on_hybrid() {
    isolated("life::on_hybrid", HOST, |name| {
        let host = found();
        assert_eq!(host.layout(), Layout::Hybrid);
        let spec = spec(name, &LINES);
        let mut lease = PayloadLease::create(&host, &spec).unwrap();
        let warnings: Vec<String> = lease.take_warnings().iter().map(ToString::to_string).collect();
        let ignored =
            "lxc.cgroup2.memory.max = 64M is ignored: no cgroup hierarchy with the controller \"memory\"";
        assert_eq!(warnings, [ignored]);
        for (hierarchy, limit, value) in [
            ("memory", "memory.limit_in_bytes", "134217728"),
            ("memory", "memory.memsw.limit_in_bytes", "268435456"),
            ("cpu", "cpu.shares", "512"),
            ("pids", "pids.max", "200"),
            ("cpuset", "cpuset.cpus", "0"),
            ("cpuset", "cpuset.mems", "0"),
            ("cpuset", "cgroup.clone_children", "1"),
        ] {
            assert_eq!(file(hierarchy, name, limit), value, "{limit}");
        }

        // The quick way in, by ourselves; who we start is born there.
        let before = own_cgroups();
        lease.birth().unwrap().enter().unwrap();
        let waiter = Waiter::new("exec 3</dev/null && ! (exec 3</dev/urandom)");
        lease.settle(waiter.pid(), Born::EntersV1).unwrap();
        let payload = format!("/lxc.payload.{name}");
        let inside = waiter.cgroups();
        assert!(places(&inside).iter().all(|place| place.ends_with(&payload)), "{inside}");
        assert_eq!(inside.lines().count(), before.lines().count());

        lease.attach_devices().unwrap();
        assert_eq!(file("devices", name, "devices.list"), "c 1:3 rwm\nc 1:5 rwm");
        lease.set_device(Verdict::Allow, &"/dev/full r".parse().unwrap()).unwrap();
        assert!(file("devices", name, "devices.list").contains("c 1:7 r"));
        assert_eq!(lease.path(Some("memory"), Which::Limit).unwrap(), Path::new(&payload));
        assert_eq!(lease.path(None, Which::Process).unwrap(), Path::new(&payload));
        assert_eq!(lease.path(Some("nosuch"), Which::Limit), None);
        assert_eq!(lease.process_fds().count(), host.iter().count());
        let pids = lease.dir(Some("pids"), Which::Limit).unwrap();
        assert_eq!(item::get(pids, "pids.max").unwrap(), b"200\n");
        item::set(pids, "pids.max", "300").unwrap();
        assert_eq!(file("pids", name, "pids.max"), "300");
        assert!(waiter.go());

        // Ourselves out of the way, by the monitor's own groups.
        let mut monitor = MonitorLease::create(&host, &spec.names).unwrap();
        monitor.enter_v1().unwrap();
        monitor.enter_unified().unwrap();
        let inside = own_cgroups();
        let own = format!("/lxc.monitor.{name}");
        assert!(places(&inside).iter().all(|place| place.ends_with(&own)), "{inside}");
        let stats = lease.stats();
        assert!(stats.cpu.is_some() && stats.memory_limit == Some(134_217_728), "{stats:?}");
        assert_eq!((stats.pids, stats.kernel_memory.is_some()), (Some(0), true));
        lease.release().unwrap();
        monitor.release().unwrap();
        let after = own_cgroups();
        assert!(!after.contains(name), "{after}");
    });
}

/// Clones a process into the groups as the engine does; returns what `/proc/PID/cgroup` says of it.
fn cloned(lease: &mut PayloadLease) -> String {
    use lxc_sys::clone::{Cloned, Request, clone};
    use std::io::Read;
    let birth = lease.birth().unwrap();
    let (mut is_in, mut tell) = std::io::pipe().unwrap();
    let request = Request { into_cgroup: lease.clone_into(), ..Request::default() };
    let (cloned, born) = clone(&request).unwrap();
    let Cloned::Monitor(child) = cloned else {
        birth.enter().unwrap();
        tell.write_all(b".").unwrap();
        std::thread::sleep(Duration::from_secs(100));
        lxc_sys::process::leave(0)
    };
    let born = match born {
        lxc_sys::clone::Birth::Requested => Born::Inside,
        lxc_sys::clone::Birth::Inherited => Born::EntersV1,
    };
    is_in.read_exact(&mut [0]).unwrap();
    lease.settle(child.pid(), born).unwrap();
    let pid = child.pid().as_raw_nonzero();
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    child.signal(9).unwrap();
    child.wait().unwrap();
    text
}

#[test]
fn the_quick_way_in() {
    isolated("life::the_quick_way_in", HOST, |name| {
        let said = child::run(|_| {
            let host = found();
            let mut lease = PayloadLease::create(&host, &spec(name, &["cgroup.pids.max = 3"])).unwrap();
            let text = cloned(&mut lease);
            let payload = format!("/lxc.payload.{name}");
            assert!(places(&text).iter().all(|place| place.ends_with(&payload)), "{text}");
            // The second that is cloned replaces nothing of the first.
            assert_eq!(places(&cloned(&mut lease)), places(&text));
            assert!(!own_cgroups().contains(name), "we stay where we are");
            lease.release().unwrap();
            "good".to_owned()
        });
        assert_eq!(said.said(), "good");
    });
}

#[test]
fn v2_settings_on_hybrid() {
    isolated("life::v2_settings_on_hybrid", HOST, |name| {
        let host = found();
        let mut lines = vec!["cgroup2.cgroup.max.descendants = 4"];
        let hugetlb = host.unified().unwrap().has("hugetlb");
        if hugetlb {
            lines.push("cgroup2.hugetlb.2MB.max = 2097152");
        }
        let mut lease = PayloadLease::create(&host, &spec(name, &lines)).unwrap();
        assert_eq!(lease.take_warnings(), []);
        let waiter = Waiter::inside(&mut lease, "true");
        assert_eq!(file("unified", name, "cgroup.max.descendants"), "4");
        if hugetlb {
            assert_eq!(file("unified", name, "hugetlb.2MB.max"), "2097152");
        }
        drop(waiter);
        lease.release().unwrap();
    });
}

#[test]
fn on_v2() {
    isolated("life::on_v2", PURE_V2, |name| {
        let host = found();
        assert_eq!(host.layout(), Layout::Unified);
        assert_eq!(host.iter().count(), 1);
        let spec = spec(name, &["cgroup2.cgroup.max.depth = 3", "cgroup.memory.limit_in_bytes = 1M"]);
        let mut lease = PayloadLease::create(&host, &spec).unwrap();
        assert_eq!(lease.take_warnings().len(), 1, "v1 keys are ignored");
        assert!(lease.clone_into().is_some());
        lease.birth().unwrap().enter().unwrap();
        let waiter = Waiter::inside(&mut lease, "true");
        assert!(waiter.cgroups().contains(&format!("0::/lxc.payload.{name}\n")));
        let path = format!("/sys/fs/cgroup/lxc.payload.{name}");
        let read = |file: &str| std::fs::read_to_string(format!("{path}/{file}")).unwrap();
        assert_eq!(read("cgroup.max.depth"), "3\n");
        lease.freeze(Some(Duration::from_secs(5))).unwrap();
        assert!(read("cgroup.events").contains("frozen 1"));
        lease.thaw(Some(Duration::from_secs(5))).unwrap();
        assert!(read("cgroup.events").contains("frozen 0"));
        assert!(lease.stats().cpu.is_some());

        let mut monitor = MonitorLease::create(&host, &spec.names).unwrap();
        monitor.enter_v1().unwrap();
        monitor.enter_unified().unwrap();
        assert!(own_cgroups().contains(&format!("0::/lxc.monitor.{name}")));
        lease.freeze(None).unwrap();
        lease.release().unwrap();
        assert!(!Path::new(&path).exists());
        monitor.release().unwrap();
    });
}

/// A limit for each controller that the host has in v2, whichever these are.
#[test]
fn limits_on_v2() {
    isolated("life::limits_on_v2", PURE_V2, |name| {
        let host = found();
        let known = [
            ("cgroup", "cgroup.max.depth", "5"),
            ("memory", "memory.max", "67108864"),
            ("pids", "pids.max", "77"),
            ("cpu", "cpu.weight", "50"),
            ("cpuset", "cpuset.cpus", "0"),
            ("hugetlb", "hugetlb.2MB.max", "2097152"),
        ];
        let has = |controller: &str| host.unified().unwrap().has(controller);
        let known: Vec<_> = known.into_iter().filter(|(controller, ..)| has(controller)).collect();
        let lines: Vec<String> =
            known.iter().map(|(_, file, value)| format!("cgroup2.{file} = {value}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut spec = spec(name, &lines);
        // One directory above, so that controllers have to be handed down twice.
        let dir = format!("{name}-top");
        let config = NamesConfig { name, dir: Some(&dir), ..NamesConfig::default() };
        spec.names = Names::resolve(&config).unwrap();
        let mut lease = PayloadLease::create(&host, &spec).unwrap();
        let waiter = Waiter::inside(&mut lease, "true");
        for (_, file, value) in known {
            let path = format!("/sys/fs/cgroup/{dir}/lxc.payload.{name}/{file}");
            assert_eq!(std::fs::read_to_string(path).unwrap(), format!("{value}\n"), "{file}");
        }
        assert!(lease.stats().cpu.is_some());
        assert_eq!(lease.stats().memory.is_some(), has("memory"));
        drop(waiter);
        lease.release().unwrap();
    });
}

#[test]
fn on_v1() {
    isolated("life::on_v1", PURE_V1, |name| {
        let host = found();
        assert_eq!(host.layout(), Layout::Legacy);
        assert!(host.unified().is_none());
        let lines = ["cgroup.pids.max = 5", "cgroup2.pids.max = 6", "cgroup2.devices.deny = a"];
        let mut lease = PayloadLease::create(&host, &spec(name, &lines)).unwrap();
        assert_eq!(lease.take_warnings().len(), 2);
        assert!(lease.clone_into().is_none());
        assert_eq!(lease.path(None, Which::Limit), None);
        let waiter = Waiter::inside(&mut lease, "true");
        lease.attach_devices().unwrap();
        assert_eq!(file("pids", name, "pids.current"), "1");
        // Frozen, killed and removed: the waiter lives until then.
        lease.freeze(Some(Duration::from_secs(5))).unwrap();
        lease.release().unwrap();
        drop(waiter);
    });
}

#[test]
fn both_ways_to_freeze() {
    isolated("life::both_ways_to_freeze", HOST, |name| {
        let host = found();
        let mut lease = PayloadLease::create(&host, &spec(name, &[])).unwrap();
        let waiter = Waiter::inside(&mut lease, "true");
        let begun = Instant::now();
        lease.freeze(Some(Duration::from_secs(5))).unwrap();
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        assert_eq!(file("freezer", name, "freezer.state"), "FROZEN");
        lease.thaw(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(file("freezer", name, "freezer.state"), "THAWED");

        let unified = lease.dir(None, Which::Limit).unwrap();
        freezer::freeze(unified, Some(Duration::from_secs(5))).unwrap();
        assert!(file("unified", name, "cgroup.events").contains("frozen 1"));
        freezer::thaw(unified, None).unwrap();
        assert!(file("unified", name, "cgroup.events").contains("frozen 0"));
        assert!(waiter.go());
        lease.release().unwrap();
    });
}

#[test]
fn freezing_gives_up_in_time() {
    isolated("life::freezing_gives_up_in_time", HOST, |name| {
        let host = found();
        // The group above is frozen: ours cannot thaw by itself, and waiting for it must end.
        let dir = format!("{name}-top");
        let mut spec = spec(name, &[]);
        let config = NamesConfig { name, dir: Some(&dir), ..NamesConfig::default() };
        spec.names = Names::resolve(&config).unwrap();
        let mut lease = PayloadLease::create(&host, &spec).unwrap();
        let waiter = Waiter::inside(&mut lease, "true");
        for (hierarchy, file, frozen, thawed) in
            [("freezer", "freezer.state", "FROZEN", "THAWED"), ("unified", "cgroup.freeze", "1", "0")]
        {
            let above = format!("/sys/fs/cgroup/{hierarchy}/{dir}/{file}");
            std::fs::write(&above, frozen).unwrap();
            let group = match hierarchy {
                "freezer" => lease.freezer(),
                _ => lease.dir(None, Which::Limit),
            };
            freezer::freeze(group.unwrap(), Some(Duration::from_secs(5))).unwrap();
            let begun = Instant::now();
            let late = freezer::thaw(group.unwrap(), Some(Duration::from_millis(60)));
            assert!(matches!(late, Err(Error::Timeout("thawed", _))), "{late:?}");
            assert!(begun.elapsed() >= Duration::from_millis(60));
            std::fs::write(&above, thawed).unwrap();
            freezer::thaw(group.unwrap(), Some(Duration::from_secs(5))).unwrap();
        }
        drop(waiter);
        lease.release().unwrap();
    });
}

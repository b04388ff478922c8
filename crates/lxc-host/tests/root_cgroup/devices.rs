//! Device rules of v2: the kernel runs the program that we have made.

use lxc_host::cgroup::spec::Verdict;

use super::*;

/// /dev/null must open in any case, and /dev/urandom decides.
const CHECK: &str = "exec 3</dev/null && (exec 4</dev/urandom)";
const RULES: [&str; 3] =
    ["cgroup2.devices.deny = a", "cgroup2.devices.allow = c 5:* rwm", "cgroup2.devices.allow = c 1:3 rwm"];

fn opens_urandom(lease: &mut PayloadLease) -> bool {
    Waiter::inside(lease, CHECK).go()
}

#[test]
fn by_program_on_hybrid() {
    isolated("devices::by_program_on_hybrid", HOST, |name| {
        let host = found();
        let mut lease = PayloadLease::create(&host, &spec(name, &RULES)).unwrap();
        assert!(opens_urandom(&mut lease));
        lease.attach_devices().unwrap();
        assert!(!opens_urandom(&mut lease));
        assert!(Waiter::inside(&mut lease, "exec 3</dev/null").go());
        assert_eq!(file("devices", name, "devices.list"), "a *:* rwm");
        lease.release().unwrap();
    });
}

#[test]
fn changed_while_running() {
    isolated("devices::changed_while_running", PURE_V2, |name| {
        let host = found();
        let mut lease = PayloadLease::create(&host, &spec(name, &RULES)).unwrap();
        lease.attach_devices().unwrap();
        assert!(!opens_urandom(&mut lease));
        lease.set_device(Verdict::Allow, &"c 1:9 r".parse().unwrap()).unwrap();
        assert!(opens_urandom(&mut lease));
        assert!(!Waiter::inside(&mut lease, "exec 3>/dev/urandom").go(), "reading only");
        lease.set_device(Verdict::Deny, &"/dev/urandom r".parse().unwrap()).unwrap();
        assert!(!opens_urandom(&mut lease));
        let group = lease.dir(None, lxc_host::cgroup::Which::Limit).unwrap();
        let attached = lxc_sys::bpf::query(lxc_sys::bpf::Program::Device, group).unwrap();
        assert_eq!(attached.len(), 1, "replaced, not added");
        lease.release().unwrap();
    });
}

#[test]
fn a_first_rule_while_running() {
    isolated("devices::a_first_rule_while_running", PURE_V2, |name| {
        let host = found();
        let mut lease = PayloadLease::create(&host, &spec(name, &[])).unwrap();
        lease.attach_devices().unwrap();
        assert!(opens_urandom(&mut lease));
        lease.set_device(Verdict::Allow, &"a".parse().unwrap()).unwrap();
        lease.set_device(Verdict::Deny, &"c 1:9 r".parse().unwrap()).unwrap();
        assert!(!opens_urandom(&mut lease));
        lease.release().unwrap();
    });
}

#[test]
fn a_deny_all_alone_binds() {
    isolated("devices::a_deny_all_alone_binds", PURE_V2, |name| {
        let host = found();
        let mut lease = PayloadLease::create(&host, &spec(name, &["cgroup2.devices.deny = a"])).unwrap();
        assert!(Waiter::inside(&mut lease, "exec 3</dev/null").go());
        lease.attach_devices().unwrap();
        assert!(!Waiter::inside(&mut lease, "exec 3</dev/null").go());
        lease.release().unwrap();
        // On a host with v2 alone a controller that is missing is an error.
        let error = PayloadLease::create(&host, &spec(name, &["cgroup2.nosuch.max = 1M"])).unwrap_err();
        assert_eq!(error.to_string(), "cannot apply lxc.cgroup2.nosuch.max = 1M");
    });
}

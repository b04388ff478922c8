//! Each part of a container's confinement on the real kernel, and what happens without it. Needs root.
#![allow(clippy::unwrap_used)]

mod child;

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use child::{Outcome, UnshareFlags, own_status, status};
use lxc_host::idmap::{self, Caller, Groups, IdMapSpec, Identity};
use lxc_host::keyring::{self, KeyringSpec};
use lxc_host::limits::{self, LimitSpec, ProcFileSpec};
use lxc_host::seccomp::{self, compile};
use lxc_host::sysctl::{self, SysctlSpec};
use lxc_sys::caps::{self, CapabilitySet, CapsSpec};
use lxc_sys::procfs::{Attributes, Procfs};
use lxc_types::IdMap;
use lxc_types::seccomp::{Action, NamedPolicy, Policy, Rule, Section, Target};
use lxc_types::{Limit, Limits, Resource};
use rustix::io::Errno;

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

// --- capabilities

#[test]
fn kept_capabilities_are_all_a_program_gets() {
    let keep = CapabilitySet::CHOWN | CapabilitySet::NET_ADMIN;
    let text = child::run(|_| {
        caps::raise_ambient().unwrap();
        caps::apply(&CapsSpec::Keep(keep), caps::last().unwrap()).unwrap();
        child::output("cat", &["/proc/self/status"])
    });
    let text = text.said();
    let expected = format!("{:016x}", keep.bits());
    assert_eq!(status(&text, "CapBnd"), expected);
    assert_eq!(status(&text, "CapEff"), expected);
    assert_eq!(status(&text, "CapInh"), format!("{:016x}", 0));
    assert_eq!(status(&text, "CapAmb"), format!("{:016x}", 0));
}

#[test]
fn dropped_capabilities_are_gone_and_no_other() {
    let before = u64::from_str_radix(&status(&own_status(), "CapBnd"), 16).unwrap();
    assert_ne!(before & CapabilitySet::SYS_TIME.bits(), 0, "this test needs root with all capabilities");
    let bounding = |spec: CapsSpec| {
        let text = child::run(move |_| {
            caps::apply(&spec, caps::last().unwrap()).unwrap();
            own_status()
        });
        u64::from_str_radix(&status(&text.said(), "CapBnd"), 16).unwrap()
    };
    assert_eq!(bounding(CapsSpec::Drop(CapabilitySet::SYS_TIME)), before & !CapabilitySet::SYS_TIME.bits());
    assert_eq!(bounding(CapsSpec::Drop(CapabilitySet::empty())), before);
    assert_eq!(bounding(CapsSpec::Keep(CapabilitySet::empty())), 0);
}

// --- no_new_privs

#[test]
fn no_new_privs_is_set_on_demand_only() {
    let text = child::run(|guest| {
        idmap::guest::no_new_privs(guest).unwrap();
        child::output("cat", &["/proc/self/status"])
    });
    assert_eq!(status(&text.said(), "NoNewPrivs"), "1");
    assert_eq!(status(&child::run(|_| own_status()).said(), "NoNewPrivs"), "0");
}

// --- seccomp

fn policy(default: Action, rules: &[(&str, Action)]) -> Policy {
    let rule = |(name, action): &(&str, Action)| Rule {
        section: Section::All,
        target: Target::Syscall((*name).to_owned()),
        action: *action,
        args: Vec::new(),
        line: 1,
    };
    Policy::Named(NamedPolicy { default, rules: rules.iter().map(rule).collect() })
}

#[test]
fn a_denied_system_call_fails_and_others_work() {
    let program = compile(&policy(Action::Allow, &[("delete_module", Action::Errno(77))])).unwrap().program;
    let text = child::run(|guest| {
        let before = child::delete_module();
        assert!(seccomp::guest::install(guest, &program).unwrap().is_none());
        let after = child::delete_module();
        format!("{} {after} {}", before != after, status(&own_status(), "Seccomp"))
    });
    assert_eq!(text.said(), "true 77 2");
    let text = child::run(|guest| {
        seccomp::guest::install(guest, &program).unwrap();
        child::output("cat", &["/proc/self/status"])
    });
    assert_eq!(status(&text.said(), "Seccomp"), "2");
}

#[test]
fn a_killing_rule_kills() {
    let program = compile(&policy(Action::Allow, &[("delete_module", Action::Kill)])).unwrap().program;
    let outcome = child::run(|guest| {
        seccomp::guest::install(guest, &program).unwrap();
        child::delete_module().to_string()
    });
    assert_eq!(outcome, Outcome::Killed(libc::SIGSYS));
}

#[test]
fn an_allow_list_lets_only_its_calls_pass() {
    let allowed = ["write", "exit_group", "munmap", "close"].map(|name| (name, Action::Allow));
    let program = compile(&policy(Action::Errno(88), &allowed)).unwrap().program;
    let text = child::run(|guest| {
        seccomp::guest::install(guest, &program).unwrap();
        child::delete_module().to_string()
    });
    assert_eq!(text.said(), "88");
}

#[test]
fn forced_unmounting_is_refused() {
    let (target, action) = (Target::ForceUmount, Action::Errno(13));
    let rule = Rule { section: Section::All, target, action, args: Vec::new(), line: 1 };
    let policy = Policy::Named(NamedPolicy { default: Action::Allow, rules: vec![rule] });
    let program = compile(&policy).unwrap().program;
    let text = child::run(|guest| {
        use rustix::mount::{UnmountFlags, unmount};
        seccomp::guest::install(guest, &program).unwrap();
        let plain = unmount("/lxc-no-such-mount", UnmountFlags::DETACH).unwrap_err();
        let forced = unmount("/lxc-no-such-mount", UnmountFlags::FORCE | UnmountFlags::DETACH).unwrap_err();
        format!("{plain:?} {forced:?}")
    });
    assert_eq!(text.said(), format!("{:?} {:?}", Errno::NOENT, Errno::ACCESS));
}

#[test]
fn a_confined_process_is_told_to_skip_its_policy() {
    let program = compile(&policy(Action::Allow, &[("delete_module", Action::Errno(77))])).unwrap().program;
    let wanted = || seccomp::is_wanted(own_status().as_bytes(), seccomp::Nesting::Skip);
    let text = child::run(|guest| {
        let before = wanted();
        seccomp::guest::install(guest, &program).unwrap();
        let nested = seccomp::is_wanted(own_status().as_bytes(), seccomp::Nesting::Allow);
        format!("{before} {} {nested}", wanted())
    });
    assert_eq!(text.said(), "true false true");
}

// --- id maps

fn maps(lines: &[&str]) -> Vec<IdMap> {
    lines.iter().map(|line| line.parse().unwrap()).collect()
}

const ROOT: Identity = Identity { uid: 0, gid: 0 };

#[test]
fn the_mapped_root_is_nobody_outside() {
    let spec =
        IdMapSpec::new(&maps(&["u 0 700000 10", "u 20 800000 5", "g 0 700100 10"]), Caller::Privileged);
    let proc = Procfs::mounted().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    fs::write(&seen, "").unwrap();
    let chowned = fs::File::open(&seen).unwrap();
    let all = [&spec.users[..], &spec.groups[..]].concat();
    idmap::host::chown_mapped(chowned.as_fd(), &all, 20, 3).unwrap();
    let meta = fs::metadata(&seen).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (800_000, 700_103));
    let unmapped = idmap::host::chown_mapped(chowned.as_fd(), &all, 15, 0).unwrap_err();
    assert_eq!(unmapped.to_string(), "user id 15 of the container is not mapped");

    let mut outside = String::new();
    let text = child::run_in(
        UnshareFlags::NEWUSER,
        |guest| {
            idmap::guest::become_identity(guest, ROOT, &Groups::Clear).unwrap();
            let map = fs::read_to_string("/proc/self/uid_map").unwrap();
            let owner = fs::metadata("/proc/self/status").unwrap().uid();
            let words: Vec<&str> = map.split_whitespace().collect();
            format!("{}\nOwner:{owner}\nMap:{}", own_status(), words.join(" "))
        },
        |pid| {
            idmap::host::write(&proc, pid, &spec).unwrap();
            outside = fs::read_to_string(format!("/proc/{}/gid_map", pid.as_raw_nonzero())).unwrap();
        },
    );
    let text = text.said();
    assert_eq!(status(&text, "Uid"), "0\t0\t0\t0");
    assert_eq!(status(&text, "Gid"), "0\t0\t0\t0");
    assert_eq!(status(&text, "Groups"), "");
    assert_eq!(status(&text, "Map"), "0 700000 10 20 800000 5");
    assert_eq!(status(&text, "Owner"), "0", "the process must be dumpable");
    assert_eq!(outside.split_whitespace().collect::<Vec<_>>(), ["0", "700100", "10"]);
}

#[test]
fn groups_of_init_are_set() {
    let text = child::run(|guest| {
        let who = Identity { uid: 1234, gid: 2345 };
        idmap::guest::become_identity(guest, who, &Groups::Set(vec![5, 7])).unwrap();
        own_status()
    });
    let text = text.said();
    assert_eq!(status(&text, "Uid"), "1234\t1234\t1234\t1234");
    assert_eq!(status(&text, "Gid"), "2345\t2345\t2345\t2345");
    assert_eq!(status(&text, "Groups"), "5 7");
    assert_eq!(status(&text, "CapEff"), format!("{:016x}", 0));
    let refused = child::run(|guest| {
        let nobody = Identity { uid: u32::MAX, gid: 0 };
        idmap::guest::become_identity(guest, nobody, &Groups::Clear).unwrap_err().to_string()
    });
    assert_eq!(refused.said(), "setresuid(4294967295:0): Invalid argument");
}

#[test]
fn a_plain_user_maps_itself_and_no_other() {
    let user = Identity { uid: 1234, gid: 1234 };
    let caller = || Caller::User { uid: user.uid, gid: user.gid, tools: None };
    let own = IdMapSpec::new(&maps(&["u 0 1234 1", "g 0 1234 1"]), caller());
    let other = IdMapSpec::new(&maps(&["u 0 1235 1", "g 0 1234 1"]), caller());
    let text = child::run(|guest| {
        idmap::guest::become_identity(guest, user, &Groups::Clear).unwrap();
        let proc = Procfs::mounted().unwrap();
        // The monitor is the plain user's too, so a second child is mapped by the first.
        child::run_in(
            UnshareFlags::NEWUSER,
            |guest| {
                idmap::guest::become_identity(guest, ROOT, &Groups::ClearIfAllowed).unwrap();
                let refused = idmap::guest::become_identity(guest, ROOT, &Groups::Clear).unwrap_err();
                format!("{} {}", status(&own_status(), "Uid"), refused.errno() == Errno::PERM)
            },
            |pid| {
                let error = idmap::host::write(&proc, pid, &other).unwrap_err();
                assert!(chain(&error).contains("uid map \"0 1235 1\""), "{error}");
                idmap::host::write(&proc, pid, &own).unwrap();
            },
        )
        .said()
    });
    assert_eq!(text.said(), "0\t0\t0\t0 true");
}

#[test]
fn a_tools_refusal_is_passed_on() {
    let Some(tools) = idmap::host::find_tools(std::ffi::OsStr::new("relative:/usr/bin:/bin")) else {
        println!("skipped: newuidmap is not installed");
        return;
    };
    // A user whom /etc/subuid does not know.
    let text = child::run(move |guest| {
        let user = Identity { uid: 1_234_567, gid: 1_234_567 };
        idmap::guest::become_identity(guest, user, &Groups::Clear).unwrap();
        let caller = Caller::User { uid: user.uid, gid: user.gid, tools: Some(tools) };
        let spec = IdMapSpec::new(&maps(&["u 0 100000 10", "g 0 100000 10"]), caller);
        let proc = Procfs::mounted().unwrap();
        let mut said = String::new();
        let work = |_: &_| String::new();
        child::run_in(UnshareFlags::NEWUSER, work, |pid| {
            said = idmap::host::write(&proc, pid, &spec).unwrap_err().to_string();
        });
        said
    });
    let text = text.said();
    assert!(text.contains("newuidmap refused the map \"0 100000 10\": "), "{text}");
}

// --- limits and files of /proc

#[test]
fn limits_hold_for_the_child_only() {
    let spec = LimitSpec { resource: Resource::Nofile, limits: "77:99".parse().unwrap() };
    let wrong =
        LimitSpec { limits: Limits { soft: Limit::Value(99), hard: Limit::Value(77) }, ..spec.clone() };
    let text = child::run_with(
        |_| fs::read_to_string("/proc/self/limits").unwrap(),
        |pid| {
            let error = limits::apply(pid, &[wrong]).unwrap_err();
            assert!(chain(&error).starts_with("cannot set lxc.prlimit.nofile to 99:77: prlimit("), "{error}");
            limits::apply(pid, &[spec]).unwrap();
        },
    );
    let open_files = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
        line.split_whitespace().skip(3).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(open_files(&text.said()), ["77", "99"]);
    assert_ne!(open_files(&fs::read_to_string("/proc/self/limits").unwrap()), ["77", "99"]);
}

#[test]
fn files_of_proc_are_written_and_links_refused() {
    let file = |key: &str, value: &str| ProcFileSpec {
        key: key.to_owned(),
        value: value.to_owned(),
        origin: "c1/config line 3".to_owned(),
    };
    let proc = Procfs::mounted().unwrap();
    let text = child::run_with(
        |_| fs::read_to_string("/proc/self/oom_score_adj").unwrap(),
        |pid| {
            limits::write_files(&proc, pid, &[file("oom_score_adj", "123")]).unwrap();
            let refused = |key: &str| chain(&limits::write_files(&proc, pid, &[file(key, "x")]).unwrap_err());
            assert!(refused("exe").ends_with("Too many levels of symbolic links"), "{}", refused("exe"));
            assert!(refused("root.tmp.x").ends_with("Too many levels of symbolic links"));
            assert_eq!(refused(".."), "lxc.proc... (c1/config line 3) names no file");
            let start = "cannot set lxc.proc.no_such_file to \"x\" (c1/config line 3): open(/proc/";
            assert!(refused("no_such_file").starts_with(start), "{}", refused("no_such_file"));
        },
    );
    assert_eq!(text.said(), "123\n");
}

// --- sysctls

fn sysctl(key: &str, value: &str) -> SysctlSpec {
    SysctlSpec { key: key.to_owned(), value: value.to_owned(), origin: "c1/config line 9".to_owned() }
}

const SYSCTL_NAMESPACES: UnshareFlags =
    UnshareFlags::NEWNS.union(UnshareFlags::NEWNET).union(UnshareFlags::NEWUTS);

#[test]
fn sysctls_reach_the_containers_namespaces_only() {
    let before = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    let value = if before.trim() == "1" { "0" } else { "1" };
    let work = |guest: &_| {
        child::private_mounts();
        let proc = Procfs::private().unwrap();
        assert!(proc.is_private());
        let settings = [sysctl("net.ipv4.ip_forward", value), sysctl("kernel.domainname", "lxc-test")];
        sysctl::apply(guest, &proc, &settings).unwrap();
        let missing = sysctl::apply(guest, &proc, &[sysctl("net.no_such", "1")]).unwrap_err();
        let forward = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
        let domain = fs::read_to_string("/proc/sys/kernel/domainname").unwrap();
        format!("{} {} {}", forward.trim(), domain.trim(), chain(&missing))
    };
    let text = child::run_in(SYSCTL_NAMESPACES, work, |_| ()).said();
    let error = "cannot set lxc.sysctl.net.no_such to \"1\" (c1/config line 9): open(/proc/sys/net/no_such): \
                 No such file or directory";
    assert_eq!(text, format!("{value} lxc-test {error}"));
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(), before);
    assert_ne!(fs::read_to_string("/proc/sys/kernel/domainname").unwrap().trim(), "lxc-test");
}

/// CVE-2025-52881: a file of procfs mounted over another one, or a fake `/proc`.
#[test]
fn mounts_over_proc_divert_no_sysctl() {
    use rustix::mount::{MountFlags, mount, mount_bind};
    let work = |guest: &_| {
        child::private_mounts();
        let early = Procfs::mounted().unwrap();
        mount_bind("/proc/sys/kernel/domainname", "/proc/sys/kernel/hostname").unwrap();
        let setting = [sysctl("kernel.hostname", "diverted")];
        let mounted = sysctl::apply(guest, &early, &setting).unwrap_err();
        let private = Procfs::private().unwrap();
        sysctl::apply(guest, &private, &[sysctl("kernel.hostname", "right")]).unwrap();
        let name = rustix::system::uname();
        let names = format!("{:?} {:?}", name.nodename(), name.domainname() == c"diverted");
        // A read-only /proc/sys, as lxc.mount.auto = proc:mixed makes it.
        mount_bind("/proc/sys", "/proc/sys").unwrap();
        rustix::mount::mount_remount("/proc/sys", MountFlags::BIND | MountFlags::RDONLY, "").unwrap();
        sysctl::apply(guest, &Procfs::private().unwrap(), &[sysctl("kernel.domainname", "mixed")]).unwrap();
        let domain = rustix::system::uname().domainname().to_owned();
        mount("tmpfs", "/proc", "tmpfs", MountFlags::empty(), None).unwrap();
        let fake = Procfs::mounted().unwrap_err();
        format!("{}; {names}; {domain:?}; {fake}", chain(&mounted))
    };
    let text = child::run_in(SYSCTL_NAMESPACES, work, |_| ()).said();
    assert_eq!(
        text,
        "cannot set lxc.sysctl.kernel.hostname to \"diverted\" (c1/config line 9): \
         open(/proc/sys/kernel/hostname): Invalid cross-device link; \"right\" false; \"mixed\"; \
         check(/proc is not procfs): Invalid cross-device link"
    );
}

/// CVE-2015-1334, CVE-2019-16884: the directory of labels was opened before `/proc` was covered.
#[test]
fn a_covered_proc_diverts_no_label() {
    use rustix::mount::{MountFlags, mount};
    let work = |_: &_| {
        child::private_mounts();
        let attributes = Attributes::of_this_thread(&Procfs::mounted().unwrap()).unwrap();
        mount("tmpfs", "/proc", "tmpfs", MountFlags::empty(), None).unwrap();
        fs::create_dir_all("/proc/thread-self/attr").unwrap();
        fs::write("/proc/thread-self/attr/current", "").unwrap();
        let answer = attributes.write("current", b"changeprofile lxc-no-such-profile");
        let diverted = fs::read_to_string("/proc/thread-self/attr/current").unwrap();
        format!("{} {:?} {diverted:?}", attributes.has("current"), answer.is_err())
    };
    assert_eq!(child::run_in(UnshareFlags::NEWNS, work, |_| ()).said(), "true true \"\"");
}

// --- keyring

#[test]
fn a_new_session_keyring_or_the_old_one() {
    let join = |spec: KeyringSpec| {
        let text = child::run(move |guest| {
            let attributes = Attributes::of_this_thread(&Procfs::mounted().unwrap()).unwrap();
            let before = child::session_keyring();
            keyring::join(guest, &attributes, &spec).unwrap();
            (before == child::session_keyring()).to_string()
        });
        text.said()
    };
    assert_eq!(join(KeyringSpec::New { label: None }), "false");
    assert_eq!(join(KeyringSpec::Keep), "true");
    let text = child::run(|guest| {
        let attributes = Attributes::of_this_thread(&Procfs::mounted().unwrap()).unwrap();
        let spec = KeyringSpec::New { label: Some("lxc_no_such_label".to_owned()) };
        chain(&keyring::join(guest, &attributes, &spec).unwrap_err())
    });
    assert!(text.said().starts_with("cannot give new keys the label \"lxc_no_such_label\": "));
}

//! AppArmor labels on a kernel that has it; elsewhere each test says that it skips. Needs root and LXC's
//! own profiles loaded.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod child;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use child::{Outcome, UnshareFlags};
use lxc_host::lsm::{
    GeneratedSpec, Incomplete, Label, LabelSpec, Lease, Lsm, Nesting, Privilege, Profile, When, detect, guest,
};
use lxc_sys::procfs::{Attributes, Procfs};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change, mount_remount,
};

fn has_apparmor() -> bool {
    let there = detect() == Lsm::AppArmor;
    if !there {
        println!("skipped: this kernel has no AppArmor");
    }
    there
}

fn spec(apparmor: Profile) -> LabelSpec {
    LabelSpec { apparmor, incomplete: Incomplete::Refuse, selinux: None }
}

fn generated(name: &str, dir: &Path) -> GeneratedSpec {
    GeneratedSpec {
        name: name.to_owned(),
        lxcpath: dir.to_owned(),
        cache: dir.join("cache"),
        nesting: Nesting::Refuse,
        privilege: Privilege::Privileged,
        raw: Vec::new(),
    }
}

/// Runs `work` under a label, with `/proc` covered while it is taken.
fn under(lease: &Lease, when: When, work: impl Fn() -> String) -> Outcome {
    let label = lease.label().cloned();
    let confined = |token: &_| {
        child::private_mounts();
        let attributes = Attributes::of_this_thread(&Procfs::mounted().unwrap()).unwrap();
        mount("tmpfs", "/proc", "tmpfs", MountFlags::empty(), None).unwrap();
        if let Some(label) = label {
            guest::label(token, &attributes, &label, when).unwrap();
        }
        rustix::mount::unmount("/proc", rustix::mount::UnmountFlags::DETACH).unwrap();
        work()
    };
    child::run_in(UnshareFlags::NEWNS | UnshareFlags::NEWUTS, confined, |_| ())
}

fn own_label() -> String {
    fs::read_to_string("/proc/thread-self/attr/current").unwrap().trim_end().to_owned()
}

fn profiles() -> String {
    fs::read_to_string("/sys/kernel/security/apparmor/profiles").unwrap()
}

#[test]
fn without_a_configured_profile_it_is_lxcs_own() {
    if !has_apparmor() {
        return;
    }
    let lease = Lsm::AppArmor.prepare(&spec(Profile::Default)).unwrap();
    let text = under(&lease, When::Now, || {
        let refused = fs::write("/proc/sysrq-trigger", "h").unwrap_err().kind();
        format!("{} {refused:?} {}", own_label(), child::output("cat", &["/proc/thread-self/attr/current"]))
    });
    let label = "lxc-container-default-cgns (enforce)";
    assert_eq!(text.said(), format!("{label} PermissionDenied {label}\n"));
    let text = under(&lease, When::OnExec, || {
        format!("{} {}", own_label(), child::output("cat", &["/proc/thread-self/attr/current"]))
    });
    assert_eq!(text.said(), format!("unconfined {label}\n"));
}

#[test]
fn unchanged_and_unconfined_change_nothing() {
    if !has_apparmor() {
        return;
    }
    for profile in [Profile::Unchanged, Profile::Unconfined] {
        let lease = Lsm::AppArmor.prepare(&spec(profile)).unwrap();
        assert_eq!(lease.label(), None);
        assert_eq!(under(&lease, When::Now, own_label).said(), "unconfined");
    }
}

#[test]
fn a_profile_that_is_not_loaded_is_named() {
    if !has_apparmor() {
        return;
    }
    let text = child::run(|token| {
        let attributes = Attributes::of_this_thread(&Procfs::mounted().unwrap()).unwrap();
        let label = Label::AppArmor("lxc-no-such".to_owned());
        guest::label(token, &attributes, &label, When::Now).unwrap_err().to_string()
    });
    assert_eq!(text.said(), "AppArmor profile \"lxc-no-such\" is not loaded");
}

#[test]
fn the_label_of_a_running_process_is_found() {
    if !has_apparmor() {
        return;
    }
    let lease = Lsm::AppArmor.prepare(&spec(Profile::Default)).unwrap();
    let text = under(&lease, When::Now, || {
        let proc = Procfs::mounted().unwrap();
        let label = Lsm::AppArmor.label_of(&proc, rustix::process::getpid()).unwrap();
        // A confined monitor keeps its label, or stacks.
        let nested = Lsm::AppArmor.prepare(&spec(Profile::Default)).is_ok();
        format!("{label:?} {nested}")
    });
    assert_eq!(text.said(), "Some(AppArmor(\"lxc-container-default-cgns\")) true");
    let proc = Procfs::mounted().unwrap();
    assert_eq!(Lsm::AppArmor.label_of(&proc, rustix::process::getpid()).unwrap(), None);
}

/// What a confined root may do, a word each.
fn abilities(dir: &Path) -> String {
    let yes = |name: &str, worked: bool| format!("{name}={}", if worked { "yes" } else { "no" });
    let at = dir.join("at");
    let tmpfs = mount("tmpfs", &at, "tmpfs", MountFlags::empty(), None).is_ok();
    let inner = at.join("x");
    fs::create_dir_all(&inner).unwrap();
    let read_only = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    let write = |file: &str| {
        let text = fs::read(file).unwrap();
        fs::write(file, text).is_ok()
    };
    let change = |kind| {
        let flags = [kind, kind | MountPropagationFlags::REC];
        flags.into_iter().all(|flags| mount_change(&at, flags).is_ok() && mount_change("/", flags).is_ok())
    };
    let words = [
        yes("tmpfs", tmpfs),
        yes("shared", change(MountPropagationFlags::SHARED)),
        yes("slave", change(MountPropagationFlags::DOWNSTREAM)),
        // Last, lest the mounts below show up in each other.
        yes("private", change(MountPropagationFlags::PRIVATE)),
        yes("bind", mount_bind(dir, &inner).is_ok()),
        yes("read-only", mount_remount(&inner, read_only, "").is_ok()),
        yes("proc-elsewhere", mount("proc", &at, "proc", MountFlags::empty(), None).is_ok()),
        yes("bind-proc", mount_bind("/proc", &at).is_ok()),
        yes("rbind-sys", mount_bind_recursive("/sys", &at).is_ok()),
        yes("bind-null", mount_bind("/dev/null", dir.join("file")).is_ok()),
        yes("hostname", write("/proc/sys/kernel/hostname")),
        yes("core_pattern", write("/proc/sys/kernel/core_pattern")),
        yes("swappiness", write("/proc/sys/vm/swappiness")),
        yes("sysrq", fs::write("/proc/sysrq-trigger", "h").is_ok()),
        yes("kcore", fs::File::open("/proc/kcore").is_ok()),
        yes("policy", fs::OpenOptions::new().write(true).open("/sys/kernel/security/apparmor/.load").is_ok()),
        yes("profiling", fs::OpenOptions::new().write(true).open("/sys/kernel/profiling").is_ok()),
        yes("raw", fs::read("/etc/hostname").is_ok()),
        yes(
            "signal",
            child::output("sh", &["-c", "sleep 9 & kill $!; wait $!; echo $?"]).starts_with("143\n"),
        ),
    ];
    words.join(" ")
}

#[test]
fn a_generated_profile_holds_a_privileged_container() {
    if !has_apparmor() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("at")).unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let generated =
        GeneratedSpec { raw: vec!["deny /etc/hostname r,".into()], ..generated("gen1", dir.path()) };
    let free = child::run_in(
        UnshareFlags::NEWNS | UnshareFlags::NEWUTS,
        |_| {
            child::private_mounts();
            abilities(dir.path())
        },
        |_| (),
    );
    let free = free.said();

    let before = std::time::Instant::now();
    let lease = Lsm::AppArmor.prepare(&spec(Profile::Generated(Box::new(generated)))).unwrap();
    println!("compiling and loading took {:?}", before.elapsed());
    let name = format!("lxc-gen1_<{}>", dir.path().display());
    assert!(profiles().contains(&format!("{name} (enforce)")));
    let text = under(&lease, When::Now, || format!("{}\n{}", own_label(), abilities(dir.path()))).said();
    let (label, abilities) = text.split_once('\n').unwrap();
    let namespace = name.replace('/', "-");
    let stacked = Path::new("/sys/kernel/security/apparmor/policy/namespaces").join(&namespace);
    if stacked.exists() {
        // What it sees of its stack is the part in its own policy namespace.
        assert_eq!(label, "unconfined");
    } else {
        assert_eq!(label, format!("{name} (enforce)"));
    }
    println!("free:     {free}\nconfined: {abilities}");
    for word in ["proc-elsewhere", "bind-proc", "rbind-sys", "core_pattern", "swappiness", "sysrq", "raw"] {
        assert!(free.contains(&format!("{word}=yes")), "{free}");
        assert!(abilities.contains(&format!("{word}=no")), "{word}: {abilities}");
    }
    for word in
        ["tmpfs", "slave", "private", "shared", "bind", "read-only", "hostname", "signal", "bind-null"]
    {
        assert!(abilities.contains(&format!("{word}=yes")), "{word}: {abilities}");
    }
    assert!(dir.path().join("gen1/apparmor").join(&namespace).exists());
    lease.release().unwrap();
    assert!(!profiles().contains(&name));
    assert!(!stacked.exists());
    assert!(!dir.path().join("gen1/apparmor").exists());
}

#[test]
fn a_nesting_profile_may_mount() {
    if !has_apparmor() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("at")).unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for (name, privilege) in [("gen2", Privilege::Privileged), ("gen3", Privilege::Unprivileged)] {
        let generated = GeneratedSpec { nesting: Nesting::Allow, privilege, ..generated(name, dir.path()) };
        let lease = Lsm::AppArmor.prepare(&spec(Profile::Generated(Box::new(generated)))).unwrap();
        let text = under(&lease, When::Now, || abilities(dir.path())).said();
        assert!(text.contains("proc-elsewhere=yes") && text.contains("rbind-sys=yes"), "{text}");
        assert!(text.contains("sysrq=no") && text.contains("kcore=no"), "{text}");
        drop(lease);
        assert!(!profiles().contains(name));
    }
}

#[test]
fn a_profile_the_parser_refuses_leaves_nothing() {
    if !has_apparmor() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let broken = GeneratedSpec { raw: vec!["this is no rule".into()], ..generated("gen4", dir.path()) };
    let error = Lsm::AppArmor.prepare(&spec(Profile::Generated(Box::new(broken)))).unwrap_err().to_string();
    assert!(error.starts_with("apparmor_parser failed on "), "{error}");
    assert!(!profiles().contains("gen4"));
    assert!(!dir.path().join("gen4/apparmor").exists());
    let namespaces = fs::read_dir("/sys/kernel/security/apparmor/policy/namespaces").unwrap();
    assert!(!namespaces.flatten().any(|entry| entry.file_name().to_string_lossy().contains("gen4")));
}

/// What lxc-attach does: it asks for the label of the container's first process and takes it too.
#[test]
fn the_label_of_a_stack_is_seen_and_taken_from_outside() {
    if !has_apparmor() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let generated = spec(Profile::Generated(Box::new(generated("gen5", dir.path()))));
    let lease = Lsm::AppArmor.prepare(&generated).unwrap();
    let (mut labelled, is_labelled) = std::io::pipe().unwrap();
    let (seen, mut was_seen) = std::io::pipe().unwrap();
    let own_pid = || rustix::process::getpid().as_raw_nonzero().get();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut pid = [0; 4];
            labelled.read_exact(&mut pid).unwrap();
            let pid = rustix::process::Pid::from_raw(i32::from_ne_bytes(pid)).unwrap();
            let proc = Procfs::mounted().unwrap();
            let found = Lsm::AppArmor.label_of(&proc, pid).unwrap();
            let attached = child::run(|token| {
                let attributes = Attributes::of_this_thread(&Procfs::mounted().unwrap()).unwrap();
                guest::label(token, &attributes, found.as_ref().unwrap(), When::Now).unwrap();
                fs::write("/proc/sys/vm/swappiness", "60").unwrap_err().kind().to_string()
            });
            was_seen.write_all(b".").unwrap();
            let Some(Label::AppArmor(found)) = found else { panic!("{found:?}") };
            let name = format!("lxc-gen5_<{}>", dir.path().display());
            assert!(found == name || found.starts_with(&format!("{name}//&:")), "{found}");
            assert_eq!(attached.said(), "permission denied");
        });
        let work = || {
            (&is_labelled).write_all(&own_pid().to_ne_bytes()).unwrap();
            (&seen).read_exact(&mut [0]).unwrap();
            String::new()
        };
        under(&lease, When::Now, work).said();
    });
    drop((is_labelled, seen));
    lease.release().unwrap();
}

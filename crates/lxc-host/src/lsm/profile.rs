//! The text of a generated AppArmor profile (apparmor.d(5)). Pure: no file is touched here.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use super::{GeneratedSpec, Nesting, Privilege};

/// Longer names than this do not fit into a file name with what the kernel and the parser add.
const LONGEST_NAME: usize = 253 - 7;

/// Whether the profile gets a policy namespace in which the container may load profiles of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stacking {
    Off,
    On,
}

/// The profile's name: `lxc-NAME_<LXCPATH>`. What does not fit, or has a character that means
/// something in a policy, is named by a hash: no container name can become a rule.
pub(super) fn name(spec: &GeneratedSpec) -> String {
    let path = spec.lxcpath.as_os_str().as_bytes();
    let full = [b"lxc-", spec.name.as_bytes(), b"_<", path, b">"].concat();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_./<>+@~=".contains(b);
    match String::from_utf8(full) {
        Ok(text) if text.len() <= LONGEST_NAME && text.bytes().all(|b| plain(&b)) => text,
        Ok(text) => format!("lxc-{:016x}", fnv1a(text.as_bytes())),
        Err(e) => format!("lxc-{:016x}", fnv1a(e.as_bytes())),
    }
}

/// The policy namespace of a profile, which is also the name of its file.
pub(super) fn namespace(name: &str) -> String {
    name.replace('/', "-")
}

/// The Fowler-Noll-Vo hash, variant 1a, with 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A name below a directory. With a star at its end it stands for all names that begin so.
struct Entry {
    name: &'static str,
    /// If empty, all that is below belongs to it.
    below: &'static [Entry],
}

const fn all(name: &'static str) -> Entry {
    Entry { name, below: &[] }
}

const fn only(name: &'static str, below: &'static [Entry]) -> Entry {
    Entry { name, below }
}

/// What a container may write below `/proc/sys`.
const PROC_SYS: &[Entry] = &[
    only("fs", &[all("binfmt_misc")]),
    only("kernel", &[all("domainname"), all("hostname"), all("msg*"), all("sem*"), all("shm*")]),
    all("net"),
];

/// What a container may write below `/sys`.
const SYS: &[Entry] = &[
    only("class", &[all("net")]),
    only("devices", &[only("virtual", &[all("net")])]),
    only("fs", &[all("cgroup")]),
];

/// The same for one that loads its own policy.
const SYS_STACKING: &[Entry] = &[
    only("class", &[all("net")]),
    only("devices", &[only("virtual", &[all("net")])]),
    only("fs", &[all("cgroup")]),
    only("kernel", &[only("security", &[all("apparmor")])]),
];

/// What must not be seen at another place, where the rules about its path would not hold.
const KERNEL_FILES: &[Entry] = &[all("proc"), all("sys"), all("dev")];

/// The same, but single devices may be shown elsewhere.
const KERNEL_FILES_BUT_DEVICES: &[Entry] = &[all("proc"), all("sys"), only("dev", &[all(".lxc*")])];

/// Patterns for the first names on each path that leaves the tree, relative to the tree's root.
///
/// A pattern language without negation needs one pattern for each place where a name can leave the
/// names of the tree: for `net`, that is another first letter, another second one, another third one,
/// too few letters, and more letters.
fn outside(dir: &str, tree: &[Entry], out: &mut Vec<String>) {
    let stem = |entry: &Entry| entry.name.trim_end_matches('*');
    let mut prefixes: Vec<&str> = Vec::new();
    for entry in tree {
        prefixes.extend((0..=stem(entry).len()).filter_map(|end| stem(entry).get(..end)));
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    for prefix in prefixes {
        let open = |entry: &Entry| entry.name.ends_with('*') && prefix.starts_with(stem(entry));
        if tree.iter().any(open) {
            continue;
        }
        let mut next: Vec<char> =
            tree.iter().filter_map(|e| stem(e).strip_prefix(prefix)?.chars().next()).collect();
        next.sort_unstable();
        next.dedup();
        let next: String = next.into_iter().collect();
        let other = if next.is_empty() { "?".to_owned() } else { format!("[^{next}/]") };
        out.push(format!("{dir}{prefix}{other}*"));
        if !prefix.is_empty() && !tree.iter().any(|e| e.name == prefix) {
            out.push(format!("{dir}{prefix}"));
        }
    }
    for entry in tree.iter().filter(|entry| !entry.below.is_empty()) {
        outside(&format!("{dir}{}/", entry.name), entry.below, out);
    }
}

/// One pattern for all paths below `dir` that are not in the tree.
fn paths_outside(dir: &str, tree: &[Entry]) -> String {
    let mut names = Vec::new();
    outside("", tree, &mut names);
    format!("{dir}{{{}}}{{,/**}}", names.join(","))
}

/// The whole profile.
pub(super) fn text(spec: &GeneratedSpec, name: &str, stacking: Stacking) -> String {
    let mut text = format!("profile \"{name}\" flags=(attach_disconnected,mediate_deleted) {{\n");
    base(&mut text, name);
    if spec.privilege == Privilege::Privileged {
        text += "  deny /proc/sys/fs/binfmt_misc/{,**} wklx,\n";
    }
    if spec.nesting == Nesting::Refuse {
        deny_writes(&mut text, &paths_outside("/proc/sys/", PROC_SYS));
        let sys = if stacking == Stacking::On { SYS_STACKING } else { SYS };
        deny_writes(&mut text, &paths_outside("/sys/", sys));
    }
    read_only_remounts(&mut text);
    if spec.nesting == Nesting::Refuse && spec.privilege == Privilege::Privileged {
        deny_binds(&mut text, &spec.raw);
    }
    unix_sockets(&mut text, name);
    text += "  mount fstype=cgroup -> /sys/fs/cgroup/{,**},\n";
    text += "  mount fstype=cgroup2 -> /sys/fs/cgroup/{,**},\n";
    if stacking == Stacking::On {
        let namespace = namespace(name);
        line(&mut text, format_args!("change_profile -> \":{namespace}:*\","));
        line(&mut text, format_args!("change_profile -> \":{namespace}://*\","));
    }
    if spec.nesting == Nesting::Allow {
        nesting(&mut text, name, stacking);
    }
    if spec.privilege == Privilege::Unprivileged {
        unprivileged(&mut text);
    }
    for raw in &spec.raw {
        line(&mut text, format_args!("{raw}"));
    }
    text + "}\n"
}

fn line(text: &mut String, rule: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _never_fails = writeln!(text, "  {rule}");
}

fn deny_writes(text: &mut String, path: &str) {
    line(text, format_args!("deny {path} wklx,"));
}

/// What every container may and may not do.
fn base(text: &mut String, name: &str) {
    *text += "  capability,\n  dbus,\n  file,\n  network,\n  umount,\n";
    line(text, format_args!("signal (receive),\n  signal peer=\"{name}\","));
    line(text, format_args!("ptrace (readby, tracedby),\n  ptrace peer=\"{name}\","));
    // Init systems try this; it needs no log entry.
    *text += "  deny mount options=(ro, remount) -> /,\n";
    for fstype in ["tmpfs", "hugetlbfs", "mqueue", "fuse", "fuse.*"] {
        line(text, format_args!("mount fstype={fstype},"));
    }
    for (fstype, place) in [
        ("binfmt_misc", "/proc/sys/fs/binfmt_misc/"),
        ("efivarfs", "/sys/firmware/efi/efivars/"),
        ("fusectl", "/sys/fs/fuse/connections/"),
        ("securityfs", "/sys/kernel/security/"),
        ("debugfs", "/sys/kernel/debug/"),
        ("proc", "/proc/"),
        ("sysfs", "/sys/"),
    ] {
        line(text, format_args!("mount fstype={fstype} -> {place},"));
    }
    *text += "  mount options=(rw, nosuid, nodev, noexec, remount) -> /sys/,\n";
    *text += "  mount options=(ro, nosuid, nodev, noexec, remount) -> /sys/fs/cgroup/,\n";
    deny_writes(text, "/proc/bus/**");
    deny_writes(text, &paths_outside("/proc/sys/fs/", &[all("binfmt_misc")]));
    for path in [
        "/proc/kcore",
        "/proc/sysrq-trigger",
        "/proc/acpi/**",
        "/sys/firmware/efi/efivars/**",
        "/sys/kernel/debug/{,**}",
    ] {
        line(text, format_args!("deny {path} rwklx,"));
    }
    *text += "  deny mount fstype=debugfs -> /var/lib/ureadahead/debugfs/,\n";
    propagation(text);
    for option in ["bind", "move"] {
        let sources = paths_outside("/", KERNEL_FILES_BUT_DEVICES);
        line(text, format_args!("mount options=(rw, {option}) {sources},"));
    }
    line(text, format_args!("mount options=(rw, rbind) {},", paths_outside("/", KERNEL_FILES)));
}

/// Changes of propagation, anywhere.
///
/// With `rw` among the options, parsers before 3.0.10 and 3.1.4 would allow every new mount with these
/// rules (CVE-2016-1585).
fn propagation(text: &mut String) {
    for kind in ["slave", "rslave", "shared", "rshared", "private", "rprivate", "unbindable", "runbindable"] {
        line(text, format_args!("mount options=(make-{kind}),"));
    }
}

/// A bind mount may be made read-only, with any further restriction.
fn read_only_remounts(text: &mut String) {
    let places = paths_outside("/", KERNEL_FILES_BUT_DEVICES);
    let restrictions = ["nodev", "nosuid", "noexec"];
    for chosen in 0..1_usize << restrictions.len() {
        for atime in ["", "noatime", "strictatime"] {
            let some = restrictions.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1);
            let mut options = vec!["ro", "remount", "bind"];
            options.extend(some.map(|(_, option)| *option));
            options.extend((!atime.is_empty()).then_some(atime));
            let options = options.join(", ");
            line(text, format_args!("mount options=({options}) -> {places},"));
        }
    }
}

/// No rule allows these bind mounts, but parsers before 3.0.10 and 3.1.4 make one out of those for
/// read-only remounts (CVE-2016-1585). A configuration with mount rules of its own has the last word,
/// which it could not have over a denial.
fn deny_binds(text: &mut String, raw: &[String]) {
    if !raw.iter().any(|rule| rule.trim_start().starts_with("mount")) {
        *text += "  deny mount options=(rw, bind) /{proc,sys}{,/**},\n";
        *text += "  deny mount options=(rw, bind) /dev/.lxc*{,/**},\n";
    }
}

fn unix_sockets(text: &mut String, name: &str) {
    *text += "  unix (receive),\n";
    line(text, format_args!("unix peer=(label=\"{name}\"),"));
}

fn nesting(text: &mut String, name: &str, stacking: Stacking) {
    *text += "  pivot_root,\n  ptrace,\n  signal,\n";
    *text += "  deny /dev/.lxc/proc/** rw,\n  deny /dev/.lxc/sys/** rw,\n";
    // With this there is no mount rule left to write.
    *text += "  mount,\n";
    if stacking == Stacking::Off {
        line(text, format_args!("change_profile -> \"{name}\","));
    }
}

fn unprivileged(text: &mut String) {
    *text += "  pivot_root,\n  mount fstype=binfmt_misc,\n";
    *text += "  mount options=(rw, bind),\n  mount options=(rw, rbind),\n";
    *text += "  mount options=(ro, remount),\n  mount options=(ro, remount, bind),\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn spec(name: &str, lxcpath: &str) -> GeneratedSpec {
        GeneratedSpec {
            name: name.to_owned(),
            lxcpath: PathBuf::from(lxcpath),
            cache: PathBuf::from("/var/cache/lxc/apparmor"),
            nesting: Nesting::Refuse,
            privilege: Privilege::Privileged,
            raw: vec!["deny /raw r,".to_owned()],
        }
    }

    #[test]
    fn names() {
        assert_eq!(name(&spec("c1", "/var/lib/lxc")), "lxc-c1_</var/lib/lxc>");
        assert_eq!(namespace("lxc-c1_</var/lib/lxc>"), "lxc-c1_<-var-lib-lxc>");
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        for hostile in ["a\" {} profile x", "a\nb", "a:b", "a*", &"x".repeat(250)] {
            let hashed = name(&spec(hostile, "/var/lib/lxc"));
            assert_eq!(hashed.len(), 20, "{hashed}");
            assert!(hashed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
        }
        assert_ne!(name(&spec("a:b", "/x")), name(&spec("a:c", "/x")));
    }

    /// AppArmor's path patterns, as far as they are used here: `?` and a class are one character, `*`
    /// stays within a name, `**` does not, `{a,b}` is a choice.
    fn matches(pattern: &str, path: &str) -> bool {
        let Some(first) = pattern.chars().next() else { return path.is_empty() };
        let rest = &pattern[first.len_utf8()..];
        let one = |ok: &dyn Fn(char) -> bool, rest: &str| {
            path.chars().next().is_some_and(|c| ok(c) && matches(rest, &path[c.len_utf8()..]))
        };
        match first {
            '{' => {
                let (choices, rest) = rest.split_once('}').unwrap();
                choices.split(',').any(|choice| matches(&format!("{choice}{rest}"), path))
            }
            '*' => {
                let (across, rest) = rest.strip_prefix('*').map_or((false, rest), |rest| (true, rest));
                let reach = if across { path.len() } else { path.find('/').unwrap_or(path.len()) };
                (0..=reach).any(|end| matches(rest, &path[end..]))
            }
            '[' => {
                let (class, rest) = rest.split_once(']').unwrap();
                let class = class.strip_prefix('^').unwrap();
                one(&|c| !class.contains(c), rest)
            }
            '?' => one(&|c| c != '/', rest),
            other => one(&|c| c == other, rest),
        }
    }

    #[test]
    fn patterns_are_what_is_outside_of_the_tree() {
        let denied = |dir: &str, tree: &[Entry], path: &str| matches(&paths_outside(dir, tree), path);
        for inside in [
            "/proc/sys/net",
            "/proc/sys/net/ipv4/ip_forward",
            "/proc/sys/kernel",
            "/proc/sys/kernel/hostname",
            "/proc/sys/kernel/shmmax",
            "/proc/sys/kernel/msg_next_id",
            "/proc/sys/fs/binfmt_misc",
            "/proc/sys/fs/binfmt_misc/register",
            "/proc/sys/",
        ] {
            assert!(!denied("/proc/sys/", PROC_SYS, inside), "{inside}");
        }
        for outside in [
            "/proc/sys/vm/swappiness",
            "/proc/sys/n",
            "/proc/sys/ne/x",
            "/proc/sys/nets",
            "/proc/sys/net2/x",
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/hostnames",
            "/proc/sys/kernel/hostnam",
            "/proc/sys/kernel/sysrq",
            "/proc/sys/kernel/s",
            "/proc/sys/kernel/random/boot_id",
            "/proc/sys/fs/binfmt",
            "/proc/sys/fs/file-max",
            "/proc/sys/dev/x",
            "/proc/sys/\u{e9}",
        ] {
            assert!(denied("/proc/sys/", PROC_SYS, outside), "{outside}");
        }
        for (path, there) in [
            ("/sys/kernel/uevent_helper", true),
            ("/sys/kernel/security/apparmor/.load", true),
            ("/sys/fs/cgroup/x/cgroup.procs", false),
            ("/sys/devices/virtual/net/lo/mtu", false),
            ("/sys/devices/virtual/block/x", true),
            ("/sys/module/x/parameters/y", true),
        ] {
            assert_eq!(denied("/sys/", SYS, path), there, "{path}");
        }
        assert!(!denied("/sys/", SYS_STACKING, "/sys/kernel/security/apparmor/.load"));
        assert!(denied("/sys/", SYS_STACKING, "/sys/kernel/security/lockdown"));
        for (path, there) in [
            ("/dev", false),
            ("/dev/", false),
            ("/dev/null", true),
            ("/dev/.lxc", false),
            ("/dev/.lxc/proc", false),
            ("/dev/.lx", true),
            ("/dev2", true),
            ("/proc/1", false),
            ("/srv/x", true),
        ] {
            assert_eq!(denied("/", KERNEL_FILES_BUT_DEVICES, path), there, "{path}");
        }
    }

    #[test]
    fn parts_of_the_text() {
        let plain = text(&spec("c1", "/l"), "N", Stacking::Off);
        assert!(plain.starts_with("profile \"N\" flags=(attach_disconnected,mediate_deleted) {\n"));
        assert!(plain.ends_with("  deny /raw r,\n}\n"));
        assert!(plain.contains("deny /proc/sys/fs/binfmt_misc/{,**} wklx,"));
        assert!(!plain.contains("\n  mount,\n") && !plain.contains("change_profile"));
        assert!(plain.contains("deny mount options=(rw, bind)"));
        let own =
            GeneratedSpec { raw: vec![" mount options=(rw, bind) /proc -> /x,".into()], ..spec("c1", "/l") };
        assert!(!text(&own, "N", Stacking::Off).contains("deny mount options=(rw, bind)"));
        let stacked = text(&spec("c1", "/l"), "a/b", Stacking::On);
        assert!(stacked.contains("change_profile -> \":a-b://*\","));
        let nested =
            GeneratedSpec { nesting: Nesting::Allow, privilege: Privilege::Unprivileged, ..spec("c1", "/l") };
        let nested = text(&nested, "N", Stacking::Off);
        assert!(nested.contains("\n  mount,\n") && nested.contains("change_profile -> \"N\","));
        assert!(plain.contains("deny /proc/sys/{[^fkn/]*") && !nested.contains("deny /proc/sys/{[^fkn/]*"));
        assert!(plain.contains("deny /sys/{[^cdf/]*") && !nested.contains("deny /sys/{[^cdf/]*"));
        assert!(!nested.contains("deny /proc/sys/fs/binfmt_misc/"));
    }
}

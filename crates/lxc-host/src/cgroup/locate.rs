//! Where hierarchies are mounted: `mountinfo` joined with `/proc/PID/cgroup`. Pure text.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lxc_sys::proc::{self, CgroupLine, Mount};

use super::layout::{Base, Version};

/// A hierarchy that is mounted, before its base is opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub version: Version,
    pub controllers: Vec<String>,
    pub mount_point: PathBuf,
    pub root: PathBuf,
    pub base_below: PathBuf,
    pub base_path: PathBuf,
    pub noprefix: bool,
}

/// What the two files of `/proc` say.
pub(super) struct Found {
    pub places: Vec<Place>,
    pub v1_lines: bool,
    pub v2_line: bool,
}

/// Joins the lines of `/proc/PID/cgroup` with the mounts.
pub(super) fn locate(mountinfo: &[u8], cgroup: &[u8], base: Base) -> Found {
    let visible = visible_cgroup_mounts(mountinfo);
    let mut found = Found { places: Vec::new(), v1_lines: false, v2_line: false };
    for line in proc::cgroups(cgroup) {
        if line.id == 0 {
            found.v2_line = true;
        } else {
            found.v1_lines = true;
        }
        let candidates = visible.iter().filter(|mount| carries(mount, &line));
        // Of equals the first wins: `min_by_key` keeps the order.
        if let Some(mount) = candidates.min_by_key(|mount| rank(mount)) {
            found.places.push(place(mount, &line, base));
        }
    }
    found
}

/// Whether this mount shows the hierarchy of that line.
fn carries(mount: &Mount<'_>, line: &CgroupLine<'_>) -> bool {
    if line.id == 0 {
        return &*mount.fs_type == b"cgroup2";
    }
    let options: Vec<Cow<'_, [u8]>> = mount.super_options().collect();
    &*mount.fs_type == b"cgroup"
        && !line.controllers.is_empty()
        && line.controllers.split(|&b| b == b',').all(|name| options.iter().any(|option| **option == *name))
}

/// How good a mount of a hierarchy is: writable, whole, in the usual place. Less is better.
fn rank(mount: &Mount<'_>) -> (bool, bool, bool) {
    let usual = mount.path().starts_with("/sys/fs/cgroup");
    (mount.read_only(), &*mount.root != b"/", !usual)
}

fn place(mount: &Mount<'_>, line: &CgroupLine<'_>, base: Base) -> Place {
    let text = String::from_utf8_lossy(line.controllers);
    let controllers = text.split(',').filter(|c| !c.is_empty()).map(str::to_owned).collect();
    let mut path = Path::new(OsStr::from_bytes(line.path));
    if base == Base::Init && path.file_name() == Some(OsStr::new("init.scope")) {
        path = path.parent().unwrap_or(path);
    }
    let root = Path::new(OsStr::from_bytes(&mount.root));
    // A mount that does not reach up to the base shows a part of the hierarchy: its top is our base.
    let (base_path, below) = match path.strip_prefix(root) {
        Ok(below) => (path, below),
        Err(_) => (root, Path::new("")),
    };
    Place {
        version: if line.id == 0 { Version::V2 } else { Version::V1 },
        controllers,
        mount_point: mount.path().to_owned(),
        root: root.to_owned(),
        base_below: below.to_owned(),
        base_path: base_path.to_owned(),
        noprefix: mount.super_options().any(|option| &*option == b"noprefix"),
    }
}

/// The cgroup mounts that a path leads to: not those that lie hidden below a later mount, and not
/// those of which only a part outside of our cgroup namespace would be seen.
fn visible_cgroup_mounts(mountinfo: &[u8]) -> Vec<Mount<'_>> {
    let all: Vec<Mount<'_>> = proc::mounts(mountinfo).collect();
    let cgroups = all.iter().filter(|mount| matches!(&*mount.fs_type, b"cgroup" | b"cgroup2"));
    cgroups.filter(|m| !m.root.starts_with(b"/..") && !hidden(m, &all)).cloned().collect()
}

/// Whether the way to `mount` ends in another mount: one that is mounted on something on that way,
/// at or above the point where the way goes on.
fn hidden(mount: &Mount<'_>, all: &[Mount<'_>]) -> bool {
    let covers = |on: u32, point: &Path, besides: u32| {
        all.iter().any(|other| {
            other.parent == on && other.id != besides && other.id != on && point.starts_with(other.path())
        })
    };
    // On top of the mount itself only a mount at its very root hides it.
    if all.iter().any(|o| o.parent == mount.id && o.id != mount.id && o.mount_point == mount.mount_point) {
        return true;
    }
    let mut at = mount;
    // A chain is no longer than the list; a loop in a broken one must not hang us.
    for _ in 0..all.len() {
        let Some(parent) = all.iter().find(|other| other.id == at.parent && other.id != at.id) else {
            return false;
        };
        if covers(parent.id, at.path(), at.id) {
            return true;
        }
        at = parent;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
        31 27 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        33 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const LINES: &str = "3:name=systemd:/init.scope\n2:memory:/a/b\n1:cpu,cpuacct:/\n0::/init.scope\n";

    fn places(mounts: &str, lines: &str) -> Vec<Place> {
        locate(mounts.as_bytes(), lines.as_bytes(), Base::Init).places
    }

    fn points(mounts: &str, lines: &str) -> Vec<String> {
        places(mounts, lines).iter().map(|p| p.mount_point.display().to_string()).collect()
    }

    #[test]
    fn hybrid_in_the_order_of_the_lines() {
        let found = places(HYBRID, LINES);
        let short: Vec<_> = found
            .iter()
            .map(|p| {
                (p.controllers.join(","), p.mount_point.to_str().unwrap(), p.base_path.to_str().unwrap())
            })
            .collect();
        assert_eq!(
            short,
            [
                ("name=systemd".to_owned(), "/sys/fs/cgroup/systemd", "/"),
                ("memory".to_owned(), "/sys/fs/cgroup/memory", "/a/b"),
                ("cpu,cpuacct".to_owned(), "/sys/fs/cgroup/cpu,cpuacct", "/"),
                (String::new(), "/sys/fs/cgroup/unified", "/"),
            ]
        );
        assert_eq!(found[1].base_below, Path::new("a/b"));
    }

    #[test]
    fn init_scope_stays_when_it_is_our_own() {
        let found = locate(HYBRID.as_bytes(), LINES.as_bytes(), Base::Own).places;
        assert_eq!(found[0].base_path, Path::new("/init.scope"));
    }

    #[test]
    fn what_lies_under_a_later_mount_is_not_seen() {
        let private = format!("{HYBRID}50 31 0:50 / /sys/fs/cgroup rw - cgroup2 none rw\n");
        assert_eq!(points(&private, LINES), ["/sys/fs/cgroup"]);
        let tmpfs = format!("{HYBRID}50 31 0:50 / /sys/fs/cgroup/memory rw - tmpfs none rw\n");
        assert_eq!(points(&tmpfs, "2:memory:/\n1:cpu,cpuacct:/\n"), ["/sys/fs/cgroup/cpu,cpuacct"]);
        let sys = format!("{HYBRID}50 27 0:50 / /sys rw - sysfs none rw\n");
        assert_eq!(points(&sys, LINES), Vec::<String>::new());
        let onto = format!("{HYBRID}50 33 0:50 / /sys/fs/cgroup/memory rw - tmpfs none rw\n");
        assert_eq!(points(&onto, "2:memory:/\n"), Vec::<String>::new());
        let below = format!("{HYBRID}50 33 0:50 / /sys/fs/cgroup/memory/x rw - tmpfs none rw\n");
        assert_eq!(points(&below, "2:memory:/\n"), ["/sys/fs/cgroup/memory"]);
    }

    #[test]
    fn android_mounts_in_dev_and_lacks_prefixes() {
        let mounts = "1 0 254:0 / / rw - ext4 /dev/vda rw\n\
            2 1 0:3 / /dev rw - tmpfs tmpfs rw\n\
            3 2 0:29 / /dev/cpuset rw - cgroup none rw,cpuset,noprefix,release_agent=/sbin/x\n\
            4 2 0:31 / /dev/cpuctl rw - cgroup none rw,cpu\n\
            5 1 0:31 / /sys/fs/cgroup rw - cgroup2 none rw\n";
        let found = places(mounts, "2:cpuset:/\n1:cpu:/\n4:schedtune:/\n0::/\n");
        assert_eq!(points(mounts, "2:cpuset:/\n1:cpu:/\n"), ["/dev/cpuset", "/dev/cpuctl"]);
        assert!(found[0].noprefix && !found[1].noprefix);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn the_best_of_several_mounts() {
        let mounts = format!(
            "{HYBRID}50 27 0:31 / /srv/memory rw - cgroup cgroup rw,memory\n\
             51 27 0:31 /part /sys/fs/cgroup-part rw - cgroup cgroup rw,memory\n"
        );
        assert_eq!(points(&mounts, "2:memory:/\n"), ["/sys/fs/cgroup/memory"]);
        let moved = mounts.replace("/sys/fs/cgroup/memory rw", "/sys/fs/cgroup/memory ro");
        assert_eq!(points(&moved, "2:memory:/\n"), ["/srv/memory"]);
    }

    #[test]
    fn a_part_of_a_hierarchy() {
        let mounts = "1 0 254:0 / / rw - ext4 /dev/vda rw\n\
            3 1 0:29 /docker/x /sys/fs/cgroup/memory rw - cgroup none rw,memory\n\
            4 1 0:30 /../.. /sys/fs/cgroup/cpu rw - cgroup none rw,cpu\n";
        let found = places(mounts, "2:memory:/docker/x/in\n");
        assert_eq!(found[0].base_below, Path::new("in"));
        let found = places(mounts, "2:memory:/\n");
        assert_eq!(
            (found[0].base_below.to_str(), found[0].base_path.to_str()),
            (Some(""), Some("/docker/x"))
        );
        assert!(places(mounts, "1:cpu:/\n").is_empty());
    }
}

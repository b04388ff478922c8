//! Which hierarchies of control groups this host has, and where a container's groups belong in them.
//!
//! One read of `mountinfo` says where hierarchies are mounted (their controllers stand in the file
//! system's options, whatever the directory is called), one read of `/proc/PID/cgroup` which there
//! are and in which group new ones are made (the *base*). Both the engine and the tools use this, on
//! the host, inside of containers and in private mount namespaces.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use lxc_sys::proc::{self, CgroupLine, Mount};
use rustix::fs::{Access, AtFlags};

use super::cpuset::Defaults;
use super::dir::Dir;
use super::{Error, Warning};

/// What kind of hierarchies a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The v2 hierarchy alone. Also a host without any.
    Unified,
    /// Hierarchies of version 1 alone.
    Legacy,
    /// Both.
    Hybrid,
}

impl Layout {
    /// The number the command protocol has for it.
    pub fn code(self) -> i32 {
        match self {
            Layout::Legacy => 0,
            Layout::Hybrid => 1,
            Layout::Unified => 2,
        }
    }
}

/// The version of a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One of several, with the controllers it was mounted for.
    V1,
    /// The unified hierarchy.
    V2,
}

/// Below which group a container's groups are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The group of process 1 without `init.scope`: for root.
    Init,
    /// The caller's own group: for plain users and `lxc.cgroup.relative = 1`.
    Own,
}

impl Base {
    /// Upstream's choice: process 1's for root, unless `lxc.cgroup.relative` is set.
    pub fn of(relative: Relative) -> Base {
        match relative {
            Relative::No if rustix::process::geteuid().is_root() => Base::Init,
            Relative::No | Relative::Yes => Base::Own,
        }
    }
}

/// `lxc.cgroup.relative`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Relative {
    /// Root leaves its own group.
    #[default]
    No,
    /// Everybody stays below the own group.
    Yes,
}

/// One mounted hierarchy and the base group in it.
#[derive(Debug)]
pub struct Hierarchy {
    version: Version,
    /// Controllers as the kernel lists them, `name=X` for a named one; of v2 see [`Self::controllers`].
    controllers: Vec<String>,
    /// Where the hierarchy is mounted.
    mount_point: PathBuf,
    /// Which group is seen at the mount point.
    root: PathBuf,
    /// The directory of the base group below the mount point, relative.
    base_below: PathBuf,
    /// The path of the base group in the hierarchy, absolute.
    base_path: PathBuf,
    /// Whether the files of the cpuset controller lack their prefix.
    noprefix: bool,
    /// Whether `lxc.cgroup.use` asks for it.
    pub(super) wanted: bool,
    base: Dir,
    unified_controllers: OnceLock<Vec<String>>,
    pub(super) cpuset: OnceLock<Defaults>,
    /// Directories above the containers' own that this process has made, to be removed again.
    pub(super) made: Mutex<Vec<PathBuf>>,
}

impl Hierarchy {
    /// Version 1 or 2.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its controllers: of v1 those it is mounted for (`name=X` for a named one), of v2 those that the
    /// base group may use.
    pub fn controllers(&self) -> &[String] {
        match self.version {
            Version::V1 => &self.controllers,
            Version::V2 => self.unified_controllers.get_or_init(|| {
                let text = self.base.read("cgroup.controllers").unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                text.split_ascii_whitespace().map(str::to_owned).collect()
            }),
        }
    }

    /// Whether it has a controller. v2 has `cgroup`, `devices` and `freezer` always.
    pub fn has(&self, controller: &str) -> bool {
        let built_in = self.version == Version::V2 && matches!(controller, "cgroup" | "devices" | "freezer");
        built_in || self.controllers().iter().any(|c| c == controller)
    }

    /// The name its directory has in a container: `memory`, `cpu,cpuacct`, `systemd`, `unified`.
    pub fn title(&self) -> String {
        if self.version == Version::V2 {
            return "unified".to_owned();
        }
        let list = self.controllers.join(",");
        match list.as_str() {
            "cpuacct,cpu" => "cpu,cpuacct".to_owned(),
            "net_prio,net_cls" => "net_cls,net_prio".to_owned(),
            _ => list.strip_prefix("name=").map(str::to_owned).unwrap_or(list),
        }
    }

    /// The options that mount this hierarchy.
    pub fn mount_options(&self) -> String {
        self.controllers.join(",")
    }

    /// Where it is mounted.
    pub fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    /// The base group's directory.
    pub fn base(&self) -> &Dir {
        &self.base
    }

    /// The path in the hierarchy of a group below the base: what `/proc/PID/cgroup` shows.
    pub fn path_of(&self, below: &Path) -> PathBuf {
        self.base_path.join(below)
    }

    /// The directory below the mount point of a group below the base.
    pub fn below_mount(&self, below: &Path) -> PathBuf {
        self.base_below.join(below)
    }

    /// The name a control file has here: cpuset files can lack their prefix (`noprefix`).
    pub fn file<'a>(&self, file: &'a str) -> &'a str {
        if self.noprefix { file.strip_prefix("cpuset.").unwrap_or(file) } else { file }
    }

    /// Opens a group by its path in the hierarchy, as the command `GET_CGROUP` gives it. It need not
    /// be below the base.
    ///
    /// # Errors
    /// Open errors; a path that leads upwards, or out of the part that is mounted.
    pub fn open(&self, path: &Path) -> Result<Dir, Error> {
        let outside = || Error::Outside(path.to_owned());
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(outside());
        }
        let below = path.strip_prefix(&self.root).map_err(|_| outside())?;
        Ok(Dir::open(&self.mount_point.join(below))?)
    }
}

/// The hierarchies of this host in the kernel's order (the unified one last).
#[derive(Clone, Debug)]
pub struct Hierarchies {
    list: Vec<Arc<Hierarchy>>,
    layout: Layout,
    /// What was left out, and why.
    pub warnings: Vec<Warning>,
}

impl Hierarchies {
    /// A host without any: all about groups does nothing there, successfully.
    pub fn none() -> Hierarchies {
        Hierarchies { list: Vec::new(), layout: Layout::Unified, warnings: Vec::new() }
    }

    /// Looks at this process' mounts. `only` is `lxc.cgroup.use`: empty for all that there are.
    ///
    /// # Errors
    /// `/proc` cannot be read, or a controller of `only` was not found.
    pub fn discover(base: Base, only: &[String]) -> Result<Hierarchies, Error> {
        let mountinfo = proc::read("/proc/self/mountinfo")?;
        let own = || proc::read("/proc/self/cgroup");
        let cgroup = match base {
            Base::Own => own()?,
            Base::Init => {
                let init = proc::read("/proc/1/cgroup")?;
                // Process 1 is outside of our cgroup namespace: its paths lead nowhere for us.
                if proc::cgroups(&init).any(|line| line.path.starts_with(b"/..")) { own()? } else { init }
            }
        };
        let found = locate(&mountinfo, &cgroup, base);
        Hierarchies::open(found, only)
    }

    fn open(found: Found, only: &[String]) -> Result<Hierarchies, Error> {
        let mut warnings: Vec<Warning> = Vec::new();
        let mut list = Vec::new();
        let (mut v1, mut v2) = (found.v1_lines, found.v2_line);
        let user = if rustix::process::geteuid().is_root() { User::Root } else { User::Plain };
        for place in found.places {
            let named = |c: &String| only.is_empty() || only.contains(c);
            if place.version == Version::V1 && !place.controllers.iter().all(named) {
                continue;
            }
            let wanted = !only.is_empty() && place.version == Version::V1;
            match place.open(wanted, user) {
                Ok(Some(hierarchy)) => list.push(Arc::new(hierarchy)),
                Ok(None) => {}
                Err(error) => warnings.push(error),
            }
        }
        let found = |name: &String| list.iter().any(|h: &Arc<Hierarchy>| h.has(name));
        if let Some(missing) = only.iter().find(|name| !found(name)) {
            return Err(Error::MissingController(missing.clone()));
        }
        if !list.is_empty() {
            v1 = list.iter().any(|h| h.version == Version::V1);
            v2 = list.iter().any(|h| h.version == Version::V2);
        }
        let layout = match (v1, v2) {
            (true, true) => Layout::Hybrid,
            (true, false) => Layout::Legacy,
            (false, _) => Layout::Unified,
        };
        Ok(Hierarchies { list, layout, warnings })
    }

    /// What kind of host this is.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// All hierarchies in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Hierarchy>> {
        self.list.iter()
    }

    /// The unified hierarchy.
    pub fn unified(&self) -> Option<&Arc<Hierarchy>> {
        self.list.iter().find(|h| h.version == Version::V2)
    }

    /// The hierarchy that has a controller, v1 first. No name: the unified one.
    pub fn by_controller(&self, controller: Option<&str>) -> Option<&Arc<Hierarchy>> {
        match controller {
            None => self.unified(),
            Some(name) => self.list.iter().find(|h| h.has(name)),
        }
    }
}

/// Who we are: root is told by the kernel what it may not do, when it does it.
#[derive(Clone, Copy, PartialEq)]
enum User {
    Root,
    Plain,
}

/// A hierarchy that is mounted, before its base is opened.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    version: Version,
    controllers: Vec<String>,
    mount_point: PathBuf,
    root: PathBuf,
    base_below: PathBuf,
    base_path: PathBuf,
    noprefix: bool,
}

impl Place {
    /// Opens the base group. `None` if it is not there for us.
    fn open(self, wanted: bool, user: User) -> Result<Option<Hierarchy>, Warning> {
        let path = self.mount_point.join(&self.base_below);
        let base = match Dir::open(&path) {
            Ok(base) => base,
            Err(error) if error.errno() == rustix::io::Errno::NOENT => return Ok(None),
            Err(error) => return Err(Warning::unusable(&self.mount_point, error)),
        };
        if user == User::Plain && !delegated(self.version, &base) {
            return Ok(None);
        }
        Ok(Some(Hierarchy {
            version: self.version,
            controllers: self.controllers,
            mount_point: self.mount_point,
            root: self.root,
            base_below: self.base_below,
            base_path: self.base_path,
            noprefix: self.noprefix,
            wanted,
            base,
            unified_controllers: OnceLock::new(),
            cpuset: OnceLock::new(),
            made: Mutex::default(),
        }))
    }
}

/// Whether a plain user may use a base group: v1 the directory, v2 all that the kernel says is handed
/// over with a group.
fn delegated(version: Version, base: &Dir) -> bool {
    let writable = |name: &str| rustix::fs::accessat(base, name, Access::WRITE_OK, AtFlags::EACCESS);
    if version == Version::V1 {
        return writable(".").is_ok();
    }
    writable(".").is_ok()
        && delegate_files().iter().all(|file| {
            file == "cgroup.procs" || matches!(writable(file), Ok(()) | Err(rustix::io::Errno::NOENT))
        })
        && writable("cgroup.procs").is_ok()
}

/// The files of a v2 group that belong to whom it is handed over, besides the directory.
pub(super) fn delegate_files() -> Vec<String> {
    let text = proc::read("/sys/kernel/cgroup/delegate")
        .unwrap_or_else(|_| b"cgroup.procs cgroup.threads cgroup.subtree_control memory.oom.group".to_vec());
    String::from_utf8_lossy(&text).split_ascii_whitespace().map(str::to_owned).collect()
}

/// What the two files of `/proc` say.
struct Found {
    places: Vec<Place>,
    v1_lines: bool,
    v2_line: bool,
}

/// Joins the lines of `/proc/PID/cgroup` with the mounts.
fn locate(mountinfo: &[u8], cgroup: &[u8], base: Base) -> Found {
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

    #[test]
    fn layout_is_guessed_from_lines_when_nothing_is_mounted() {
        for (lines, layout) in
            [("0::/\n", Layout::Unified), ("1:cpu:/\n0::/\n", Layout::Hybrid), ("1:cpu:/\n", Layout::Legacy)]
        {
            let found = locate(b"", lines.as_bytes(), Base::Own);
            assert_eq!(Hierarchies::open(found, &[]).unwrap().layout(), layout);
        }
    }

    #[test]
    fn a_controller_that_is_asked_for_and_missing() {
        let found = locate(b"", b"0::/\n", Base::Own);
        let error = Hierarchies::open(found, &["memory".to_owned()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the controller \"memory\" of lxc.cgroup.use was not found on this host"
        );
    }
}

//! Which hierarchies of control groups this host has, and where a container's groups belong in them.
//!
//! The unified hierarchy in its usual place is the only one. Else one read of `mountinfo` says where hierarchies are mounted (their controllers stand in the file
//! system's options, whatever the directory is called), one read of `/proc/PID/cgroup` which there
//! are and in which group new ones are made (the *base*). Both the engine and the tools use this, on
//! the host, inside of containers and in private mount namespaces.

use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use lxc_sys::proc;
use rustix::fs::{Access, AtFlags};

use super::cpuset::Defaults;
use super::dir::Dir;
use super::locate::{Found, Place, locate};
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
        let mountinfo = match only.is_empty() && shows_unified_alone() {
            true => UNIFIED_ALONE.to_vec(),
            false => proc::read("/proc/self/mountinfo")?,
        };
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

/// Where all hierarchies are to be found, and the unified one alone on most hosts.
const USUAL: &str = "/sys/fs/cgroup";

/// What `mountinfo` says of such a host.
const UNIFIED_ALONE: &[u8] = b"1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

/// Whether the whole of the unified hierarchy is mounted in the usual place: no other is used then (upstream's rule).
/// The kernel needs time for `mountinfo`, for each mount of the host.
fn shows_unified_alone() -> bool {
    /// The inode number of the top of a hierarchy, in the kernel's kernfs.
    const TOP: u64 = 1;
    let Ok(top) = Dir::open(Path::new(USUAL)) else { return false };
    top.is_v2().unwrap_or(false) && rustix::fs::fstat(&top).is_ok_and(|stat| stat.st_ino == TOP)
}

/// Who we are: root is told by the kernel what it may not do, when it does it.
#[derive(Clone, Copy, PartialEq)]
enum User {
    Root,
    Plain,
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

#[cfg(test)]
mod tests {
    use super::*;

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

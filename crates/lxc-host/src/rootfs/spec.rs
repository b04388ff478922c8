//! What is to be mounted, resolved: made by `plan`, changed by nobody.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use lxc_types::mount::{Bind, Create, Idmap, MountEntry, MountOptions, ProcAuto, SharedMount, SysAuto};

/// Whether the container has a root of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKind {
    /// `lxc.rootfs.path` is unset: the host's root, with the container's own mounts.
    Host,
    /// A root that is mounted and pivoted into.
    Separate,
}

/// The container's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootfsSpec {
    /// Whether there is one.
    pub kind: RootKind,
    /// Where it is mounted before the pivot (`lxc.rootfs.mount`).
    pub mount: PathBuf,
    /// The directory whose file system the monitor keeps writable while the container runs: `None` for
    /// containers with an id map, and storage that is no directory.
    pub pin: Option<PathBuf>,
}

/// Whether the container's processes can have `CAP_NET_ADMIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetAdmin {
    /// `/proc/sys/net` stays writable under `proc:mixed`.
    Kept,
    /// All of `/proc/sys` is read-only.
    Dropped,
}

/// The mounts of `lxc.mount.auto` that are made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoSpec {
    /// `/proc`
    pub proc: Option<ProcAuto>,
    /// `/sys`
    pub sys: Option<SysAuto>,
    /// For `proc:mixed`.
    pub net_admin: NetAdmin,
}

/// Where the source of a mount is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// An absolute path of the host.
    Host(PathBuf),
    /// A relative path of a bind mount, from the host's `/`; it may not lead through links.
    FromSlash(PathBuf),
    /// A path below the container's root (`relative`); links in it stay inside.
    InRoot(PathBuf),
    /// For a file system: its device, or any word.
    Word(OsString),
}

/// One mount, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSpec {
    /// What.
    pub source: MountSource,
    /// Where, below the container's root, without `.` and `..`.
    pub target: PathBuf,
    /// The file system type; unused for bind mounts.
    pub fstype: String,
    /// How.
    pub options: MountOptions,
    /// Upper and work directories of an overlay that are made if missing.
    pub overlay_dirs: Vec<PathBuf>,
    /// The entry as messages show it.
    pub text: String,
    /// Where it was written, such as `line 41 of /var/lib/lxc/c1/config`.
    pub origin: String,
}

/// Why an entry can never be mounted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The target climbs out of the root.
    #[error("mount entry \"{text}\" ({origin}): the target leads out of the container's root")]
    Escapes {
        /// The entry.
        text: String,
        /// Where it was written.
        origin: String,
    },
    /// `idmap=` on something that is no bind mount, or with data.
    #[error(
        "mount entry \"{text}\" ({origin}): idmap= works with bind or rbind, type none and no file system options"
    )]
    Idmap {
        /// The entry.
        text: String,
        /// Where it was written.
        origin: String,
    },
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is to be mounted.
    Mount(Box<MountSpec>),
    /// Its absolute target is not in this container; the text says so.
    Ignored(String),
}

/// What targets and overlay directories are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whether there is a separate root.
    pub kind: RootKind,
    /// The directory of the container, `LXCPATH/NAME`.
    pub container: &'a Path,
    /// `lxc.rootfs.path` without its type.
    pub rootfs: Option<&'a Path>,
}

impl MountSpec {
    /// Resolves an entry. `origin` says where it was written.
    ///
    /// # Errors
    /// The entry cannot work on any host.
    pub fn resolve(entry: &MountEntry, place: &Place<'_>, origin: &str) -> Result<Resolution, SpecError> {
        let text = entry.to_string();
        let Some(target) = place.target(Path::new(&entry.target)) else {
            return Ok(Resolution::Ignored(format!(
                "mount entry \"{text}\" ({origin}): the target is absolute and not below the container's root"
            )));
        };
        let Some(target) = normal(target) else {
            return Err(SpecError::Escapes { text, origin: origin.to_owned() });
        };
        let options = entry.options.clone();
        let typeless = matches!(entry.fstype.as_str(), "" | "none");
        let idmap_works = options.is_bind() && typeless && options.data.is_empty();
        if options.idmap.is_some() && !idmap_works {
            return Err(SpecError::Idmap { text, origin: origin.to_owned() });
        }
        let is_overlay = entry.fstype.starts_with("overlay");
        let overlay_dirs = if is_overlay { place.overlay_dirs(&options.data) } else { Vec::new() };
        Ok(Resolution::Mount(Box::new(MountSpec {
            source: source(entry),
            target,
            fstype: entry.fstype.clone(),
            options,
            overlay_dirs,
            text,
            origin: origin.to_owned(),
        })))
    }

    /// The entry of `shmounts:HOST:CONTAINER`, to be mounted after the configured ones.
    pub fn shared(shared: &SharedMount) -> MountEntry {
        let target = shared.container.trim_start_matches('/').to_owned();
        MountEntry {
            source: shared.host.clone(),
            target,
            fstype: "none".to_owned(),
            options: MountOptions {
                bind: Bind::One,
                create: Some(Create::Directory),
                ..MountOptions::default()
            },
            freq: 0,
            passno: 0,
        }
    }

    /// The entries that nested containers need (`lxc.apparmor.allow_nesting`): unmasked proc and sysfs,
    /// without which the kernel refuses new ones.
    pub fn nesting() -> [MountEntry; 2] {
        let entry = |source: &str, fstype: &str| MountEntry {
            source: source.to_owned(),
            target: format!("dev/.lxc/{source}"),
            fstype: fstype.to_owned(),
            options: MountOptions {
                create: Some(Create::Directory),
                optional: true,
                ..MountOptions::default()
            },
            freq: 0,
            passno: 0,
        };
        [entry("proc", "proc"), entry("sys", "sysfs")]
    }

    /// Whether it waits for the monitor to idmap it.
    pub fn idmap(&self) -> Option<&Idmap> {
        self.options.idmap.as_ref()
    }
}

fn source(entry: &MountEntry) -> MountSource {
    let path = Path::new(&entry.source);
    if entry.options.relative {
        MountSource::InRoot(path.to_owned())
    } else if path.is_absolute() {
        MountSource::Host(path.to_owned())
    } else if entry.options.is_bind() {
        MountSource::FromSlash(path.to_owned())
    } else {
        MountSource::Word(entry.source.clone().into())
    }
}

/// A path without root, `.` and `..`; `None` if it climbs above its start. Exact where no part is a
/// symbolic link, and such a part fails the mount anyway.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(out)
}

impl<'a> Place<'a> {
    /// The target below the root; `None` if it is elsewhere on the host.
    fn target<'t>(&self, target: &'t Path) -> Option<&'t Path> {
        if self.kind == RootKind::Host || target.is_relative() {
            return Some(target);
        }
        let below = |root: &Path| target.strip_prefix(root).ok();
        below(&self.container.join("rootfs")).or_else(|| self.rootfs.and_then(below))
    }

    /// Upper and work directories that belong to the container but are not inside its root.
    fn overlay_dirs(&self, data: &str) -> Vec<PathBuf> {
        let named = data.split(',').filter_map(|item| {
            item.strip_prefix("upperdir=").or_else(|| item.strip_prefix("workdir=")).map(PathBuf::from)
        });
        let own = self.container.join("rootfs");
        let inside =
            |dir: &Path| dir.starts_with(&own) || self.rootfs.is_some_and(|root| dir.starts_with(root));
        let wanted = |dir: &PathBuf| {
            let plain = dir.is_absolute() && !dir.components().any(|c| c == Component::ParentDir);
            plain && (self.kind == RootKind::Host || (dir.starts_with(self.container) && !inside(dir)))
        };
        named.filter(wanted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place<'static> {
        Place {
            kind: RootKind::Separate,
            container: Path::new("/var/lib/lxc/c1"),
            rootfs: Some(Path::new("/srv/c1/root")),
        }
    }

    fn resolve(line: &str) -> Result<Resolution, SpecError> {
        MountSpec::resolve(&line.parse().unwrap(), &place(), "line 41 of config")
    }

    fn spec(line: &str) -> MountSpec {
        match resolve(line) {
            Ok(Resolution::Mount(spec)) => *spec,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn targets() {
        for (written, resolved) in [
            ("srv/data", "srv/data"),
            ("./a/./b/", "a/b"),
            ("a/../b", "b"),
            ("/var/lib/lxc/c1/rootfs/x/y", "x/y"),
            ("/srv/c1/root/z", "z"),
            ("/srv/c1/root", ""),
        ] {
            assert_eq!(spec(&format!("/s {written} none bind")).target, Path::new(resolved), "{written}");
        }
        for elsewhere in ["/etc", "/srv/c1/rootother", "/var/lib/lxc/c2/rootfs/x"] {
            let got = resolve(&format!("/s {elsewhere} none bind"));
            assert!(matches!(got, Ok(Resolution::Ignored(_))), "{elsewhere}: {got:?}");
        }
        for out in ["..", "a/../../b", "/srv/c1/root/../x"] {
            let got = resolve(&format!("/s {out} none bind"));
            assert!(matches!(got, Err(SpecError::Escapes { .. })), "{out}: {got:?}");
        }
    }

    #[test]
    fn the_hosts_root_takes_any_target() {
        let place = Place { kind: RootKind::Host, container: Path::new("/var/lib/lxc/c1"), rootfs: None };
        let entry: MountEntry = "/s /etc/x none bind".parse().unwrap();
        let Ok(Resolution::Mount(spec)) = MountSpec::resolve(&entry, &place, "") else { panic!() };
        assert_eq!(spec.target, Path::new("etc/x"));
    }

    #[test]
    fn sources() {
        assert_eq!(spec("/a b none bind").source, MountSource::Host("/a".into()));
        assert_eq!(spec("a b none bind").source, MountSource::FromSlash("a".into()));
        assert_eq!(spec("/a b none bind,relative").source, MountSource::InRoot("/a".into()));
        assert_eq!(spec("tmpfs b tmpfs size=1m").source, MountSource::Word("tmpfs".into()));
        assert_eq!(spec("/dev/sda1 b ext4 ro").source, MountSource::Host("/dev/sda1".into()));
    }

    #[test]
    fn messages_name_the_entry() {
        let e = resolve("/s ../x none ro,bind").unwrap_err().to_string();
        assert_eq!(
            e,
            "mount entry \"/s ../x none bind,ro\" (line 41 of config): the target leads out of the container's root"
        );
        assert!(resolve("/s x tmpfs idmap=container").is_err());
        assert!(resolve("/s x none bind,idmap=container,size=1m").is_err());
        assert!(resolve("/s x ext4 bind,idmap=container").is_err());
        assert_eq!(spec("/s x none rbind,idmap=container").idmap(), Some(&Idmap::Container));
    }

    #[test]
    fn overlay_directories() {
        let own = spec("o m overlay lowerdir=/l,upperdir=/var/lib/lxc/c1/u,workdir=/var/lib/lxc/c1/w");
        assert_eq!(own.overlay_dirs, [PathBuf::from("/var/lib/lxc/c1/u"), "/var/lib/lxc/c1/w".into()]);
        for other in ["/elsewhere/u", "/var/lib/lxc/c1/rootfs/u", "/srv/c1/root/u", "/var/lib/lxc/c1/../c2/u"]
        {
            assert!(spec(&format!("o m overlay upperdir={other}")).overlay_dirs.is_empty(), "{other}");
        }
    }

    #[test]
    fn entries_of_our_own() {
        let shared = SharedMount { host: "/h".into(), container: "/dev/.lxc-mounts".into() };
        assert_eq!(MountSpec::shared(&shared).to_string(), "/h dev/.lxc-mounts none bind,create=dir");
        let nesting = MountSpec::nesting().map(|e| e.to_string());
        assert_eq!(nesting[0], "proc dev/.lxc/proc proc create=dir,optional");
        assert_eq!(nesting[1], "sys dev/.lxc/sys sysfs create=dir,optional");
    }
}

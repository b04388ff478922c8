//! The global config (`lxc.conf`) and the default paths of root and of other users.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use lxc_types::Name;

/// Where a container's root is mounted before the pivot, if `lxc.rootfs.mount` is not set.
///
/// Chosen when the program is built: `LXC_ROOTFS_MOUNT` in the environment of the build.
pub const ROOTFS_MOUNT: &str = match option_env!("LXC_ROOTFS_MOUNT") {
    Some(path) => path,
    None => "/usr/lib/lxc/rootfs",
};

/// Whose containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Root: the system's containers.
    Root,
    /// Somebody else: containers below the home directory.
    User {
        /// The home directory.
        home: PathBuf,
    },
}

impl Caller {
    /// The caller by effective user id and `$HOME`, which is `/` if unset.
    pub fn new(euid: u32, home: Option<&OsStr>) -> Self {
        match euid {
            0 => Caller::Root,
            _ => Caller::User { home: PathBuf::from(home.unwrap_or(OsStr::new("/"))) },
        }
    }

    /// Where this caller's global config lies. A user's replaces the system's, it does not add to it.
    pub fn config_path(&self) -> PathBuf {
        self.config_dir().join("lxc.conf")
    }

    fn config_dir(&self) -> PathBuf {
        match self {
            Caller::Root => PathBuf::from("/etc/lxc"),
            Caller::User { home } => home.join(".config/lxc"),
        }
    }
}

/// The global config. `Display` is not offered: only single keys are ever shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemConfig {
    /// `lxc.lxcpath`: directory of the containers, without trailing slashes.
    pub lxcpath: String,
    /// `lxc.default_config`: what new containers begin with.
    pub default_config: String,
    /// `lxc.bdev.lvm.vg`: volume group.
    pub lvm_vg: String,
    /// `lxc.bdev.lvm.thin_pool`.
    pub lvm_thin_pool: String,
    /// `lxc.bdev.zfs.root`: parent dataset.
    pub zfs_root: String,
    /// `lxc.bdev.rbd.rbdpool`.
    pub rbd_pool: String,
    /// `lxc.bdev.rbd.rbduser`.
    pub rbd_user: Option<String>,
    /// `lxc.cgroup.pattern`: where groups lie; see [`SystemConfig::cgroup_base`].
    pub cgroup_pattern: Option<String>,
    /// `lxc.cgroup.use`: the only version 1 controllers to touch, separated by commas.
    pub cgroup_use: Option<String>,
    /// `lxc.autostart.jobs`: how many containers `lxc-autostart` starts at a time. Upstream has no such key.
    pub autostart_jobs: Option<String>,
}

impl SystemConfig {
    /// The global config of a caller, from the text of [`Caller::config_path`] if that exists.
    pub fn new(caller: &Caller, text: Option<&str>) -> Self {
        let (lxcpath, default_config) = match caller {
            Caller::Root => (PathBuf::from("/var/lib/lxc"), PathBuf::from("/etc/lxc/default.conf")),
            Caller::User { home } => {
                (home.join(".local/share/lxc"), caller.config_dir().join("default.conf"))
            }
        };
        let text = text.unwrap_or_default();
        let or = |key, default: &str| value(text, key).unwrap_or(default).to_owned();
        let lxcpath = or("lxc.lxcpath", &lxcpath.to_string_lossy());
        let trimmed = lxcpath.trim_end_matches('/');
        SystemConfig {
            lxcpath: if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() },
            default_config: or("lxc.default_config", &default_config.to_string_lossy()),
            lvm_vg: or("lxc.bdev.lvm.vg", "lxc"),
            lvm_thin_pool: or("lxc.bdev.lvm.thin_pool", "lxc"),
            zfs_root: or("lxc.bdev.zfs.root", "lxc"),
            rbd_pool: or("lxc.bdev.rbd.rbdpool", "lxc"),
            rbd_user: value(text, "lxc.bdev.rbd.rbduser").map(str::to_owned),
            cgroup_pattern: value(text, "lxc.cgroup.pattern").map(str::to_owned),
            cgroup_use: value(text, "lxc.cgroup.use").map(str::to_owned),
            autostart_jobs: value(text, "lxc.autostart.jobs").map(str::to_owned),
        }
    }

    /// The keys that [`SystemConfig::get`] knows.
    pub const KEYS: [&'static str; 10] = [
        "lxc.default_config",
        "lxc.lxcpath",
        "lxc.bdev.lvm.vg",
        "lxc.bdev.lvm.thin_pool",
        "lxc.bdev.zfs.root",
        "lxc.bdev.rbd.rbdpool",
        "lxc.bdev.rbd.rbduser",
        "lxc.cgroup.pattern",
        "lxc.cgroup.use",
        "lxc.autostart.jobs",
    ];

    /// A value by key: the outer `None` is an unknown key, the inner one a value without default.
    pub fn get(&self, key: &str) -> Option<Option<&str>> {
        Some(match key {
            "lxc.default_config" => Some(&self.default_config),
            "lxc.lxcpath" => Some(&self.lxcpath),
            "lxc.bdev.lvm.vg" => Some(&self.lvm_vg),
            "lxc.bdev.lvm.thin_pool" => Some(&self.lvm_thin_pool),
            "lxc.bdev.zfs.root" => Some(&self.zfs_root),
            "lxc.bdev.rbd.rbdpool" => Some(&self.rbd_pool),
            "lxc.bdev.rbd.rbduser" => self.rbd_user.as_deref(),
            "lxc.cgroup.pattern" => self.cgroup_pattern.as_deref(),
            "lxc.cgroup.use" => self.cgroup_use.as_deref(),
            "lxc.autostart.jobs" => self.autostart_jobs.as_deref(),
            _ => return None,
        })
    }

    /// The parent of a container's groups by `lxc.cgroup.pattern`, in which `%n` is its name.
    pub fn cgroup_base(&self, name: &Name) -> Option<PathBuf> {
        let pattern = self.cgroup_pattern.as_deref()?;
        Some(Path::new(&pattern.replace("%n", name)).to_path_buf())
    }
}

/// The first line `key = value` with a value. Blanks at the end belong to it, as upstream reads it.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let blank = [' ', '\t'];
    text.split('\n').filter(|line| !line.starts_with('#')).find_map(|line| {
        let rest = line.trim_start_matches(blank).strip_prefix(key)?;
        let value = rest.trim_start_matches(blank).strip_prefix('=')?.trim_start_matches(blank);
        (!value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults() {
        let root = SystemConfig::new(&Caller::new(0, None), None);
        assert_eq!(root.lxcpath, "/var/lib/lxc");
        assert_eq!(root.default_config, "/etc/lxc/default.conf");
        assert_eq!(root.get("lxc.bdev.lvm.vg"), Some(Some("lxc")));
        assert_eq!(root.get("lxc.cgroup.use"), Some(None));
        assert_eq!(root.get("lxc.foo"), None);
        assert_eq!(Caller::Root.config_path(), Path::new("/etc/lxc/lxc.conf"));

        let caller = Caller::new(1000, Some(OsStr::new("/home/u")));
        let user = SystemConfig::new(&caller, None);
        assert_eq!(user.lxcpath, "/home/u/.local/share/lxc");
        assert_eq!(user.default_config, "/home/u/.config/lxc/default.conf");
        assert_eq!(caller.config_path(), Path::new("/home/u/.config/lxc/lxc.conf"));
        assert_eq!(Caller::new(1, None), Caller::User { home: PathBuf::from("/") });
    }

    #[test]
    fn values() {
        let text = "# lxc.lxcpath = /no\n\
                    lxc.lxcpath =\n \
                    lxc.lxcpath\t=  /srv/lxc///\n\
                    lxc.lxcpath = /late\n\
                    xlxc.bdev.zfs.root = no\n\
                    lxc.bdev.zfs.roots = no\n\
                    lxc.bdev.zfs.root = tank/lxc \n\
                    lxc.cgroup.pattern = lxc/%n";
        let config = SystemConfig::new(&Caller::Root, Some(text));
        assert_eq!(config.lxcpath, "/srv/lxc");
        assert_eq!(config.zfs_root, "tank/lxc ");
        assert_eq!(config.cgroup_base(&"c1".parse().unwrap()), Some(PathBuf::from("lxc/c1")));
        for key in SystemConfig::KEYS {
            assert!(config.get(key).is_some(), "{key}");
        }
        let root = SystemConfig::new(&Caller::Root, Some("lxc.lxcpath = //\n"));
        assert_eq!(root.lxcpath, "/");
    }
}

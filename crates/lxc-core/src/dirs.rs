//! Where things are on this host: an existing LXC's files where they are, own programs beside the running one.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lxc_config::system::{Caller, SystemConfig};

/// The folders and programs that the engine and the tools use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// The folder in which this installation lies (`P` of `make install PREFIX=P`).
    pub prefix: PathBuf,
    /// `lxc.lxcpath`: the containers.
    pub lxcpath: PathBuf,
    /// `lxc.default_config`: the configuration of new containers.
    pub default_config: PathBuf,
    /// The global configuration.
    pub global: SystemConfig,
    /// Where templates are looked for, in order.
    pub templates: Vec<PathBuf>,
    /// Where a root file system is mounted before the container moves into it.
    pub rootfs_mount: PathBuf,
    /// The run-time folder: `/run`, or the user's.
    pub run: PathBuf,
}

/// Where Debian's LXC has its mount point for root file systems, beside the usual places.
const ROOTFS_MOUNTS: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/lxc/rootfs",
    "/usr/lib/aarch64-linux-gnu/lxc/rootfs",
    "/usr/lib/lxc/rootfs",
    "/usr/local/lib/lxc/rootfs",
];

impl Dirs {
    /// Finds them for the calling process. Nothing is created.
    pub fn of_this_process() -> Self {
        let exe = std::fs::read_link("/proc/self/exe").unwrap_or_default();
        let home = std::env::var_os("HOME");
        let caller = Caller::new(rustix::process::geteuid().as_raw(), home.as_deref());
        let global =
            SystemConfig::new(&caller, std::fs::read_to_string(caller.config_path()).ok().as_deref());
        let prefix = prefix_of(&exe);
        Dirs {
            rootfs_mount: rootfs_mount(&prefix),
            templates: vec![prefix.join("share/lxc/templates"), PathBuf::from("/usr/share/lxc/templates")],
            run: run_dir(),
            lxcpath: PathBuf::from(&global.lxcpath),
            default_config: PathBuf::from(&global.default_config),
            global,
            prefix,
        }
    }

    /// A program of this installation, by its places below the prefix; the first that exists.
    pub fn program(&self, places: &[&str]) -> Option<PathBuf> {
        places.iter().map(|p| self.prefix.join(p)).find(|p| p.exists())
    }
}

/// `/usr/bin/lxc-rs` lies in `/usr`, `P/libexec/lxc/lxc-supervise` in `P`.
fn prefix_of(exe: &Path) -> PathBuf {
    let Some(dir) = exe.parent() else { return PathBuf::from("/usr") };
    let up = if dir.ends_with("libexec/lxc") { dir.parent().and_then(Path::parent) } else { dir.parent() };
    up.unwrap_or(Path::new("/usr")).to_owned()
}

fn rootfs_mount(prefix: &Path) -> PathBuf {
    let own = prefix.join("lib/lxc/rootfs");
    if own.is_dir() {
        return own;
    }
    ROOTFS_MOUNTS.iter().map(PathBuf::from).find(|p| p.is_dir()).unwrap_or(own)
}

/// `/run` if the caller owns it, else the user's own, as upstream's `get_rundir` chooses.
fn run_dir() -> PathBuf {
    let own = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    if std::fs::metadata("/run").is_ok_and(|m| m.uid() == own || m.gid() == group) {
        return PathBuf::from("/run");
    }
    let var = |name: &str| std::env::var_os(name).filter(|v: &OsString| !v.is_empty()).map(PathBuf::from);
    var("XDG_RUNTIME_DIR")
        .unwrap_or_else(|| var("HOME").unwrap_or_else(|| PathBuf::from("/")).join(".cache/lxc/run"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for (exe, prefix) in [
            ("/usr/bin/lxc-rs", "/usr"),
            ("/opt/lxc/libexec/lxc/lxc-supervise", "/opt/lxc"),
            ("/tree/target/install/bin/lxc-rs", "/tree/target/install"),
        ] {
            assert_eq!(prefix_of(Path::new(exe)), Path::new(prefix));
        }
    }
}

//! What this host can do: read once for a start.

use lxc_host::cgroup::{Base, Hierarchies, Relative};
use lxc_host::idmap::Caller;
use lxc_host::lsm::Lsm;
use lxc_sys::proc;

use crate::dirs::Dirs;
use crate::plan::namespaces::Known;

/// What a plan needs to know of the host.
#[derive(Debug)]
pub struct Facts {
    /// Who starts the container.
    pub euid: u32,
    /// Which namespaces the kernel has.
    pub namespaces: Known,
    /// The control groups.
    pub hierarchies: Hierarchies,
    /// `lxc.cgroup.pattern` of the global configuration.
    pub cgroup_pattern: Option<String>,
    /// Which security module labels processes.
    pub lsm: Lsm,
    /// `/proc/self/status`.
    pub status: Vec<u8>,
    /// The number of the last capability that the kernel knows.
    pub last_cap: u32,
    /// The log level, for hooks.
    pub log_level: &'static str,
}

/// Why the host could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The control groups cannot be found.
    #[error(transparent)]
    Cgroup(#[from] lxc_host::cgroup::Error),
    /// A file of the kernel cannot be read.
    #[error(transparent)]
    System(#[from] lxc_sys::Error),
}

impl Facts {
    /// Looks. `relative` is `lxc.cgroup.relative`.
    ///
    /// # Errors
    /// Control groups that `lxc.cgroup.use` names and that are not there.
    pub fn gather(dirs: &Dirs, relative: bool) -> Result<Self, FactsError> {
        let only = dirs.global.cgroup_use.as_deref().unwrap_or_default();
        let only: Vec<String> =
            only.split(',').map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect();
        let base = Base::of(if relative { Relative::Yes } else { Relative::No });
        let exists = |path| rustix::fs::access(path, rustix::fs::Access::EXISTS).is_ok();
        Ok(Facts {
            euid: rustix::process::geteuid().as_raw(),
            namespaces: Known { cgroup: exists("/proc/self/ns/cgroup"), time: exists("/proc/self/ns/time") },
            hierarchies: Hierarchies::discover(base, &only)?,
            cgroup_pattern: dirs.global.cgroup_pattern.clone(),
            lsm: lxc_host::lsm::detect(),
            status: proc::read("/proc/self/status")?,
            last_cap: lxc_sys::caps::last()?,
            log_level: level_name(),
        })
    }

    /// Who writes id maps.
    pub fn id_caller(&self) -> Caller {
        id_caller(self.euid)
    }
}

/// Who writes id maps for this effective user.
pub fn id_caller(euid: u32) -> Caller {
    if euid == 0 {
        return Caller::Privileged;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let gid = rustix::process::getegid().as_raw();
    Caller::User { uid: euid, gid, tools: lxc_host::idmap::host::find_tools(&path) }
}

fn level_name() -> &'static str {
    match log::max_level() {
        log::LevelFilter::Off | log::LevelFilter::Error => "ERROR",
        log::LevelFilter::Warn => "WARN",
        log::LevelFilter::Info => "INFO",
        log::LevelFilter::Debug => "DEBUG",
        log::LevelFilter::Trace => "TRACE",
    }
}

//! Deciding everything about a start from the configuration and what the host can do; nothing is changed.
//!
//! One file a concern, each from a family of the configuration to the spec of a subsystem.

pub mod cgroup;
pub mod hooks;
pub mod ids;
pub mod init;
pub mod mounts;
pub mod namespaces;
pub mod net;
pub mod security;
pub mod terminals;
mod text;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lxc_config::Config;
use lxc_host::cgroup::CgroupSpec;
use lxc_host::idmap::IdMapSpec;
use lxc_host::limits::{LimitSpec, ProcFileSpec};
use lxc_host::sysctl::SysctlSpec;
use lxc_types::Name;

use crate::dirs::Dirs;
use crate::facts::Facts;
use crate::supervise::Mode;

/// Why a configuration cannot be started on this host.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Two keys say different things.
    #[error("{0}")]
    Contradiction(&'static str),
    /// A shared namespace cannot be found.
    #[error("{key} = {value} ({origin}): {why}")]
    Share {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// Where it was written.
        origin: String,
        /// Why.
        why: String,
    },
    /// A network device that cannot be made.
    #[error("lxc.net.{index} ({origin}): {what}")]
    Net {
        /// The number in the key.
        index: u32,
        /// Where it was written.
        origin: String,
        /// Why.
        what: String,
    },
    /// A network device that contradicts itself.
    #[error(transparent)]
    Link(lxc_host::net::Error),
    /// Control groups that cannot be named or set.
    #[error(transparent)]
    Cgroup(#[from] lxc_host::cgroup::Error),
    /// There is nothing to execute.
    #[error("no program to execute: give one, or set lxc.execute.cmd or lxc.init.cmd")]
    NoProgram,
    /// A mount that can never work.
    #[error("{0}")]
    Mount(String),
    /// The root file system cannot be used.
    #[error("lxc.rootfs.path = {path} ({origin})")]
    Rootfs {
        /// The value.
        path: String,
        /// Where it was written.
        origin: String,
        /// Why.
        source: Box<lxc_host::storage::Error>,
    },
    /// A seccomp policy that cannot be used.
    #[error("{0}")]
    Seccomp(String),
    /// A value that this build or host cannot serve.
    #[error("{key} ({origin}): {why}")]
    Value {
        /// The key.
        key: String,
        /// Where it was written.
        origin: String,
        /// Why.
        why: String,
    },
    /// A look-up failed.
    #[error(transparent)]
    System(#[from] lxc_sys::Error),
}

/// What a caller wants of a start.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The container's name.
    pub name: Name,
    /// Its folder's parent.
    pub lxcpath: PathBuf,
    /// The configuration file.
    pub config_file: Option<PathBuf>,
    /// What is started.
    pub mode: Mode,
    /// The program; empty for the configured one.
    pub argv: Vec<OsString>,
}

/// Everything about one start, decided.
#[derive(Debug)]
pub struct StartPlan {
    /// The container's name.
    pub name: Name,
    /// Its folder's parent.
    pub lxcpath: PathBuf,
    /// The first program.
    pub init: init::InitPlan,
    /// Its namespaces.
    pub namespaces: namespaces::NsPlan,
    /// The container's root and its maps.
    pub ids: ids::IdPlan,
    /// How the maps are written; `None` without a user namespace.
    pub idmap: Option<IdMapSpec>,
    /// Its host name.
    pub hostname: Option<String>,
    /// Root file system and mounts.
    pub mounts: mounts::MountPlan,
    /// Its links.
    pub net: Vec<net::LinkPlan>,
    /// Namespace and links can be made by whoever starts the container, before its first process is there.
    pub network_from_starter: bool,
    /// Its control groups.
    pub cgroup: CgroupSpec,
    /// Resource limits of init.
    pub limits: Vec<LimitSpec>,
    /// Files of init below `/proc`.
    pub proc_files: Vec<ProcFileSpec>,
    /// Sysctls, written inside.
    pub sysctls: Vec<SysctlSpec>,
    /// Capabilities, labels, seccomp, keyring.
    pub security: security::SecurityPlan,
    /// Console and ttys.
    pub terminals: terminals::TerminalPlan,
    /// Hooks and their environment.
    pub hooks: hooks::HookPlan,
    /// The signal of `lxc-stop -k`.
    pub stop_signal: i32,
    /// A mount namespace of the monitor's own.
    pub monitor_unshare: bool,
    /// Everything is destroyed at the end.
    pub ephemeral: bool,
}

/// Decides.
///
/// # Errors
/// What cannot work on this host, by key and place.
pub fn plan(config: &Config, facts: &Facts, dirs: &Dirs, wish: &Wish) -> Result<StartPlan, PlanError> {
    let namespaces = namespaces::plan(config, facts.namespaces, &wish.lxcpath)?;
    let ids = ids::plan(config);
    let global = cgroup::Global { pattern: facts.cgroup_pattern.clone() };
    let cgroup = cgroup::plan(config, &wish.name, &global, facts.euid)?;
    for warning in cgroup.check(&facts.hierarchies)? {
        log::info!("{warning}");
    }
    let security = security::plan(config, facts, &namespaces, &wish.lxcpath, &wish.name)?;
    let idmap = namespaces.has_user().then(|| IdMapSpec::new(&ids.maps, facts.id_caller()));
    let net = net::plan(config)?;
    let hooks = hooks::plan(config, facts, dirs, wish);
    Ok(StartPlan {
        network_from_starter: net::can_come_first(&net, &namespaces, &hooks),
        init: init::plan(config, wish.mode, &wish.argv)?,
        hostname: config.uts.name.as_ref().map(|n| n.value.clone()),
        mounts: mounts::plan(config, dirs, wish, &namespaces, &security)?,
        net,
        terminals: terminals::plan(config),
        hooks,
        limits: limits(config),
        proc_files: assignments(&config.proc, "lxc.proc", |key, value, origin| ProcFileSpec {
            key,
            value,
            origin,
        }),
        sysctls: assignments(&config.sysctls, "lxc.sysctl", |key, value, origin| SysctlSpec {
            key,
            value,
            origin,
        }),
        stop_signal: config.signals.stop.map_or(0, lxc_types::SignalSpec::number),
        monitor_unshare: config.monitor.unshare != 0,
        ephemeral: config.ephemeral,
        name: wish.name.clone(),
        lxcpath: wish.lxcpath.clone(),
        namespaces,
        ids,
        idmap,
        cgroup,
        security,
    })
}

fn limits(config: &Config) -> Vec<LimitSpec> {
    let spec = |l: &lxc_config::config::Limit| LimitSpec { resource: l.resource, limits: l.limits };
    config.limits.iter().map(|l| spec(&l.value)).collect()
}

fn assignments<T>(
    list: &[lxc_config::Sourced<lxc_config::config::Assignment>],
    prefix: &str,
    make: impl Fn(String, String, String) -> T,
) -> Vec<T> {
    list.iter()
        .map(|a| {
            let origin = format!("{prefix}.{} ({})", a.value.name, a.origin);
            make(a.value.name.clone(), a.value.value.clone(), origin)
        })
        .collect()
}

impl StartPlan {
    /// The container's folder.
    pub fn dir(&self) -> PathBuf {
        self.lxcpath.join(&*self.name)
    }

    /// The plan for people to read.
    pub fn to_text(&self) -> String {
        text::render(self)
    }
}

/// `LXCPATH/NAME`.
pub(crate) fn container_dir(lxcpath: &Path, name: &Name) -> PathBuf {
    lxcpath.join(&**name)
}

//! What the files mean: plain data, one struct a family of keys.
//!
//! Every value is valid by itself; none knows anything of this host. `Default` is what a container
//! without any config line gets.

mod access;
mod cgroup;
mod hook;
mod init;
mod limit;
mod lsm;
mod mount;
mod namespace;
mod net;
mod rootfs;
mod start;
mod tty;

use lxc_types::{IdMap, Personality};

pub use crate::origin::{Origin, Sourced, Span};
pub(crate) use access::unwritable;
pub use cgroup::{Cgroup, CgroupDirs, CgroupSetting};
pub use hook::{HookKind, HookVersion, Hooks};
pub use init::{Capabilities, EnvVar, Environment, Init};
pub use limit::{Assignment, Limit};
pub use lsm::{AppArmor, Lsm, ProxyAddress, Seccomp, SeccompNotify, Selinux, SessionKeyring};
pub use mount::Mounts;
pub use namespace::{NamespaceChoice, NamespaceRules, TimeOffsets};
pub use net::{IpvlanIsolation, IpvlanMode, MacvlanMode, NativeVlan, NetDevice, NetKind, Veth, VethMode};
pub use rootfs::{Rootfs, RootfsSource};
pub use start::{Autostart, Log, Monitor, Signals, Uts};
pub use tty::{Console, ConsolePath, Terminal};

/// The meaning of a container's config.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `lxc.arch`; `None` leaves the personality as it is.
    pub arch: Option<Personality>,
    /// `lxc.uts.*`.
    pub uts: Uts,
    /// `lxc.rootfs.*`.
    pub rootfs: Rootfs,
    /// `lxc.idmap`, in file order; without any the container has no user namespace.
    pub idmaps: Vec<Sourced<IdMap>>,
    /// `lxc.mount.*` and `lxc.autodev*`.
    pub mounts: Mounts,
    /// `lxc.net.*`, sorted by index.
    pub net: Vec<NetDevice>,
    /// `lxc.cgroup.*` and `lxc.cgroup2.*`.
    pub cgroup: Cgroup,
    /// `lxc.seccomp.*`.
    pub seccomp: Seccomp,
    /// `lxc.apparmor.*`, `lxc.selinux.*`, `lxc.no_new_privs`, `lxc.keyring.*`.
    pub lsm: Lsm,
    /// `lxc.cap.*`.
    pub caps: Capabilities,
    /// `lxc.tty.*`, `lxc.pty.*`, `lxc.console.*`.
    pub terminal: Terminal,
    /// `lxc.hook.*`.
    pub hooks: Hooks,
    /// `lxc.namespace.*` and `lxc.time.offset.*`.
    pub namespaces: NamespaceRules,
    /// `lxc.init.*` and `lxc.execute.cmd`.
    pub init: Init,
    /// `lxc.environment*`.
    pub environment: Environment,
    /// `lxc.prlimit.*`, in file order, each resource once.
    pub limits: Vec<Sourced<Limit>>,
    /// `lxc.sysctl.*`, in file order, each key once.
    pub sysctls: Vec<Sourced<Assignment>>,
    /// `lxc.proc.*`, in file order.
    pub proc: Vec<Sourced<Assignment>>,
    /// `lxc.sched.core`: whether the container gets a core scheduling cookie of its own.
    pub sched_core: bool,
    /// `lxc.signal.*`.
    pub signals: Signals,
    /// `lxc.monitor.*`.
    pub monitor: Monitor,
    /// `lxc.log.*`.
    pub log: Log,
    /// `lxc.start.*` and `lxc.group`.
    pub autostart: Autostart,
    /// `lxc.ephemeral`: whether the container is destroyed when it stops.
    pub ephemeral: bool,
}

//! What init may do: labels, seccomp, keyring.

use std::fmt;

use crate::origin::Sourced;

/// Security modules and what belongs to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lsm {
    /// `lxc.apparmor.*`.
    pub apparmor: AppArmor,
    /// `lxc.selinux.*`.
    pub selinux: Selinux,
    /// `lxc.no_new_privs`.
    pub no_new_privs: bool,
    /// `lxc.keyring.session`.
    pub session_keyring: SessionKeyring,
}

/// `lxc.apparmor.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppArmor {
    /// `generated`, `unconfined`, `unchanged` or a loaded profile; unset picks LXC's own default.
    pub profile: Option<Sourced<String>>,
    /// Whether to start although the kernel cannot enforce the whole profile.
    pub allow_incomplete: bool,
    /// Whether the generated profile lets containers run inside.
    pub allow_nesting: bool,
    /// Lines for the generated profile.
    pub raw: Vec<Sourced<String>>,
}

/// `lxc.selinux.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selinux {
    /// Label of init.
    pub context: Option<Sourced<String>>,
    /// Label of the session keyring; unset means init's.
    pub keyring: Option<Sourced<String>>,
}

/// Which session keyring the container gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionKeyring {
    /// 0: one of its own.
    #[default]
    New,
    /// 1: the caller's.
    Inherit,
}

/// `lxc.seccomp.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seccomp {
    /// The policy file.
    pub profile: Option<Sourced<String>>,
    /// Whether the policy is loaded although a filter is already at work.
    pub allow_nesting: bool,
    /// Who decides about system calls with the action `notify`.
    pub notify: SeccompNotify,
}

/// `lxc.seccomp.notify.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeccompNotify {
    /// Text sent with every message.
    pub cookie: Option<String>,
    /// The deciding program's socket.
    pub proxy: Option<Sourced<ProxyAddress>>,
}

/// The address of a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyAddress {
    /// An absolute path.
    Path(String),
    /// An abstract name, without its leading NUL.
    Abstract(String),
}

impl fmt::Display for ProxyAddress {
    /// `unix:/path` or `unix:@name`, as in the config.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyAddress::Path(path) => write!(f, "unix:{path}"),
            ProxyAddress::Abstract(name) => write!(f, "unix:@{name}"),
        }
    }
}

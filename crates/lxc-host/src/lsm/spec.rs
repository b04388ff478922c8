//! The label a container is to get.

use std::path::PathBuf;

/// What the configuration says about labels, for whichever module this host has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSpec {
    /// `lxc.apparmor.profile`.
    pub apparmor: Profile,
    /// `lxc.apparmor.allow_incomplete`.
    pub incomplete: Incomplete,
    /// `lxc.selinux.context`; `None` and `unconfined_t` change nothing.
    pub selinux: Option<String>,
}

/// An AppArmor profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// None is configured: LXC's own, unless the starter is confined itself.
    Default,
    /// `unchanged`: the container runs under the starter's label.
    Unchanged,
    /// `unconfined`.
    Unconfined,
    /// One that is loaded already. It may be a stack (`a//&:b:c`).
    Named(String),
    /// `generated`: made, loaded and removed with the container.
    Generated(Box<GeneratedSpec>),
}

/// What a generated profile depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedSpec {
    /// The container's name.
    pub name: String,
    /// The directory of containers; the profile's text is kept in `LXCPATH/NAME/apparmor`.
    pub lxcpath: PathBuf,
    /// Where the parser keeps compiled profiles, usually `/var/cache/lxc/apparmor`.
    pub cache: PathBuf,
    /// `lxc.apparmor.allow_nesting`.
    pub nesting: Nesting,
    /// Whose root the container's root is.
    pub privilege: Privilege,
    /// `lxc.apparmor.raw`, a line each. They come last.
    pub raw: Vec<String>,
}

/// Whether the container may run containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// It may not.
    Refuse,
    /// It may mount, pivot and load profiles of its own.
    Allow,
}

/// What the container's root is outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// The host's root: the profile is what holds it.
    Privileged,
    /// Nobody in particular: there is an id map, or the monitor is in a user namespace itself.
    Unprivileged,
}

/// What to do on a kernel whose AppArmor does not mediate mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// The profile would not protect: fail.
    Refuse,
    /// Go on.
    Allow,
}

/// A label for [`super::guest::label`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// An AppArmor profile, or a stack of them.
    AppArmor(String),
    /// An SELinux context.
    Selinux(String),
}

//! The container's first program: what runs, as whom, with which variables and capabilities.

use lxc_types::Capability;

use crate::origin::Sourced;

/// `lxc.init.*` and `lxc.execute.cmd`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Init {
    /// `lxc.init.cmd`: command line; `/sbin/init` if unset. See [`crate::words::split`].
    pub cmd: Option<Sourced<String>>,
    /// `lxc.execute.cmd`: what `lxc-execute` runs if it gets no command.
    pub execute_cmd: Option<Sourced<String>>,
    /// `lxc.init.cwd`: working directory in the container.
    pub cwd: Option<Sourced<String>>,
    /// `lxc.init.uid`, in the container's user namespace.
    pub uid: u32,
    /// `lxc.init.gid`, in the container's user namespace.
    pub gid: u32,
    /// `lxc.init.groups`: supplementary groups.
    pub groups: Vec<u32>,
}

/// `lxc.environment*`: three lists, in file order; a later entry wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `lxc.environment`: for init and for hooks in the container.
    pub all: Vec<Sourced<EnvVar>>,
    /// `lxc.environment.runtime`: for init only.
    pub runtime: Vec<Sourced<EnvVar>>,
    /// `lxc.environment.hooks`: for hooks in the container only.
    pub hooks: Vec<Sourced<EnvVar>>,
}

/// One variable. The name is not empty and holds no `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// `lxc.cap.*`: what the bounding set loses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Capabilities {
    /// Nothing was said: nothing is dropped.
    #[default]
    All,
    /// `lxc.cap.drop`: these go.
    Drop(Vec<Sourced<Capability>>),
    /// `lxc.cap.keep`: all others go. An empty list is `none`.
    Keep(Vec<Sourced<Capability>>),
}

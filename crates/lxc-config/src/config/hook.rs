//! Programs that run at set points of a container's life.

use std::fmt;

use crate::origin::Sourced;

/// `lxc.hook.*`: for each point its shell commands, in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// On the host, before anything is made.
    pub pre_start: Vec<Sourced<String>>,
    /// In the container's mount namespace, before its root is mounted.
    pub pre_mount: Vec<Sourced<String>>,
    /// In the container, after all mounts, before the pivot.
    pub mount: Vec<Sourced<String>>,
    /// In the container, when `/dev` was mounted.
    pub autodev: Vec<Sourced<String>>,
    /// On the host, right before init is executed.
    pub start_host: Vec<Sourced<String>>,
    /// In the container, right before init is executed.
    pub start: Vec<Sourced<String>>,
    /// On the host, after init ended.
    pub stop: Vec<Sourced<String>>,
    /// On the host, when all is cleaned up.
    pub post_stop: Vec<Sourced<String>>,
    /// When the container was copied, in the copy's context.
    pub clone: Vec<Sourced<String>>,
    /// When the container is destroyed.
    pub destroy: Vec<Sourced<String>>,
    /// `lxc.hook.version`: how hooks get their information.
    pub version: HookVersion,
}

/// How hooks get their information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookVersion {
    /// 0: as arguments.
    #[default]
    Arguments,
    /// 1: as `LXC_*` variables.
    Environment,
}

/// A point of a container's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookKind {
    /// See [`Hooks::pre_start`].
    PreStart,
    /// See [`Hooks::pre_mount`].
    PreMount,
    /// See [`Hooks::mount`].
    Mount,
    /// See [`Hooks::autodev`].
    Autodev,
    /// See [`Hooks::start_host`].
    StartHost,
    /// See [`Hooks::start`].
    Start,
    /// See [`Hooks::stop`].
    Stop,
    /// See [`Hooks::post_stop`].
    PostStop,
    /// See [`Hooks::clone`].
    Clone,
    /// See [`Hooks::destroy`].
    Destroy,
}

impl HookKind {
    /// All points.
    pub const ALL: [HookKind; 10] = [
        HookKind::PreStart,
        HookKind::PreMount,
        HookKind::Mount,
        HookKind::Autodev,
        HookKind::StartHost,
        HookKind::Start,
        HookKind::Stop,
        HookKind::PostStop,
        HookKind::Clone,
        HookKind::Destroy,
    ];

    /// The name in keys, arguments and `LXC_HOOK_TYPE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            HookKind::PreStart => "pre-start",
            HookKind::PreMount => "pre-mount",
            HookKind::Mount => "mount",
            HookKind::Autodev => "autodev",
            HookKind::StartHost => "start-host",
            HookKind::Start => "start",
            HookKind::Stop => "stop",
            HookKind::PostStop => "post-stop",
            HookKind::Clone => "clone",
            HookKind::Destroy => "destroy",
        }
    }
}

impl fmt::Display for HookKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Hooks {
    /// The commands of one point.
    pub const fn list(&self, kind: HookKind) -> &Vec<Sourced<String>> {
        match kind {
            HookKind::PreStart => &self.pre_start,
            HookKind::PreMount => &self.pre_mount,
            HookKind::Mount => &self.mount,
            HookKind::Autodev => &self.autodev,
            HookKind::StartHost => &self.start_host,
            HookKind::Start => &self.start,
            HookKind::Stop => &self.stop,
            HookKind::PostStop => &self.post_stop,
            HookKind::Clone => &self.clone,
            HookKind::Destroy => &self.destroy,
        }
    }

    /// The commands of one point, to change them.
    pub const fn list_mut(&mut self, kind: HookKind) -> &mut Vec<Sourced<String>> {
        match kind {
            HookKind::PreStart => &mut self.pre_start,
            HookKind::PreMount => &mut self.pre_mount,
            HookKind::Mount => &mut self.mount,
            HookKind::Autodev => &mut self.autodev,
            HookKind::StartHost => &mut self.start_host,
            HookKind::Start => &mut self.start,
            HookKind::Stop => &mut self.stop,
            HookKind::PostStop => &mut self.post_stop,
            HookKind::Clone => &mut self.clone,
            HookKind::Destroy => &mut self.destroy,
        }
    }
}

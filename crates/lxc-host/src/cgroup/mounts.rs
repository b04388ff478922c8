//! What of the control groups a container gets to see: the `cgroup` words of `lxc.mount.auto`.

use std::path::PathBuf;

use super::layout::{Hierarchies, Layout, Version};
use super::{Error, PayloadLease};

/// Which word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// `cgroup`: the container's own groups.
    Own,
    /// `cgroup-full`: whole hierarchies.
    Full,
    /// `cgroup2`: the unified hierarchy alone.
    Unified,
}

/// What may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing was said: `rw` for a container with `CAP_SYS_ADMIN`, else `mixed`.
    Unset,
    /// Nothing.
    ReadOnly,
    /// Everything.
    ReadWrite,
    /// The container's own groups.
    Mixed,
}

/// Whether the container has a cgroup namespace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// It has: a fresh mount shows its own group as the root.
    Own,
    /// It sees the host's.
    Host,
}

/// Whether `:force` was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// With a namespace and `CAP_SYS_ADMIN` the container's init is to mount by itself.
    No,
    /// Mount in any case.
    Yes,
}

/// The word, and what decides about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which word.
    pub view: View,
    /// What may be written.
    pub mode: Mode,
    /// Whether `:force` was given.
    pub force: Force,
    /// The container's cgroup namespace.
    pub namespace: Namespace,
    /// Whether the container's root keeps `CAP_SYS_ADMIN`.
    pub admin: Admin,
}

/// Whether the container's root keeps `CAP_SYS_ADMIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// It may mount by itself.
    Kept,
    /// It may not.
    Dropped,
}

/// Read-only or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Nothing can be written.
    ReadOnly,
    /// The file system's own rights decide.
    ReadWrite,
}

/// What is to be mounted on `/sys/fs/cgroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountPlan {
    /// Nothing.
    Nothing,
    /// The unified hierarchy itself.
    Unified(Rights),
    /// A tmpfs with a directory for each hierarchy.
    Tree(Vec<Branch>),
}

/// One hierarchy below the tmpfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The directory's name: `memory`, `cpu,cpuacct`, `systemd`, `unified`.
    pub title: String,
    /// Version 1 or 2.
    pub version: Version,
    /// The mount options of v1: its controllers.
    pub options: String,
    /// A fresh mount of the hierarchy on the directory.
    pub whole: Option<Rights>,
    /// The container's own group on its path in the directory.
    pub own: Option<OwnGroup>,
    /// Without a fresh mount: whether directories can be made beside the own group.
    pub around: Rights,
}

/// The container's group in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnGroup {
    /// Where it is on the host, to be bound from.
    pub source: PathBuf,
    /// Its path below the hierarchy's directory, as `/proc/self/cgroup` shows it.
    pub below: PathBuf,
    /// What may be written in it.
    pub rights: Rights,
}

impl MountPlan {
    /// Decides what to mount for a container whose groups are `payload`'s.
    ///
    /// # Errors
    /// v2 can only be shown within a cgroup namespace.
    pub fn decide(wish: Wish, host: &Hierarchies, payload: &PayloadLease) -> Result<MountPlan, Error> {
        let layout = host.layout();
        if host.iter().next().is_none() {
            return Ok(MountPlan::Nothing);
        }
        let force = wish.force == Force::Yes
            || wish.admin == Admin::Dropped
            || layout == Layout::Unified
            || wish.view == View::Unified;
        let mode = match (wish.mode, wish.admin) {
            (Mode::Unset, Admin::Kept) => Mode::ReadWrite,
            (Mode::Unset, Admin::Dropped) => Mode::Mixed,
            (mode, _) => mode,
        };
        if wish.namespace == Namespace::Own && !force {
            return Ok(MountPlan::Nothing);
        }
        if layout == Layout::Unified || wish.view == View::Unified {
            return unified(wish, mode, host);
        }
        let branches = payload.branches().map(|(hierarchy, group)| {
            let own = OwnGroup {
                source: group.path().to_owned(),
                below: strip_root(hierarchy.path_of(&payload.process_below())),
                rights: Rights::ReadWrite,
            };
            let branch = Branch {
                title: hierarchy.title(),
                version: hierarchy.version(),
                options: hierarchy.mount_options(),
                whole: None,
                own: None,
                around: Rights::ReadWrite,
            };
            shape(branch, own, wish, mode)
        });
        Ok(MountPlan::Tree(branches.collect()))
    }
}

/// The unified hierarchy directly on `/sys/fs/cgroup`.
fn unified(wish: Wish, mode: Mode, host: &Hierarchies) -> Result<MountPlan, Error> {
    if host.unified().is_none() {
        return Err(Error::Mount("there is no cgroup2 hierarchy to mount in the container"));
    }
    if wish.namespace == Namespace::Host {
        return Err(Error::Mount("mounting cgroup2 in the container needs a cgroup namespace"));
    }
    // The own group is the root of what is seen: read-only around it does not exist.
    Ok(MountPlan::Unified(if mode == Mode::ReadOnly { Rights::ReadOnly } else { Rights::ReadWrite }))
}

fn shape(mut branch: Branch, mut own: OwnGroup, wish: Wish, mode: Mode) -> Branch {
    let all = if mode == Mode::ReadOnly { Rights::ReadOnly } else { Rights::ReadWrite };
    if wish.namespace == Namespace::Own {
        branch.whole = Some(all);
        return branch;
    }
    own.rights = all;
    match (wish.view, mode) {
        (View::Full, Mode::Mixed) => {
            branch.whole = Some(Rights::ReadOnly);
            branch.own = Some(own);
        }
        (View::Full, _) => branch.whole = Some(all),
        (View::Own | View::Unified, Mode::ReadWrite | Mode::Unset) => branch.own = Some(own),
        (View::Own | View::Unified, Mode::ReadOnly | Mode::Mixed) => {
            branch.around = Rights::ReadOnly;
            branch.own = Some(own);
        }
    }
    branch
}

fn strip_root(path: PathBuf) -> PathBuf {
    path.strip_prefix("/").map(PathBuf::from).unwrap_or(path)
}

//! The maps of a container, and who writes them.

use std::path::PathBuf;

use lxc_types::{IdKind, IdMap};

/// The maps of a container's user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdMapSpec {
    /// Lines of `uid_map`, in the configuration's order.
    pub users: Vec<IdMap>,
    /// Lines of `gid_map`.
    pub groups: Vec<IdMap>,
    /// Who may write them.
    pub via: Writer,
}

/// Who writes the maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writer {
    /// We, with our privilege over the parent namespace.
    Direct,
    /// We, without privilege: the kernel then wants the new namespace to give up setgroups(2).
    DirectWithoutSetgroups,
    /// The setuid programs of the shadow suite, which consult `/etc/subuid` and `/etc/subgid`.
    Tools(Tools),
}

/// `newuidmap` and `newgidmap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// Path of `newuidmap`.
    pub users: PathBuf,
    /// Path of `newgidmap`.
    pub groups: PathBuf,
}

/// Who starts the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody with `CAP_SETUID` and `CAP_SETGID`.
    Privileged,
    /// A plain user.
    User {
        /// Effective uid.
        uid: u32,
        /// Effective gid.
        gid: u32,
        /// The programs, if they are installed and privileged themselves.
        tools: Option<Tools>,
    },
}

impl IdMapSpec {
    /// Sorts `maps` and chooses the writer.
    ///
    /// Upstream runs `newuidmap` for root too where it is installed, which demands that root has
    /// entries in `/etc/subuid`. The kernel's result is the same as that of root's own write, and it
    /// needs neither entries nor two processes, so privileged callers write themselves.
    pub fn new(maps: &[IdMap], caller: Caller) -> Self {
        let of = |kind| maps.iter().filter(|map| map.kind == kind).copied().collect::<Vec<_>>();
        let (users, groups) = (of(IdKind::User), of(IdKind::Group));
        let via = match caller {
            Caller::Privileged => Writer::Direct,
            Caller::User { uid, gid, tools } => {
                let own = |id| move |map: &IdMap| (map.inside, map.outside, map.count) == (id, id, 1);
                let only_own = users.len() == 1
                    && groups.len() == 1
                    && users.iter().all(own(uid))
                    && groups.iter().all(own(gid));
                let host_root = users.iter().any(|map| map.to_inside(0).is_some());
                match tools {
                    Some(tools) if !only_own && !host_root => Writer::Tools(tools),
                    _ => Writer::DirectWithoutSetgroups,
                }
            }
        };
        IdMapSpec { users, groups, via }
    }

    /// Who the container's root is outside; `None` where id 0 is not mapped.
    pub fn root(&self) -> (Option<u32>, Option<u32>) {
        let first = |maps: &[IdMap]| maps.iter().find_map(|map| map.to_outside(0));
        (first(&self.users), first(&self.groups))
    }
}

/// The host id that stands for `id` of the container.
pub fn outside(maps: &[IdMap], kind: IdKind, id: u32) -> Option<u32> {
    maps.iter().filter(|map| map.kind == kind).find_map(|map| map.to_outside(id))
}

/// The host id of the container's root.
pub fn root_outside(maps: &[IdMap], kind: IdKind) -> Option<u32> {
    outside(maps, kind, 0)
}

/// User and group to become, as the container counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// What becomes of the supplementary groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    /// They are dropped.
    Clear,
    /// They are dropped if the user namespace allows it: an unprivileged caller's may not
    /// (user_namespaces(7), `setgroups`).
    ClearIfAllowed,
    /// They stay.
    Keep,
    /// They are replaced by these.
    Set(Vec<u32>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(lines: &[&str]) -> Vec<IdMap> {
        lines.iter().map(|line| line.parse().unwrap()).collect()
    }

    fn user(tools: Option<Tools>) -> Caller {
        Caller::User { uid: 1000, gid: 1000, tools }
    }

    #[test]
    fn who_writes() {
        let tools = Tools { users: "/usr/bin/newuidmap".into(), groups: "/usr/bin/newgidmap".into() };
        let some = Some(tools.clone());
        let range = maps(&["u 0 100000 65536", "g 0 100000 65536"]);
        assert_eq!(IdMapSpec::new(&range, Caller::Privileged).via, Writer::Direct);
        assert_eq!(IdMapSpec::new(&range, user(some.clone())).via, Writer::Tools(tools.clone()));
        assert_eq!(IdMapSpec::new(&range, user(None)).via, Writer::DirectWithoutSetgroups);
        let own = maps(&["u 1000 1000 1", "g 1000 1000 1"]);
        assert_eq!(IdMapSpec::new(&own, user(some.clone())).via, Writer::DirectWithoutSetgroups);
        let as_root = maps(&["u 0 1000 1", "g 0 1000 1"]);
        assert_eq!(IdMapSpec::new(&as_root, user(some.clone())).via, Writer::Tools(tools));
        let host_root = maps(&["u 0 0 1", "g 0 100000 1"]);
        assert_eq!(IdMapSpec::new(&host_root, user(some)).via, Writer::DirectWithoutSetgroups);
    }

    #[test]
    fn the_root_of_a_map() {
        let lines = maps(&["u 1 200001 9", "u 0 1000 1", "g 0 1001 1", "u 0 5 1"]);
        assert_eq!(IdMapSpec::new(&lines, Caller::Privileged).root(), (Some(1000), Some(1001)));
        assert_eq!(outside(&lines, IdKind::User, 3), Some(200_003));
        assert_eq!(outside(&lines, IdKind::Group, 3), None);
        assert_eq!(root_outside(&lines[..1], IdKind::User), None);
    }
}

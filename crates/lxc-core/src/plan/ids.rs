//! Ids: the map, the container's root, and what runs as whom.

use lxc_config::Config;
use lxc_types::{IdKind, IdMap};

/// The id map of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdPlan {
    /// All lines, in the order of the configuration; none without a user namespace.
    pub maps: Vec<IdMap>,
    /// The user id inside that the set-up runs as.
    pub root_uid: u32,
    /// The group id inside that the set-up runs as.
    pub root_gid: u32,
}

impl IdPlan {
    /// The host id of the container's root; `None` without a map.
    pub fn host_root(&self, kind: IdKind) -> Option<u32> {
        let inside = match kind {
            IdKind::User => self.root_uid,
            IdKind::Group => self.root_gid,
        };
        self.maps.iter().filter(|m| m.kind == kind).find_map(|m| m.to_outside(inside))
    }
}

/// Decides. The container's root is the id 0 inside, or `lxc.init.uid` and `lxc.init.gid` where 0 is not mapped.
pub fn plan(config: &Config) -> IdPlan {
    let maps: Vec<IdMap> = config.idmaps.iter().map(|m| m.value).collect();
    let root = |kind, fallback| {
        let mapped = maps.iter().any(|m| m.kind == kind && m.to_outside(0).is_some());
        if maps.is_empty() || mapped { 0 } else { fallback }
    };
    let root_uid = root(IdKind::User, config.init.uid);
    let root_gid = root(IdKind::Group, config.init.gid);
    IdPlan { maps, root_uid, root_gid }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_of_a_map() {
        let mut config = Config::default();
        assert_eq!(plan(&config).host_root(IdKind::User), None);
        config.set("lxc.idmap", "u 0 100000 65536").unwrap();
        config.set("lxc.idmap", "g 1000 100000 1").unwrap();
        config.set("lxc.init.gid", "1000").unwrap();
        let ids = plan(&config);
        assert_eq!((ids.root_uid, ids.root_gid), (0, 1000));
        assert_eq!(
            (ids.host_root(IdKind::User), ids.host_root(IdKind::Group)),
            (Some(100_000), Some(100_000))
        );
    }
}

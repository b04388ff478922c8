//! What a running container has used, read again and again.

use std::path::Path;

use lxc_host::cgroup::dir::Dir;
use lxc_host::cgroup::{Base, Hierarchies, Relative, stats};

use super::Container;
use crate::command::wire::Which;
use crate::command::{Client, ClientError};

pub use stats::{Pressure, Stall, Stats, Transfers};

/// The hierarchies of this host, found once for many containers.
#[derive(Clone, Debug)]
pub struct CgroupHost(Hierarchies);

impl CgroupHost {
    /// Looks at the mounts of this process. A host without cgroups has nothing to tell.
    pub fn find() -> CgroupHost {
        let found = Hierarchies::discover(Base::of(Relative::No), &[]);
        CgroupHost(found.unwrap_or_else(|error| {
            log::debug!("{error}");
            Hierarchies::none()
        }))
    }
}

/// The controllers that have figures, and `cgroup` for what every v2 group has.
const CONTROLLERS: [&str; 6] = ["cpuacct", "cgroup", "memory", "blkio", "io", "pids"];

/// The cgroups of a running container, held open: reading them needs no monitor.
#[derive(Debug)]
pub struct Gauges {
    dirs: Vec<(&'static str, Dir)>,
}

impl Gauges {
    /// Reads all figures. Those of a container that has ended since are `None`.
    pub fn read(&self) -> Stats {
        Stats::read(&mut |wanted| {
            let (_, dir) = self.dirs.iter().find(|(controller, _)| *controller == wanted)?;
            dir.try_clone().ok()
        })
    }

    /// Reads the figures of memory alone.
    pub fn read_memory(&self) -> Stats {
        Stats::read(&mut |wanted| {
            let (_, dir) =
                self.dirs.iter().find(|(controller, _)| *controller == wanted && wanted == "memory")?;
            dir.try_clone().ok()
        })
    }

    /// Finds all groups by the answer to one question: a container's groups have the same name in all hierarchies.
    /// `None` when one of them is not where it should be.
    fn by_path(host: &Hierarchies, path: &Path) -> Option<Gauges> {
        let asked = host.by_controller(None).or_else(|| host.by_controller(Some("memory")))?;
        let below = path.strip_prefix(asked.path_of(Path::new(""))).ok()?;
        let mut dirs = Vec::new();
        for controller in CONTROLLERS {
            if let Some(hierarchy) = host.by_controller(Some(controller)) {
                dirs.push((controller, hierarchy.open(&hierarchy.path_of(below)).ok()?));
            }
        }
        Some(Gauges { dirs })
    }
}

impl Container {
    /// Its cgroups, for reading figures; `None` when it does not run.
    pub fn gauges(&self, host: &CgroupHost) -> Option<Gauges> {
        let client = self.client();
        let controller = if host.0.unified().is_some() { None } else { Some("memory") };
        match client.cgroup(Which::Limit, controller) {
            Ok(path) => {
                let found = Gauges::by_path(&host.0, Path::new(&path));
                Some(found.unwrap_or_else(|| self.asked_gauges(&client)))
            }
            Err(ClientError::NotRunning) => None,
            Err(_) => Some(self.asked_gauges(&client)),
        }
    }

    /// The same, by asking the monitor for each group.
    fn asked_gauges(&self, client: &Client) -> Gauges {
        let open = |controller: &'static str| Some((controller, self.group_dir(client, controller).ok()?));
        Gauges { dirs: CONTROLLERS.into_iter().filter_map(open).collect() }
    }
}

//! Looking at all running containers, again and again.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use lxc_core::{CgroupHost, Container, Dirs, Gauges, LinkStats, Links, Stats, list};
use lxc_types::Name;

use super::{Order, SortKey};
use crate::report::Failure;
use crate::session::Session;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The cgroups.
    Groups,
    /// Links, too.
    Links,
}

/// All running containers at one moment.
#[derive(Debug)]
pub struct Round {
    /// When it was.
    pub time: SystemTime,
    /// The same by a clock that nobody sets.
    pub at: Instant,
    /// The containers, sorted.
    pub containers: Vec<Sample>,
}

/// One container at one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its name.
    pub name: Name,
    /// What it has used.
    pub stats: Stats,
    /// What went over its links.
    pub links: Vec<LinkStats>,
}

/// A container that was seen: what need not be asked again.
#[derive(Debug)]
struct Known {
    gauges: Gauges,
    links: Vec<String>,
}

/// Looks at containers. Those that are known already cost no question to their monitor.
#[derive(Debug)]
pub struct Collector {
    dirs: Dirs,
    lxcpath: PathBuf,
    depth: Depth,
    host: CgroupHost,
    links: Links,
    known: BTreeMap<Name, Known>,
}

impl Collector {
    /// For the containers of a session.
    pub fn new(session: &Session, depth: Depth) -> Collector {
        Collector {
            dirs: session.dirs.clone(),
            lxcpath: session.lxcpath.clone(),
            depth,
            host: CgroupHost::find(),
            links: Links::of_this_host(),
            known: BTreeMap::new(),
        }
    }

    /// Looks at all containers that run now.
    ///
    /// # Errors
    /// When it cannot be said which do.
    pub fn round(&mut self, order: Order) -> Result<Round, Failure> {
        let names = list::active(&self.lxcpath)?;
        self.known.retain(|name, _| names.binary_search(name).is_ok());
        let (time, at) = (SystemTime::now(), Instant::now());
        let mut containers: Vec<Sample> = names.into_iter().filter_map(|name| self.look(name)).collect();
        sort(&mut containers, order);
        Ok(Round { time, at, containers })
    }

    /// One container; `None` when it has just ended, or belongs to somebody else.
    fn look(&mut self, name: Name) -> Option<Sample> {
        let mut stats = self.known.get(&name).map(|known| known.gauges.read());
        if stats.is_none_or(|stats| stats.cpu.is_none() && stats.memory.is_none() && stats.pids.is_none()) {
            // New, or started again: its groups are others.
            self.known.remove(&name);
            let known = self.meet(&name)?;
            stats = Some(known.gauges.read());
            self.known.insert(name.clone(), known);
        }
        let links = self.known.get(&name).map(|known| self.links.stats(&known.links)).unwrap_or_default();
        Some(Sample { name, stats: stats?, links })
    }

    fn meet(&self, name: &Name) -> Option<Known> {
        // Its monitor alone is asked: the configuration on disk does not count.
        let container = Container::unread(&self.dirs, &self.lxcpath, name.clone());
        let gauges = container.gauges(&self.host)?;
        let links = if self.depth == Depth::Links { container.link_names() } else { Vec::new() };
        Some(Known { gauges, links })
    }
}

/// Sorts containers that are sorted by name. What is equal stays so.
pub fn sort(containers: &mut [Sample], order: Order) {
    let figure = |sample: &Sample| {
        let stats = &sample.stats;
        match order.key {
            SortKey::Name => None,
            SortKey::Cpu => stats.cpu,
            SortKey::Blkio => stats.io_bytes.map(|io| io.total),
            SortKey::Memory => stats.memory,
            SortKey::MemorySwap => stats.memory_swap,
            SortKey::Kernel => stats.kernel_memory,
        }
    };
    containers.sort_by(|one, other| match order.key {
        SortKey::Name => directed(one.name.cmp(&other.name), order.reverse),
        _ => directed(figure(other).cmp(&figure(one)), order.reverse),
    });
}

/// An ordering, or its reverse.
pub fn directed(ordering: Ordering, reverse: bool) -> Ordering {
    if reverse { ordering.reverse() } else { ordering }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, memory: u64) -> Sample {
        let stats = Stats { memory: Some(memory), ..Stats::default() };
        Sample { name: name.parse().unwrap(), stats, links: Vec::new() }
    }

    #[test]
    fn orders_of_upstream() {
        let sorted = |key, reverse| {
            let mut all = [sample("a", 5), sample("b", 9), sample("c", 5)];
            sort(&mut all, Order { key, reverse });
            all.map(|one| one.name.to_string()).concat()
        };
        assert_eq!(sorted(SortKey::Name, false), "abc");
        assert_eq!(sorted(SortKey::Name, true), "cba");
        assert_eq!(sorted(SortKey::Memory, false), "bac");
        assert_eq!(sorted(SortKey::Memory, true), "acb");
        // All are equal.
        assert_eq!(sorted(SortKey::Cpu, false), "abc");
        assert_eq!(sorted(SortKey::Cpu, true), "abc");
    }
}

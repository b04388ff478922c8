//! The monitor's own groups.
//!
//! Upstream moves the caller of start() along with the monitor, and leaves `lxc.pivot` behind in each
//! hierarchy. We move nobody else, and in the end the monitor goes back to where it came from (or to
//! the base), so that nothing is left. `lxc.pivot` is made only if `lxc.cgroup.dir.monitor.pivot` asks
//! for it, or if there is no other place to go to.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lxc_sys::proc;

use super::dir::Dir;
use super::layout::{Hierarchies, Hierarchy, Version};
use super::spec::{Clash, Names};
use super::tree::{self, Group};
use super::{Error, Warning};

/// The groups that the monitor is in while it runs. Left and removed when dropped.
#[must_use = "dropping the lease makes the monitor leave its cgroups"]
#[derive(Debug)]
pub struct MonitorLease {
    below: PathBuf,
    groups: Vec<Group>,
    /// In which hierarchies we are, in the order of `groups`.
    inside: Vec<bool>,
    /// `/proc/self/cgroup` before we entered.
    before: Vec<u8>,
    pivot: Option<PathBuf>,
    warnings: Vec<Warning>,
    released: bool,
}

impl MonitorLease {
    /// Makes the monitor's groups. Enters none of them yet.
    ///
    /// # Errors
    /// A hierarchy that `lxc.cgroup.use` names cannot be used; the names are taken.
    pub fn create(host: &Hierarchies, names: &Names) -> Result<MonitorLease, Error> {
        let mut lease = Self::begin(host, names)?;
        lease.complete(host, names)?;
        Ok(lease)
    }

    /// Makes the unified group alone, so that the monitor can be cloned into it; [`Self::complete`] makes the
    /// others when there is time.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn begin(host: &Hierarchies, names: &Names) -> Result<MonitorLease, Error> {
        let mut warnings = Vec::new();
        let needed = |hierarchy: &Hierarchy| hierarchy.wanted;
        let name = (names.monitor.as_path(), names.clash);
        let (below, groups) = tree::make_of_version(host, Version::V2, name, &needed, &mut warnings)?;
        Ok(MonitorLease {
            below,
            inside: vec![false; groups.len()],
            groups,
            before: Vec::new(),
            pivot: names.pivot.clone(),
            warnings,
            released: false,
        })
    }

    /// Makes the v1 groups under the name that the unified one has got.
    ///
    /// # Errors
    /// As [`Self::create`]; with a unified group the name cannot be varied any more.
    pub fn complete(&mut self, host: &Hierarchies, names: &Names) -> Result<(), Error> {
        let needed = |hierarchy: &Hierarchy| hierarchy.wanted;
        let name = match self.groups.is_empty() {
            true => (names.monitor.as_path(), names.clash),
            false => (self.below.as_path(), Clash::Fail),
        };
        let (below, groups) = tree::make_of_version(host, Version::V1, name, &needed, &mut self.warnings)?;
        self.below = below;
        self.inside.extend(vec![false; groups.len()]);
        self.groups.extend(groups);
        Ok(())
    }

    /// What was left out so far, to be logged. Empty the next time.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// The monitor's unified group, for who clones the monitor right into it; notes where the caller is now.
    ///
    /// # Errors
    /// `/proc/self/cgroup` cannot be read.
    pub fn before_birth(&mut self) -> Result<Option<&Dir>, Error> {
        self.before = proc::read("/proc/self/cgroup")?;
        Ok(self.groups.iter().find(|group| group.is_v2()).map(|group| &group.dir))
    }

    /// The calling process was cloned into the group of [`Self::before_birth`].
    pub fn born_inside(&mut self) {
        for (group, inside) in self.groups.iter().zip(&mut self.inside) {
            *inside |= group.is_v2();
        }
    }

    /// Moves the calling process, which must have one thread, into the v1 groups: microseconds each.
    ///
    /// # Errors
    /// A group that `lxc.cgroup.use` names cannot be entered.
    pub fn enter_v1(&mut self) -> Result<(), Error> {
        self.enter(Version::V1)
    }

    /// Moves the calling process into the unified group. The kernel takes some 10 ms for it (it waits
    /// for all processors, with a lock held that making groups needs), and again for leaving it: to be
    /// called when nobody waits, after the container runs; for one that ends at once it need not be.
    ///
    /// The exception is a base that we are in ourselves ([`super::Base::Own`]) with limits for v2: a v2
    /// group with processes in it cannot give controllers to those below. Then this comes before
    /// [`super::PayloadLease::create`].
    ///
    /// # Errors
    /// See [`Self::enter_v1`].
    pub fn enter_unified(&mut self) -> Result<(), Error> {
        self.enter(Version::V2)
    }

    fn enter(&mut self, version: Version) -> Result<(), Error> {
        if self.before.is_empty() {
            self.before = proc::read("/proc/self/cgroup")?;
        }
        for (group, inside) in self.groups.iter().zip(&mut self.inside) {
            if group.hierarchy.version() != version || *inside {
                continue;
            }
            match tree::move_self(&group.dir, version) {
                Ok(()) => *inside = true,
                Err(error) => self.warnings.push(group.fails(error)?),
            }
        }
        Ok(())
    }

    /// Leaves the groups and removes them.
    ///
    /// # Errors
    /// There is no place to go to; somebody else is in a group.
    pub fn release(mut self) -> Result<(), Error> {
        self.remove()
    }

    /// Gives the groups up without leaving them.
    pub fn keep(mut self) {
        self.released = true;
    }

    fn remove(&mut self) -> Result<(), Error> {
        self.released = true;
        for (group, inside) in self.groups.iter().zip(&mut self.inside) {
            if *inside {
                leave(group, &self.before, self.pivot.as_deref(), &self.below)?;
                *inside = false;
            }
        }
        tree::remove_everywhere(&self.groups, &self.below, &|| {}, &mut std::thread::sleep)
    }
}

impl Drop for MonitorLease {
    fn drop(&mut self) {
        if !self.released
            && let Err(error) = self.remove()
        {
            log::warn!("the monitor's cgroup stays: {error}");
        }
    }
}

/// Moves the calling process out of a group: to the configured pivot; else to where it was before, to
/// the base, or (a v2 base that has limits cannot hold processes) to a pivot beside our group.
fn leave(group: &Group, before: &[u8], pivot: Option<&Path>, below: &Path) -> Result<(), Error> {
    let hierarchy = &group.hierarchy;
    let version = hierarchy.version();
    if pivot.is_none() {
        if let Some(dir) = place_before(hierarchy, before)
            && tree::move_self(&dir, version).is_ok()
        {
            return Ok(());
        }
        if tree::move_self(hierarchy.base(), version).is_ok() {
            return Ok(());
        }
    }
    let above = pivot.or_else(|| below.parent()).unwrap_or(Path::new(""));
    let dir = tree::make_or_open(hierarchy, &above.join("lxc.pivot"))?;
    Ok(tree::move_self(&dir, version)?)
}

/// The group that this process was in before, if it is still there.
fn place_before(hierarchy: &Hierarchy, before: &[u8]) -> Option<Dir> {
    let line = proc::cgroups(before).find(|line| match hierarchy.version() {
        Version::V2 => line.id == 0,
        Version::V1 => line.id != 0 && line.controllers == hierarchy.mount_options().as_bytes(),
    })?;
    let path = Path::new(OsStr::from_bytes(line.path));
    hierarchy.open(path).ok()
}

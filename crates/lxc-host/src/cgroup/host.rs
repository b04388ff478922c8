//! The container's groups, as the monitor has them: made before the container, removed after it.
//!
//! The order of calls: [`PayloadLease::create`], clone into [`PayloadLease::clone_into`] with a
//! [`Birth`] that the child uses first of all, [`PayloadLease::settle`], the child goes on and mounts,
//! [`PayloadLease::attach_devices`]; in the end [`PayloadLease::release`].

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use super::binding::Devices;
use super::dir::Dir;
use super::guest::Birth;
use super::layout::{Hierarchies, Hierarchy, Layout, Version, delegate_files};
use super::spec::{CgroupSpec, Clash, Names, Need, Owner, Setting, Work};
use super::stats::Stats;
use super::tree::{self, Group};
use super::{Error, SettingError, Warning, freezer};

/// Which of a container's two groups is meant. They are one, unless `lxc.cgroup.dir.container.inner`
/// is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that limits are set on.
    Limit,
    /// The one that the processes are in.
    Process,
}

/// How far the container's first process is in its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Born {
    /// Cloned into the unified group, and enters the others by its [`Birth`].
    Inside,
    /// Cloned without (Linux before 5.7, or no permission), but enters the v1 groups by its [`Birth`].
    EntersV1,
    /// In none of them.
    Outside,
}

/// The groups of one container. Removed when dropped.
#[must_use = "dropping the lease removes the container's cgroups"]
#[derive(Debug)]
pub struct PayloadLease {
    /// The name they got, relative to the base.
    below: PathBuf,
    pub(super) groups: Vec<Group>,
    /// The groups of the processes, in the order of `groups`; empty if they are the same.
    inner: Vec<Dir>,
    inner_name: Option<PathBuf>,
    owner: Option<Owner>,
    layout: Layout,
    pub(super) work: Work,
    pub(super) devices: Devices,
    pub(super) warnings: Vec<Warning>,
    released: bool,
}

impl PayloadLease {
    /// Makes the container's groups and writes the v1 limits, so that the container's first process
    /// begins under them.
    ///
    /// # Errors
    /// A setting that cannot be applied; names that are taken. Nothing is left behind then.
    pub fn create(host: &Hierarchies, spec: &CgroupSpec) -> Result<PayloadLease, Error> {
        let mut lease = Self::nothing(host, spec)?;
        let Names { payload, clash, .. } = &spec.names;
        let mut warnings = std::mem::take(&mut lease.warnings);
        let needed = |hierarchy: &Hierarchy| lease.work.needs(hierarchy);
        let (below, groups) = tree::make_everywhere(host, payload, *clash, &needed, &mut warnings)?;
        (lease.below, lease.groups, lease.warnings) = (below, groups, warnings);
        lease.enable_controllers()?;
        lease.finish_v1()?;
        Ok(lease)
    }

    /// Makes the unified group alone, so that the container's first process can be cloned into it;
    /// [`Self::complete`] makes the others while that process is at work.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn begin(host: &Hierarchies, spec: &CgroupSpec) -> Result<PayloadLease, Error> {
        let mut lease = Self::nothing(host, spec)?;
        let name = (spec.names.payload.as_path(), spec.names.clash);
        let mut warnings = std::mem::take(&mut lease.warnings);
        let needed = |hierarchy: &Hierarchy| lease.work.needs(hierarchy);
        let (below, groups) = tree::make_of_version(host, Version::V2, name, &needed, &mut warnings)?;
        (lease.below, lease.groups, lease.warnings) = (below, groups, warnings);
        lease.enable_controllers()?;
        if let Some(name) = &spec.names.inner {
            for group in &lease.groups {
                lease.inner.push(tree::make_inner(group, name)?);
            }
        }
        Ok(lease)
    }

    /// Makes the v1 groups under the name that the unified one has got, and writes their limits.
    ///
    /// # Errors
    /// As [`Self::create`]; with a unified group the name cannot be varied any more.
    pub fn complete(&mut self, host: &Hierarchies, spec: &CgroupSpec) -> Result<(), Error> {
        let unified = std::mem::take(&mut self.groups);
        let unified_inner = std::mem::take(&mut self.inner);
        let name = match unified.is_empty() {
            true => (spec.names.payload.as_path(), spec.names.clash),
            false => (self.below.as_path(), Clash::Fail),
        };
        let mut warnings = std::mem::take(&mut self.warnings);
        let needed = |hierarchy: &Hierarchy| self.work.needs(hierarchy);
        let made = tree::make_of_version(host, Version::V1, name, &needed, &mut warnings);
        self.warnings = warnings;
        let finished = made.and_then(|(below, groups)| {
            (self.below, self.groups) = (below, groups);
            self.finish_v1()
        });
        // In the order of the hierarchies: the unified one is last.
        self.groups.extend(unified);
        self.inner.extend(unified_inner);
        finished
    }

    fn nothing(host: &Hierarchies, spec: &CgroupSpec) -> Result<PayloadLease, Error> {
        let mut work = spec.sort(host)?;
        let warnings = std::mem::take(&mut work.warnings);
        Ok(PayloadLease {
            below: spec.names.payload.clone(),
            groups: Vec::new(),
            inner: Vec::new(),
            inner_name: spec.names.inner.clone(),
            owner: spec.owner,
            layout: host.layout(),
            work,
            devices: Devices::default(),
            warnings,
            released: false,
        })
    }

    /// Inner groups and limits, once the groups are there. Device rules come before inner groups: v1 takes some
    /// only from a group without groups below.
    fn finish_v1(&mut self) -> Result<(), Error> {
        if let Some(name) = self.inner_name.clone() {
            self.write_v1_devices()?;
            for group in &self.groups {
                self.inner.push(tree::make_inner(group, &name)?);
            }
        }
        self.write_v1_limits()
    }

    /// What was left out so far, to be logged. Empty the next time.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// The unified group, for `CLONE_INTO_CGROUP`.
    pub fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        let at = self.groups.iter().position(Group::is_v2)?;
        Some(self.process_dir(at).as_fd())
    }

    /// What the container's first process needs to enter the v1 groups by itself.
    ///
    /// # Errors
    /// The files of a needed group cannot be opened.
    pub fn birth(&mut self) -> Result<Birth, Error> {
        let mut birth = Birth::default();
        for at in 0..self.groups.len() {
            let Some(group) = self.groups.get(at).filter(|group| !group.is_v2()) else { continue };
            match self.process_dir(at).open_write("tasks") {
                Ok(fd) => birth.add(fd, group.hierarchy.title(), group.needed),
                Err(error) => {
                    let warning = group.fails(error)?;
                    self.warnings.push(warning);
                }
            }
        }
        Ok(birth)
    }

    /// Completes what could not be done before there was a process: moves it where it is not yet,
    /// writes the v2 limits, hands the groups over to their owner (if we are root: who is not calls
    /// [`Self::hand_over`] from a user namespace with the right map).
    ///
    /// # Errors
    /// A needed group cannot be entered, a limit cannot be set.
    pub fn settle(&mut self, pid: Pid, born: Born) -> Result<(), Error> {
        if born != Born::Inside {
            self.enter(pid, born)?;
        }
        for setting in &self.work.v2 {
            let Some(group) = self.groups.iter().find(|group| group.is_v2()) else { continue };
            group.dir.write(&setting.file, &setting.value).map_err(|error| setting.error(error))?;
        }
        if let Some(Owner { uid, gid }) = self.owner
            && rustix::process::geteuid().is_root()
        {
            self.hand_over(uid, gid);
        }
        Ok(())
    }

    /// Moves a process into the groups. This can take some 10 ms: see [`Birth`] for the quick way.
    fn enter(&mut self, pid: Pid, born: Born) -> Result<(), Error> {
        let text = pid.as_raw_nonzero().to_string();
        for at in 0..self.groups.len() {
            let Some(group) = self.groups.get(at) else { continue };
            if born == Born::EntersV1 && !group.is_v2() {
                continue;
            }
            if let Err(error) = self.process_dir(at).write("cgroup.procs", &text) {
                let warning = group.fails(error)?;
                self.warnings.push(warning);
            }
        }
        Ok(())
    }

    /// Gives the processes' group in each hierarchy, and what the kernel lets one delegate in it, to
    /// the owner. Best effort, as upstream's: a file that is not there or not ours stays as it is.
    pub fn hand_over(&self, uid: u32, gid: u32) {
        let unified: Vec<String> =
            if self.groups.iter().any(Group::is_v2) { delegate_files() } else { Vec::new() };
        for (at, group) in self.groups.iter().enumerate() {
            let dir = self.process_dir(at);
            let give = |name: &str, mode| match dir.own(name, Some(uid), Some(gid), mode) {
                Err(error) if error.errno() != Errno::NOENT => log::info!("{error}"),
                _ => {}
            };
            give("", 0o775);
            if group.is_v2() {
                unified.iter().for_each(|file| give(file, 0o664));
            } else {
                give("cgroup.procs", 0o664);
                give("tasks", 0o664);
            }
        }
    }

    /// The group of the processes in the hierarchy number `at`.
    fn process_dir(&self, at: usize) -> &Dir {
        self.inner.get(at).unwrap_or_else(|| &self.groups[at].dir)
    }

    /// Lets the groups down to ours use the controllers: on a v2 host all there are, as upstream, beside
    /// v1 only those that a setting needs.
    fn enable_controllers(&mut self) -> Result<(), Error> {
        let Some(group) = self.groups.iter().find(|group| group.is_v2()) else { return Ok(()) };
        let asked: Vec<&str> = self.work.v2.iter().map(Setting::controller).collect();
        let all = group.hierarchy.controllers();
        let wanted = |c: &&String| self.layout == Layout::Unified || asked.contains(&c.as_str());
        let enable: Vec<&String> = all.iter().filter(wanted).collect();
        if enable.is_empty() {
            return Ok(());
        }
        let text: String = enable.iter().map(|c| format!("+{c} ")).collect();
        let mut above: Vec<&Path> = self.below.ancestors().skip(1).collect();
        above.reverse();
        if self.inner_name.is_some() {
            above.push(&self.below);
        }
        let mut warnings = Vec::new();
        for path in above {
            let dir = group.hierarchy.base().at(path)?;
            if dir.write("cgroup.subtree_control", &text).is_ok() {
                continue;
            }
            for controller in &enable {
                match dir.write("cgroup.subtree_control", format!("+{controller}")) {
                    Ok(()) => {}
                    Err(error) if asked.contains(&controller.as_str()) => {
                        return Err(Error::Hierarchy((*controller).clone(), error));
                    }
                    Err(error) => warnings.push(Warning::ignored(controller, error)),
                }
            }
        }
        self.warnings.extend(warnings);
        Ok(())
    }

    fn write_v1_limits(&mut self) -> Result<(), Error> {
        let mut warnings = Vec::new();
        for setting in &self.work.v1 {
            let Some(at) = self.groups.iter().position(|group| group.is_v1_of(setting.controller())) else {
                let missing = SettingError::NoController(setting.controller().to_owned());
                if setting.need == Need::Required {
                    return Err(setting.error(missing));
                }
                warnings.push(Warning::ignored(&setting.origin, missing));
                continue;
            };
            let (limit, file) = (&self.groups[at].dir, self.groups[at].hierarchy.file(&setting.file));
            if setting.controller() == "cpuset" && !self.inner.is_empty() {
                // The inner group has its parent's set and must shrink first.
                self.inner[at].write(file, &setting.value).map_err(|e| setting.error(e))?;
            }
            limit.write(file, &setting.value).map_err(|e| setting.error(e))?;
        }
        self.warnings.extend(warnings);
        Ok(())
    }

    /// The group in the hierarchy with a controller (none: the unified one).
    pub fn dir(&self, controller: Option<&str>, which: Which) -> Option<&Dir> {
        let at = self.find(controller)?;
        Some(match which {
            Which::Limit => &self.groups[at].dir,
            Which::Process => self.process_dir(at),
        })
    }

    /// The path of that group in its hierarchy: `/lxc.payload.c1`.
    pub fn path(&self, controller: Option<&str>, which: Which) -> Option<PathBuf> {
        let path = self.groups[self.find(controller)?].hierarchy.path_of(&self.below);
        Some(match (which, &self.inner_name) {
            (Which::Process, Some(inner)) => path.join(inner),
            _ => path,
        })
    }

    fn find(&self, controller: Option<&str>) -> Option<usize> {
        self.groups.iter().position(|group| match controller {
            None => group.is_v2(),
            Some(name) => group.hierarchy.has(name) || group.hierarchy.has(&format!("name={name}")),
        })
    }

    /// The groups of the processes in the order of the hierarchies, for `GET_CGROUP_CTX`.
    pub fn process_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        (0..self.groups.len()).map(|at| self.process_dir(at).as_fd())
    }

    /// The hierarchies and the processes' group in each.
    pub(super) fn branches(&self) -> impl Iterator<Item = (&Hierarchy, &Dir)> {
        self.groups.iter().enumerate().map(|(at, group)| (&*group.hierarchy, self.process_dir(at)))
    }

    /// What kind of host the groups are on.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The name of the groups, relative to the base of each hierarchy.
    pub fn below(&self) -> &Path {
        &self.below
    }

    /// The path of the processes' groups relative to the base, for cgroup mounts.
    pub fn process_below(&self) -> PathBuf {
        self.inner_name.as_ref().map_or_else(|| self.below.clone(), |inner| self.below.join(inner))
    }

    /// The group that freezing works on: v1's if there is one, where upstream's tools look for it.
    pub fn freezer(&self) -> Option<&Dir> {
        self.dir(Some("freezer"), Which::Limit)
    }

    /// Freezes the container and waits until it is.
    ///
    /// # Errors
    /// No freezer; [`Error::Timeout`], and the container is let go again.
    pub fn freeze(&self, wait: Option<Duration>) -> Result<(), Error> {
        freezer::freeze(self.freezer().ok_or(Error::MissingController("freezer".into()))?, wait)
    }

    /// Thaws the container and waits until it is.
    ///
    /// # Errors
    /// No freezer; [`Error::Timeout`].
    pub fn thaw(&self, wait: Option<Duration>) -> Result<(), Error> {
        freezer::thaw(self.freezer().ok_or(Error::MissingController("freezer".into()))?, wait)
    }

    /// What the container has used.
    pub fn stats(&self) -> Stats {
        Stats::read(&mut |controller| self.dir(Some(controller), Which::Limit)?.try_clone().ok())
    }

    /// Kills all processes in the groups and below, frozen ones too. Does not wait for their end.
    pub fn kill_all(&self) {
        if let Some(freezer) = self.groups.iter().find(|group| group.is_v1_of("freezer")) {
            // A process that v1 has frozen does not die.
            log_failure(freezer.dir.write("freezer.state", "THAWED"));
        }
        for group in &self.groups {
            // Linux 5.14; delete the way by numbers when that is the floor (v1 has no other).
            if group.is_v2() && group.dir.write("cgroup.kill", "1").is_ok() {
                continue;
            }
            kill_listed(&group.dir);
        }
    }

    /// Removes the groups. Processes that are still in them are killed.
    ///
    /// # Errors
    /// A group stays busy for a second.
    pub fn release(mut self) -> Result<(), Error> {
        self.remove(&mut std::thread::sleep)
    }

    /// As [`PayloadLease::release`]; `wait` passes the time while a group is busy.
    ///
    /// # Errors
    /// As [`PayloadLease::release`].
    pub fn release_waiting(mut self, wait: &mut dyn FnMut(Duration)) -> Result<(), Error> {
        self.remove(wait)
    }

    fn remove(&mut self, wait: &mut dyn FnMut(Duration)) -> Result<(), Error> {
        self.released = true;
        self.devices = Devices::default();
        tree::remove_everywhere(&self.groups, &self.below, &|| self.kill_all(), wait)
    }

    /// Gives the groups up without removing them.
    pub fn keep(mut self) {
        self.released = true;
    }
}

impl Drop for PayloadLease {
    fn drop(&mut self) {
        if !self.released
            && let Err(error) = self.remove(&mut std::thread::sleep)
        {
            log::warn!("the container's cgroup stays: {error}");
        }
    }
}

fn log_failure(result: lxc_sys::Result<()>) {
    if let Err(error) = result {
        log::debug!("{error}");
    }
}

fn kill_listed(dir: &Dir) {
    let own = rustix::process::getpid();
    for pid in dir.all_processes().unwrap_or_default() {
        let Some(pid) = Pid::from_raw(pid).filter(|pid| *pid != own) else { continue };
        if let Err(errno) = rustix::process::kill_process(pid, Signal::KILL) {
            log::debug!("kill({pid:?}): {errno}");
        }
    }
}

/// Removes what a monitor that was killed has left behind under these names. Groups with processes in
/// them stay. Returns what was removed.
///
/// # Errors
/// A group without processes cannot be removed.
pub fn sweep(host: &Hierarchies, names: &Names) -> Result<Vec<PathBuf>, Error> {
    let mut removed = Vec::new();
    for hierarchy in host.iter() {
        for below in [&names.payload, &names.monitor] {
            let Some(dir) = hierarchy.base().claim(below)? else { continue };
            if !dir.populated()? {
                hierarchy.base().remove_tree(below)?;
                removed.push(dir.path().to_owned());
            }
        }
    }
    Ok(removed)
}

/// As [`sweep`], for a monitor that has just been killed: its container dies with it, which takes the kernel some
/// milliseconds. Gives up on what others hold after `longest`.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_dying(host: &Hierarchies, names: &Names, longest: Duration) -> Result<(), Error> {
    let end = Instant::now() + longest;
    loop {
        let swept = sweep(host, names);
        let left = |below: &PathBuf| host.iter().any(|hierarchy| hierarchy.base().at(below).is_ok());
        if !(left(&names.payload) || left(&names.monitor)) || Instant::now() > end {
            return swept.map(drop);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

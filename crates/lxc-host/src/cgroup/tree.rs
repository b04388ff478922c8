//! Making the same group in every hierarchy, and removing it again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lxc_sys::Error as SysError;
use rustix::io::Errno;

use super::dir::{Dir, OpenMask};
use super::layout::{Hierarchies, Hierarchy, Version};
use super::spec::Clash;
use super::{Error, Warning, cpuset};

/// The last suffix that is tried.
const LAST_SUFFIX: u32 = 999;

/// One group in one hierarchy.
#[derive(Debug)]
pub(super) struct Group {
    pub hierarchy: Arc<Hierarchy>,
    pub dir: Dir,
    /// Whether the container must not run without it.
    pub needed: bool,
}

impl Group {
    /// Whether it is one of v1 with that controller.
    pub fn is_v1_of(&self, controller: &str) -> bool {
        self.hierarchy.version() == Version::V1 && self.hierarchy.has(controller)
    }

    pub fn is_v2(&self) -> bool {
        self.hierarchy.version() == Version::V2
    }

    /// The error of a needed group, or the warning of another.
    pub fn fails(&self, error: SysError) -> Result<Warning, Error> {
        if self.needed {
            return Err(Error::Hierarchy(self.hierarchy.title(), error));
        }
        Ok(Warning::unusable(self.hierarchy.mount_point(), error))
    }
}

/// The groups made under one name; removed again unless they are all there in the end.
struct Round {
    below: PathBuf,
    groups: Vec<Group>,
}

impl Drop for Round {
    fn drop(&mut self) {
        for group in &self.groups {
            // Nobody can be in it yet; should it fail, the next start finds it empty and uses it.
            if let Err(error) = group.hierarchy.base().remove_tree(&self.below) {
                log::debug!("{error}");
            }
            remove_made(&group.hierarchy);
        }
    }
}

/// Why a group could not be made.
enum Obstacle {
    /// Processes are in a group of that name.
    Taken,
    /// This hierarchy cannot be used.
    Unusable(SysError),
}

impl From<SysError> for Obstacle {
    fn from(error: SysError) -> Self {
        Obstacle::Unusable(error)
    }
}

/// Makes a group in every hierarchy, under the same name in all. Returns the name that was free.
///
/// What an earlier monitor has left behind under the name is removed if no process is in it. A
/// hierarchy that cannot be used is left out with a warning unless `needed` says otherwise.
pub(super) fn make_everywhere(
    host: &Hierarchies,
    below: &Path,
    clash: Clash,
    needed: &dyn Fn(&Hierarchy) -> bool,
    warnings: &mut Vec<Warning>,
) -> Result<(PathBuf, Vec<Group>), Error> {
    make_in(host.iter().collect(), below, clash, needed, warnings)
}

/// Makes a group in the hierarchies of one version, as [`make_everywhere`] does in all.
pub(super) fn make_of_version(
    host: &Hierarchies,
    version: Version,
    name: (&Path, Clash),
    needed: &dyn Fn(&Hierarchy) -> bool,
    warnings: &mut Vec<Warning>,
) -> Result<(PathBuf, Vec<Group>), Error> {
    make_in(host.iter().filter(|h| h.version() == version).collect(), name.0, name.1, needed, warnings)
}

fn make_in(
    mut usable: Vec<&Arc<Hierarchy>>,
    below: &Path,
    clash: Clash,
    needed: &dyn Fn(&Hierarchy) -> bool,
    warnings: &mut Vec<Warning>,
) -> Result<(PathBuf, Vec<Group>), Error> {
    let _mask = OpenMask::set();
    for suffix in 0..=LAST_SUFFIX {
        let name = match suffix {
            0 => below.to_owned(),
            n => {
                let mut text = below.as_os_str().to_owned();
                text.push(format!("-{n}"));
                PathBuf::from(text)
            }
        };
        let mut round = Round { below: name.clone(), groups: Vec::with_capacity(usable.len()) };
        let mut taken = false;
        let mut useless = Vec::new();
        for (at, hierarchy) in usable.iter().enumerate() {
            let needed = needed(hierarchy);
            match make_patiently(hierarchy, &name) {
                Ok(dir) => round.groups.push(Group { hierarchy: Arc::clone(hierarchy), dir, needed }),
                Err(Obstacle::Taken) => {
                    taken = true;
                    break;
                }
                Err(Obstacle::Unusable(error)) if needed => {
                    return Err(Error::Hierarchy(hierarchy.title(), error));
                }
                Err(Obstacle::Unusable(error)) => {
                    warnings.push(Warning::unusable(hierarchy.mount_point(), error));
                    useless.push(at);
                }
            }
        }
        if !taken {
            return Ok((name, std::mem::take(&mut round.groups)));
        }
        if clash == Clash::Fail {
            return Err(Error::Busy(name));
        }
        for at in useless.into_iter().rev() {
            usable.remove(at);
        }
    }
    Err(Error::NoName(below.to_owned()))
}

/// As [`make_one`]. A container whose monitor was killed a moment ago may still be dying in this group: that is worth
/// a little patience, for a group of another name would leave this one behind.
fn make_patiently(hierarchy: &Hierarchy, below: &Path) -> Result<Dir, Obstacle> {
    const TRIES: u32 = 25;
    for _ in 0..TRIES {
        match make_one(hierarchy, below) {
            Err(Obstacle::Taken) if dying(hierarchy, below) => {
                std::thread::sleep(Duration::from_millis(2));
            }
            done => return done,
        }
    }
    make_one(hierarchy, below)
}

/// Whether no process of a group will do anything any more.
fn dying(hierarchy: &Hierarchy, below: &Path) -> bool {
    let Ok(dir) = hierarchy.base().at(below) else { return true };
    dir.all_processes().is_ok_and(|all| all.into_iter().all(lxc_sys::process::is_dying))
}

/// Makes a group in one hierarchy. The last directory must be new; those above may be there.
///
/// Containers of one name in two folders may be started at once: whose groups are empty still is told by a lock.
fn make_one(hierarchy: &Hierarchy, below: &Path) -> Result<Dir, Obstacle> {
    let base = hierarchy.base();
    let parent = below.parent().filter(|parent| !parent.as_os_str().is_empty());
    match base.make(below) {
        Ok(()) => {}
        Err(error) if error.errno() == Errno::NOENT && parent.is_some() => {
            make_parents(hierarchy, below)?;
            base.make(below)?;
        }
        Err(error) if error.errno() == Errno::EXIST => {
            let left = base.claim(below)?.ok_or(Obstacle::Taken)?;
            if left.populated()? {
                return Err(Obstacle::Taken);
            }
            for step in [base.remove_tree(below), base.make(below)] {
                match step {
                    Err(error) if matches!(error.errno(), Errno::BUSY | Errno::EXIST) => {
                        return Err(Obstacle::Taken);
                    }
                    other => other?,
                }
            }
        }
        Err(error) => return Err(error.into()),
    }
    let dir = base.claim(below)?.ok_or(Obstacle::Taken)?;
    initialise(hierarchy, parent, &dir).map_err(|error| {
        if let Err(error) = base.remove_tree(below) {
            log::debug!("{error}");
        }
        Obstacle::Unusable(error)
    })?;
    Ok(dir)
}

/// Gives a new group what a v1 cpuset needs.
fn initialise(hierarchy: &Hierarchy, parent: Option<&Path>, dir: &Dir) -> lxc_sys::Result<()> {
    if hierarchy.version() == Version::V1 && hierarchy.has("cpuset") {
        let parent = parent.map(|parent| hierarchy.base().at(parent)).transpose()?;
        cpuset::initialise(hierarchy, parent.as_ref(), dir)?;
    }
    Ok(())
}

/// Makes the directories above a group, and notes those that were not there.
fn make_parents(hierarchy: &Hierarchy, below: &Path) -> lxc_sys::Result<()> {
    let above: Vec<&Path> = below.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
    for path in above.into_iter().rev() {
        match hierarchy.base().make(path) {
            Ok(()) => {
                note_made(hierarchy, path);
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                initialise(hierarchy, parent, &hierarchy.base().at(path)?)?;
            }
            Err(error) if error.errno() == Errno::EXIST => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn note_made(hierarchy: &Hierarchy, path: &Path) {
    if let Ok(mut made) = hierarchy.made.lock() {
        made.push(path.to_owned());
    }
}

/// Makes a group that may be there already, such as the pivot.
pub(super) fn make_or_open(hierarchy: &Hierarchy, below: &Path) -> lxc_sys::Result<Dir> {
    make_parents(hierarchy, &below.join("_"))?;
    if let Ok(mut made) = hierarchy.made.lock() {
        made.retain(|path| path != below);
    }
    hierarchy.base().at(below)
}

/// Makes a group below one of ours.
pub(super) fn make_inner(group: &Group, name: &Path) -> lxc_sys::Result<Dir> {
    group.dir.make(name)?;
    let dir = group.dir.at(name)?;
    if group.is_v1_of("cpuset") {
        cpuset::initialise(&group.hierarchy, Some(&group.dir), &dir)?;
    }
    Ok(dir)
}

/// Removes the directories above our groups that this process has made and nobody else uses.
pub(super) fn remove_made(hierarchy: &Hierarchy) {
    if let Ok(mut made) = hierarchy.made.lock() {
        while let Some(path) = made.pop() {
            let gone = rustix::fs::unlinkat(hierarchy.base(), &path, rustix::fs::AtFlags::REMOVEDIR);
            if matches!(gone, Err(Errno::BUSY | Errno::NOTEMPTY)) {
                // Of use to another group of this container still.
                made.push(path);
                return;
            }
        }
    }
}

/// Removes the groups of one name. A process that has just ended holds its group for a moment, so
/// the busy ones are tried again at growing distances, 0.8 s in all; `nudge` is called before.
///
/// # Errors
/// The first group that stays busy.
pub(super) fn remove_everywhere(
    groups: &[Group],
    below: &Path,
    nudge: &dyn Fn(),
    wait: &mut dyn FnMut(Duration),
) -> Result<(), Error> {
    let mut left: Vec<&Group> = groups.iter().collect();
    let mut failure = None;
    let mut pause = Duration::from_millis(1);
    loop {
        left.retain(|group| match group.hierarchy.base().remove_tree(below) {
            Ok(()) => {
                remove_made(&group.hierarchy);
                false
            }
            Err(error) => {
                failure = Some(error);
                true
            }
        });
        if left.is_empty() {
            return Ok(());
        }
        if pause == Duration::from_millis(1) {
            nudge();
        }
        if pause > Duration::from_millis(400) {
            return failure.map_or(Ok(()), |error| Err(error.into()));
        }
        wait(pause);
        pause *= 2;
    }
}

/// Moves the calling thread, the only one of its process, into a group.
///
/// In v1 a thread may write `0` to `tasks`: nothing has to stand still for it, for a thread that moves
/// itself cannot meanwhile exit. Moving a process by number takes a lock over all forks and exits of
/// the machine, for which the kernel waits several milliseconds. v2 only knows this way.
pub(super) fn move_self(dir: &Dir, version: Version) -> lxc_sys::Result<()> {
    match version {
        Version::V1 => dir.write("tasks", "0"),
        Version::V2 => dir.write("cgroup.procs", "0"),
    }
}

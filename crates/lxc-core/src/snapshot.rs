//! Snapshots: containers in a folder of their own beside or in the one that they were made of.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use lxc_config::config::HookKind;
use lxc_host::storage::{self, CloneSpec, How, Share, plan_clone, remove_tree};
use lxc_sys::time::LocalTime;
use lxc_sys::{Op, Result as SysResult};
use lxc_types::{Name, StorageKind};

use crate::container::{Container, DestroyOptions, Error};
use crate::copy::{self, Depend, Task, config, finish, worker};
use crate::create::rollback::Rollback;
use crate::destroy::{self, snapshots_of};
use crate::unfinished::{self, State};
use crate::{depends, folder, hooks, list, lock};

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name, such as `snap0`.
    pub name: Name,
    /// The folder that it is in.
    pub dir: PathBuf,
    /// When it was made, in the local time of then: `2026:11:22 01:14:58`. Empty if that is not known.
    pub timestamp: String,
    /// The file with what its maker said of it, if there is one.
    pub comment: Option<PathBuf>,
}

/// The snapshots of a container, by name; numbers count as numbers.
///
/// # Errors
/// Their folder cannot be read.
pub fn list(container: &Container) -> Result<Vec<Snapshot>, Error> {
    let dir = snapshots_of(container.lxcpath(), container.name());
    let mut all = Vec::new();
    for name in list::defined(&dir)? {
        let own = dir.join(name.as_str());
        if unfinished::state(&own)? != State::Finished {
            continue;
        }
        let comment = own.join("comment");
        all.push(Snapshot {
            dir: dir.clone(),
            timestamp: std::fs::read_to_string(own.join("ts")).unwrap_or_default(),
            comment: comment.is_file().then_some(comment),
            name,
        });
    }
    all.sort_by_key(|snapshot| {
        let digits = snapshot.name.trim_start_matches(|c: char| !c.is_ascii_digit());
        (digits.parse().unwrap_or(u64::MAX), snapshot.name.to_string())
    });
    Ok(all)
}

/// Makes a snapshot of a stopped container; `comment` is a file with words about it. Gives its name: the first
/// of `snap0`, `snap1`, … that is free.
///
/// # Errors
/// See [`copy::Error`].
pub fn create(container: &Container, comment: Option<&Path>) -> Result<Name, Error> {
    container.check_complete()?;
    if container.is_running() {
        return Err(copy::Error::Running.into());
    }
    let source = copy::source_of(container.config())?;
    let backend = storage::open(&source).map_err(copy::Error::from)?;
    let share = if backend.abilities().snapshots { Share::Always } else { Share::Never };
    let dir = snapshots_of(container.lxcpath(), container.name());
    lock::make_dirs(&dir)?;
    let made = loop {
        match make(container, &dir, comment, (share, backend.kind())) {
            // Somebody else was quicker to take this name.
            Err(Error::Copy(copy::Error::Exists(_) | copy::Error::InProgress(_))) => {}
            made => break made,
        }
    };
    if made.is_err() {
        // It stays if there are other snapshots.
        std::fs::remove_dir(&dir).ok();
    }
    made
}

fn make(
    container: &Container,
    dir: &Path,
    comment: Option<&Path>,
    (share, kind): (Share, StorageKind),
) -> Result<Name, Error> {
    let name = free_name(dir)?;
    Task {
        source: container,
        lxcpath: dir,
        name: &name,
        keep_name: true,
        keep_mac: true,
        share,
        storage: Some(kind),
        how: How::Copy,
        depend: Depend::AsSource,
        hook_args: &[],
        extra: &mut |folder, _| Ok(describe(folder, comment)?),
    }
    .run()?;
    Ok(name)
}

fn free_name(dir: &Path) -> Result<Name, Error> {
    for index in 0..u32::MAX {
        let name = format!("snap{index}");
        let own = dir.join(&name);
        let free = !own.exists() || unfinished::state(&own)? == State::Leftover;
        if let (true, Ok(name)) = (free, name.parse()) {
            return Ok(name);
        }
    }
    Err(Error::State(format!("{} is full", dir.display())))
}

/// When a snapshot was made, and what its maker says of it.
fn describe(folder: &Path, comment: Option<&Path>) -> SysResult<()> {
    let file = folder.join("ts");
    folder::write_new(&file, LocalTime::now()?.to_string().as_bytes(), 0o666)?;
    let Some(comment) = comment else { return Ok(()) };
    let file = folder.join("comment");
    let text = std::fs::read(comment).op("read", comment)?;
    let mode = std::fs::metadata(comment).op("stat", comment)?.permissions().mode() & 0o777;
    folder::write_new(&file, &text, 0o600)?;
    std::fs::set_permissions(&file, Permissions::from_mode(mode)).op("chmod", &file)
}

/// Opens a snapshot as the container that it is.
fn open(container: &Container, name: &Name) -> Result<Container, Error> {
    let dir = snapshots_of(container.lxcpath(), container.name());
    let snapshot = Container::open(container.dirs(), &dir, name.clone())?;
    if !snapshot.is_defined() {
        return Err(copy::Error::NoSnapshot(name.clone()).into());
    }
    Ok(snapshot)
}

/// Removes a snapshot.
///
/// # Errors
/// There is none of that name, or a container needs it.
pub fn destroy(container: &Container, name: &Name) -> Result<(), Error> {
    open(container, name)?.destroy(&DestroyOptions::default())
}

/// Removes all snapshots and their folder; none while others need one of them.
///
/// # Errors
/// As [`destroy`]; when a hook fails or a file cannot be removed, those that were removed before are gone.
pub fn destroy_all(container: &Container) -> Result<(), Error> {
    let dir = snapshots_of(container.lxcpath(), container.name());
    destroy::check_snapshots(&dir)?;
    for name in list::defined(&dir)? {
        destroy(container, &name)?;
    }
    Ok(remove_tree(&dir)?)
}

/// Makes a container of a snapshot: another one of the name `new`, or the one that it was made of anew.
///
/// # Errors
/// See [`copy::Error`]. Until all is in place, nothing has changed.
pub fn restore(container: &Container, name: &Name, new: &Name) -> Result<(), Error> {
    container.check_complete()?;
    let snapshot = open(container, name)?;
    snapshot.check_complete()?;
    if let Some(list) = depends::clones_of(&container.dir())? {
        return Err(copy::Error::HasClones(list).into());
    }
    let backend = storage::open(&copy::source_of(snapshot.config())?).map_err(copy::Error::from)?;
    if new == container.name() {
        if container.is_running() {
            return Err(copy::Error::Running.into());
        }
        return Ok(Restoration { container, snapshot: &snapshot, kind: backend.kind() }.run()?);
    }
    Task {
        source: &snapshot,
        lxcpath: container.lxcpath(),
        name: new,
        keep_name: false,
        keep_mac: false,
        share: Share::IfItCan,
        storage: Some(backend.kind()),
        how: How::Copy,
        depend: Depend::OnSource,
        hook_args: &[],
        extra: &mut |_, _| Ok(()),
    }
    .run()?;
    Ok(())
}

/// A container that becomes what its snapshot is. The new files are made in a folder beside the old ones and take
/// their places when they are complete.
struct Restoration<'a> {
    container: &'a Container,
    snapshot: &'a Container,
    kind: StorageKind,
}

impl Restoration<'_> {
    fn run(&self) -> copy::Result<()> {
        let (dirs, own) = (self.container.dirs(), self.container.dir());
        // Nobody removes the snapshot meanwhile.
        let _snapshot = lock::take(&dirs.run, self.snapshot.lxcpath(), self.snapshot.name())?;
        if !self.snapshot.config_file().exists() {
            return Err(copy::Error::NoSnapshot(self.snapshot.name().clone()));
        }
        let _lock = lock::take(&dirs.run, self.container.lxcpath(), self.container.name())?;
        let stage = own.join(".restore");
        remove_tree(&stage)?;
        let mut rollback = Rollback::new();
        copy::make_dir(&stage)?;
        let undo = stage.clone();
        rollback.push(format!("the directory {}", undo.display()), move || remove_tree(&undo));
        let owner = folder::owner(self.snapshot.config());
        let rootfs = stage.join("rootfs");
        copy::make_dir(&rootfs)?;
        folder::give(&rootfs, owner)?;
        let plan = plan_clone(self.clone_to(&stage))?;
        worker::run("restore", || plan.carry_out(&dirs.rootfs_mount).map_err(Into::into))?;
        let target = plan_clone(self.clone_to(&own))?.target()?;
        let from = self.snapshot.dir();
        let new = config::rewrite(
            self.snapshot.document(),
            self.snapshot.config(),
            &config::Move {
                from: &from,
                to: &own,
                name: self.container.name(),
                keep_name: false,
                keep_mac: false,
                rootfs: &target,
            },
        )?;
        self.before()?;
        let place = if self.kind == StorageKind::Overlay { "overlay/delta" } else { "rootfs" };
        for (number, file) in new.files.iter().enumerate() {
            let staged = stage.join(format!("file{number}"));
            config::CopiedFile { from: file.from.clone(), to: staged.clone() }.copy(&stage)?;
            swap(&staged, &file.to, &mut rollback)?;
        }
        swap(&stage.join(place), &own.join(place), &mut rollback)?;
        let text = stage.join("config");
        folder::write_new(&text, &new.document.to_text(), 0o660)?;
        swap(&text, &own.join("config"), &mut rollback)?;
        finish::run(&finish::Finish {
            dirs,
            config: &new.config,
            config_file: &own.join("config"),
            rootfs: &target,
            name: self.container.name(),
            source: self.snapshot.name(),
            hook_args: &[],
            host_name: Some(self.container.name()),
        })?;
        rollback.commit();
        self.clear_old_storage(&target)?;
        Ok(remove_tree(&stage)?)
    }

    fn clone_to(&self, container: &Path) -> CloneSpec {
        CloneSpec {
            source: copy::source_of(self.snapshot.config())
                .unwrap_or_else(|_| storage::Source { kind: None, path: PathBuf::new() }),
            kind: Some(self.kind),
            share: Share::IfItCan,
            elsewhere: false,
            container: container.to_owned(),
            owner: folder::owner(self.snapshot.config()),
            how: How::Copy,
            leaves: None,
        }
    }

    /// What was there is destroyed, as far as its hooks are concerned.
    fn before(&self) -> copy::Result<()> {
        let (config, dirs) = (self.container.config(), self.container.dirs());
        let (name, file) = (self.container.name(), self.container.config_file());
        let plan = crate::plan::hooks::for_disk(config, dirs, name, file);
        Ok(hooks::run(&plan.list, HookKind::Destroy, &plan.context, &plan.env, &[])?)
    }

    /// The old root file system, if the new one has not taken its place.
    fn clear_old_storage(&self, target: &storage::Source) -> copy::Result<()> {
        let (config, name) = (self.container.config(), self.container.name());
        let same = copy::source_of(config).is_ok_and(|old| old.path == target.path);
        let doomed = destroy::Doomed { lxcpath: self.container.lxcpath(), name, config };
        if !same
            && config.rootfs.managed
            && let Err(error) = doomed.remove_storage()
        {
            log::warn!("the old root file system stays: {error}");
        }
        Ok(())
    }
}

/// Puts `new` in the place of `old`, which becomes `new` if it was there.
fn swap(new: &Path, old: &Path, rollback: &mut Rollback) -> SysResult<()> {
    if let Some(parent) = old.parent() {
        lock::make_dirs(parent)?;
    }
    let exchanged = match rustix::fs::renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Ok(()) => true,
        Err(Errno::NOENT) => {
            std::fs::rename(new, old).op("rename", old)?;
            false
        }
        // File systems that cannot do both at once.
        Err(Errno::INVAL) => {
            let aside = new.with_extension("old");
            std::fs::rename(old, &aside).op("rename", old)?;
            let undo = (aside.clone(), old.to_owned());
            rollback.push(format!("the move of {}", old.display()), move || {
                std::fs::rename(&undo.0, &undo.1).op("rename", &undo.1)
            });
            std::fs::rename(new, old).op("rename", old)?;
            false
        }
        Err(errno) => return Err(errno).op("rename", old),
    };
    let (new, old) = (new.to_owned(), old.to_owned());
    rollback.push(format!("the new {}", old.display()), move || match exchanged {
        true => rustix::fs::renameat_with(CWD, &new, CWD, &old, RenameFlags::EXCHANGE).op("rename", &old),
        false => std::fs::rename(&old, &new).op("rename", &old),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dirs::Dirs;

    #[test]
    fn all_go_with_their_storage_or_none() {
        let (lxcpath, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = lxcpath.path().join("c1");
        let rootfs = elsewhere.path().join("rootfs");
        std::fs::create_dir_all(rootfs.join("bin")).unwrap();
        for (name, path) in [("snap0", rootfs.clone()), ("snap1", folder.join("snaps/snap1/rootfs"))] {
            std::fs::create_dir_all(folder.join("snaps").join(name)).unwrap();
            let config = format!("lxc.rootfs.path = dir:{}\n", path.display());
            std::fs::write(folder.join("snaps").join(name).join("config"), config).unwrap();
        }
        std::fs::write(folder.join("config"), "").unwrap();
        let dirs = Dirs { run: elsewhere.path().join("run"), ..Dirs::of_this_process() };
        let container = Container::open(&dirs, lxcpath.path(), "c1".parse().unwrap()).unwrap();
        let clones = folder.join("snaps/snap1/lxc_snapshots");
        std::fs::write(&clones, "/x\ny\n").unwrap();
        let with_snapshots = DestroyOptions { force: false, snapshots: true };
        let refused = [destroy_all(&container), container.destroy(&with_snapshots)];
        for refused in refused {
            assert!(matches!(refused, Err(Error::Destroy(destroy::Error::HasClones(_)))));
        }
        assert!(folder.join("snaps/snap0").exists() && rootfs.exists());
        std::fs::remove_file(&clones).unwrap();
        container.destroy(&with_snapshots).unwrap();
        assert!(!folder.exists() && !rootfs.exists());
    }
}

//! Removing a container from disk. Runs in tools and libraries.

use std::path::{Path, PathBuf};

use lxc_config::Config;
use lxc_config::config::HookKind;
use lxc_host::storage::{self, Overlay, Source, remove_tree};
use lxc_sys::{Error as SysError, Op};
use lxc_types::{Name, StorageKind};

use crate::depends::{self, Pair};
use crate::hooks::{self, HookError};
use crate::unfinished::{self, State};
use crate::{list, lock};

/// What stands in the way of removing a container.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Copies made as snapshots of it need its files.
    #[error("the container has copies that need it: {}", .0.display())]
    HasClones(PathBuf),
    /// It has snapshots.
    #[error("the container has snapshots: {}", .0.display())]
    HasSnapshots(PathBuf),
    /// Another program was quicker.
    #[error("not defined any more: no {}", .0.display())]
    Gone(PathBuf),
    /// The storage could not be removed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Its root file system is the host's, or holds the container itself.
    #[error("lxc.rootfs.path: refusing to remove {}", .0.display())]
    Refused(PathBuf),
    /// A hook failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A file could not be read or removed.
    #[error(transparent)]
    Sys(#[from] SysError),
}

type Result<T, E = Error> = std::result::Result<T, E>;

/// Removes a container without its destroy hooks: as upstream, an ephemeral one that has stopped.
///
/// # Errors
/// See [`Error`].
pub fn without_hooks(config: &Config, run: &Path, lxcpath: &Path, name: &Name) -> Result<()> {
    let doomed = Doomed { lxcpath, name, config };
    doomed.remove_storage()?;
    forget_in_parents(run, lxcpath, name)?;
    doomed.remove_folder()
}

/// Removes what a broken creation left, if nobody else was quicker to do so. Its configuration is not believed: it
/// may not be the container's own yet.
///
/// # Errors
/// Those of removing files.
pub(crate) fn leftover(run: &Path, lxcpath: &Path, name: &Name) -> lxc_sys::Result<()> {
    let _lock = lock::take(run, lxcpath, name)?;
    match unfinished::state(&lxcpath.join(name.as_str()))? {
        State::Leftover => leftover_held(run, lxcpath, name),
        State::Finished | State::InProgress => Ok(()),
    }
}

/// The same, by who has the container's lock and knows what is there.
///
/// # Errors
/// Those of removing files.
pub(crate) fn leftover_held(run: &Path, lxcpath: &Path, name: &Name) -> lxc_sys::Result<()> {
    let folder = lxcpath.join(name.as_str());
    log::warn!("removing {}, which a broken creation left", folder.display());
    forget_in_parents(run, lxcpath, name)?;
    // Until all else is gone, the mark says what this is.
    remove_except(&folder, &["partial"])?;
    remove_tree(&folder)
}

/// Empties a container's folder, but for entries of these names.
fn remove_except(folder: &Path, names: &[&str]) -> lxc_sys::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.op("opendir", folder)?,
    };
    for entry in entries {
        let entry = entry.op("readdir", folder)?;
        if !names.iter().any(|name| entry.file_name() == *name) {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a container from the lists of those whose files it uses.
fn forget_in_parents(run: &Path, lxcpath: &Path, name: &Name) -> lxc_sys::Result<()> {
    let own = Pair::new(lxcpath, name);
    for parent in depends::needed_by(&lxcpath.join(name.as_str()))? {
        depends::remove_clone(run, &parent, &own, false)?;
    }
    Ok(())
}

/// Where a container's snapshots are: beside the containers in the old style, if that folder is there.
pub(crate) fn snapshots_of(lxcpath: &Path, name: &Name) -> PathBuf {
    let mut old = lxcpath.as_os_str().to_owned();
    old.push("snaps");
    let old = PathBuf::from(old);
    if old.is_dir() { old.join(name.as_str()) } else { lxcpath.join(name.as_str()).join("snaps") }
}

/// Refuses snapshots of which others are made.
pub(crate) fn check_snapshots(snaps: &Path) -> Result<()> {
    for name in list::defined(snaps)? {
        if let Some(clones) = depends::clones_of(&snaps.join(name.as_str()))? {
            return Err(Error::HasClones(clones));
        }
    }
    Ok(())
}

/// A stopped container that is to be removed.
#[derive(Clone, Copy, Debug)]
pub struct Doomed<'a> {
    /// The folder of containers.
    pub lxcpath: &'a Path,
    /// Its name.
    pub name: &'a Name,
    /// Its configuration.
    pub config: &'a Config,
}

impl Doomed<'_> {
    fn folder(&self) -> PathBuf {
        self.lxcpath.join(self.name.as_str())
    }

    /// Refuses a container that others need, or that has snapshots.
    ///
    /// # Errors
    /// [`Error::HasClones`], [`Error::HasSnapshots`].
    pub fn check(&self) -> Result<()> {
        self.check_clones()?;
        let snaps = snapshots_of(self.lxcpath, self.name);
        if is_filled(&snaps) {
            return Err(Error::HasSnapshots(snaps));
        }
        Ok(())
    }

    fn check_clones(&self) -> Result<()> {
        match depends::clones_of(&self.folder())? {
            Some(clones) => Err(Error::HasClones(clones)),
            None => Ok(()),
        }
    }

    /// Runs the hooks, removes the storage, what other containers note about it, and its folder. The caller
    /// has made sure that it is stopped. `run` is the directory for files of running programs, `file` the container's
    /// configuration.
    ///
    /// # Errors
    /// See [`Error`]; what was removed before is gone.
    pub fn remove(&self, run: &Path, file: &Path, hooks: &[hooks::Hook], env: &hooks::Env) -> Result<()> {
        let _lock = lock::take(run, self.lxcpath, self.name.as_str())?;
        if !file.exists() {
            return Err(Error::Gone(file.to_owned()));
        }
        self.check()?;
        let context = hooks::Context { name: self.name.to_string(), version: self.config.hooks.version };
        hooks::run(hooks, HookKind::Destroy, &context, env, &[])?;
        if !self.config.rootfs.managed {
            return Ok(());
        }
        self.remove_storage()?;
        forget_in_parents(run, self.lxcpath, self.name)?;
        self.remove_folder()
    }

    /// Refuses a container that others need, or whose snapshots they need.
    ///
    /// # Errors
    /// [`Error::HasClones`].
    pub fn check_all(&self) -> Result<()> {
        self.check_clones()?;
        check_snapshots(&snapshots_of(self.lxcpath, self.name))
    }

    /// Removes the container's own files of its root file system. The host's root is nobody's own.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn remove_storage(&self) -> Result<()> {
        let Some(source) = self.config.rootfs.source.as_ref().map(|source| &source.value) else {
            return Ok(());
        };
        let source = Source { kind: source.kind, path: PathBuf::from(&source.path) };
        if source.path == Path::new("/") {
            return Ok(());
        }
        // A mistake in the configuration must not cost all containers or the host.
        let tree = match source.kind {
            None | Some(StorageKind::Dir) => Some(source.path.clone()),
            Some(StorageKind::Overlay) => Some(Overlay::parse(&source.path)?.upper().to_owned()),
            Some(_) => None,
        };
        if let Some(tree) = tree
            && (!tree.is_absolute() || climbs(&tree) || holds(&tree, self.lxcpath))
        {
            return Err(Error::Refused(tree));
        }
        match storage::open(&source) {
            Ok(backend) => Ok(backend.destroy()?),
            Err(storage::Error::Unknown(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the container's folder. Snapshots in it stay, and then the folder does.
    fn remove_folder(&self) -> Result<()> {
        let folder = self.folder();
        // As long as something else cannot be removed, the container can be destroyed again.
        remove_except(&folder, &["snaps", "config"])?;
        if is_filled(&folder.join("snaps")) {
            return Ok(remove_tree(&folder.join("config"))?);
        }
        Ok(remove_tree(&folder)?)
    }
}

fn climbs(path: &Path) -> bool {
    path.components().any(|part| part == std::path::Component::ParentDir)
}

/// Whether `tree` is `path`, or a directory on the way to it, whatever links lead there.
fn holds(tree: &Path, path: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.starts_with(tree) || real(path).starts_with(real(tree))
}

/// Whether a directory has any entry.
fn is_filled(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    use lxc_config::Sourced;
    use lxc_config::config::RootfsSource;

    struct Made {
        dir: tempfile::TempDir,
        name: Name,
        config: Config,
    }

    impl Made {
        fn new(kind: Option<StorageKind>, path: impl Fn(&Path) -> String) -> Made {
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().join("c1");
            std::fs::create_dir_all(folder.join("rootfs/bin")).unwrap();
            std::fs::create_dir_all(folder.join("overlay/delta/etc")).unwrap();
            std::fs::write(folder.join("config"), "").unwrap();
            let mut config = Config::default();
            config.rootfs.source = Some(Sourced::by_program(RootfsSource { kind, path: path(dir.path()) }));
            Made { dir, name: "c1".parse().unwrap(), config }
        }

        fn doomed(&self) -> Doomed<'_> {
            Doomed { lxcpath: self.dir.path(), name: &self.name, config: &self.config }
        }

        fn remove(&self) -> Result<()> {
            let run = tempfile::tempdir().unwrap();
            self.doomed().remove(
                run.path(),
                &self.doomed().folder().join("config"),
                &[],
                &hooks::Env::default(),
            )
        }
    }

    #[test]
    fn the_mark_goes_last() {
        let made = Made::new(None, |_| "/".to_owned());
        let folder = made.dir.path().join("c1");
        std::fs::write(folder.join("partial"), "").unwrap();
        remove_except(&folder, &["partial"]).unwrap();
        let names: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["partial"]);
        let run = tempfile::tempdir().unwrap();
        leftover(run.path(), made.dir.path(), &made.name).unwrap();
        assert!(!folder.exists());
        std::fs::create_dir(&folder).unwrap();
        leftover(run.path(), made.dir.path(), &made.name).unwrap();
        assert!(folder.exists(), "somebody else's by now");
    }

    #[test]
    fn all_of_a_container_goes() {
        let made =
            Made::new(Some(StorageKind::Dir), |lxcpath| lxcpath.join("c1/rootfs").display().to_string());
        made.remove().unwrap();
        assert_eq!(std::fs::read_dir(made.dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_lower_directory_of_an_overlay_stays() {
        let lower = tempfile::tempdir().unwrap();
        std::fs::write(lower.path().join("file"), "").unwrap();
        let made = Made::new(Some(StorageKind::Overlay), |lxcpath| {
            format!("{}:{}", lower.path().display(), lxcpath.join("c1/overlay/delta").display())
        });
        made.remove().unwrap();
        assert!(lower.path().join("file").exists());
        assert!(!made.dir.path().join("c1").exists());
    }

    #[test]
    fn a_storage_that_holds_the_containers_is_refused() {
        for way in ["", "/..", "/c1/../../"] {
            let made = Made::new(None, |lxcpath| format!("{}{way}", lxcpath.display()));
            assert!(matches!(made.remove(), Err(Error::Refused(_))));
            assert!(made.dir.path().join("c1/config").exists());
        }
    }

    #[test]
    fn links_and_layers_that_hold_the_containers_are_refused() {
        let made = Made::new(Some(StorageKind::Overlay), |lxcpath| format!("/lower:{}", lxcpath.display()));
        assert!(matches!(made.remove(), Err(Error::Refused(_))));
        let mut made = Made::new(None, |lxcpath| lxcpath.display().to_string());
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("lxc");
        std::os::unix::fs::symlink(made.dir.path(), &link).unwrap();
        let doomed = Doomed { lxcpath: &link, name: &made.name, config: &made.config };
        assert!(matches!(doomed.remove_storage(), Err(Error::Refused(_))));
        assert!(made.dir.path().join("c1/config").exists());
        // What lies below the link is the container's own.
        let own = format!("{}/c1/rootfs", link.display());
        made.config.rootfs.source = Some(Sourced::by_program(RootfsSource { kind: None, path: own }));
        Doomed { lxcpath: &link, name: &made.name, config: &made.config }.remove_storage().unwrap();
        assert!(!made.dir.path().join("c1/rootfs").exists() && made.dir.path().join("c1/config").exists());
    }

    #[test]
    fn unmanaged_storage_is_left_alone() {
        let mut made = Made::new(None, |lxcpath| lxcpath.join("c1/rootfs").display().to_string());
        made.config.rootfs.managed = false;
        made.remove().unwrap();
        assert!(made.dir.path().join("c1/rootfs/bin").exists());
    }

    #[test]
    fn snapshots_and_copies_are_in_the_way() {
        let made = Made::new(None, |lxcpath| lxcpath.join("c1/rootfs").display().to_string());
        let snaps = made.dir.path().join("c1/snaps/snap0");
        std::fs::create_dir_all(&snaps).unwrap();
        assert!(matches!(made.remove(), Err(Error::HasSnapshots(_))));
        std::fs::remove_dir(&snaps).unwrap();
        std::fs::write(made.dir.path().join("c1/lxc_snapshots"), "/x\ny\n").unwrap();
        assert!(matches!(made.remove(), Err(Error::HasClones(_))));
        assert!(made.dir.path().join("c1/rootfs/bin").exists());
    }

    #[test]
    fn parents_forget_it() {
        let made = Made::new(None, |lxcpath| lxcpath.join("c1/rootfs").display().to_string());
        let lxcpath = made.dir.path().display().to_string();
        let parent = made.dir.path().join("parent");
        std::fs::create_dir(&parent).unwrap();
        std::fs::write(parent.join("lxc_snapshots"), format!("{lxcpath}\nc1\n")).unwrap();
        std::fs::write(made.dir.path().join("c1/lxc_rdepends"), format!("{lxcpath}\nparent\n")).unwrap();
        made.remove().unwrap();
        assert!(!parent.join("lxc_snapshots").exists());
    }
}

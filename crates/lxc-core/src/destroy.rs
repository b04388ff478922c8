//! Removing a container from disk. Runs in tools and libraries.

use std::path::{Path, PathBuf};

use lxc_config::config::HookKind;
use lxc_config::{Config, Diagnostic};
use lxc_host::storage::{self, Source, remove_tree};
use lxc_sys::{Error as SysError, Op};
use lxc_types::{Name, StorageKind};

use crate::config_file;
use crate::hooks::{self, HookError};
use crate::lock;

/// What stands in the way of removing a container.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Copies made as snapshots of it need its files.
    #[error("the container has copies that need it: {}", .0.display())]
    HasClones(PathBuf),
    /// It has snapshots.
    #[error("the container has snapshots: {}", .0.display())]
    HasSnapshots(PathBuf),
    /// The configuration of a snapshot is faulty: what it consists of is not known.
    #[error("{}", .problems.first().map_or_else(|| file.display().to_string(), ToString::to_string))]
    Snapshot {
        /// The configuration.
        file: PathBuf,
        /// What is wrong with it.
        problems: Vec<Diagnostic>,
    },
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

/// Removes what is left of an ephemeral container that has stopped: as upstream, without destroy hooks.
///
/// # Errors
/// See [`Error`].
pub fn ephemeral(config: &Config, lxcpath: &Path, name: &Name) -> Result<()> {
    let doomed = Doomed { lxcpath, name, config };
    doomed.remove_storage()?;
    doomed.forget_in_parents()?;
    doomed.remove_folder()
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
        let folder = self.folder();
        let clones = folder.join("lxc_snapshots");
        if std::fs::read_to_string(&clones).is_ok_and(|text| has_clones(&text)) {
            return Err(Error::HasClones(clones));
        }
        let snaps = self.snapshots();
        if is_filled(&snaps) {
            return Err(Error::HasSnapshots(snaps));
        }
        Ok(())
    }

    /// Where its snapshots are: beside the containers in the old style, if that folder is there.
    fn snapshots(&self) -> PathBuf {
        let mut old = self.lxcpath.as_os_str().to_owned();
        old.push("snaps");
        let old = PathBuf::from(old);
        if old.is_dir() { old.join(self.name.as_str()) } else { self.folder().join("snaps") }
    }

    /// Runs the hooks, removes the storage, what other containers note about it, and its folder. The caller
    /// has made sure that it is stopped. `run` is the directory for files of running programs.
    ///
    /// # Errors
    /// See [`Error`]; what was removed before is gone.
    pub fn remove(&self, run: &Path, hooks: &[hooks::Hook], env: &hooks::Env) -> Result<()> {
        let _lock = lock::take(run, self.lxcpath, self.name.as_str())?;
        self.check()?;
        let context = hooks::Context { name: self.name.to_string(), version: self.config.hooks.version };
        hooks::run(hooks, HookKind::Destroy, &context, env, &[])?;
        if !self.config.rootfs.managed {
            return Ok(());
        }
        self.remove_storage()?;
        self.forget_in_parents()?;
        self.remove_folder()
    }

    /// Removes all its snapshots, which are containers in a folder of their own.
    ///
    /// # Errors
    /// A snapshot that others need, or that cannot be removed.
    pub fn remove_snapshots(&self, run: &Path) -> Result<()> {
        let snaps = self.snapshots();
        for name in crate::list::defined(&snaps)? {
            let file = snaps.join(name.as_str()).join("config");
            let config =
                config_file::load(&file).map_err(|problems| Error::Snapshot { file, problems })?.config;
            let snapshot = Doomed { lxcpath: &snaps, name: &name, config: &config };
            snapshot.remove(run, &[], &hooks::Env::default())?;
        }
        Ok(remove_tree(&snaps)?)
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
        let is_tree = source.kind.is_none_or(|kind| kind == StorageKind::Dir);
        let climbs = source.path.components().any(|c| c == std::path::Component::ParentDir);
        let holds_all = self.folder().parent().is_some_and(|p| p.starts_with(&source.path));
        if is_tree && (!source.path.is_absolute() || climbs || holds_all) {
            return Err(Error::Refused(source.path));
        }
        match storage::open(&source) {
            Ok(backend) => Ok(backend.destroy()?),
            Err(storage::Error::Unknown(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes this container from the lists of those whose files it uses.
    fn forget_in_parents(&self) -> Result<()> {
        let depends = self.folder().join("lxc_rdepends");
        let Ok(text) = std::fs::read_to_string(&depends) else { return Ok(()) };
        let mut lines = text.lines();
        while let (Some(lxcpath), Some(name)) = (lines.next(), lines.next()) {
            let list = Path::new(lxcpath).join(name).join("lxc_snapshots");
            let Ok(text) = std::fs::read_to_string(&list) else { continue };
            let own = self.lxcpath.to_string_lossy();
            let left = without(&text, &own, self.name.as_str());
            if left.is_empty() {
                std::fs::remove_file(&list).op("unlink", &list)?;
            } else {
                std::fs::write(&list, left).op("write", &list)?;
            }
        }
        Ok(())
    }

    /// Removes the container's folder. Snapshots in it stay, and then the folder does.
    fn remove_folder(&self) -> Result<()> {
        let folder = self.folder();
        if !is_filled(&folder.join("snaps")) {
            return Ok(remove_tree(&folder)?);
        }
        for entry in std::fs::read_dir(&folder).op("opendir", &folder)? {
            let entry = entry.op("readdir", &folder)?;
            if entry.file_name() != "snaps" {
                remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Whether a list of dependent containers names any. The old format is their count.
fn has_clones(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.parse::<u64>() != Ok(0)
}

/// A list of pairs of lines (folder, name), or a count in the old format, without one container.
fn without(text: &str, lxcpath: &str, name: &str) -> String {
    if let Ok(count) = text.trim().parse::<u64>() {
        return if count > 1 { (count - 1).to_string() } else { String::new() };
    }
    let mut left = String::new();
    let mut lines = text.lines();
    while let (Some(path), Some(other)) = (lines.next(), lines.next()) {
        if (path, other) != (lxcpath, name) {
            left.push_str(&format!("{path}\n{other}\n"));
        }
    }
    left
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

    #[test]
    fn lists_of_copies() {
        let text = "/var/lib/lxc\ns1\n/var/lib/lxc\ns2\n";
        assert!(has_clones(text));
        assert_eq!(without(text, "/var/lib/lxc", "s1"), "/var/lib/lxc\ns2\n");
        assert_eq!(without("/var/lib/lxc\ns1\n", "/var/lib/lxc", "s1"), "");
        assert_eq!(without("/srv\ns1\n", "/var/lib/lxc", "s1"), "/srv\ns1\n");
        assert!(has_clones("2") && !has_clones("0\n") && !has_clones(""));
        assert_eq!(without("2", "/x", "y"), "1");
        assert_eq!(without("1\n", "/x", "y"), "");
    }

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
            self.doomed().remove(run.path(), &[], &hooks::Env::default())
        }
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

    #[test]
    fn snapshots_go_with_their_storage() {
        let made = Made::new(None, |lxcpath| lxcpath.join("c1/rootfs").display().to_string());
        let elsewhere = tempfile::tempdir().unwrap();
        let rootfs = elsewhere.path().join("rootfs");
        std::fs::create_dir_all(rootfs.join("bin")).unwrap();
        let snap = made.dir.path().join("c1/snaps/snap0");
        std::fs::create_dir_all(&snap).unwrap();
        std::fs::write(snap.join("config"), format!("lxc.rootfs.path = dir:{}\n", rootfs.display())).unwrap();
        let run = tempfile::tempdir().unwrap();
        made.doomed().remove_snapshots(run.path()).unwrap();
        assert!(!snap.exists() && !rootfs.exists());
        made.remove().unwrap();
    }
}

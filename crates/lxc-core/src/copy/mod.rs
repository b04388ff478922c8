//! Copying a container: its folder, configuration, scripts and root file system. Runs in tools and libraries.
//!
//! The new container is marked as unfinished from its first file on, and what goes wrong is undone. Who is
//! killed meanwhile leaves the mark without its lock: the next program that wants the name clears it away.

pub(crate) mod config;
pub(crate) mod finish;
pub(crate) mod worker;

use std::path::{Path, PathBuf};

use lxc_config::{Config, Diagnostic, Document};
use lxc_host::storage::{self, ClonePlan, CloneSpec, How, Share, Source, plan_clone, remove_tree};
use lxc_sys::{Error as SysError, Op};
use lxc_types::{Name, StorageKind};

use crate::container::Container;
use crate::create::rollback::Rollback;
use crate::depends::{self, Pair};
use crate::hooks::HookError;
use crate::start::link::ReportedError;
use crate::unfinished::{self, Mark, State};
use crate::{destroy, folder, lock};

/// How a container is copied.
#[derive(Clone, Debug)]
pub struct CopyOptions {
    /// The folder of containers for the new one; `None`: the first one's.
    pub lxcpath: Option<PathBuf>,
    /// The new name.
    pub name: Name,
    /// Keep the host name.
    pub keep_name: bool,
    /// Keep hardware addresses.
    pub keep_mac: bool,
    /// Share files with the first one instead of copying them.
    pub snapshot: bool,
    /// The type of the new storage.
    pub storage: Option<StorageKind>,
    /// Copy a container that runs, too.
    pub allow_running: bool,
    /// More arguments for the clone hooks.
    pub hook_args: Vec<String>,
}

impl CopyOptions {
    /// A plain copy beside the first one.
    pub fn new(name: Name) -> Self {
        CopyOptions {
            lxcpath: None,
            name,
            keep_name: false,
            keep_mac: false,
            snapshot: false,
            storage: None,
            allow_running: false,
            hook_args: Vec::new(),
        }
    }
}

/// Why a container was not copied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is one of that name.
    #[error("the container exists: {}", .0.display())]
    Exists(PathBuf),
    /// Another program is making it.
    #[error("the container is being made by another program (it holds {})", .0.display())]
    InProgress(PathBuf),
    /// The container runs.
    #[error("the container is running: stop it first")]
    Running,
    /// The container has no root file system of its own.
    #[error("the container has no root file system that could be copied (lxc.rootfs.path)")]
    NoRootfs,
    /// The container has snapshots or others need it.
    #[error("the container has snapshots: {}", .0.display())]
    HasSnapshots(PathBuf),
    /// Others need it.
    #[error("the container has copies that need it: {}", .0.display())]
    HasClones(PathBuf),
    /// There is no such snapshot.
    #[error("there is no snapshot {0}")]
    NoSnapshot(Name),
    /// The new configuration would be faulty.
    #[error("{}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Config(Vec<Diagnostic>),
    /// A value cannot be written.
    #[error("{0}")]
    Value(String),
    /// The storage cannot be copied.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The copying process failed.
    #[error(transparent)]
    Reported(ReportedError),
    /// A hook failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A file could not be read or made.
    #[error(transparent)]
    Sys(#[from] SysError),
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether the new container is written down with the one that it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depend {
    /// If it uses its files.
    OnSource,
    /// No: it lies in it. It needs what that one needs.
    AsSource,
    /// No: it takes its place, with what it needs and what lies in its folder.
    Instead,
}

/// One copy, with all that decides about it.
pub(crate) struct Task<'a> {
    pub(crate) source: &'a Container,
    pub(crate) lxcpath: &'a Path,
    pub(crate) name: &'a Name,
    pub(crate) keep_name: bool,
    pub(crate) keep_mac: bool,
    pub(crate) share: Share,
    pub(crate) storage: Option<StorageKind>,
    pub(crate) how: How,
    pub(crate) depend: Depend,
    pub(crate) hook_args: &'a [String],
    /// Called once the new folder is there: may put files into it, and lines to the end of the configuration.
    pub(crate) extra: &'a mut dyn FnMut(&Path, &mut Document) -> Result<()>,
}

/// Copies `source`.
///
/// # Errors
/// See [`Error`]. What was made before the failure is removed again.
pub fn copy(source: &Container, o: &CopyOptions) -> Result<Container, crate::Error> {
    copy_with(source, o, &mut |_, _| Ok(()))
}

/// The same, with something added to the new container before anybody can see it as complete.
pub(crate) fn copy_with(
    source: &Container,
    o: &CopyOptions,
    extra: &mut dyn FnMut(&Path, &mut Document) -> Result<()>,
) -> Result<Container, crate::Error> {
    source.check_complete()?;
    if !o.allow_running && source.is_running() {
        return Err(Error::Running.into());
    }
    Task {
        source,
        lxcpath: o.lxcpath.as_deref().unwrap_or(source.lxcpath()),
        name: &o.name,
        keep_name: o.keep_name,
        keep_mac: o.keep_mac,
        share: if o.snapshot { Share::Always } else { Share::Never },
        storage: o.storage,
        how: How::Copy,
        depend: Depend::OnSource,
        hook_args: &o.hook_args,
        extra,
    }
    .run()
}

/// Where the root file system of a container is.
pub(crate) fn source_of(config: &Config) -> Result<Source> {
    let source = config.rootfs.source.as_ref().ok_or(Error::NoRootfs)?;
    let source = Source { kind: source.value.kind, path: PathBuf::from(&source.value.path) };
    if source.path == Path::new("/") { Err(Error::NoRootfs) } else { Ok(source) }
}

impl Task<'_> {
    /// Does it all.
    pub(crate) fn run(&mut self) -> Result<Container, crate::Error> {
        let folder = self.lxcpath.join(self.name.as_str());
        self.make(&folder)?;
        Container::open(self.source.dirs(), self.lxcpath, self.name.clone())
    }

    fn make(&mut self, folder: &Path) -> Result<()> {
        let dirs = self.source.dirs();
        check_vacant(folder)?;
        let owner = folder::owner(self.source.config());
        let plan = plan_clone(CloneSpec {
            source: source_of(self.source.config())?,
            kind: self.storage,
            share: self.share,
            elsewhere: self.lxcpath != self.source.lxcpath(),
            container: folder.to_owned(),
            owner,
            how: self.how,
            leaves: (self.depend == Depend::Instead).then(|| self.source.dir()),
        })?;
        // First who needs, then who is needed, as everywhere: what is left of a copy has the source in its lists.
        let _target = lock::take(&dirs.run, self.lxcpath, self.name)?;
        // Somebody else may have had the lock meanwhile.
        if check_vacant(folder)? == State::Leftover {
            destroy::leftover_held(&dirs.run, self.lxcpath, self.name)?;
        }
        let _source = lock::take(&dirs.run, self.source.lxcpath(), self.source.name())?;
        let mut rollback = Rollback::new();
        folder::make(folder, owner, &mut rollback)?;
        let mark = self.mark(folder, &mut rollback)?;
        let rewritten = self.write(folder, &plan, &mut rollback)?;
        // The root file system, or where it appears.
        make_new(&folder.join("rootfs"), owner, &mut rollback)?;
        if plan.target()?.kind == Some(StorageKind::Overlay) {
            make_new(&folder.join("overlay"), owner, &mut rollback)?;
        }
        worker::run("copy", || plan.carry_out(&dirs.rootfs_mount).map_err(Into::into))?;
        self.write_dependencies(folder, &plan, &mut rollback)?;
        self.finish(folder, &plan, &rewritten.config)?;
        mark.finish()?;
        rollback.commit();
        Ok(())
    }

    fn mark(&self, folder: &Path, rollback: &mut Rollback) -> Result<Mark> {
        let path = unfinished::mark_of(folder);
        let Some(mark) = Mark::set(folder)? else { return Err(Error::InProgress(path)) };
        rollback.push("the mark of an unfinished copy", move || unfinished::remove(&path));
        Ok(mark)
    }

    /// The configuration, and the files that it names in the container's folder.
    fn write(
        &mut self,
        folder: &Path,
        plan: &ClonePlan,
        rollback: &mut Rollback,
    ) -> Result<config::Rewritten> {
        let from = self.source.dir();
        let moved = config::Move {
            from: &from,
            to: folder,
            name: self.name,
            keep_name: self.keep_name,
            keep_mac: self.keep_mac,
            rootfs: &plan.target()?,
        };
        let mut rewritten = config::rewrite(self.source.document(), self.source.config(), &moved)?;
        (self.extra)(folder, &mut rewritten.document)?;
        let path = folder.join("config");
        let undo = path.clone();
        rollback.push("the configuration", move || unfinished::remove(&undo));
        folder::write_new(&path, &rewritten.document.to_text(), 0o660)?;
        for file in &rewritten.files {
            file.copy(folder)?;
            let path = file.to.clone();
            rollback.push(format!("the file {}", path.display()), move || unfinished::remove(&path));
        }
        Ok(rewritten)
    }

    fn write_dependencies(&self, folder: &Path, plan: &ClonePlan, rollback: &mut Rollback) -> Result<()> {
        if !plan.shares() {
            return Ok(());
        }
        let run = &self.source.dirs().run;
        let source = Pair::new(self.source.lxcpath(), self.source.name());
        let mut parents = depends::needed_by(&self.source.dir())?;
        if self.depend == Depend::OnSource {
            parents.push(source.clone());
        }
        let own = Pair::new(self.lxcpath, self.name);
        if let Some(odd) = parents.iter().chain([&own]).find(|pair| !pair.is_sound()) {
            let text = format!(
                "{:?} cannot be noted as a folder of containers, {:?} as a name",
                odd.lxcpath, odd.name
            );
            return Err(Error::Value(text));
        }
        depends::write_needed(folder, &parents)?;
        let list = folder.join("lxc_rdepends");
        rollback.push("what the container needs", move || unfinished::remove(&list));
        for parent in parents {
            // The source's lock is this task's, also while something is undone.
            let held = parent == source;
            depends::add_clone(run, &parent, &own, held)?;
            let (run, own) = (run.clone(), own.clone());
            rollback.push(format!("the entry with {}", parent.name), move || {
                depends::remove_clone(&run, &parent, &own, held)
            });
        }
        Ok(())
    }

    fn finish(&self, folder: &Path, plan: &ClonePlan, config: &Config) -> Result<()> {
        let target = plan.target()?;
        finish::run(&finish::Finish {
            dirs: self.source.dirs(),
            config,
            config_file: &folder.join("config"),
            rootfs: &target,
            name: self.name,
            source: self.source.name(),
            hook_args: self.hook_args,
            host_name: (!self.keep_name).then_some(self.name.as_str()),
        })
    }
}

/// Refuses a folder that holds a container, or where somebody makes one.
fn check_vacant(folder: &Path) -> Result<State> {
    match unfinished::state(folder)? {
        State::InProgress => Err(Error::InProgress(unfinished::mark_of(folder))),
        State::Finished if folder.join("config").exists() => Err(Error::Exists(folder.to_owned())),
        state => Ok(state),
    }
}

/// A directory for the container's root. One that is there belongs to somebody else: it is an error.
fn make_new(path: &Path, owner: Option<(u32, u32)>, rollback: &mut Rollback) -> Result<()> {
    make_dir(path)?;
    let undo = path.to_owned();
    rollback.push(format!("the directory {}", undo.display()), move || remove_tree(&undo));
    Ok(folder::give(path, owner)?)
}

/// A directory with mode 0755, which must be new.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    Ok(std::fs::DirBuilder::new().mode(0o755).create(path).op("mkdir", path)?)
}

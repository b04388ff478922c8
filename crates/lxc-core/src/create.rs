//! Making a container on disk: its folder, storage, configuration. Runs in tools and libraries.
//!
//! What goes wrong half-way is undone. A creation that was killed leaves the file `partial` behind, without
//! the lock that its creator held on it: the next creation of that name clears it away.

mod config_text;
mod host;
pub(crate) mod rollback;
mod template;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lxc_config::Config;
use lxc_config::diagnostic::Diagnostic;
use lxc_host::storage::{self, CreateSpec, Source, remove_tree};
use lxc_sys::Error as SysError;
use lxc_sys::process::Exit;
use lxc_types::{IdMap, Name, StorageKind};

use crate::folder;
use crate::lock::make_dirs;
use crate::unfinished::{self, Mark};
pub use lxc_host::storage::Error as StorageError;
use rollback::Rollback;
pub use template::Template;

/// What is to be created.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// The file with the first configuration; `None`: begin with an empty one.
    pub config: Option<PathBuf>,
    /// What makes the root file system.
    pub template: Template,
    /// More arguments for the template.
    pub args: Vec<OsString>,
    /// What the root file system lies on.
    pub storage: StorageKind,
    /// Where the directory of [`StorageKind::Dir`] lies; `None`: `rootfs` in the container's folder.
    pub dir: Option<PathBuf>,
    /// Whether what the template prints is thrown away.
    pub quiet: bool,
}

/// Why a container was not created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is one of that name.
    #[error("the container exists: {}", .0.display())]
    Exists(PathBuf),
    /// Another program is creating it.
    #[error("the container is being created by another program (it holds {})", .0.display())]
    InProgress(PathBuf),
    /// No program of that name.
    #[error("no template \"{word}\": no executable {}", list(places))]
    NoTemplate {
        /// What was asked for.
        word: String,
        /// Where it was looked for.
        places: Vec<PathBuf>,
    },
    /// The template failed.
    #[error("template {} {}", .program.display(), ended(*.exit))]
    Template {
        /// The program.
        program: PathBuf,
        /// How it ended.
        exit: Exit,
    },
    /// The first configuration is faulty.
    #[error("{}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Config(Vec<Diagnostic>),
    /// The storage could not be made.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The configuration names a root file system that is not there.
    #[error("lxc.rootfs.path: {} does not exist", .0.display())]
    NoRootfs(PathBuf),
    /// The built-in template cannot be used here.
    #[error("template \"host\": {0}")]
    Host(&'static str),
    /// A file could not be made or read.
    #[error(transparent)]
    Sys(#[from] SysError),
    /// The template cannot be run with the container's ids.
    #[error(transparent)]
    Ids(#[from] crate::unshare::UnshareError),
}

fn list(places: &[PathBuf]) -> String {
    places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" or ")
}

fn ended(exit: Exit) -> String {
    match exit {
        Exit::Exited(code) => format!("exited with status {code}"),
        Exit::Killed(signal) => format!("was killed by signal {signal}"),
    }
}

type Result<T, E = Error> = std::result::Result<T, E>;

/// Creates container `name` in `lxcpath`. `run` is the directory for files of running programs.
///
/// # Errors
/// See [`Error`]. What was made before the failure is removed again.
pub fn create(run: &Path, lxcpath: &Path, name: &Name, o: &CreateOptions) -> Result<()> {
    let folder = lxcpath.join(name.as_str());
    let new = New { run, lxcpath, folder: &folder, config: folder.join("config"), name, o };
    if new.config.exists() && !is_leftover(&folder)? {
        return Err(Error::Exists(folder.clone()));
    }
    let (text, config) = config_text::read(o.config.as_deref())?;
    let mut rollback = Rollback::new();
    make_dirs(lxcpath)?;
    new.make_folder(&config, &mut rollback)?;
    match (&o.template, rootfs_of(&config)) {
        (Template::None, None) => config_text::write(&new.config, &text)?,
        (Template::None, Some(path)) if path.exists() => {
            // As upstream: the path once more, with its type.
            let kind = config.rootfs.source.as_ref().and_then(|source| source.value.kind);
            let source = Source { kind: kind.or(Some(StorageKind::Dir)), path };
            let line = format!("lxc.rootfs.path = {source}\n");
            config_text::write(&new.config, &config_text::with_line(&text, &line))?;
        }
        (Template::None, Some(path)) => return Err(Error::NoRootfs(path)),
        (template, rootfs) => new.fill(template, &text, &config, rootfs, &mut rollback)?,
    }
    rollback.commit();
    Ok(())
}

/// The directory that the configuration names for the root file system.
fn rootfs_of(config: &Config) -> Option<PathBuf> {
    config.rootfs.source.as_ref().map(|source| PathBuf::from(&source.value.path))
}

/// Whether the folder is what a killed creation left.
fn is_leftover(folder: &Path) -> Result<bool> {
    match unfinished::state(folder)? {
        unfinished::State::Finished => Ok(false),
        unfinished::State::Leftover => Ok(true),
        unfinished::State::InProgress => Err(Error::InProgress(unfinished::mark_of(folder))),
    }
}

/// A container that is being made.
struct New<'a> {
    run: &'a Path,
    lxcpath: &'a Path,
    folder: &'a Path,
    config: PathBuf,
    name: &'a Name,
    o: &'a CreateOptions,
}

impl New<'_> {
    /// Makes the container's folder; one that is there without a configuration is used, and left at a failure.
    fn make_folder(&self, config: &Config, rollback: &mut Rollback) -> Result<()> {
        if is_leftover(self.folder)? {
            crate::destroy::leftover(self.run, self.lxcpath, self.name)?;
        }
        folder::make(self.folder, folder::owner(config), rollback)?;
        Ok(())
    }

    /// Makes the storage, and has the template fill it.
    fn fill(
        &self,
        template: &Template,
        text: &str,
        config: &Config,
        rootfs: Option<PathBuf>,
        rollback: &mut Rollback,
    ) -> Result<()> {
        let partial = self.mark(rollback)?;
        let shown = match template {
            Template::Program(program) => {
                let (source, dir) = self.storage(rootfs, config, rollback)?;
                let line = format!("lxc.rootfs.path = {source}\n");
                config_text::write(&self.config, &config_text::with_line(text, &line))?;
                template::run(&template::Call {
                    program,
                    folder: self.folder,
                    name: self.name.as_str(),
                    rootfs: &dir,
                    args: &self.o.args,
                    idmaps: &idmaps(config),
                    quiet: self.o.quiet,
                })?;
                program.display().to_string()
            }
            Template::Host => {
                let text = host::build(self.folder, self.name, text, config)?;
                config_text::write(&self.config, &text)?;
                "host (built in)".to_owned()
            }
            Template::None => return Ok(()),
        };
        config_text::prepend_header(&self.config, &shown, &self.o.args)?;
        Ok(partial.finish()?)
    }

    /// Marks the container as being made.
    fn mark(&self, rollback: &mut Rollback) -> Result<Mark> {
        let path = unfinished::mark_of(self.folder);
        let Some(mark) = Mark::set(self.folder)? else { return Err(Error::InProgress(path)) };
        rollback.push("the mark of an unfinished creation", move || unfinished::remove(&path));
        Ok(mark)
    }

    /// Makes what the root file system lies on: its source, and the directory in which the template finds it.
    fn storage(
        &self,
        rootfs: Option<PathBuf>,
        config: &Config,
        rollback: &mut Rollback,
    ) -> Result<(Source, PathBuf)> {
        let rootfs = rootfs.filter(|path| path.exists()).unwrap_or_else(|| self.folder.join("rootfs"));
        let is_new = !rootfs.exists();
        let source = storage::create(&CreateSpec {
            kind: self.o.storage,
            rootfs: rootfs.clone(),
            container: self.folder.to_owned(),
            dir: self.o.dir.clone(),
            owner: folder::owner(config),
        })?;
        if is_new {
            let undo = rootfs.clone();
            rollback.push(format!("the directory {}", undo.display()), move || remove_tree(&undo));
        }
        Ok((source, self.o.dir.clone().unwrap_or(rootfs)))
    }
}

fn idmaps(config: &Config) -> Vec<IdMap> {
    config.idmaps.iter().map(|map| map.value).collect()
}

/// Whether `path` can stand in a configuration value: it is text of one line.
pub(super) fn is_plain(path: &Path) -> bool {
    !path.as_os_str().as_bytes().contains(&b'\n') && path.to_str().is_some()
}

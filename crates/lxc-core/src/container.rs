//! A container as tools and libraries see it: its configuration on disk, and its monitor if it runs.

mod control;
mod copies;
mod device;
mod gauges;
mod inside;
mod query;
mod start;
mod stopping;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lxc_config::edit::{self, Surroundings};
use lxc_config::{Config, Diagnostic, Document};
use lxc_sys::{Op, socket};
use lxc_types::{Name, State};

use crate::attach::{self, AttachOptions, Attached, Program};
use crate::command::client::{Waiting, read_state};
use crate::command::{Client, ClientError};
use crate::config_file::{self, Loaded};
use crate::destroy::{self, Doomed};
use crate::dirs::Dirs;
use crate::unfinished::{self, State as Unfinished};

pub use crate::error::{Error, ErrorKind};
pub use control::{ConsoleSession, TtyChoice};
pub use gauges::{CgroupHost, Gauges, Pressure, Stall, Stats, Transfers};
pub use query::{Address, LinkStats, Links};
pub use start::{Run, StartOptions, Started};
pub use stopping::Stop;

/// How long a monitor may take to say whether it is there: one in the middle of a start does not answer.
const BUSY: Duration = Duration::from_secs(1);

/// One container.
#[derive(Clone, Debug)]
pub struct Container {
    dirs: Dirs,
    lxcpath: PathBuf,
    name: Name,
    config_file: PathBuf,
    document: Document,
    config: Config,
    warnings: Vec<Diagnostic>,
    defined: bool,
}

/// How a container is destroyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestroyOptions {
    /// Kill it first if it runs.
    pub force: bool,
    /// Its snapshots too.
    pub snapshots: bool,
}

type Result<T, E = Error> = std::result::Result<T, E>;

impl Container {
    /// A container, defined or not.
    ///
    /// # Errors
    /// A configuration with mistakes.
    pub fn open(dirs: &Dirs, lxcpath: &Path, name: Name) -> Result<Self> {
        let file = lxcpath.join(name.as_str()).join("config");
        let defined = file.is_file();
        Self::with(dirs, lxcpath, name, file, defined)
    }

    /// A container whose monitor alone is of interest: its configuration is not read, and empty.
    pub fn unread(dirs: &Dirs, lxcpath: &Path, name: Name) -> Self {
        let file = lxcpath.join(name.as_str()).join("config");
        let loaded = empty(&file);
        Self::of(dirs, lxcpath, name, file, loaded)
    }

    /// A container with the configuration of another file than its own.
    ///
    /// # Errors
    /// A file that cannot be read, or has mistakes.
    pub fn with_rcfile(dirs: &Dirs, lxcpath: &Path, name: Name, rcfile: &Path) -> Result<Self> {
        let defined = lxcpath.join(name.as_str()).join("config").is_file();
        let mut container = Self::with(dirs, lxcpath, name, rcfile.to_owned(), true)?;
        container.defined = defined;
        Ok(container)
    }

    fn with(dirs: &Dirs, lxcpath: &Path, name: Name, file: PathBuf, read: bool) -> Result<Self> {
        let loaded = if read { config_file::load(&file).map_err(Error::Config)? } else { empty(&file) };
        for warning in &loaded.warnings {
            log::warn!("{warning}");
        }
        let mut container = Self::of(dirs, lxcpath, name, file, loaded);
        container.defined = read;
        Ok(container)
    }

    fn of(dirs: &Dirs, lxcpath: &Path, name: Name, config_file: PathBuf, loaded: Loaded) -> Self {
        Container {
            dirs: dirs.clone(),
            lxcpath: lxcpath.to_owned(),
            name,
            config_file,
            document: loaded.document,
            config: loaded.config,
            warnings: loaded.warnings,
            defined: false,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The folder of containers that it is in.
    pub fn lxcpath(&self) -> &Path {
        &self.lxcpath
    }

    /// Its own folder.
    pub fn dir(&self) -> PathBuf {
        self.lxcpath.join(self.name.as_str())
    }

    /// The file that the configuration is from.
    pub fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// Whether it has a configuration on disk.
    pub fn is_defined(&self) -> bool {
        self.defined
    }

    /// What its configuration means.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What its configuration says.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What is odd in the configuration.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Sets a key, in text and meaning; nothing is written to disk.
    ///
    /// # Errors
    /// An unknown key or a bad value: nothing is changed.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let mut around = Surroundings {
            reader: &mut config_file::read,
            random: &mut config_file::random_byte,
            context: config_file::context(),
        };
        let warnings = edit::set(&mut self.document, &mut self.config, key, value, &mut around);
        self.warnings.extend(warnings.map_err(|e| Error::Key(e.to_string()))?);
        Ok(())
    }

    /// Takes a key back to its default.
    ///
    /// # Errors
    /// An unknown key.
    pub fn clear(&mut self, key: &str) -> Result<()> {
        edit::clear(&mut self.document, &mut self.config, key).map_err(|e| Error::Key(e.to_string()))
    }

    /// Writes the configuration back: a new file takes the old one's place, so that nobody ever reads half of it.
    ///
    /// # Errors
    /// Those of writing and renaming.
    pub fn save(&self) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let _lock = crate::lock::take(&self.dirs.run, &self.lxcpath, &self.name)?;
        let new = self.config_file.with_extension("new");
        let mut file = std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o660)
            .open(&new)
            .op("open", &new)?;
        std::io::Write::write_all(&mut file, &self.document.to_text()).op("write", &new)?;
        std::fs::rename(&new, &self.config_file).op("rename", &self.config_file)?;
        Ok(())
    }

    /// A client of its monitor, which may or may not be there.
    pub fn client(&self) -> Client {
        Client::new(&self.lxcpath, &self.name)
    }

    /// Its state; STOPPED when there is no monitor, or none that tells.
    ///
    /// # Errors
    /// A monitor that does not answer in time.
    pub fn told_state(&self) -> Result<State> {
        match self.client().state() {
            Err(e @ ClientError::TimedOut { .. }) => Err(e.into()),
            other => Ok(other.unwrap_or(State::Stopped)),
        }
    }

    /// Its state; STOPPED when no monitor answers.
    pub fn state(&self) -> State {
        self.client().state().unwrap_or(State::Stopped)
    }

    /// Whether it has a monitor.
    pub fn is_running(&self) -> bool {
        // A monitor that refuses the question is there.
        !matches!(self.client().with_timeout(BUSY).state(), Ok(State::Stopped))
    }

    /// Whether its monitor answers this caller; a container without one is under anybody's control.
    pub fn may_control(&self) -> bool {
        !matches!(
            self.client().with_timeout(BUSY).init_pid(),
            Err(ClientError::Refused(_, rustix::io::Errno::PERM))
        )
    }

    /// Waits until it is in one of `states`; false when `timeout` is over first.
    ///
    /// # Errors
    /// When the monitor cannot be asked.
    pub fn wait(&self, states: &[State], timeout: Option<Duration>) -> Result<bool> {
        let end = timeout.map(|t| Instant::now() + t);
        let mut flags = [0; 8];
        for state in states {
            if let Some(flag) = usize::try_from(state.number()).ok().and_then(|at| flags.get_mut(at)) {
                *flag = 1;
            }
        }
        loop {
            match self.client().add_state_client(flags)? {
                Waiting::Already(state) if states.contains(&state) => return Ok(true),
                Waiting::Registered(connection) => {
                    let left = end.map(|end| end.saturating_duration_since(Instant::now()));
                    if left == Some(Duration::ZERO) {
                        return Ok(false);
                    }
                    socket::set_receive_timeout(&connection, left)?;
                    match read_state(std::os::fd::AsFd::as_fd(&connection)) {
                        Ok(Some(state)) if states.contains(&state) => return Ok(true),
                        Ok(_) => {}
                        Err(e) if e.errno() == rustix::io::Errno::AGAIN => return Ok(false),
                        Err(e) => return Err(e.into()),
                    }
                }
                Waiting::Already(_) => {}
            }
            if !self.sleep_for_a_start(end) {
                return Ok(false);
            }
        }
    }

    /// There is nobody to be told by when the container will start: looks again a little later. False when the
    /// time is over.
    fn sleep_for_a_start(&self, end: Option<Instant>) -> bool {
        const STEP: Duration = Duration::from_millis(20);
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return false;
        }
        std::thread::sleep(left.map_or(STEP, |l| l.min(STEP)));
        true
    }

    /// Attaches a program. The caller itself should run from a sealed copy.
    ///
    /// # Errors
    /// See [`attach::AttachError`].
    pub fn attach(&self, what: &Program, o: &AttachOptions) -> Result<Attached> {
        let context = attach::Context::of(&self.lxcpath, &self.name, &self.config)?;
        Ok(attach::attach(&context, what, o)?)
    }

    /// Refuses a container that somebody is making; says whether what is there was left by somebody who was
    /// killed.
    pub(crate) fn check_finished(&self) -> Result<Unfinished> {
        match unfinished::state(&self.dir())? {
            Unfinished::InProgress => {
                let mark = unfinished::mark_of(&self.dir());
                Err(Error::State(format!("it is still being made (somebody holds {})", mark.display())))
            }
            state => Ok(state),
        }
    }

    /// Refuses a container that is no source for another one: not defined, or not complete.
    pub(crate) fn check_complete(&self) -> Result<()> {
        if !self.defined {
            return Err(Error::NotDefined(self.config_file.clone()));
        }
        if self.check_finished()? == Unfinished::Leftover {
            return Err(Error::State(
                "its creation was broken off: lxc-destroy removes what is left".to_owned(),
            ));
        }
        Ok(())
    }

    pub(crate) fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// Removes it from disk.
    ///
    /// # Errors
    /// When it runs (without `force`), when others need it, and those of removing files.
    pub fn destroy(&self, o: &DestroyOptions) -> Result<()> {
        if self.check_finished()? == Unfinished::Leftover {
            return Ok(destroy::leftover(&self.dirs.run, &self.lxcpath, &self.name)?);
        }
        let doomed = Doomed { lxcpath: &self.lxcpath, name: &self.name, config: &self.config };
        if o.snapshots {
            doomed.check_all()?
        } else {
            doomed.check()?
        }
        if self.is_running() {
            if !o.force {
                return Err(Error::State("the container is running: stop it first, or force".to_owned()));
            }
            self.stop(&Stop::Kill)?;
            if self.config.ephemeral {
                // Its monitor has removed it.
                return Ok(());
            }
        }
        if o.snapshots {
            crate::snapshot::destroy_all(self)?;
        }
        let facts = crate::plan::hooks::for_disk(&self.config, &self.dirs, &self.name, &self.config_file);
        Ok(doomed.remove(&self.dirs.run, &self.config_file, &facts.list, &facts.env)?)
    }
}

fn empty(file: &Path) -> Loaded {
    Loaded { document: Document::new(file), config: Config::default(), warnings: Vec::new() }
}

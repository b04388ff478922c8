//! What the tools share once the command line is read: where containers are, which one is meant.

use std::path::{Path, PathBuf};

use lxc_core::log::{LogFile, Settings};
use lxc_core::{Container, Dirs};
use lxc_types::Name;

use crate::cli::{Common, NameRule};
use crate::report::Failure;

/// One run of a tool.
#[derive(Debug)]
pub struct Session {
    /// Where things are on this host.
    pub dirs: Dirs,
    /// Where the containers are (`-P`), absolute.
    pub lxcpath: PathBuf,
    /// All of them, for a tool that takes several.
    pub lxcpaths: Vec<PathBuf>,
    /// `-q`.
    pub quiet: bool,
    /// How this run logs; a monitor that is started from here goes on with it.
    pub log: Settings,
    name: Option<Name>,
    rcfile: Option<PathBuf>,
}

impl Session {
    /// Finds the directories of this host and starts the log.
    ///
    /// # Errors
    /// A name that no container can have, a log file that cannot be written.
    pub fn new(
        program: &str,
        rule: NameRule,
        common: &Common,
        rcfile: Option<&Path>,
    ) -> Result<Session, Failure> {
        let name = match &common.name {
            Some(text) if rule != NameRule::Pattern => {
                Some(text.parse::<Name>().map_err(|e| Failure::said(e.to_string()))?)
            }
            _ => None,
        };
        let dirs = Dirs::of_this_process();
        let mut lxcpaths =
            common.lxcpath.iter().map(|given| absolute(given)).collect::<Result<Vec<_>, _>>()?;
        if lxcpaths.is_empty() {
            lxcpaths.push(dirs.lxcpath.clone());
        }
        let lxcpath = lxcpaths[0].clone();
        let log = log_settings(program, common)?;
        lxc_core::log::init(&log, &lxcpath, name.as_ref().map(Name::as_str))?;
        let rcfile = rcfile.map(absolute).transpose()?;
        Ok(Session { dirs, lxcpath, lxcpaths, quiet: common.quiet, log, name, rcfile })
    }

    /// The container's name.
    ///
    /// # Errors
    /// When none was given; the command line of a tool that needs one is refused before.
    pub fn name(&self) -> Result<&Name, Failure> {
        self.name.as_ref().ok_or_else(|| Failure::said("No container name specified"))
    }

    /// The container, with the configuration of `--rcfile` if that was given.
    ///
    /// # Errors
    /// A configuration that cannot be read or is faulty.
    pub fn container(&self) -> Result<Container, Failure> {
        let name = self.name()?.clone();
        Ok(match &self.rcfile {
            Some(rcfile) => Container::with_rcfile(&self.dirs, &self.lxcpath, name, rcfile)?,
            None => Container::open(&self.dirs, &self.lxcpath, name)?,
        })
    }

    /// The container, if this user may control it.
    ///
    /// # Errors
    /// As [`Session::container`], and when its monitor refuses this user.
    pub fn controllable(&self) -> Result<Container, Failure> {
        let container = self.container()?;
        if container.may_control() {
            return Ok(container);
        }
        Err(Failure::said(format!("you may not control {}:{}", self.lxcpath.display(), container.name()))
            .help("run it as the user who started the container, or as root"))
    }

    /// Writes a failure to the log, be it the command line's or the container's. Standard error gets it in its own form.
    pub fn record(&self, failure: &str) {
        lxc_core::log::without_stderr(|| log::error!("{failure}"));
    }

    /// Whether a configuration file was given on the command line.
    pub fn has_rcfile(&self) -> bool {
        self.rcfile.is_some()
    }
}

/// `path` from the root, without trailing slashes: it becomes part of the names of sockets.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let full = std::path::absolute(path)
        .map_err(|e| Failure::said(format!("cannot resolve \"{}\": {e}", path.display())))?;
    // Collecting the components drops what slashes are too many.
    Ok(full.components().collect())
}

/// `-o`, `-l` and `-q`. Without `-o` there is no log file, unless `-l` asks for the default one.
fn log_settings(program: &str, common: &Common) -> Result<Settings, Failure> {
    let file = match &common.logfile {
        Some(path) => match LogFile::of_name(path) {
            // The monitor that is started from here works in another directory.
            LogFile::Path(path) => LogFile::Path(absolute(&path)?),
            other => other,
        },
        None if common.logpriority.is_some() => LogFile::Default,
        None => LogFile::None,
    };
    Ok(Settings {
        // What is no level counts as the default one, as with upstream.
        level: common.logpriority.as_deref().and_then(|text| text.parse().ok()),
        file,
        syslog: None,
        quiet: common.quiet,
        prefix: program.to_owned(),
    })
}

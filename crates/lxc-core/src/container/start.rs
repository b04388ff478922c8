//! Starting: the command socket first, then a monitor of its own or this process.

use std::ffi::OsString;
use std::path::PathBuf;

use rustix::io::Errno;

use lxc_sys::socket;

use super::{Container, Error, Result};
use crate::command::socket_name;
use crate::lifecycle::{self, Job};
use crate::log::Settings;
use crate::monitor::Outcome;
use crate::plan::{self, Wish};
use crate::start::StartError;
use crate::start::leases::Leases;
use crate::supervise::{self, Answer, HandOver, Mode};
use crate::unfinished::State as Unfinished;

/// Where the monitor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// In a process of its own; the caller waits until the container runs.
    Daemon,
    /// In this process, until the container ends.
    Foreground,
}

/// How a container is started.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// A system, or one program.
    pub mode: Mode,
    /// The program; empty for the configured one.
    pub argv: Vec<OsString>,
    /// Where the monitor runs.
    pub run: Run,
    /// A file for the monitor's process id.
    pub pidfile: Option<PathBuf>,
    /// Close the descriptors that this process inherited; a monitor in the background never has them.
    pub close_fds: bool,
    /// How the monitor logs.
    pub log: Settings,
}

/// What came of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It runs.
    Daemon,
    /// It ran, and ended so.
    Foreground(Outcome),
}

impl Container {
    /// Starts it.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`]; the first failure of the start otherwise, with its causes.
    pub fn start(&mut self, o: &StartOptions) -> Result<Started> {
        if o.close_fds {
            lxc_sys::process::close_inherited()?;
        }
        if self.check_finished()? == Unfinished::Leftover {
            crate::destroy::leftover(&self.dirs.run, &self.lxcpath, &self.name)?;
            return Err(Error::State(
                "its creation was broken off; what was left of it is removed now".to_owned(),
            ));
        }
        let listener = self.bind()?;
        let log = supervise::effective_log(&o.log, &self.config);
        if log != o.log {
            crate::log::init(&log, &self.lxcpath, Some(&self.name))?;
        }
        match o.run {
            // Only a process with one thread can go on in a child of its own.
            Run::Daemon if !lxc_sys::clone::is_single_threaded() => self.start_detached(o, &listener),
            Run::Daemon | Run::Foreground => {
                let facts = crate::facts::Facts::gather(&self.dirs, self.config.cgroup.relative)
                    .map_err(StartError::from)?;
                let wish = self.wish(o);
                let plan = plan::plan(&self.config, &facts, &self.dirs, &wish).map_err(StartError::from)?;
                let job = Job {
                    wish,
                    config: self.config.clone(),
                    dirs: self.dirs.clone(),
                    facts,
                    listener: Some(listener),
                    foreground: o.run == Run::Foreground,
                    pidfile: o.pidfile.clone(),
                };
                if o.run == Run::Daemon {
                    return started(supervise::fork_monitor(job, plan)?);
                }
                Ok(Started::Foreground(lifecycle::run(job, plan, Leases::default(), &mut || {})?))
            }
        }
    }

    /// What a start would do, for people to read.
    ///
    /// # Errors
    /// What makes a start impossible.
    pub fn plan_text(&self, o: &StartOptions) -> Result<String> {
        let facts =
            crate::facts::Facts::gather(&self.dirs, self.config.cgroup.relative).map_err(StartError::from)?;
        let plan = plan::plan(&self.config, &facts, &self.dirs, &self.wish(o)).map_err(StartError::from)?;
        Ok(plan.to_text())
    }

    fn wish(&self, o: &StartOptions) -> Wish {
        Wish {
            name: self.name.clone(),
            lxcpath: self.lxcpath.clone(),
            config_file: Some(self.config_file.clone()),
            mode: o.mode,
            argv: o.argv.clone(),
        }
    }

    /// Takes the command socket: who has it may start the container.
    fn bind(&self) -> Result<std::os::fd::OwnedFd> {
        match socket::listen_abstract(&socket_name(&self.lxcpath, &self.name), 100) {
            Err(e) if e.errno() == Errno::ADDRINUSE => Err(Error::AlreadyRunning),
            other => Ok(other?),
        }
    }

    fn start_detached(&self, o: &StartOptions, listener: &std::os::fd::OwnedFd) -> Result<Started> {
        const PROGRAM: &str = "libexec/lxc/lxc-supervise";
        let program = self
            .dirs
            .program(&[PROGRAM])
            .ok_or_else(|| Error::NotInstalled(self.dirs.prefix.join(PROGRAM).display().to_string()))?;
        let hand_over = HandOver {
            name: self.name.to_string(),
            lxcpath: self.lxcpath.clone(),
            config_file: Some(self.config_file.clone()),
            argv: o.argv.clone(),
            mode: o.mode,
            pidfile: o.pidfile.clone(),
            log: o.log.clone(),
            config: self.document.flatten(),
        };
        started(supervise::spawn(&program, &hand_over, listener)?)
    }
}

fn started(answer: Answer) -> Result<Started> {
    match answer {
        Answer::Running => Ok(Started::Daemon),
        Answer::Failed(report) => Err(Error::Reported(report.into_error())),
    }
}

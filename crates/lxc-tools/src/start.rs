//! `lxc-start`: start a container.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use lxc_core::{Container, Mode, Run, StartOptions};
use lxc_sys::Op;

use crate::cli::{self, Common, Define, Share, Tool};
use crate::output;
use crate::report::Failure;
use crate::session::{Session, absolute};

/// Start a container
#[derive(Debug, clap::Parser)]
pub struct Start {
    /// Start in the background (the default)
    #[arg(short, long, overrides_with = "foreground")]
    daemon: bool,
    /// Stay in the foreground, with this terminal as the container's console
    #[arg(short = 'F', long)]
    foreground: bool,
    /// Read the configuration from FILE instead of the container's own
    #[arg(short = 'f', long, value_name = "FILE")]
    rcfile: Option<PathBuf>,
    #[command(flatten)]
    define: Define,
    /// Use FILE, a terminal or file, for the console
    #[arg(short, long, value_name = "FILE")]
    console: Option<PathBuf>,
    /// Write what the console shows to FILE
    #[arg(short = 'L', long, value_name = "FILE")]
    console_log: Option<PathBuf>,
    /// Close inherited descriptors instead of complaining (in the background: always)
    #[arg(short = 'C', long)]
    close_all_fds: bool,
    /// Write the process id of the container's monitor to FILE
    #[arg(short, long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    #[command(flatten)]
    share: Share,
    /// Print what would be done, and do nothing
    #[arg(long, help_heading = cli::OWN)]
    plan: bool,
    #[command(flatten)]
    common: Common,
}

impl Tool for Start {
    const PROGRAM: &'static str = "lxc-start";
    const SYNOPSIS: &'static str = "--name=NAME [-- COMMAND]";

    crate::cli::common!(own rcfile);

    fn run(self, session: &Session) -> Result<u8, Failure> {
        readable(&session.lxcpath)?;
        let mut container = session.controllable()?;
        if !self.plan && container.is_running() {
            // Upstream says so and is content: what was asked for is the case.
            return Err(Failure::said("already running").with_code(0));
        }
        if !container.is_defined() && !session.has_rcfile() {
            return Err(undefined(&container));
        }
        self.configure(&mut container)?;
        let options = StartOptions {
            mode: Mode::Start,
            argv: self.common.rest,
            run: if self.foreground { Run::Foreground } else { Run::Daemon },
            pidfile: if self.plan {
                self.pidfile
            } else {
                self.pidfile.as_deref().map(pidfile).transpose()?
            },
            close_fds: self.close_all_fds,
            log: session.log.clone(),
        };
        if self.plan {
            output::write(container.plan_text(&options)?.as_bytes())?;
        } else {
            container.start(&options)?;
        }
        Ok(0)
    }
}

impl Start {
    /// Puts what the options say about the configuration into it.
    fn configure(&self, container: &mut Container) -> Result<(), Failure> {
        for (key, value) in &self.define.define {
            container.set(key, value)?;
        }
        for (key, path) in [("lxc.console.path", &self.console), ("lxc.console.logfile", &self.console_log)] {
            if let Some(path) = path {
                set_path(container, key, path)?;
            }
        }
        for (key, value) in self.share.keys() {
            container.set(key, value)?;
        }
        Ok(())
    }
}

/// Sets a key whose value is a path; a relative one means the caller's directory, not the monitor's.
fn set_path(container: &mut Container, key: &str, path: &Path) -> Result<(), Failure> {
    let path = if path == Path::new("none") { path.to_owned() } else { absolute(path)? };
    match path.to_str() {
        Some(text) => Ok(container.set(key, text)?),
        None => Err(Failure::said(format!("{key}: the path {path:?} is not UTF-8"))),
    }
}

/// There is no configuration to start from.
pub fn undefined(container: &Container) -> Failure {
    Failure::said(format!("no configuration: {} does not exist", container.config_file().display()))
        .help("lxc-create makes a container; -f FILE reads the configuration from another file")
}

/// Says early and clearly when the caller may not read `lxcpath`.
fn readable(lxcpath: &Path) -> Result<(), Failure> {
    rustix::fs::access(lxcpath, Access::READ_OK)
        .op("access", lxcpath)
        .map_err(|error| Failure::said(format!("you lack access to {}: {error}", lxcpath.display())))
}

/// Makes the file if it is missing, and gives its real path: the monitor works in another directory, and
/// removes what it has written.
pub fn pidfile(path: &Path) -> Result<PathBuf, Failure> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .op("open", path)?;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(std::fs::read_link(&link).op("readlink", &link)?)
}

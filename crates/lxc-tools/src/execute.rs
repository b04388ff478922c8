//! `lxc-execute`: run one program in a container of its own.

use std::path::{Path, PathBuf};

use lxc_core::{Mode, Outcome, Run, StartOptions, Started};

use crate::cli::{Common, Define, Share, Tool};
use crate::report::Failure;
use crate::session::Session;
use crate::start::undefined;

/// Run a program in a container of its own, under a minimal init
#[derive(Debug, clap::Parser)]
pub struct Execute {
    /// Do not wait for the end of the program
    #[arg(short, long)]
    daemon: bool,
    /// Read the configuration from FILE instead of the container's own
    #[arg(short = 'f', long, value_name = "FILE")]
    rcfile: Option<PathBuf>,
    #[command(flatten)]
    define: Define,
    /// Run the program with this user id
    #[arg(short, long, value_name = "UID")]
    uid: Option<u32>,
    /// Run the program with this group id
    #[arg(short, long, value_name = "GID")]
    gid: Option<u32>,
    #[command(flatten)]
    share: Share,
    #[command(flatten)]
    common: Common,
}

impl Tool for Execute {
    const PROGRAM: &'static str = "lxc-execute";
    const SYNOPSIS: &'static str = "--name=NAME [-- COMMAND]";

    crate::cli::common!(own rcfile);

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let mut container = session.controllable()?;
        if !container.is_defined() && !session.has_rcfile() {
            return Err(undefined(&container));
        }
        for (key, value) in &self.define.define {
            container.set(key, value)?;
        }
        for (key, id) in [("lxc.init.uid", self.uid), ("lxc.init.gid", self.gid)] {
            if let Some(id) = id {
                container.set(key, &id.to_string())?;
            }
        }
        for (key, value) in self.share.keys() {
            container.set(key, value)?;
        }
        let started = container.start(&StartOptions {
            mode: Mode::Execute,
            argv: self.common.rest,
            run: if self.daemon { Run::Daemon } else { Run::Foreground },
            pidfile: None,
            close_fds: false,
            log: session.log.clone(),
        })?;
        Ok(match started {
            Started::Daemon => 0,
            Started::Foreground(outcome) => status(&outcome),
        })
    }
}

/// The exit code that tells how the program ended: its own, or 128 and the signal.
fn status(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Exited(code) => u8::try_from(*code & 0xff).unwrap_or(1),
        Outcome::Killed(signal) => u8::try_from(128 + *signal).unwrap_or(1),
        _ => 0,
    }
}

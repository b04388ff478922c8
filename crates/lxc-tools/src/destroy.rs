//! `lxc-destroy`: remove a container from disk.

use std::path::Path;

use lxc_core::DestroyOptions;

use crate::cli::{Common, Rcfile, Tool};
use crate::report::Failure;
use crate::session::Session;

/// Remove a container from disk
#[derive(Debug, clap::Parser)]
pub struct Destroy {
    /// Stop the container first if it is running
    #[arg(short, long)]
    force: bool,
    /// Remove its snapshots, too
    #[arg(short, long)]
    snapshots: bool,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Destroy {
    const PROGRAM: &'static str = "lxc-destroy";
    const SYNOPSIS: &'static str = "--name=NAME [-f] [-s]";

    crate::cli::common!();

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let container = session.controllable()?;
        if !container.is_defined() {
            return Err(Failure::said(format!("not defined: no {}", container.config_file().display())));
        }
        if container.is_running() && !self.force {
            return Err(Failure::said("running").help("stop it first, or give -f"));
        }
        container.destroy(&DestroyOptions { force: self.force, snapshots: self.snapshots })?;
        Ok(0)
    }
}

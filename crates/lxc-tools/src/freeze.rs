//! `lxc-freeze` and `lxc-unfreeze`: stop all processes of a container, and let them go on.

use std::path::Path;

use lxc_core::Container;

use crate::cli::{Common, Rcfile, Tool};
use crate::report::Failure;
use crate::session::Session;

/// Freeze all processes of a container
#[derive(Debug, clap::Parser)]
pub struct Freeze {
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

/// Let the processes of a frozen container go on
#[derive(Debug, clap::Parser)]
pub struct Unfreeze {
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Freeze {
    const PROGRAM: &'static str = "lxc-freeze";
    const SYNOPSIS: &'static str = "--name=NAME";

    crate::cli::common!();

    fn run(self, session: &Session) -> Result<u8, Failure> {
        known(session)?.freeze()?;
        Ok(0)
    }
}

impl Tool for Unfreeze {
    const PROGRAM: &'static str = "lxc-unfreeze";
    const SYNOPSIS: &'static str = "--name=NAME";

    crate::cli::common!();

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let container = known(session)?;
        // What does not run is not frozen: upstream's exit code is 0.
        if container.is_running() {
            container.unfreeze()?;
        }
        Ok(0)
    }
}

/// A container that is defined or running.
fn known(session: &Session) -> Result<Container, Failure> {
    let container = session.controllable()?;
    if container.is_defined() || session.has_rcfile() || container.is_running() {
        return Ok(container);
    }
    Err(Failure::said(format!("no container of this name in {}", session.lxcpath.display())))
}

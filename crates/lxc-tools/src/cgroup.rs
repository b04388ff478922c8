//! `lxc-cgroup`: read or write a cgroup file of a running container.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::{Common, Rcfile, Tool};
use crate::output;
use crate::report::Failure;
use crate::session::Session;

/// Read or write a file in a running container's cgroup, such as cpuset.cpus
#[derive(Debug, clap::Parser)]
pub struct Cgroup {
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Cgroup {
    const PROGRAM: &'static str = "lxc-cgroup";
    const SYNOPSIS: &'static str = "--name=NAME FILE [VALUE]";

    crate::cli::common!();

    fn check(&mut self) -> Result<(), String> {
        match self.common.rest.is_empty() {
            true => Err("missing argument: the file to read or write, such as pids.max".to_owned()),
            false => Ok(()),
        }
    }

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let mut words = self.common.rest.into_iter().map(utf8);
        let item = words.next().transpose()?.unwrap_or_default();
        let container = session.controllable()?;
        if !container.is_running() {
            return Err(Failure::said(format!(
                "'{}:{}' is not running",
                session.lxcpath.display(),
                container.name()
            )));
        }
        if let Some(value) = words.next() {
            container.cgroup_set(&item, &value?)?;
            return Ok(0);
        }
        let mut content = container.cgroup_get(&item)?;
        // Upstream prints the file, which ends in a newline, and a newline.
        content.push(b'\n');
        output::write(&content)?;
        Ok(0)
    }
}

fn utf8(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|bytes| Failure::said(format!("{bytes:?} is not UTF-8")))
}

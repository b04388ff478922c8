//! `lxc-device`: devices of a container that runs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lxc_core::Links;

use crate::cli::{Common, Rcfile, Tool};
use crate::report::Failure;
use crate::session::Session;

/// Give a device to a running container, or take it away
#[derive(Debug, clap::Parser)]
pub struct Device {
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Device {
    const PROGRAM: &'static str = "lxc-device";
    const SYNOPSIS: &'static str = "--name=NAME -- add|del NODE [PATH-INSIDE]";

    crate::cli::common!();

    fn run(self, session: &Session) -> Result<u8, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure::said("it must be run as root"));
        }
        let container = session.controllable()?;
        if !container.is_running() {
            return Err(Failure::said("the container is not running").help("start it first"));
        }
        let words: Vec<&OsStr> = self.common.rest.iter().map(AsRef::as_ref).collect();
        let (verb, node, at) = match words[..] {
            [verb, node] => (Verb::of(verb)?, node, node),
            [verb, node, at] => (Verb::of(verb)?, node, at),
            [_, _, _, extra, ..] => {
                return Err(Failure::said(format!("{extra:?}: one argument too many")));
            }
            [] | [_] => {
                return Err(Failure::said("no device given").help("lxc-device -n NAME -- add /dev/fuse"));
            }
        };
        check_node(node)?;
        if !Path::new(at).is_absolute() {
            return Err(Failure::said(format!("{at:?}: the path inside must begin with a slash")));
        }
        match verb {
            Verb::Add => container.add_device(Path::new(node), Path::new(at))?,
            Verb::Del => container.remove_device(Path::new(node), Path::new(at))?,
        }
        Ok(0)
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    Del,
}

impl Verb {
    /// As upstream, the beginning of the word is enough.
    fn of(word: &OsStr) -> Result<Verb, Failure> {
        let begins = |whole: &str| !word.is_empty() && whole.as_bytes().starts_with(word.as_bytes());
        if begins("add") {
            Ok(Verb::Add)
        } else if begins("del") {
            Ok(Verb::Del)
        } else {
            Err(Failure::said(format!("{word:?}: either \"add\" or \"del\" is needed")))
        }
    }
}

/// A node is named by its path. What has no slash may be meant for a network interface.
fn check_node(node: &OsStr) -> Result<(), Failure> {
    if Path::new(node).is_absolute() {
        return Ok(());
    }
    let name = node.to_string_lossy().into_owned();
    if !Links::of_this_host().stats(std::slice::from_ref(&name)).is_empty() {
        return Err(Failure::said(format!(
            "{name} is a network interface: only device nodes can be given to a running container so far"
        )));
    }
    Err(Failure::said(format!("\"{name}\": the path of a device node must begin with a slash")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs() {
        let verb = |word: &str| Verb::of(OsStr::new(word)).ok();
        assert_eq!(verb("add"), Some(Verb::Add));
        assert_eq!(verb("a"), Some(Verb::Add));
        assert_eq!(verb("de"), Some(Verb::Del));
        for wrong in ["", "adds", "list", "DEL"] {
            assert_eq!(verb(wrong), None, "{wrong}");
        }
    }
}

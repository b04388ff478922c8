//! `lxc-snapshot`: make, list, restore and remove a container's snapshots.

use std::path::{Path, PathBuf};

use lxc_core::{Container, Snapshot as Taken};
use lxc_sys::process;
use lxc_types::Name;
use serde::Serialize;

use crate::cli::{Common, Rcfile, Tool};
use crate::json::{self, FormatOption};
use crate::output;
use crate::report::Failure;
use crate::session::Session;

/// Make a snapshot of a container, or list, restore or remove those that there are
#[derive(Debug, clap::Parser)]
pub struct Snapshot {
    /// List the snapshots
    #[arg(short = 'L', long, overrides_with_all = ["restore", "destroy"])]
    list: bool,
    /// Make the container what it was, or another one of it
    #[arg(short, long, value_name = "SNAPSHOT", overrides_with_all = ["list", "destroy"])]
    restore: Option<String>,
    /// With -r: the name of the container to make; the container's own without it
    #[arg(short = 'N', long, value_name = "NEWNAME")]
    newname: Option<String>,
    /// Remove a snapshot; ALL: all of them
    #[arg(short, long, value_name = "SNAPSHOT", overrides_with_all = ["list", "restore"])]
    destroy: Option<String>,
    /// Keep a copy of FILE as a comment on the snapshot
    #[arg(short, long, value_name = "FILE")]
    comment: Option<PathBuf>,
    /// With -L: show the comments
    #[arg(short = 'C', long)]
    showcomments: bool,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    format: FormatOption,
    #[command(flatten)]
    common: Common,
}

const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;

impl Tool for Snapshot {
    const PROGRAM: &'static str = "lxc-snapshot";
    const SYNOPSIS: &'static str = "--name=NAME [-c FILE] | -L [-C] | -r SNAPSHOT [-N NEWNAME] | -d SNAPSHOT";

    crate::cli::common!();

    fn check(&mut self) -> Result<(), String> {
        if self.format.is_json() && !self.list {
            return Err("--format json is for --list (-L)".to_owned());
        }
        // A variable of a script that is not set must not cost all of them.
        if self.destroy.as_deref() == Some("") {
            return Err("--destroy (-d): which snapshot? The name is empty".to_owned());
        }
        if self.restore.is_some() && self.common.rest.len() > 1 {
            return Err("too many arguments: one new name is enough".to_owned());
        }
        Ok(())
    }

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let container = session.controllable()?;
        if !container.is_defined() {
            return Err(lxc_core::Error::NotDefined(container.config_file().to_owned()).into());
        }
        // What is interrupted ends, and then what it has left is removed here.
        process::ignore_signal(SIGINT);
        process::ignore_signal(SIGQUIT);
        if self.list {
            self.show(&container)?;
        } else if let Some(snapshot) = &self.restore {
            container.restore(&name(snapshot)?, &self.new_name(&container)?)?;
        } else if let Some(snapshot) = &self.destroy {
            // Upstream compares as many letters as were given.
            match "ALL".starts_with(snapshot) {
                true => container.destroy_snapshots()?,
                false => container.destroy_snapshot(&name(snapshot)?)?,
            }
        } else {
            container.snapshot(self.comment.as_deref())?;
        }
        Ok(0)
    }
}

fn name(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(|e| Failure::said(format!("{e}")))
}

impl Snapshot {
    /// `-N`, else the argument, else the container itself.
    fn new_name(&self, container: &Container) -> Result<Name, Failure> {
        match (&self.newname, self.common.rest.first()) {
            (Some(text), _) => name(text),
            (None, Some(text)) => name(&text.to_string_lossy()),
            (None, None) => Ok(container.name().clone()),
        }
    }

    fn show(&self, container: &Container) -> Result<(), Failure> {
        let snapshots = container.snapshots()?;
        if self.format.is_json() {
            let listed = Listed {
                lxcpath: &container.lxcpath().to_string_lossy(),
                container: container.name(),
                snapshots: snapshots.iter().map(Entry::of).collect(),
            };
            return Ok(output::write(json::line("snapshots", &listed)?.as_bytes())?);
        }
        let mut text = Vec::new();
        if snapshots.is_empty() {
            text.extend_from_slice(b"No snapshots\n");
        }
        for Taken { name, dir, timestamp, comment } in &snapshots {
            text.extend_from_slice(format!("{name} ({}) {timestamp}\n", dir.display()).as_bytes());
            if let (true, Some(comment)) = (self.showcomments, comment) {
                text.extend_from_slice(&read(comment)?);
            }
        }
        Ok(output::write(&text)?)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::said(format!("cannot read {}: {e}", path.display())))
}

/// The kind `snapshots` of `doc/json.md`.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    lxcpath: &'a str,
    container: &'a str,
    snapshots: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    name: &'a str,
    path: String,
    timestamp: Option<&'a str>,
    comment: Option<String>,
}

impl<'a> Entry<'a> {
    fn of(snapshot: &'a Taken) -> Entry<'a> {
        let comment = snapshot.comment.as_deref().and_then(|file| std::fs::read(file).ok());
        Entry {
            name: &snapshot.name,
            path: snapshot.dir.join(snapshot.name.as_str()).to_string_lossy().into_owned(),
            timestamp: Some(snapshot.timestamp.as_str()).filter(|text| !text.is_empty()),
            comment: comment.map(|text| String::from_utf8_lossy(&text).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::from_words;

    fn parse(words: &str) -> Snapshot {
        from_words(&words.split_whitespace().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_last_of_the_tasks_counts() {
        let tasks = |words| {
            let s = parse(words);
            (s.list, s.restore.is_some(), s.destroy.is_some())
        };
        assert_eq!(tasks("-d ALL -L"), (true, false, false));
        assert_eq!(tasks("-L -r snap0"), (false, true, false));
        assert_eq!(tasks("-r snap0 -d snap0"), (false, false, true));
    }

    #[test]
    fn what_is_refused() {
        for words in ["--format json", "-r snap0 a b"] {
            let mut snapshot = parse(words);
            assert!(snapshot.check().is_err(), "{words}");
        }
        let mut empty: Snapshot = from_words(&["-d", ""]).unwrap();
        assert!(empty.check().is_err(), "not the beginning of ALL");
    }
}

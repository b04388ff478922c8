//! `lxc-copy`: copy a container, rename it, or start a copy that lasts for one run.

mod mounts;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lxc_core::{Container, CopyOptions, EphemeralOptions, Mode, Run, StartOptions, Stop, ephemeral};
use lxc_sys::process;
use lxc_types::{Name, StorageKind};

use crate::cli::{Common, Rcfile, Tool};
use crate::output;
use crate::report::{self, Failure};
use crate::session::{Session, absolute};

/// Copy a container
#[derive(Debug, clap::Parser)]
pub struct Copy {
    /// The new container's name
    #[arg(short = 'N', long, value_name = "NEWNAME")]
    newname: Option<String>,
    /// The folder of containers for the new one; it must exist
    #[arg(short = 'p', long, value_name = "NEWPATH")]
    newpath: Option<PathBuf>,
    /// Rename the container
    #[arg(short = 'R', long, overrides_with_all = ["snapshot", "ephemeral"])]
    rename: bool,
    /// Share unchanged files with the container instead of copying them
    #[arg(short = 's', long, overrides_with_all = ["rename", "ephemeral"])]
    snapshot: bool,
    /// Copy a container that is running, too
    #[arg(short = 'a', long)]
    allowrunning: bool,
    /// With -e: stay in the foreground, with this terminal as the console
    #[arg(short = 'F', long, overrides_with = "daemon")]
    foreground: bool,
    /// With -e: run in the background (the default)
    #[arg(short = 'd', long, overrides_with = "foreground")]
    daemon: bool,
    /// Start a copy that shares files with the container and is destroyed when it stops
    #[arg(short = 'e', long, overrides_with_all = ["rename", "snapshot"])]
    ephemeral: bool,
    /// With -e: show a directory or file of the host: bind=SOURCE[:TARGET][:ro|rw] or overlay=SOURCE[:TARGET], several
    /// joined by commas
    #[arg(short = 'm', long, value_name = "MOUNT")]
    mount: Vec<String>,
    /// What the new root file system lies on
    #[arg(short = 'B', long, value_name = "TYPE")]
    backingstorage: Option<String>,
    /// The size of a new block device
    #[arg(short = 'L', long, value_name = "SIZE")]
    fssize: Option<String>,
    /// With -e: do not destroy the copy when it stops
    #[arg(short = 'D', long)]
    keepdata: bool,
    /// Keep the host name
    #[arg(short = 'K', long)]
    keepname: bool,
    /// Keep the hardware addresses of the network devices
    #[arg(short = 'M', long)]
    keepmac: bool,
    /// With -e: keep changes in memory; a reboot loses them
    #[arg(short = 't', long)]
    tmpfs: bool,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;

impl Tool for Copy {
    const PROGRAM: &'static str = "lxc-copy";
    const SYNOPSIS: &'static str =
        "--name=NAME -N NEWNAME [-p NEWPATH] [-B TYPE] [-s] [-K] [-M] [-- HOOK ARGUMENTS]
       lxc-copy --name=NAME [-N NEWNAME] [-p NEWPATH] -e [-d] [-D] [-K] [-M] [-m MOUNT] [-t] [-- COMMAND]
       lxc-copy --name=NAME -N NEWNAME [-p NEWPATH] -R";

    crate::cli::common!();

    fn check(&mut self) -> Result<(), String> {
        if self.newname.is_none() && !self.ephemeral {
            return Err("a new name must be given: -N NEWNAME".to_owned());
        }
        let kind = self.kind()?;
        self.mounts()?;
        if !self.ephemeral || !self.tmpfs {
            return Ok(());
        }
        if self.keepdata {
            return Err("--tmpfs (-t) keeps nothing: --keepdata (-D) cannot be had with it".to_owned());
        }
        match kind {
            None | Some(StorageKind::Overlay) => Ok(()),
            Some(other) => Err(format!("--tmpfs (-t) is for storage of type overlay, not {other}")),
        }
    }

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let source = session.controllable()?;
        let lxcpath = match &self.newpath {
            Some(path) => absolute(path)?,
            None => session.lxcpath.clone(),
        };
        let name = self.name(&lxcpath, source.name())?;
        // An interrupted copy ends, and then what it has left is removed here.
        process::ignore_signal(SIGINT);
        process::ignore_signal(SIGQUIT);
        if self.rename {
            source.rename(&lxcpath, &name, &self.hook_args()?)?;
            return Ok(0);
        }
        let options = CopyOptions {
            lxcpath: Some(lxcpath),
            keep_name: self.keepname,
            keep_mac: self.keepmac,
            snapshot: self.snapshot || self.ephemeral,
            storage: self.kind().map_err(Failure::said)?,
            allow_running: self.allowrunning,
            hook_args: if self.ephemeral { Vec::new() } else { self.hook_args()? },
            ..CopyOptions::new(name)
        };
        if self.ephemeral {
            return self.run_ephemeral(session, &source, &options);
        }
        source.copy(&options)?;
        Ok(0)
    }
}

impl Copy {
    fn name(&self, lxcpath: &Path, source: &Name) -> Result<Name, Failure> {
        match &self.newname {
            Some(text) => text.parse().map_err(|e| Failure::said(format!("{e}"))),
            None => Ok(ephemeral::free_name(lxcpath, source)?),
        }
    }

    /// The type of storage that is asked for; the text of the complaint.
    fn kind(&self) -> Result<Option<StorageKind>, String> {
        match self.backingstorage.as_deref() {
            None => Ok(None),
            // Upstream compares as many letters as were given.
            Some(word) if !word.is_empty() && "overlay".starts_with(word) => Ok(Some(StorageKind::Overlay)),
            Some(word) => {
                word.parse().map(Some).map_err(|_| format!("{word} is not a valid backing storage type"))
            }
        }
    }

    fn mounts(&self) -> Result<Vec<ephemeral::ExtraMount>, String> {
        let lists: Result<Vec<_>, String> = self.mount.iter().map(|text| mounts::parse(text)).collect();
        Ok(lists?.concat())
    }

    fn hook_args(&self) -> Result<Vec<String>, Failure> {
        let text = |arg: &OsString| arg.to_str().map(str::to_owned);
        let args: Option<Vec<String>> = self.common.rest.iter().map(text).collect();
        args.ok_or_else(|| Failure::said("an argument for the hooks is not UTF-8"))
    }

    /// Makes the copy, starts it, and perhaps runs a command in it.
    fn run_ephemeral(
        self,
        session: &Session,
        source: &Container,
        options: &CopyOptions,
    ) -> Result<u8, Failure> {
        let special = EphemeralOptions {
            mounts: self.mounts().map_err(Failure::said)?,
            tmpfs: self.tmpfs,
            keep_data: self.keepdata,
        };
        let mut container = source.copy_ephemeral(options, &special)?;
        if !session.quiet {
            let mut text = format!("Created {} as clone of {}\n", container.name(), source.name());
            if self.tmpfs {
                text.push_str("Container is placed on tmpfs.\n");
                text.push_str("Rebooting will cause all changes made to it to be lost!\n");
            }
            output::write(text.as_bytes())?;
        }
        let in_background = !self.foreground || !self.common.rest.is_empty();
        let started = container.start(&StartOptions {
            mode: Mode::Start,
            argv: Vec::new(),
            run: if in_background { Run::Daemon } else { Run::Foreground },
            pidfile: None,
            close_fds: false,
            log: session.log.clone(),
        });
        if let Err(error) = started {
            self.discard(&container);
            return Err(error.into());
        }
        if !self.common.rest.is_empty() {
            let ran = attach(&container, &self.common.rest, session.quiet);
            container.stop(&Stop::Shutdown { timeout: None, kill_after: false })?;
            ran?;
        }
        Ok(0)
    }

    /// A copy that does not start is of no use. Its monitor has removed it, if there was one.
    fn discard(&self, container: &Container) {
        if !self.keepdata
            && container.dir().join("config").exists()
            && let Err(error) = container.destroy(&lxc_core::DestroyOptions::default())
        {
            report::line(&format!("lxc-copy: {} stays: {error}", container.dir().display()));
        }
    }
}

/// Runs a command in the container, with an environment of its own. A program that enters containers runs from a
/// file that nobody can write to: `lxc-attach` sees to that.
fn attach(container: &Container, command: &[OsString], quiet: bool) -> Result<(), Failure> {
    const SELF: &str = "/proc/self/exe";
    let status = Command::new(SELF)
        .arg0("lxc-attach")
        .arg("-n")
        .arg(container.name().as_str())
        .arg("-P")
        .arg(container.lxcpath())
        .args(if quiet { &["-q", "--clear-env", "--"][..] } else { &["--clear-env", "--"] })
        .args(command)
        .status();
    match status {
        Ok(_) => Ok(()),
        Err(e) => Err(Failure::said(format!("cannot run lxc-attach: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::from_words;

    fn parse(words: &str) -> Copy {
        from_words(&words.split_whitespace().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_last_of_the_tasks_counts() {
        let tasks = |words| {
            let copy = parse(words);
            (copy.rename, copy.snapshot, copy.ephemeral)
        };
        assert_eq!(tasks("-N x -s -R"), (true, false, false));
        assert_eq!(tasks("-N x -R -s"), (false, true, false));
        assert_eq!(tasks("-e -s"), (false, true, false));
        assert_eq!(tasks("-s -e"), (false, false, true));
    }

    #[test]
    fn what_is_refused() {
        for words in [
            "",
            "-s",
            "-e -t -D",
            "-e -t -B dir",
            "-N x -B foo",
            "-N x -B best",
            "-e -m bind",
            "-e -m foo=/x",
        ] {
            assert!(parse(words).check().is_err(), "{words}");
        }
        for words in ["-e", "-N x -t -D", "-e -t -B ov", "-N x -B overlayfs -s", "-e -m bind=/x,overlay=/y"] {
            assert_eq!(parse(words).check(), Ok(()), "{words}");
        }
    }
}

//! Running a template: a program that fills the root file system and completes the configuration.
//!
//! Runs in the tool, and in a child with a mount namespace of its own: what a template mounts goes with it.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, Mode, OFlags};
use rustix::mount::MountPropagationFlags;

use lxc_sys::clone::{Child, Cloned, Request};
use lxc_sys::ns::NsFlags;
use lxc_sys::process::{self, Exit, SignalSet};
use lxc_sys::{Op, Result};
use lxc_types::IdMap;

use super::Error;
use crate::unshare::{self, Mapped};

/// What makes the root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// Nothing: the configuration is all there is.
    None,
    /// The built-in template: this host, read-only, under a writable layer.
    Host,
    /// A program, by its full path.
    Program(PathBuf),
}

impl Template {
    /// The template that `word` names: an absolute path, `none` or a beginning of it, `host`, or the program
    /// `lxc-WORD` in one of `dirs`.
    ///
    /// # Errors
    /// [`Error::NoTemplate`] with the places where it was looked for.
    pub fn find(word: &str, dirs: &[PathBuf]) -> std::result::Result<Template, Error> {
        // Upstream compares as many letters as were given.
        if "none".starts_with(word) {
            return Ok(Template::None);
        }
        if word == "host" {
            return Ok(Template::Host);
        }
        let places: Vec<PathBuf> = match word.starts_with('/') {
            true => vec![PathBuf::from(word)],
            false => dirs.iter().map(|dir| dir.join(format!("lxc-{word}"))).collect(),
        };
        let runs = |place: &&PathBuf| rustix::fs::access(place.as_path(), Access::EXEC_OK).is_ok();
        match places.iter().find(runs) {
            Some(found) => Ok(Template::Program(found.clone())),
            None => Err(Error::NoTemplate { word: word.to_owned(), places }),
        }
    }
}

/// One run of a template program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// The program.
    pub(super) program: &'a Path,
    /// The container's folder.
    pub(super) folder: &'a Path,
    /// The container's name.
    pub(super) name: &'a str,
    /// Where the storage is.
    pub(super) rootfs: &'a Path,
    /// The user's own arguments.
    pub(super) args: &'a [OsString],
    /// The container's id maps.
    pub(super) idmaps: &'a [IdMap],
    /// Whether what it prints is thrown away.
    pub(super) quiet: bool,
}

/// Runs the template and waits for its end.
///
/// # Errors
/// When it cannot be run, exits with another status than 0, or is killed.
pub(super) fn run(call: &Call<'_>) -> std::result::Result<(), Error> {
    let child = match call.idmaps.is_empty() {
        true => spawn_plain(call)?,
        false => spawn_mapped(call)?,
    };
    match child.wait()? {
        Exit::Exited(0) => Ok(()),
        exit => Err(Error::Template { program: call.program.to_owned(), exit }),
    }
}

/// The template with the caller's own ids.
fn spawn_plain(call: &Call<'_>) -> std::result::Result<Child, Error> {
    let argv = argv(call, &[])?;
    let root = rustix::process::geteuid().is_root();
    let namespaces = if root { NsFlags::MNT } else { NsFlags::empty() };
    match lxc_sys::clone::clone(&Request { namespaces, ..Request::default() })?.0 {
        Cloned::Monitor(child) => Ok(child),
        Cloned::Guest(_) => {
            let Err(error) = become_template(&argv, root, call.quiet);
            log::error!("template {} cannot be run: {error}", call.program.display());
            process::leave(127)
        }
    }
}

/// The template in a user namespace with the container's ids, and with the caller's own ids told to it.
fn spawn_mapped(call: &Call<'_>) -> std::result::Result<Child, Error> {
    let (maps, uid, gid) = unshare::with_own_ids(call.idmaps);
    let own = ["--mapped-uid".into(), uid.to_string().into(), "--mapped-gid".into(), gid.to_string().into()];
    let argv = argv(call, &own)?;
    let root = Mapped { maps: &maps, uid: 0, gid: 0 };
    Ok(root.spawn(|| become_template(&argv, false, call.quiet))?)
}

/// Runs in the child: replaces it by the template.
fn become_template(
    argv: &(CString, Vec<CString>),
    private: bool,
    quiet: bool,
) -> Result<std::convert::Infallible> {
    if private {
        // What is mounted from now on stays here; what the host unmounts goes here, too.
        rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
            .op("mount", "/")?;
    }
    process::default_signal_actions();
    process::set_signal_mask(&SignalSet::empty())?;
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    if quiet {
        let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()).op("open", "/dev/null")?;
        rustix::stdio::dup2_stdin(&null).op("dup2", "standard input")?;
        rustix::stdio::dup2_stdout(&null).op("dup2", "standard output")?;
        rustix::stdio::dup2_stderr(&null).op("dup2", "standard error")?;
    }
    let env = unshare::environment()?;
    let (file, argv) = argv;
    Err(process::exec_file(file, argv, &env))
}

/// `lxc-T --path=FOLDER --name=NAME --rootfs=ROOTFS ARGS`: first the file to execute.
fn argv(call: &Call<'_>, more: &[OsString]) -> Result<(CString, Vec<CString>)> {
    let base = call.program.file_name().unwrap_or_default();
    let words = [base.to_owned()].into_iter().chain(contract(call));
    let words = words.chain(call.args.iter().chain(more).cloned());
    Ok((text(call.program.as_os_str())?, words.map(|word| text(&word)).collect::<Result<_>>()?))
}

fn contract(call: &Call<'_>) -> [OsString; 3] {
    let option = |name: &str, value: &OsStr| {
        let mut word = OsString::from(name);
        word.push(value);
        word
    };
    [
        option("--path=", call.folder.as_os_str()),
        option("--name=", OsStr::new(call.name)),
        option("--rootfs=", call.rootfs.as_os_str()),
    ]
}

fn text(word: &OsStr) -> Result<CString> {
    process::c_string(word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'a>(args: &'a [OsString], idmaps: &'a [IdMap]) -> Call<'a> {
        Call {
            program: Path::new("/t/lxc-busybox"),
            folder: Path::new("/l/c1"),
            name: "c1",
            rootfs: Path::new("/l/c1/rootfs"),
            args,
            idmaps,
            quiet: false,
        }
    }

    fn words(argv: &(CString, Vec<CString>)) -> Vec<&str> {
        argv.1.iter().map(|word| word.to_str().unwrap()).collect()
    }

    #[test]
    fn the_contract() {
        let args = [OsString::from("--busybox-path"), OsString::from("/b x")];
        let argv = argv(&call(&args, &[]), &[]).unwrap();
        assert_eq!(argv.0.to_str(), Ok("/t/lxc-busybox"));
        assert_eq!(
            words(&argv),
            ["lxc-busybox", "--path=/l/c1", "--name=c1", "--rootfs=/l/c1/rootfs", "--busybox-path", "/b x"]
        );
    }

    #[test]
    fn the_contract_with_mapped_ids() {
        let more = ["--mapped-uid", "5"].map(OsString::from);
        let args = [OsString::from("x")];
        let argv = argv(&call(&args, &[]), &more).unwrap();
        assert_eq!(words(&argv)[4..], ["x", "--mapped-uid", "5"]);
    }

    #[test]
    fn where_templates_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("lxc-x");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        let dirs = [PathBuf::from("/does/not/exist"), dir.path().to_owned()];
        assert!(matches!(Template::find("x", &dirs), Err(Error::NoTemplate { .. })), "not executable");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(Template::find("x", &dirs).unwrap(), Template::Program(program.clone()));
        assert_eq!(Template::find(program.to_str().unwrap(), &[]).unwrap(), Template::Program(program));
        assert_eq!(Template::find("n", &dirs).unwrap(), Template::None);
        assert_eq!(Template::find("none", &dirs).unwrap(), Template::None);
        assert_eq!(Template::find("host", &dirs).unwrap(), Template::Host);
        assert!(Template::find("nonesuch", &dirs).is_err());
    }
}

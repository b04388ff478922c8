//! `lxc-attach`: run a program, or a shell, inside a running container.

mod sealed;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lxc_core::{AttachOptions, Elevated, EnvPolicy, Program};
use lxc_types::personality::Domain;
use lxc_types::{Namespaces, Personality};

use crate::cli::{self, Common, Tool};
use crate::report::{self, Failure};
use crate::session::{Session, absolute};

/// Run a program inside a running container: a login shell if none is given
#[derive(Debug, clap::Parser)]
pub struct Attach {
    /// Keep privileges of the caller, which may leak into the container: CGROUP, CAP, LSM joined by "|",
    /// or all
    #[arg(short, long, value_name = "LIST", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    elevated_privileges: Option<String>,
    /// Tell the program that it runs on this architecture
    #[arg(short, long, value_name = "ARCH")]
    arch: Option<String>,
    /// Enter only these namespaces, joined by "|": MOUNT, PID, UTSNAME, IPC, USER, NETWORK, CGROUP, TIME
    /// (with all privileges of -e)
    #[arg(short = 's', long, value_name = "LIST")]
    namespaces: Option<String>,
    /// Mount /sys and /proc anew when the mount namespace is not entered (with -s)
    #[arg(short = 'R', long)]
    remount_sys_proc: bool,
    /// Begin with an empty environment
    #[arg(long, overrides_with = "keep_env")]
    clear_env: bool,
    /// Keep the environment (the default)
    #[arg(long)]
    keep_env: bool,
    /// Keep this variable (with --clear-env)
    #[arg(long, value_name = "NAME")]
    keep_var: Vec<OsString>,
    /// Set a variable
    #[arg(short = 'v', long, value_name = "NAME=VALUE")]
    set_var: Vec<OsString>,
    /// Write what the terminal shows to FILE
    #[arg(short = 'L', long, value_name = "FILE")]
    pty_log: Option<PathBuf>,
    /// Read the configuration from FILE instead of the container's own
    #[arg(short = 'f', long, value_name = "FILE")]
    rcfile: Option<PathBuf>,
    /// Run the program with this user id of the container
    #[arg(short, long, value_name = "UID")]
    uid: Option<u32>,
    /// Run the program with this group id of the container
    #[arg(short, long, value_name = "GID")]
    gid: Option<u32>,
    /// Run the program in this SELinux context or AppArmor profile
    #[arg(short, long, value_name = "CONTEXT")]
    context: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Runs the tool, from a program file that what runs in the container cannot write to.
pub fn run(program: &OsStr, args: Vec<OsString>) -> u8 {
    if sealed::is_protected() {
        return cli::run::<Attach>(program, args);
    }
    let Err(error) = sealed::exec(program, &args);
    let failure = Failure::said(format!("cannot run from a protected copy of itself: {error}"));
    report::print(Attach::PROGRAM, None, &failure);
    failure.code()
}

impl Tool for Attach {
    const PROGRAM: &'static str = "lxc-attach";
    const SYNOPSIS: &'static str = "--name=NAME [-- COMMAND]";

    crate::cli::common!(own rcfile);

    fn check(&mut self) -> Result<(), String> {
        let elevated = self.elevated()?;
        if self.context.is_some() && elevated.lsm {
            return Err(
                "-c gives a security context, -e LSM (or -s) keeps the caller's: choose one".to_owned()
            );
        }
        self.personality()?;
        Ok(())
    }

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let container = session.container()?;
        let options = AttachOptions {
            namespaces: self.only().map_err(Failure::said)?,
            elevated: self.elevated().map_err(Failure::said)?,
            personality: self.personality().map_err(Failure::said)?,
            remount_sys_proc: self.remount_sys_proc,
            env: if self.clear_env { EnvPolicy::Clear } else { EnvPolicy::Keep },
            keep_vars: self.keep_var,
            set_vars: self.set_var.iter().map(|text| assignment(text)).collect(),
            uid: self.uid,
            gid: self.gid,
            context: self.context,
            pty_log: self.pty_log.as_deref().map(absolute).transpose()?,
        };
        let program = match self.common.rest.is_empty() {
            true => Program::Shell,
            false => Program::Command(self.common.rest),
        };
        let exit = container.attach(&program, &options)?.wait()?;
        Ok(u8::try_from(exit.shell_status() & 0xff).unwrap_or(1))
    }
}

impl Attach {
    /// The privileges that are kept.
    fn elevated(&self) -> Result<Elevated, String> {
        // Upstream: choosing namespaces is for those who know.
        let all = Elevated { cgroup: true, capabilities: true, lsm: true };
        if self.namespaces.is_some() {
            self.only()?;
            return Ok(all);
        }
        let list = match self.elevated_privileges.as_deref() {
            None => return Ok(Elevated::default()),
            Some("") => return Ok(all),
            Some(list) => list,
        };
        let mut elevated = Elevated::default();
        for word in list.split('|') {
            match word {
                "CGROUP" => elevated.cgroup = true,
                "CAP" => elevated.capabilities = true,
                "LSM" => elevated.lsm = true,
                other => return Err(format!("-e: \"{other}\" is no privilege (CGROUP, CAP, LSM)")),
            }
        }
        Ok(elevated)
    }

    /// The namespaces to enter; `None`: all that the container has.
    fn only(&self) -> Result<Option<Namespaces>, String> {
        self.namespaces.as_deref().map(cli::namespaces).transpose()
    }

    /// The execution domain of the architecture, as personality(2) takes it.
    fn personality(&self) -> Result<Option<u32>, String> {
        const PER_LINUX: u32 = 0;
        const PER_LINUX32: u32 = 8;
        let Some(arch) = &self.arch else { return Ok(None) };
        let arch: Personality = arch.parse().map_err(|e| format!("-a: {e}"))?;
        Ok(Some(match arch.domain() {
            Domain::Linux32 => PER_LINUX32,
            Domain::Linux => PER_LINUX,
        }))
    }
}

/// `NAME=VALUE`; without `=` the value is empty.
fn assignment(text: &OsStr) -> (OsString, OsString) {
    let bytes = text.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
    let value = bytes.get(end + 1..).unwrap_or_default();
    (OsStr::from_bytes(&bytes[..end]).to_owned(), OsStr::from_bytes(value).to_owned())
}

#[cfg(test)]
mod tests {
    use lxc_types::NamespaceKind;

    use super::*;
    use crate::cli::from_words;

    fn parse(words: &[&str]) -> Attach {
        from_words(words).unwrap()
    }

    #[test]
    fn privileges() {
        let none = Elevated::default();
        let all = Elevated { cgroup: true, capabilities: true, lsm: true };
        assert_eq!(parse(&[]).elevated(), Ok(none));
        assert_eq!(parse(&["-e"]).elevated(), Ok(all));
        assert_eq!(
            parse(&["-eCAP|LSM"]).elevated(),
            Ok(Elevated { cgroup: false, capabilities: true, lsm: true })
        );
        assert_eq!(parse(&["-s", "NETWORK"]).elevated(), Ok(all));
        assert!(parse(&["--elevated-privileges=cap"]).elevated().is_err());
    }

    #[test]
    fn namespaces() {
        let mut wanted = Namespaces::NONE;
        wanted.insert(NamespaceKind::Mount);
        wanted.insert(NamespaceKind::Uts);
        wanted.insert(NamespaceKind::Net);
        for text in ["MOUNT|UTSNAME|NETWORK", "mnt|uts|net", "MNT|UTS|NET"] {
            assert_eq!(parse(&["-s", text]).only(), Ok(Some(wanted)), "{text}");
        }
        assert_eq!(parse(&[]).only(), Ok(None));
        assert!(parse(&["-s", "BOGUS"]).only().is_err());
    }

    #[test]
    fn what_is_refused() {
        assert!(parse(&["-s", "PID", "-c", "unconfined"]).check().is_err());
        assert!(parse(&["--elevated-privileges=LSM", "-c", "unconfined"]).check().is_err());
        assert!(parse(&["--elevated-privileges=CAP", "-c", "unconfined"]).check().is_ok());
        assert!(parse(&["-a", "bogus"]).check().is_err());
        assert!(parse(&["-a", "linux32"]).check().is_ok());
    }
}

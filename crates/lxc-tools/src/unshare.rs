//! `lxc-unshare`: run a program in new namespaces.

use std::path::Path;

use lxc_core::unshare::Unshare as Engine;
use lxc_sys::{proc, users};
use lxc_types::{NamespaceKind, Namespaces};

use crate::cli::{self, Common, NameRule, Rcfile, Tool};
use crate::report::Failure;
use crate::session::Session;

/// Run a program in new namespaces
#[derive(Debug, clap::Parser)]
pub struct Unshare {
    /// The new namespaces, joined by "|": MOUNT, PID, UTSNAME, IPC, USER, NETWORK, CGROUP, TIME
    #[arg(short = 's', long, value_name = "LIST")]
    namespaces: Option<String>,
    /// The user to become (with -s USER): a name or number of the host's users
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Set the host name (with -s UTSNAME)
    #[arg(short = 'H', long, value_name = "NAME")]
    hostname: Option<String>,
    /// Move this network interface along (with -s NETWORK)
    #[arg(short, long, value_name = "NAME")]
    ifname: Vec<String>,
    /// Do not wait for the program's end
    #[arg(short, long)]
    daemon: bool,
    /// Mount /proc, /dev/shm and /dev/mqueue anew (with -s MOUNT)
    #[arg(short = 'M', long)]
    remount: bool,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Unshare {
    const PROGRAM: &'static str = "lxc-unshare";
    const SYNOPSIS: &'static str = "-s NAMESPACES [OPTIONS] [--] COMMAND [ARGUMENT]...";
    const NAME: NameRule = NameRule::Unused;

    crate::cli::common!();

    fn check(&mut self) -> Result<(), String> {
        self.wanted().map(drop)?;
        self.uid().map(drop)
    }

    fn run(self, _: &Session) -> Result<u8, Failure> {
        let namespaces = self.complete().map_err(Failure::said)?;
        let engine = Engine {
            namespaces,
            user: self.uid().map_err(Failure::said)?,
            hostname: self.hostname,
            links: self.ifname,
            remount: self.remount,
            session: self.daemon,
        };
        let child = engine.run(&self.common.rest).map_err(lxc_core::Error::from)?;
        if self.daemon {
            return Ok(0);
        }
        // Upstream's exit code: whether the program ended well, not how.
        Ok(u8::from(child.wait()?.shell_status() != 0))
    }
}

impl Unshare {
    fn wanted(&self) -> Result<Namespaces, String> {
        self.namespaces.as_deref().map_or(Ok(Namespaces::NONE), cli::namespaces)
    }

    /// The namespaces, if all that is asked for goes with them; the text of the complaint.
    fn complete(&self) -> Result<Namespaces, String> {
        let wanted = self.wanted()?;
        if self.common.rest.is_empty() {
            return Err("no command: name the program to run".to_owned());
        }
        if wanted == Namespaces::NONE {
            return Err("no namespace: name those that are to be new by -s".to_owned());
        }
        for (given, option, kind, name) in [
            (self.user.is_some(), "-u", NamespaceKind::User, "USER"),
            (!self.ifname.is_empty(), "-i", NamespaceKind::Net, "NETWORK"),
            (self.hostname.is_some(), "-H", NamespaceKind::Uts, "UTSNAME"),
            (self.remount, "-M", NamespaceKind::Mount, "MOUNT"),
        ] {
            if given && !wanted.contains(kind) {
                return Err(format!("{option} needs -s {name}"));
            }
        }
        Ok(wanted)
    }

    /// The user to become; the text of the complaint.
    fn uid(&self) -> Result<Option<u32>, String> {
        let Some(user) = &self.user else { return Ok(None) };
        let passwd = proc::read("/etc/passwd").map_err(|error| format!("-u: {error}"))?;
        let found = match user.parse() {
            Ok(uid) => users::user_by_uid(&passwd, uid),
            Err(_) => users::user_by_name(&passwd, user.as_bytes()),
        };
        found.map(|user| Some(user.uid)).ok_or_else(|| format!("-u: there is no user \"{user}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::from_words;

    fn complete(words: &str) -> Result<Namespaces, String> {
        from_words::<Unshare>(&words.split_whitespace().collect::<Vec<_>>()).unwrap().complete()
    }

    #[test]
    fn what_goes_together() {
        for words in [
            "-s UTSNAME -- true",
            "-s uts|mnt true",
            "-s USER -u root true",
            "-s NETWORK -i a -i b true",
            "-s UTSNAME -H x true",
            "-s MOUNT -M true",
        ] {
            assert!(complete(words).is_ok(), "{words}");
        }
        for (words, why) in [
            ("", "no command"),
            ("-s UTSNAME", "no command"),
            ("true", "no namespace"),
            ("-s | true", "no namespace"),
            ("-s PID -u root true", "-u needs -s USER"),
            ("-s PID -i a true", "-i needs -s NETWORK"),
            ("-s PID -H a true", "-H needs -s UTSNAME"),
            ("-s PID -M true", "-M needs -s MOUNT"),
            ("-s BOGUS true", "no namespace"),
        ] {
            assert!(complete(words).unwrap_err().contains(why), "{words}");
        }
    }

    #[test]
    fn users() {
        let uid = |words: &[&str]| from_words::<Unshare>(words).unwrap().uid();
        assert_eq!(uid(&[]), Ok(None));
        assert_eq!(uid(&["-u", "root"]), Ok(Some(0)));
        assert_eq!(uid(&["-u", "0"]), Ok(Some(0)));
        assert!(uid(&["-u", "no such user"]).is_err());
    }
}

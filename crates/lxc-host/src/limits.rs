//! Resource limits (`lxc.prlimit.*`) and files of `/proc/PID` (`lxc.proc.*`). Runs in the monitor,
//! once the guest's process exists.

use std::fmt;
use std::str::FromStr;

use lxc_sys::Op;
use lxc_sys::procfs::Procfs;
use rustix::process::{Pid, Resource, Rlimit};

/// One resource limit of the container's first process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSpec {
    /// Which resource.
    pub resource: Resource,
    /// How much of it.
    pub limit: Limit,
}

/// `SOFT` or `SOFT:HARD`; `None` is `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The limit in force.
    pub soft: Option<u64>,
    /// What the process may raise it to.
    pub hard: Option<u64>,
}

/// A text that is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no limit: expected SOFT or SOFT:HARD, each a number or \"unlimited\"")]
pub struct LimitError(String);

impl FromStr for Limit {
    type Err = LimitError;

    /// Blanks around the colon are allowed; an empty soft limit before a colon is 0, as in upstream.
    fn from_str(text: &str) -> Result<Self, LimitError> {
        let one = |part: &str| match part.trim() {
            "unlimited" => Some(None),
            digits if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse().ok().map(Some),
            _ => None,
        };
        let parsed = match text.split_once(':') {
            Some((soft, hard)) if soft.trim().is_empty() => Some(Some(0)).zip(one(hard)),
            Some((soft, hard)) => one(soft).zip(one(hard)),
            None => one(text).map(|both| (both, both)),
        };
        let (soft, hard) = parsed.ok_or_else(|| LimitError(text.to_owned()))?;
        Ok(Limit { soft, hard })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
        f.write_str(&text(self.soft))?;
        if self.soft == self.hard { Ok(()) } else { write!(f, ":{}", text(self.hard)) }
    }
}

/// The kernel's resources with their names in `lxc.prlimit.*` (`RLIMIT_*` in lower case).
const RESOURCES: [(&str, Resource); 16] = [
    ("cpu", Resource::Cpu),
    ("fsize", Resource::Fsize),
    ("data", Resource::Data),
    ("stack", Resource::Stack),
    ("core", Resource::Core),
    ("rss", Resource::Rss),
    ("nproc", Resource::Nproc),
    ("nofile", Resource::Nofile),
    ("memlock", Resource::Memlock),
    ("as", Resource::As),
    ("locks", Resource::Locks),
    ("sigpending", Resource::Sigpending),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
];

/// The resource of a name, or of the kernel's number for it.
pub fn resource(name: &str) -> Option<Resource> {
    let number = |r: Resource| (r as u32).to_string();
    RESOURCES.iter().find(|(known, r)| *known == name || number(*r) == name).map(|(_, r)| *r)
}

fn name(resource: Resource) -> &'static str {
    RESOURCES.iter().find(|(_, known)| *known == resource).map_or("unknown", |(name, _)| name)
}

/// One file of `/proc/PID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcFileSpec {
    /// The part behind `lxc.proc.`, for example `oom_score_adj`. A dot stands for a slash.
    pub key: String,
    /// What is written.
    pub value: String,
    /// Where the configuration says so, for the error: `/var/lib/lxc/c1/config line 7`.
    pub origin: String,
}

/// Why a limit or a file could not be set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a limit.
    #[error("cannot set lxc.prlimit.{0} to {1}")]
    Limit(&'static str, Limit, #[source] lxc_sys::Error),
    /// The key is no path below `/proc/PID`.
    #[error("lxc.proc.{0} ({1}) names no file")]
    Key(String, String),
    /// The kernel refused a value.
    #[error("cannot set lxc.proc.{key} to \"{value}\" ({origin})")]
    Write {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// Where it stands.
        origin: String,
        /// The kernel's answer.
        #[source]
        source: lxc_sys::Error,
    },
}

/// Sets the limits of a child that has not been waited for.
///
/// # Errors
/// The first limit that is refused: `EPERM` to raise a hard one without `CAP_SYS_RESOURCE`, `EINVAL`
/// for a soft one above the hard.
pub fn apply(pid: Pid, limits: &[LimitSpec]) -> Result<(), Error> {
    for LimitSpec { resource, limit } in limits {
        let new = Rlimit { current: limit.soft, maximum: limit.hard };
        rustix::process::prlimit(Some(pid), *resource, new)
            .op("prlimit", format!("{}, {}", pid.as_raw_nonzero(), name(*resource)))
            .map_err(|e| Error::Limit(name(*resource), *limit, e))?;
    }
    Ok(())
}

/// Writes files of a child that has not been waited for.
///
/// # Errors
/// The first that cannot be written.
pub fn write_files(proc: &Procfs, pid: Pid, files: &[ProcFileSpec]) -> Result<(), Error> {
    for file in files {
        let ProcFileSpec { key, value, origin } = file.clone();
        let below = key.replace('.', "/");
        if below.split('/').any(str::is_empty) {
            return Err(Error::Key(key, origin));
        }
        let path = format!("{}/{below}", pid.as_raw_nonzero());
        proc.write(&path, value.as_bytes()).map_err(|source| Error::Write { key, value, origin, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_round_trip() {
        for text in ["1024", "0", "1:2", "1:unlimited", "unlimited", "18446744073709551615:3"] {
            assert_eq!(text.parse::<Limit>().unwrap().to_string(), text);
        }
        assert_eq!(" 5 : 6 ".parse::<Limit>().unwrap().to_string(), "5:6");
        assert_eq!(":5".parse::<Limit>().unwrap().to_string(), "0:5");
        for wrong in ["", "abc", "1:2:3", "-1", "+1", "1:", "18446744073709551616", "unlimitedx"] {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn resources_by_name_and_number() {
        assert_eq!(resource("nofile"), Some(Resource::Nofile));
        assert_eq!(resource("7"), Some(Resource::Nofile));
        assert_eq!(resource("as"), Some(Resource::As));
        for (text, found) in RESOURCES {
            assert_eq!((resource(text), name(found)), (Some(found), text));
        }
        for wrong in ["", "NOFILE", "16", "-1", "limit"] {
            assert_eq!(resource(wrong), None);
        }
    }
}

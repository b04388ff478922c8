//! Resource limits (`lxc.prlimit.*`) and files of `/proc/PID` (`lxc.proc.*`). Runs in the monitor,
//! once the guest's process exists.

use lxc_sys::Op;
use lxc_sys::procfs::Procfs;
use lxc_types::{Limit, Limits, Resource};
use rustix::io::Errno;
use rustix::process::{self, Pid, Rlimit};

/// One resource limit of the container's first process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSpec {
    /// Which resource.
    pub resource: Resource,
    /// How much of it.
    pub limits: Limits,
}

/// The kernel's resources in the order of their numbers.
const KERNEL: [(Resource, process::Resource); 16] = [
    (Resource::Cpu, process::Resource::Cpu),
    (Resource::Fsize, process::Resource::Fsize),
    (Resource::Data, process::Resource::Data),
    (Resource::Stack, process::Resource::Stack),
    (Resource::Core, process::Resource::Core),
    (Resource::Rss, process::Resource::Rss),
    (Resource::Nproc, process::Resource::Nproc),
    (Resource::Nofile, process::Resource::Nofile),
    (Resource::Memlock, process::Resource::Memlock),
    (Resource::As, process::Resource::As),
    (Resource::Locks, process::Resource::Locks),
    (Resource::Sigpending, process::Resource::Sigpending),
    (Resource::Msgqueue, process::Resource::Msgqueue),
    (Resource::Nice, process::Resource::Nice),
    (Resource::Rtprio, process::Resource::Rtprio),
    (Resource::Rttime, process::Resource::Rttime),
];

/// `None`: a number that no kernel known here has.
fn kernels(resource: Resource) -> Option<process::Resource> {
    let found = KERNEL.iter().find(|(named, kernel)| match resource {
        Resource::Number(number) => *kernel as u32 == number,
        _ => *named == resource,
    });
    found.map(|(_, kernel)| *kernel)
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
    Limit(Resource, Limits, #[source] lxc_sys::Error),
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
/// for a soft one above the hard and for a resource that the kernel does not have.
pub fn apply(pid: Pid, limits: &[LimitSpec]) -> Result<(), Error> {
    let value = |limit| match limit {
        Limit::Value(value) => Some(value),
        Limit::Unlimited => None,
    };
    for LimitSpec { resource, limits } in limits {
        let new = Rlimit { current: value(limits.soft), maximum: value(limits.hard) };
        kernels(*resource)
            .ok_or(Errno::INVAL)
            .and_then(|kernel| process::prlimit(Some(pid), kernel, new))
            .op("prlimit", format!("{}, {resource}", pid.as_raw_nonzero()))
            .map_err(|e| Error::Limit(*resource, *limits, e))?;
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
    fn resources_by_name_and_number() {
        for (number, (named, kernel)) in (0..).zip(KERNEL) {
            assert_eq!(kernels(named), Some(kernel));
            assert_eq!(kernels(Resource::Number(number)), Some(kernel), "{named}");
        }
        assert_eq!(kernels(Resource::Number(16)), None);
    }
}

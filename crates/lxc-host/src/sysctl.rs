//! Sysctls of the container (`lxc.sysctl.*`). Runs in the guest, after the pivot and before
//! capabilities are dropped.

use lxc_sys::clone::InGuest;
use lxc_sys::procfs::Procfs;

/// One sysctl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysctlSpec {
    /// The part behind `lxc.sysctl.`, for example `net.ipv4.ip_forward`.
    pub key: String,
    /// What is written.
    pub value: String,
    /// Where the configuration says so, for the error: `/var/lib/lxc/c1/config line 7`.
    pub origin: String,
}

/// Why a sysctl could not be set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key is no path below `/proc/sys`.
    #[error("lxc.sysctl.{key} ({origin}) names no sysctl")]
    Key {
        /// The key.
        key: String,
        /// Where it stands.
        origin: String,
    },
    /// The kernel refused.
    #[error("cannot set lxc.sysctl.{key} to \"{value}\" ({origin})")]
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

/// Writes all of them in order. With a [`Procfs::private`] they reach the kernel whatever the
/// container has at `/proc`, also where its `/proc/sys` is mounted read-only.
///
/// # Errors
/// The first one that cannot be set.
pub fn apply(_: &InGuest, proc: &Procfs, settings: &[SysctlSpec]) -> Result<(), Error> {
    for setting in settings {
        let SysctlSpec { key, value, origin } = setting.clone();
        let Some(path) = path(&key) else { return Err(Error::Key { key, origin }) };
        proc.write(&path, value.as_bytes()).map_err(|source| Error::Write { key, value, origin, source })?;
    }
    Ok(())
}

/// As upstream, every dot separates: a component with a dot in its name cannot be named.
fn path(key: &str) -> Option<String> {
    let path = key.replace('.', "/");
    path.split('/').all(|part| !part.is_empty()).then(|| format!("sys/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths_below_sys() {
        assert_eq!(path("net.ipv4.ip_forward").unwrap(), "sys/net/ipv4/ip_forward");
        for wrong in ["", ".", "..kernel", "net..x", "net/../../1/oom_score_adj", "/etc", "kernel."] {
            assert_eq!(path(wrong), None, "{wrong}");
        }
    }
}

//! The container's session keyring. Runs in the guest.

use lxc_sys::clone::InGuest;
use lxc_sys::procfs::Attributes;
use rustix::io::Errno;

/// What becomes of the session keyring (`lxc.keyring.session`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyringSpec {
    /// The container keeps the starter's.
    Keep,
    /// It gets a new, empty one; under SELinux keys get this label.
    New {
        /// `lxc.selinux.context.keyring`, or `None` where SELinux is not active.
        label: Option<String>,
    },
}

/// Why the container would have gotten the wrong keyring.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Going on would make keys with the starter's label.
    #[error("cannot give new keys the label \"{0}\"")]
    Label(String, #[source] lxc_sys::Error),
    /// There is no new keyring.
    #[error("cannot join a new session keyring")]
    Join(#[source] lxc_sys::Error),
}

/// Joins a new session keyring. `attributes` is only used for a label.
///
/// As upstream, a kernel without keyrings and a refusal (`EPERM`, `EACCES`) are no errors.
///
/// # Errors
/// When the label is refused, or for any other answer.
pub fn join(_: &InGuest, attributes: &Attributes, spec: &KeyringSpec) -> Result<(), Error> {
    let KeyringSpec::New { label } = spec else { return Ok(()) };
    if let Some(label) = label {
        attributes.write("keycreate", label.as_bytes()).map_err(|e| Error::Label(label.clone(), e))?;
    }
    match lxc_sys::keyring::join_new_session() {
        Err(e) if matches!(e.errno(), Errno::NOSYS | Errno::PERM | Errno::ACCESS) => {
            log::debug!("keeping the session keyring: {e}");
            Ok(())
        }
        answer => answer.map_err(Error::Join),
    }
}

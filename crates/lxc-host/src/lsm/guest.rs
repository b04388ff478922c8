//! Taking a label. Runs in the container's first process, after the pivot, or in one that entered the
//! container.

use lxc_sys::clone::InGuest;
use lxc_sys::procfs::Attributes;
use rustix::io::Errno;

use super::Label;

/// When the label takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At once, so that it also holds for start hooks. SELinux labels programs only: there it is as
    /// [`When::OnExec`].
    Now,
    /// With the next program.
    OnExec,
}

/// Why the container would run under the wrong label.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AppArmor knows no such profile.
    #[error("AppArmor profile \"{0}\" is not loaded")]
    NotLoaded(String, #[source] lxc_sys::Error),
    /// The module refused.
    #[error("cannot take the label \"{0}\"")]
    Refused(String, #[source] lxc_sys::Error),
}

/// Puts the calling thread under a label. `attributes` were opened before the container's mounts
/// were made, so nothing at the container's `/proc` can divert the write (CVE-2015-1334,
/// CVE-2019-16884).
///
/// # Errors
/// When the label does not exist or this thread may not take it.
pub fn label(_: &InGuest, attributes: &Attributes, label: &Label, when: When) -> Result<(), Error> {
    let (answer, name) = match label {
        Label::AppArmor(name) => (apparmor(attributes, name, when), name),
        Label::Selinux(context) => (attributes.write("exec", context.as_bytes()), context),
    };
    answer.map_err(|e| match (label, e.errno()) {
        (Label::AppArmor(_), Errno::NOENT) => Error::NotLoaded(name.clone(), e),
        _ => Error::Refused(name.clone(), e),
    })
}

fn apparmor(attributes: &Attributes, name: &str, when: When) -> lxc_sys::Result<()> {
    let (file, command) = match when {
        When::Now => ("current", format!("changeprofile {name}")),
        When::OnExec => ("exec", format!("exec {name}")),
    };
    // AppArmor's own directory is there since Linux 5.8; before, the modules share one file.
    if attributes.has("apparmor") {
        attributes.write(&format!("apparmor/{file}"), command.as_bytes())
    } else {
        attributes.write(file, command.as_bytes())
    }
}

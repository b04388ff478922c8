//! Installing a program. Runs in the container's first process, or in one that entered the container.

use std::os::fd::OwnedFd;

use lxc_sys::clone::InGuest;
use lxc_sys::seccomp::{Flags, install as install_program};

use super::{Program, Supervision};

/// Confines the calling thread and what it executes later. Returns the listener if the policy asks a
/// supervisor; it belongs to the monitor.
///
/// # Errors
/// Those of [`lxc_sys::seccomp::install`].
pub fn install(_: &InGuest, program: &Program) -> lxc_sys::Result<Option<OwnedFd>> {
    let flags = match program.supervision {
        Supervision::None => Flags::empty(),
        Supervision::Wanted => Flags::NEW_LISTENER,
    };
    install_program(&program.instructions, flags)
}

//! Session keyrings.
#![allow(unsafe_code)]

use std::io;

use crate::{Op, Result};

/// `keyctl(2)`: leave the session keyring for a new, anonymous, empty one. Programs started later
/// inherit the new one.
///
/// # Errors
/// `ENOSYS` on a kernel without keyrings, `EDQUOT` when the user has too many keys, `EPERM` or
/// `EACCES` when a security module forbids it.
pub fn join_new_session() -> Result<()> {
    let (operation, anonymous) = (libc::KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>());
    // SAFETY: the operation reads a name through its second argument, and no memory for a null name.
    let serial = unsafe { libc::syscall(libc::SYS_keyctl, operation, anonymous) };
    let result = if serial < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    result.op("keyctl", "KEYCTL_JOIN_SESSION_KEYRING")
}

//! Installing a seccomp program and its listener.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::{Op, Result};

/// One instruction of a classic BPF program (`struct sock_filter`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// How many instructions to skip when a comparison holds.
    pub if_true: u8,
    /// How many to skip when it does not.
    pub if_false: u8,
    /// Operand.
    pub operand: u32,
}

impl Instruction {
    /// Reads instructions as the kernel has them in memory. `None` if the length does not fit.
    pub fn list(bytes: &[u8]) -> Option<Box<[Instruction]>> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        let one = |&[c0, c1, if_true, if_false, k0, k1, k2, k3]: &[u8; 8]| Instruction {
            code: u16::from_ne_bytes([c0, c1]),
            if_true,
            if_false,
            operand: u32::from_ne_bytes([k0, k1, k2, k3]),
        };
        rest.is_empty().then(|| chunks.iter().map(one).collect())
    }
}

bitflags::bitflags! {
    /// Options of [`install`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: libc::c_ulong {
        /// Log every action but `allow` (Linux 4.14).
        const LOG = libc::SECCOMP_FILTER_FLAG_LOG;
        /// Do not switch speculative stores off for this thread (Linux 4.17).
        const SPEC_ALLOW = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        /// Return a listener for the program's `notify` answers (Linux 5.0).
        const NEW_LISTENER = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    }
}

/// `seccomp(2)`: this thread's system calls pass through `program` from now on. With
/// [`Flags::NEW_LISTENER`] the listener's descriptor is returned; it is close-on-exec and blocks.
///
/// # Errors
/// `EACCES` without either `CAP_SYS_ADMIN` in the user namespace or no-new-privs, `EINVAL` for a
/// program the kernel refuses, `EBUSY` if there is a listener already.
pub fn install(program: &[Instruction], flags: Flags) -> Result<Option<OwnedFd>> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL).op("seccomp", "SET_MODE_FILTER")?;
    // The kernel only reads through this pointer.
    let filter = program.as_ptr().cast_mut().cast::<libc::sock_filter>();
    let description = libc::sock_fprog { len, filter };
    let pointer: *const libc::sock_fprog = &raw const description;
    // SAFETY: the description points to `len` instructions, laid out as the kernel's are, which live
    // until the call returns; the kernel copies them.
    let fd =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags.bits(), pointer) };
    if fd < 0 {
        return Err(io::Error::last_os_error()).op("seccomp", "SET_MODE_FILTER");
    }
    if !flags.contains(Flags::NEW_LISTENER) {
        return Ok(None);
    }
    let fd = i32::try_from(fd).map_err(|_| Errno::BADF).op("seccomp", "SET_MODE_FILTER")?;
    // SAFETY: with NEW_LISTENER a positive answer is a descriptor that was just made for us.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// The sizes of the structures a listener speaks in, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotifySizes {
    /// `struct seccomp_notif`.
    pub notification: u16,
    /// `struct seccomp_notif_resp`.
    pub response: u16,
    /// `struct seccomp_data`, a part of the notification.
    pub data: u16,
}

/// `seccomp(2)`: how large the running kernel's structures are.
///
/// # Errors
/// `EINVAL` before Linux 5.0, which has no listeners.
pub fn notify_sizes() -> Result<NotifySizes> {
    let mut sizes = libc::seccomp_notif_sizes { seccomp_notif: 0, seccomp_notif_resp: 0, seccomp_data: 0 };
    let pointer: *mut libc::seccomp_notif_sizes = &raw mut sizes;
    // SAFETY: the kernel writes one structure of this type behind the pointer.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_NOTIF_SIZES, 0, pointer) };
    if answer < 0 {
        return Err(io::Error::last_os_error()).op("seccomp", "GET_NOTIF_SIZES");
    }
    Ok(NotifySizes {
        notification: sizes.seccomp_notif,
        response: sizes.seccomp_notif_resp,
        data: sizes.seccomp_data,
    })
}

/// Waits for a system call that asks, and fills `notification` with a `struct seccomp_notif`. The
/// buffer has [`NotifySizes::notification`] bytes or more.
///
/// # Errors
/// `ENOENT` when the asking task was killed meanwhile, `EINVAL` for a buffer that is too small.
pub fn receive(listener: impl AsFd, notification: &mut [u8]) -> Result<()> {
    const ON: &str = "SECCOMP_IOCTL_NOTIF_RECV";
    if notification.len() < size_of::<libc::seccomp_notif>() {
        return Err(Errno::INVAL).op("ioctl", ON);
    }
    // Since Linux 5.5 the kernel refuses a buffer that is not zero.
    notification.fill(0);
    let (fd, pointer) = (listener.as_fd().as_raw_fd(), notification.as_mut_ptr());
    // SAFETY: this request writes a `seccomp_notif`, for which there is room, and demands no alignment.
    let answer = unsafe { libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_RECV, pointer) };
    if answer < 0 { Err(io::Error::last_os_error()).op("ioctl", ON) } else { Ok(()) }
}

/// Answers a system call with a `struct seccomp_notif_resp`. The buffer has
/// [`NotifySizes::response`] bytes or more.
///
/// # Errors
/// `ENOENT` when the asking task is gone, `EINVAL` for a response the kernel refuses.
pub fn send(listener: impl AsFd, response: &[u8]) -> Result<()> {
    const ON: &str = "SECCOMP_IOCTL_NOTIF_SEND";
    if response.len() < size_of::<libc::seccomp_notif_resp>() {
        return Err(Errno::INVAL).op("ioctl", ON);
    }
    let (fd, pointer) = (listener.as_fd().as_raw_fd(), response.as_ptr());
    // SAFETY: this request reads a `seccomp_notif_resp`, which is there, and demands no alignment.
    let answer = unsafe { libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_SEND, pointer) };
    if answer < 0 { Err(io::Error::last_os_error()).op("ioctl", ON) } else { Ok(()) }
}

/// Whether the task behind a notification still waits for its answer. Asked after its `/proc` files
/// were opened, so that they are not another task's with the same pid.
pub fn is_waiting(listener: impl AsFd, id: u64) -> bool {
    // Until Linux 5.9 this request's number had the other direction; drop it with kernels before 5.10.
    const OLD: libc::Ioctl = libc::_IOR::<u64>('!' as u32, 2);
    [libc::SECCOMP_IOCTL_NOTIF_ID_VALID, OLD].into_iter().any(|request| {
        let (fd, pointer) = (listener.as_fd().as_raw_fd(), &raw const id);
        // SAFETY: this request reads eight bytes.
        unsafe { libc::ioctl(fd, request, pointer) == 0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_from_bytes() {
        let bytes = [0x06, 0, 1, 2, 0, 0, 0xff, 0x7f];
        let list = Instruction::list(&bytes).unwrap();
        let operand = u32::from_ne_bytes([0, 0, 0xff, 0x7f]);
        assert_eq!(*list, [Instruction { code: 6, if_true: 1, if_false: 2, operand }]);
        assert_eq!(Instruction::list(&bytes[..7]), None);
        assert_eq!(size_of::<Instruction>(), size_of::<libc::sock_filter>());
    }

    #[test]
    fn the_kernels_structures_are_ours() {
        let sizes = notify_sizes().unwrap();
        assert!(usize::from(sizes.notification) >= size_of::<libc::seccomp_notif>());
        assert!(usize::from(sizes.response) >= size_of::<libc::seccomp_notif_resp>());
    }

    #[test]
    fn a_program_that_is_none_is_refused() {
        assert_eq!(install(&[], Flags::empty()).unwrap_err().errno(), Errno::INVAL);
    }
}

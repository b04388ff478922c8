//! Locks on open files (`F_OFD_SETLK`, Linux 3.15): they belong to the descriptor, not to the process.

#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

use crate::{Error, Result};

/// What to do while another holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Wait for it, however long.
    Yes,
    /// Give up at once.
    No,
}

/// Locks the whole file for writing; the lock is held until the last descriptor of this opening is closed.
/// Returns whether it was got, which is always so with [`Wait::Yes`].
///
/// # Errors
/// That of fcntl(2), for example `EBADF` for a file that is not open for writing.
pub fn lock(fd: impl AsFd, wait: Wait) -> Result<bool> {
    let fd = fd.as_fd().as_raw_fd();
    let request = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap_or(1),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or(0),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let command = match wait {
        Wait::Yes => libc::F_OFD_SETLKW,
        Wait::No => libc::F_OFD_SETLK,
    };
    loop {
        // SAFETY: the descriptor is borrowed for the call, and the kernel only reads the initialised request.
        if unsafe { libc::fcntl(fd, command, &raw const request) } == 0 {
            return Ok(true);
        }
        match Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO) {
            Errno::INTR => {}
            Errno::AGAIN | Errno::ACCESS if wait == Wait::No => return Ok(false),
            errno => return Err(Error::new("fcntl(F_OFD_SETLK)", format!("descriptor {fd}"), errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_openings_exclude_each_other() {
        let path = std::env::temp_dir().join(format!("lxc-sys-filelock-{}", std::process::id()));
        let open = || std::fs::File::options().create(true).append(true).open(&path).unwrap();
        let (first, second) = (open(), open());
        assert!(lock(&first, Wait::Yes).unwrap());
        assert!(!lock(&second, Wait::No).unwrap());
        assert!(lock(&first, Wait::No).unwrap(), "the same opening holds it already");
        drop(first);
        assert!(lock(&second, Wait::No).unwrap());
        let reader = std::fs::File::open(&path).unwrap();
        assert!(lock(&reader, Wait::No).is_err(), "a reader's descriptor cannot hold a write lock");
        std::fs::remove_file(&path).unwrap();
    }
}

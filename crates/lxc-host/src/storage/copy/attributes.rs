//! What a file is like besides its contents: owner, mode, times, extended attributes (and so access lists).

use std::os::fd::BorrowedFd;

use lxc_sys::mount::fd_path;
use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

type Failure = (&'static str, Errno);

/// Gives `to` everything of `from`, whose status is `stat`. Both are open, perhaps for naming them only.
pub(super) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, stat: &Stat) -> Result<(), Failure> {
    let here = AtFlags::EMPTY_PATH;
    let owner = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    // The owner first: a new one takes marks and capabilities away.
    rustix::fs::chownat(to, "", owner.0, owner.1, here).map_err(|errno| ("chown", errno))?;
    extended(from, to)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        rustix::fs::chmod(fd_path(to), mode).map_err(|errno| ("chmod", errno))?;
    }
    let time = |seconds, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds.try_into().unwrap_or(0),
    };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    match rustix::fs::utimensat(to, "", &times, here) {
        // Before Linux 5.8.
        Err(Errno::INVAL) => rustix::fs::utimensat(rustix::fs::CWD, fd_path(to), &times, AtFlags::empty()),
        other => other,
    }
    .map_err(|errno| ("utimensat", errno))
}

/// Descriptors that only name a file take no calls on attributes: those go by `/proc/self/fd`, which leads to
/// the very file, also to a symbolic link.
fn extended(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Failure> {
    let (from, to) = (fd_path(from), fd_path(to));
    let names = match whole(&|buffer| rustix::fs::listxattr(&from, buffer)) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        other => other.map_err(|errno| ("listxattr", errno))?,
    };
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let value = match whole(&|buffer| rustix::fs::getxattr(&from, name, buffer)) {
            // Gone, or shown in the list only.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => continue,
            other => other.map_err(|errno| ("getxattr", errno))?,
        };
        match rustix::fs::setxattr(&to, name, &value, XattrFlags::empty()) {
            Ok(()) => {}
            // A label of a security module that is not in use here.
            Err(Errno::OPNOTSUPP) if name == b"security.selinux" => {}
            Err(errno) => return Err(("setxattr", errno)),
        }
    }
    Ok(())
}

/// Calls with a longer buffer until all fits.
fn whole(call: &dyn Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        match call(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // The longest that the kernel has is 64 KiB.
            Err(Errno::RANGE) if buffer.len() <= 1 << 16 => buffer.resize(buffer.len() * 4, 0),
            Err(errno) => return Err(errno),
        }
    }
}

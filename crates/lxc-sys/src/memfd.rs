//! Sealed files in memory.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use rustix::io::Errno;

use crate::{Op, Result};

/// Makes a file in memory that holds `bytes` and can no more be changed by anybody.
///
/// # Errors
/// Those of memfd_create(2), write(2) and fcntl(2).
pub fn sealed(name: &str, bytes: &[u8]) -> Result<OwnedFd> {
    let mut file = File::from(create(name, false)?);
    file.write_all(bytes).op("write", name)?;
    file.rewind().op("lseek", name)?;
    seal(&file, name)?;
    Ok(OwnedFd::from(file))
}

/// A sealed copy of the running program, to be executed in its place: whoever is entered by it cannot
/// overwrite the program file of the host through `/proc/PID/exe`.
///
/// # Errors
/// Those of open(2), memfd_create(2), sendfile(2) and fcntl(2).
pub fn sealed_self(name: &str) -> Result<OwnedFd> {
    sealed_file(name, std::path::Path::new("/proc/self/exe"))
}

/// A sealed copy of a program file.
///
/// # Errors
/// Those of open(2), memfd_create(2), sendfile(2) and fcntl(2).
pub fn sealed_file(name: &str, exe: &std::path::Path) -> Result<OwnedFd> {
    let from =
        rustix::fs::open(exe, OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty()).op("open", exe)?;
    let to = create(name, true)?;
    let size = rustix::fs::fstat(&from).op("fstat", exe)?.st_size;
    let mut left = usize::try_from(size).unwrap_or(0);
    while left > 0 {
        match rustix::fs::sendfile(&to, &from, None, left) {
            Ok(0) => break,
            Ok(n) => left = left.saturating_sub(n),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e).op("sendfile", exe),
        }
    }
    seal(&to, name)?;
    Ok(to)
}

/// Whether the running program is such a sealed copy.
pub fn runs_sealed() -> bool {
    let wanted = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    let Ok(exe) =
        rustix::fs::open("/proc/self/exe", OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty())
    else {
        return false;
    };
    rustix::fs::fcntl_get_seals(&exe).is_ok_and(|s| s.contains(wanted))
}

fn create(name: &str, executable: bool) -> Result<OwnedFd> {
    const MFD_EXEC: u32 = 0x10;
    let base = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let flags = if executable { base | MemfdFlags::from_bits_retain(MFD_EXEC) } else { base };
    match rustix::fs::memfd_create(name, flags) {
        // Fallback for Linux before 6.3, which does not know MFD_EXEC.
        Err(Errno::INVAL) if executable => rustix::fs::memfd_create(name, base),
        other => other,
    }
    .op("memfd_create", name)
}

fn seal(fd: impl AsFd, name: &str) -> Result<()> {
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(fd, seals).op("fcntl(F_ADD_SEALS)", name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn holds_its_bytes_for_good() {
        let mut file = File::from(sealed("test", b"lxc.uts.name = c1\n").unwrap());
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "lxc.uts.name = c1\n");
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(0).is_err());
    }

    #[test]
    fn self_copy_is_the_program() {
        let copy = sealed_self("copy").unwrap();
        let own = std::fs::metadata("/proc/self/exe").unwrap().len();
        assert_eq!(rustix::fs::fstat(&copy).unwrap().st_size.unsigned_abs(), own);
        assert!(!runs_sealed());
    }
}

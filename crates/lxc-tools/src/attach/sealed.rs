//! Running from a copy of the program file that nobody can write to.
//!
//! A process that enters a container can be seen there, and `/proc/PID/exe` is its program file: a container
//! without ids of its own could write to it and wait for the host to run it. So the tool executes itself
//! again, from a file system of its own: an overlay without a writable layer, which shows the same file, shares
//! its memory, and cannot be made writable. Where there is no such overlay, it runs from a sealed copy in
//! memory, which takes some milliseconds.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};

use lxc_core::hooks::Env;
use lxc_sys::{Op, Result, memfd, process};

use super::Attach;
use crate::cli::Tool;

const SELF: &str = "/proc/self/exe";

/// `OVERLAYFS_SUPER_MAGIC`, wider than the field is on any architecture.
const OVERLAY: i128 = 0x794c_7630;

/// Whether the running program is protected.
pub fn is_protected() -> bool {
    shows_overlay().unwrap_or(false) || memfd::runs_sealed()
}

/// Whether the program file lies at the top of a read-only overlay that is mounted nowhere.
fn shows_overlay() -> rustix::io::Result<bool> {
    let exe = std::fs::read_link(SELF).unwrap_or_default();
    if exe.parent() != Some(Path::new("/")) {
        return Ok(false);
    }
    let file = rustix::fs::open(SELF, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let flags = rustix::fs::fstatvfs(&file)?.f_flag;
    let kind = rustix::fs::fstatfs(&file)?.f_type;
    Ok(flags.contains(StatVfsMountFlags::RDONLY) && i128::from(kind) == OVERLAY)
}

/// Executes the running program again, protected. Returns only when that fails.
///
/// # Errors
/// When neither way works, or an argument cannot be handed on.
pub fn exec(program: &OsStr, args: &[OsString]) -> Result<Infallible> {
    let argv = std::iter::once(OsString::from(program)).chain(args.iter().cloned());
    let argv = argv.map(|arg| process::c_string(arg.as_bytes())).collect::<Result<Vec<CString>>>()?;
    let env = Env::of_this_process().to_c_strings()?;
    if let Ok(file) = from_overlay() {
        // It comes back only when it could not be executed: then the other way is tried.
        let error = process::exec_fd(&file, &argv, &env);
        log::debug!("the read-only view of the program cannot be executed: {error}");
    }
    let file = memfd::sealed_self(Attach::PROGRAM)?;
    Err(process::exec_fd(&file, &argv, &env))
}

/// The program file, as a read-only overlay shows it. Linux 5.2; before, and for plain users, the copy in
/// memory does: this note goes when the floor is there.
fn from_overlay() -> Result<OwnedFd> {
    let exe = std::fs::read_link(SELF).op("readlink", SELF)?;
    let layers = layers(&exe).ok_or(rustix::io::Errno::INVAL).op("overlay", &exe)?;
    let name = exe.file_name().unwrap_or_default();
    let made = || {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "lowerdir", layers.as_os_str())?;
        fsconfig_set_flag(&context, "ro")?;
        fsconfig_create(&context)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    let mount = made().op("overlay", &exe)?;
    rustix::fs::openat(&mount, name, OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
        .op("open", &exe)
}

/// The folder of the program and another one: an overlay without a writable layer wants two that are not
/// inside each other.
fn layers(exe: &Path) -> Option<PathBuf> {
    let folder = exe.parent()?;
    // Separators of layers and of options.
    if folder.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b':' | b',' | b'\\')) {
        return None;
    }
    let apart = |other: &&Path| !folder.starts_with(other) && !other.starts_with(folder);
    let other = [Path::new("/etc"), Path::new("/usr/share")].into_iter().find(apart)?;
    let mut layers = folder.as_os_str().to_owned();
    layers.push(":");
    layers.push(other);
    Some(PathBuf::from(layers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_layers_apart() {
        assert_eq!(layers(Path::new("/usr/bin/lxc-rs")), Some(PathBuf::from("/usr/bin:/etc")));
        assert_eq!(layers(Path::new("/etc/lxc-rs")), Some(PathBuf::from("/etc:/usr/share")));
        assert_eq!(layers(Path::new("/lxc-rs")), None);
        assert_eq!(layers(Path::new("/a:b/lxc-rs")), None);
    }

    #[test]
    fn a_program_where_it_was_installed_is_not_protected() {
        assert!(!is_protected());
    }
}

//! Leaving the host's root.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use lxc_sys::Op;
use lxc_sys::clone::InGuest;
use lxc_sys::mount::{Attributes, Change, Reach};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};

use super::super::{Cause, Dir, Error, RootKind};
use super::{Mounted, Pivoted, Rootfs};

/// Makes the mounted root `/` and detaches the host's. With the host's root nothing happens.
///
/// # Errors
/// The errno of the failed call; the process must not go on then.
pub fn pivot(_: &InGuest, rootfs: Rootfs<Mounted>) -> Result<Rootfs<Pivoted>, Error> {
    let Mounted { root, kind, .. } = rootfs.stage;
    if kind == RootKind::Separate {
        enter(&root).map_err(|e| Error::Pivot(e, root.path().to_owned()))?;
    }
    Ok(Rootfs { stage: Pivoted { root: root.renamed(Path::new("/")) } })
}

fn enter(root: &Dir) -> lxc_sys::Result<()> {
    rustix::process::fchdir(root).op("fchdir", root.path())?;
    match rustix::process::pivot_root(".", ".") {
        Err(Errno::INVAL) if on_initial_ramfs() => move_over_ramfs(root)?,
        // The host's root lies on top of the new one now, and `.` finds it. Its mounts are slaves (see
        // `isolate`), so that taking them off does not reach the host.
        other => {
            other.op("pivot_root", root.path())?;
            rustix::mount::unmount(".", UnmountFlags::DETACH).op("umount2", "the host's root")?;
        }
    }
    rustix::process::fchdir(root).op("fchdir", root.path())?;
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    rustix::mount::mount_change(".", shared).op("mount", "/")
}

/// Whether `/` is the first root file system, which cannot be pivoted away from.
fn on_initial_ramfs() -> bool {
    visible_mounts().is_ok_and(|all| all.iter().any(|m| m.point == Path::new("/") && m.fstype == "rootfs"))
}

/// On such a system (Android before 10, some boards): the root is moved over `/`, what else was mounted on
/// the host is taken off, and the process is confined by `chroot`.
fn move_over_ramfs(root: &Dir) -> lxc_sys::Result<()> {
    let others = visible_mounts()?;
    rustix::mount::mount_move(".", "/").op("mount", "/")?;
    for mount in
        others.iter().rev().filter(|m| m.point != Path::new("/") && !m.point.starts_with(root.path()))
    {
        match rustix::mount::unmount(&mount.point, UnmountFlags::DETACH) {
            Err(Errno::INVAL | Errno::NOENT) => {}
            other => other.op("umount2", &mount.point)?,
        }
    }
    rustix::process::chroot(".").op("chroot", root.path())
}

/// Makes the directory of `shmounts` receive the host's mounts, after the pivot has made it a peer group
/// of its own.
///
/// # Errors
/// The directory is gone, or no mount.
pub fn slave_shared_mounts(_: &InGuest, rootfs: &Rootfs<Pivoted>, target: &Path) -> Result<(), Error> {
    let root = rootfs.root();
    let slave = || -> Result<(), Cause> {
        let mount = root.at(target)?;
        let propagation = Some(MountPropagationFlags::DOWNSTREAM);
        let attributes = Attributes { propagation, ..Attributes::default() };
        let shown = root.show(target);
        Ok(Change { attributes, reach: Reach::Tree, shown: &shown }.apply_attached(mount.as_fd())?)
    };
    slave().map_err(|source| Error::Extra { what: "the shared mounts of lxc.mount.auto", source })
}

/// A line of mountinfo, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Visible {
    pub(super) point: PathBuf,
    pub(super) fstype: String,
    pub(super) shared: bool,
}

/// The mounts of this namespace, in the order of mountinfo. Read only where the kernel is odd.
pub(super) fn visible_mounts() -> lxc_sys::Result<Vec<Visible>> {
    const PATH: &str = "/proc/self/mountinfo";
    let file = rustix::fs::open(PATH, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).op("open", PATH)?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::fs::File::from(file), &mut bytes).op("read", PATH)?;
    Ok(bytes.split(|b| *b == b'\n').filter_map(line).collect())
}

/// Fields 5 (mount point) and 7 up to `-` (propagation), and the one after it (type); proc(5).
fn line(line: &[u8]) -> Option<Visible> {
    let mut fields = line.split(|b| *b == b' ');
    let point = unescape(fields.nth(4)?);
    let shared = fields.by_ref().skip(1).take_while(|f| *f != b"-").any(|f| f.starts_with(b"shared:"));
    let mut after =
        line.windows(3).position(|w| w == b" - ").map(|at| &line[at + 3..])?.split(|b| *b == b' ');
    let fstype = String::from_utf8_lossy(after.next()?).into_owned();
    Some(Visible { point, fstype, shared })
}

/// Mount points have blanks and backslashes as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..3).and_then(|d| std::str::from_utf8(d).ok()).filter(|_| first == b'\\');
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[3..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_lines() {
        let text = b"36 35 98:0 /mnt1 /mnt\\0402\\134x rw,noatime master:1 shared:3 - ext3 /dev/root rw";
        let expect = Visible { point: PathBuf::from("/mnt 2\\x"), fstype: "ext3".to_owned(), shared: true };
        assert_eq!(line(text), Some(expect));
        let plain = line(b"1 1 0:2 / / rw - rootfs rootfs rw").unwrap();
        assert_eq!((plain.fstype.as_str(), plain.shared), ("rootfs", false));
        assert_eq!(line(b""), None);
        assert_eq!(unescape(b"\\9"), PathBuf::from("\\9"));
        assert!(!visible_mounts().unwrap().is_empty());
    }
}

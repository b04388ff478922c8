//! `/proc` and `/sys`.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};

use lxc_sys::Op;
use lxc_sys::clone::InGuest;
use lxc_sys::mount::{FileSystem, fd_path};
use lxc_types::mount::{ProcAuto, SysAuto};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use super::super::{AutoSpec, Cause, Dir, Error, NetAdmin, RootKind};
use super::{Mounted, Rootfs};

/// Mounts `/proc` and `/sys` as `lxc.mount.auto` says. Parts that this kernel does not have are skipped.
///
/// Upstream makes the writable parts by way of temporary mounts on `/proc/tty` and `/proc/sys`; here they
/// are bound onto themselves first, which ends in the same mounts without any that come and go.
///
/// # Errors
/// A mount is refused.
pub fn auto_mounts(_: &InGuest, rootfs: &Rootfs<Mounted>, spec: &AutoSpec) -> Result<(), Error> {
    let root = rootfs.root();
    if let Some(how) = spec.proc {
        let target = target(rootfs, "proc").map_err(|source| Error::Auto { what: "proc", source })?;
        proc(root, &target, how, spec.net_admin).map_err(|source| Error::Auto { what: "proc", source })?;
    }
    if let Some(how) = spec.sys {
        let target = target(rootfs, "sys").map_err(|source| Error::Auto { what: "sys", source })?;
        sys(root, &target, how).map_err(|source| Error::Auto { what: "sys", source })?;
    }
    Ok(())
}

/// The empty directory to mount on: made if missing, and freed of what came along with the root.
fn target(rootfs: &Rootfs<Mounted>, name: &str) -> Result<OwnedFd, Cause> {
    let root = rootfs.root();
    let open = || root.at(name).map_err(|e| Cause::reaching(e, &root.show(name)));
    if rootfs.kind() == RootKind::Host {
        return open();
    }
    let found = match open() {
        Err(cause) if cause.is_missing() => {
            root.make_dir(name, 0o755)?;
            return open();
        }
        other => other?,
    };
    match rustix::mount::unmount(fd_path(&found), UnmountFlags::DETACH) {
        Err(Errno::INVAL) => Ok(found),
        other => {
            other.op("umount2", root.show(name))?;
            open()
        }
    }
}

const CAREFUL: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

fn proc(root: &Dir, target: &OwnedFd, how: ProcAuto, net: NetAdmin) -> Result<(), Cause> {
    let fs = FileSystem { source: OsStr::new("proc"), fstype: "proc", flags: CAREFUL, data: "" };
    fs.mount(target.as_fd(), &root.show("proc"))?;
    if how == ProcAuto::ReadWrite {
        return Ok(());
    }
    let proc = root.dir("proc")?;
    if bind_onto_itself(&proc, "sys")? {
        if net == NetAdmin::Kept {
            bind_onto_itself(&proc, "sys/net")?;
        }
        remount(&proc, "sys", MountFlags::RDONLY)?;
    }
    if bind_onto_itself(&proc, "sysrq-trigger")? {
        remount(&proc, "sysrq-trigger", MountFlags::RDONLY)?;
    }
    Ok(())
}

fn sys(root: &Dir, target: &OwnedFd, how: SysAuto) -> Result<(), Cause> {
    let flags = match how {
        SysAuto::Mixed => CAREFUL,
        SysAuto::ReadOnly => MountFlags::RDONLY,
        SysAuto::ReadWrite => MountFlags::empty(),
    };
    let fs = FileSystem { source: OsStr::new("sysfs"), fstype: "sysfs", flags, data: "" };
    match fs.mount(target.as_fd(), &root.show("sys")) {
        // The host's own sysfs (shared network namespace) is writable already: read-only is this mount's
        // affair then.
        Err(e) if how == SysAuto::ReadOnly && e.errno() == Errno::BUSY => {
            FileSystem { flags: MountFlags::empty(), ..fs }.mount(target.as_fd(), &root.show("sys"))?;
            remount(root, "sys", MountFlags::RDONLY)?;
        }
        other => other?,
    }
    if how == SysAuto::Mixed {
        bind_onto_itself(root, "sys/devices/virtual/net")?;
        remount(root, "sys", CAREFUL | MountFlags::RDONLY)?;
    }
    Ok(())
}

/// Makes a mount of its own out of a part of one; `false` if the kernel has no such part.
fn bind_onto_itself(dir: &Dir, rel: &str) -> Result<bool, Cause> {
    let part = match dir.at(rel) {
        Err(e) if e.errno() == Errno::NOENT => return Ok(false),
        other => other?,
    };
    let path = fd_path(&part);
    rustix::mount::mount_bind(&path, &path).op("mount", dir.show(rel))?;
    Ok(true)
}

/// Sets exactly these flags on the mount at `rel`.
fn remount(dir: &Dir, rel: &str, flags: MountFlags) -> Result<(), Cause> {
    let mount = dir.at(rel)?;
    rustix::mount::mount_remount(fd_path(&mount), flags | MountFlags::BIND, "")
        .op("remount", dir.show(rel))?;
    Ok(())
}

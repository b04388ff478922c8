//! `/dev`: its tmpfs, its nodes, its links; and the private boot id.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::Path;

use lxc_sys::Op;
use lxc_sys::clone::InGuest;
use lxc_sys::dir::Made;
use lxc_sys::mount::{Attributes, FileSystem, PROC_MAGIC, Reach, Tree, fs_magic};
use rustix::fs::{FileType, Mode, OFlags, makedev};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountFlags};

use super::super::{Cause, Dir, Error, RootKind};
use super::{Mounted, Pivoted, Rootfs};

/// Mounts an empty tmpfs of `size` bytes on `/dev` and makes `pts` in it.
///
/// # Errors
/// `/dev` is a symbolic link or cannot be mounted on.
pub fn autodev(_: &InGuest, rootfs: &Rootfs<Mounted>, size: u64) -> Result<Dir, Error> {
    let mount = || -> Result<Dir, Cause> {
        let root = rootfs.root();
        let shown = root.show("dev");
        let data = format!("size={size},mode=0755");
        let fs = FileSystem {
            source: OsStr::new("none"),
            fstype: "tmpfs",
            flags: MountFlags::empty(),
            data: &data,
        };
        let target = match root.at("dev") {
            Err(e) if e.errno() == Errno::NOENT && rootfs.kind() == RootKind::Separate => {
                root.make_dir("dev", 0o755)?;
                root.at("dev")
            }
            other => other,
        };
        let target = target.map_err(|e| Cause::reaching(e, &shown))?;
        fs.mount(target.as_fd(), &shown)?;
        let dev = root.dir("dev")?;
        dev.make_dir("pts", 0o755)?;
        Ok(dev)
    };
    mount().map_err(Error::Dev)
}

/// The nodes every container gets: name, major, minor.
const NODES: [(&str, u32, u32); 6] =
    [("full", 1, 7), ("null", 1, 3), ("random", 1, 8), ("tty", 5, 0), ("urandom", 1, 9), ("zero", 1, 5)];

/// Makes the basic device nodes. Where the kernel refuses (a user namespace) or ignores them (`nodev`), the
/// host's are bound instead. What exists stays.
///
/// # Errors
/// Neither works for one of them.
pub fn device_nodes(_: &InGuest, dev: &Dir) -> Result<(), Error> {
    let before = rustix::process::umask(Mode::empty());
    let made = make_nodes(dev);
    rustix::process::umask(before);
    made.map_err(Error::Dev)
}

fn make_nodes(dev: &Dir) -> Result<(), Cause> {
    let mut bind = false;
    for (name, major, minor) in NODES {
        if !bind {
            match dev.make_node(name, FileType::CharacterDevice, 0o666, makedev(major, minor)) {
                Err(e) if e.errno() == Errno::PERM => bind = true,
                Err(e) => return Err(e.into()),
                Ok(Made::Existed) => continue,
                // One that cannot be opened was made on a file system that ignores devices: all are.
                Ok(Made::New) if name == NODES[0].0 && dev.file(name, OFlags::RDONLY).is_err() => {
                    dev.remove_file(name)?;
                    bind = true;
                }
                Ok(Made::New) => continue,
            }
        }
        if dev.make_file(name, 0)? == Made::New
            && let Err(cause) = bind_node(dev, name, makedev(major, minor))
        {
            log::warn!("cannot bind the host's /dev/{name}: {cause}");
        }
    }
    Ok(())
}

/// Binds a device of the host, after looking that it is the one it should be.
fn bind_node(dev: &Dir, name: &str, device: rustix::fs::Dev) -> Result<(), Cause> {
    let path = Path::new("/dev").join(name);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = rustix::fs::open(&path, flags, Mode::empty()).op("open", &path)?;
    let stat = rustix::fs::fstat(&source).op("fstat", &path)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice || stat.st_rdev != device {
        return Err(lxc_sys::Error::new("open", path.display().to_string(), Errno::NODEV).into());
    }
    let tree = Tree::clone_fd(&source, &path, Reach::One)?;
    Ok(dev.attach(name, tree, Reach::One, Attributes::default())?)
}

/// Links for the standard streams. What exists stays; a read-only `/dev` is left as it is.
///
/// # Errors
/// The errno of `symlink`.
pub fn standard_links(_: &InGuest, dev: &Dir) -> Result<(), Error> {
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    for (name, to) in links {
        match dev.make_link(name, to) {
            Err(e) if e.errno() == Errno::ROFS => log::warn!("{e}"),
            other => {
                other.map_err(|e| Error::Dev(e.into()))?;
            }
        }
    }
    Ok(())
}

/// Where the container's boot id is kept.
const BOOT_ID: &str = "dev/.lxc-boot-id";

/// Gives the container a boot id of its own, by which programs tell one boot from the next. Containers
/// without `/proc` have none.
///
/// # Errors
/// Any step; the caller goes on without.
pub fn private_boot_id(_: &InGuest, rootfs: &Rootfs<Pivoted>) -> Result<(), Error> {
    boot_id(rootfs.root()).map_err(|source| Error::Extra { what: "a boot id of its own", source })
}

fn boot_id(root: &Dir) -> Result<(), Cause> {
    const RANDOM: &str = "proc/sys/kernel/random";
    let random = match root.dir(RANDOM) {
        Err(e) if e.errno() == Errno::NOENT => return Ok(()),
        other => other?,
    };
    if fs_magic(&random)? != PROC_MAGIC {
        return Ok(());
    }
    let uuid = random.file("uuid", OFlags::RDONLY)?;
    let mut text = [0u8; 37];
    let length = rustix::io::read(&uuid, &mut text).op("read", random.show("uuid"))?;
    let file = root.create_new(BOOT_ID, OFlags::WRONLY, 0o444)?;
    rustix::io::write(&file, &text[..length]).op("write", root.show(BOOT_ID))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o444)).op("fchmod", root.show(BOOT_ID))?;
    drop(file);
    let tree = Tree::clone_fd(&root.at(BOOT_ID)?, &root.show(BOOT_ID), Reach::One)?;
    let set = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    random.attach("boot_id", tree, Reach::One, Attributes { set, ..Attributes::default() })?;
    Ok(())
}

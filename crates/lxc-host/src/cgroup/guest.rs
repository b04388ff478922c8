//! What the container's first process does about control groups: it enters those of v1 by itself, and
//! mounts what the container is to see of them.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use lxc_sys::{Error as SysError, Op};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;

use super::Error;
use super::dir::OpenMask;
use super::layout::Version;
use super::mounts::{Branch, MountPlan, OwnGroup, Rights};

/// Where the groups are seen in a container.
const TARGET: &str = "sys/fs/cgroup";
/// What the tmpfs with a directory for each hierarchy is mounted with.
const TMPFS_OPTIONS: &CStr = c"size=10240k,mode=755";
const SAFE: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// The open `tasks` files of a container's v1 groups, for its first process to enter by.
///
/// Made before the process is cloned; to be used in it before anything else, while it has one thread
/// (a new cgroup namespace must come after). All groups together take some 0.2 ms, where moving the
/// process from outside takes 10 ms: see `tree::move_self`.
#[derive(Debug, Default)]
pub struct Birth {
    groups: Vec<(OwnedFd, String, Need)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Need {
    Needed,
    BestEffort,
}

impl Birth {
    pub(super) fn add(&mut self, tasks: OwnedFd, title: String, needed: bool) {
        self.groups.push((tasks, title, if needed { Need::Needed } else { Need::BestEffort }));
    }

    /// The parts, for the way to the first process: the open file, the hierarchy's name, and whether the container
    /// must not run without it.
    pub fn into_parts(self) -> Vec<(OwnedFd, String, bool)> {
        self.groups.into_iter().map(|(fd, title, need)| (fd, title, need == Need::Needed)).collect()
    }

    /// From its parts.
    pub fn from_parts(parts: impl IntoIterator<Item = (OwnedFd, String, bool)>) -> Self {
        let mut birth = Birth::default();
        for (fd, title, needed) in parts {
            birth.add(fd, title, needed);
        }
        birth
    }

    /// Moves the calling process into the groups.
    ///
    /// # Errors
    /// A group that the configuration needs cannot be entered.
    pub fn enter(self) -> Result<(), Error> {
        for (tasks, title, need) in self.groups {
            match rustix::io::write(&tasks, b"0") {
                Ok(_) => {}
                Err(errno) => {
                    let error = SysError::new("write", format!("tasks of {title}"), errno);
                    if need == Need::Needed {
                        return Err(Error::Hierarchy(title, error));
                    }
                    log::warn!("the container is not in the {title} cgroup: {error}");
                }
            }
        }
        Ok(())
    }
}

/// Mounts what the plan says on `sys/fs/cgroup` of the rootfs, an open directory of which nothing is
/// trusted: no symbolic link on the way is followed.
///
/// # Errors
/// There is no such directory in the rootfs, or a mount is refused.
pub fn mount(plan: &MountPlan, rootfs: BorrowedFd<'_>) -> Result<(), Error> {
    match plan {
        MountPlan::Nothing => Ok(()),
        MountPlan::Unified(rights) => {
            let target = beneath(rootfs, Path::new(TARGET))?;
            mount_on(&target, c"cgroup2", *rights, None)
        }
        MountPlan::Tree(branches) => {
            mount_tmpfs(&beneath(rootfs, Path::new(TARGET))?)?;
            let _mask = OpenMask::set();
            // Again: the first descriptor is of what lies below the tmpfs now.
            let top = beneath(rootfs, Path::new(TARGET))?;
            branches.iter().try_for_each(|branch| mount_branch(&top, branch))
        }
    }
}

fn mount_branch(top: &OwnedFd, branch: &Branch) -> Result<(), Error> {
    let name = Path::new(&branch.title);
    make_dir(top.as_fd(), name)?;
    if let Some(rights) = branch.whole {
        let options = c_string(&branch.options)?;
        let (fs_type, data) = match branch.version {
            Version::V1 => (c"cgroup", Some(options.as_c_str())),
            Version::V2 => (c"cgroup2", None),
        };
        mount_on(&beneath(top.as_fd(), name)?, fs_type, rights, data)?;
    }
    let Some(own) = &branch.own else { return Ok(()) };
    if branch.whole.is_none() {
        // The directories on the way to the own group: before nothing can be written any more.
        let mut path = PathBuf::from(name);
        for part in own.below.components() {
            path.push(part);
            make_dir(top.as_fd(), &path)?;
        }
        if branch.around == Rights::ReadOnly {
            let target = beneath(top.as_fd(), name)?;
            bind(&proc_path(&target), &target)?;
            read_only(&beneath(top.as_fd(), name)?)?;
        }
    }
    mount_own(top, &name.join(&own.below), own)
}

fn mount_own(top: &OwnedFd, below: &Path, own: &OwnGroup) -> Result<(), Error> {
    let target = beneath(top.as_fd(), below)?;
    bind(&own.source, &target)?;
    if own.rights == Rights::ReadOnly {
        read_only(&beneath(top.as_fd(), below)?)?;
    }
    Ok(())
}

fn mount_tmpfs(target: &OwnedFd) -> Result<(), Error> {
    let path = proc_path(target);
    rustix::mount::mount(c"tmpfs", &path, c"tmpfs", SAFE | MountFlags::RELATIME, TMPFS_OPTIONS)
        .op("mount", TARGET)?;
    Ok(())
}

fn mount_on(target: &OwnedFd, fs_type: &CStr, rights: Rights, data: Option<&CStr>) -> Result<(), Error> {
    let flags = SAFE | MountFlags::RELATIME;
    let path = proc_path(target);
    let what = format!("{} on {TARGET}", fs_type.to_string_lossy());
    let flags = if rights == Rights::ReadOnly { flags | MountFlags::RDONLY } else { flags };
    rustix::mount::mount(c"none", &path, fs_type, flags, data).op("mount", what)?;
    Ok(())
}

fn bind(source: &Path, target: &OwnedFd) -> Result<(), Error> {
    rustix::mount::mount_bind(source, proc_path(target)).op("bind mount", source)?;
    Ok(())
}

/// Makes a bind mount read-only; its other flags have to be said again.
fn read_only(target: &OwnedFd) -> Result<(), Error> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | SAFE | MountFlags::RELATIME;
    rustix::mount::mount_remount(proc_path(target), flags, c"").op("remount read-only", TARGET)?;
    Ok(())
}

fn make_dir(top: BorrowedFd<'_>, below: &Path) -> Result<(), Error> {
    match rustix::fs::mkdirat(top, below, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(SysError::new("mkdir", below.display().to_string(), errno).into()),
    }
}

/// The path of an open directory that mount(2) understands. `/proc` is the host's still.
fn proc_path(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// Opens a directory below another one, following no symbolic link. Mounts on the way are crossed.
fn beneath(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve) {
        // Linux 5.6 has openat2; delete the walk when that is the floor.
        Err(Errno::NOSYS) => walk(dir, path),
        other => Ok(other.op("open", path)?),
    }
}

/// The same by one step for each part of the path.
fn walk(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = rustix::fs::openat(dir, c".", flags, Mode::empty()).op("open", path)?;
    for part in path.components() {
        let Component::Normal(name) = part else { return Err(Error::Outside(path.to_owned())) };
        here = rustix::fs::openat(&here, name, flags, Mode::empty()).op("open", path)?;
    }
    Ok(here)
}

fn c_string(text: &str) -> Result<std::ffi::CString, Error> {
    std::ffi::CString::new(text).map_err(|_| SysError::new("mount", text, Errno::INVAL).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_link_is_followed_on_the_way() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("real/fs/cgroup")).unwrap();
        std::os::unix::fs::symlink("real", temp.path().join("sys")).unwrap();
        std::os::unix::fs::symlink("/sys/fs/cgroup", temp.path().join("real/fs/link")).unwrap();
        let root = std::fs::File::open(temp.path()).unwrap();
        for open in [beneath, walk] {
            assert!(open(root.as_fd(), Path::new("real/fs/cgroup")).is_ok());
            assert!(open(root.as_fd(), Path::new(TARGET)).is_err());
            assert!(open(root.as_fd(), Path::new("real/fs/link")).is_err());
            assert!(open(root.as_fd(), Path::new("../")).is_err());
        }
    }
}

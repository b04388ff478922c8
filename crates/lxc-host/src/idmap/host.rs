//! Writing the maps of a new user namespace. Runs in the monitor.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lxc_sys::Op;
use lxc_sys::procfs::Procfs;
use lxc_types::{IdKind, IdMap};
use rustix::fs::{AtFlags, CWD, Gid, Uid};
use rustix::io::Errno;
use rustix::process::Pid;

use super::{IdMapSpec, Tools, Writer, outside};

/// The kernel takes maps that are shorter than a page.
const LONGEST: usize = 4096;

/// Why a user namespace has no maps.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused; with `EPERM` the caller may not map these ids.
    #[error("cannot write the {0} map \"{1}\"")]
    Write(&'static str, String, #[source] lxc_sys::Error),
    /// More lines than the kernel takes.
    #[error("the {0} map is longer than 4095 bytes")]
    Long(&'static str),
    /// A tool could not be run.
    #[error("cannot run {0}")]
    Run(PathBuf, #[source] std::io::Error),
    /// A tool refused.
    #[error("{0} refused the map \"{1}\": {2}")]
    Tool(PathBuf, String, String),
    /// An id has no counterpart on the host.
    #[error("{0} id {1} of the container is not mapped")]
    Unmapped(&'static str, u32),
    /// A system call failed.
    #[error(transparent)]
    System(#[from] lxc_sys::Error),
}

/// Writes the maps of the user namespace of `pid`, a child that has not been waited for: all users,
/// then all groups.
///
/// # Errors
/// When the caller may not map one of the ids.
pub fn write(proc: &Procfs, pid: Pid, spec: &IdMapSpec) -> Result<(), Error> {
    match &spec.via {
        Writer::Direct => {
            write_direct(proc, pid, "uid", &spec.users)?;
            write_direct(proc, pid, "gid", &spec.groups)
        }
        Writer::DirectWithoutSetgroups => {
            write_direct(proc, pid, "uid", &spec.users)?;
            if !spec.groups.is_empty() {
                proc.write(&format!("{}/setgroups", pid.as_raw_nonzero()), b"deny\n")?;
            }
            write_direct(proc, pid, "gid", &spec.groups)
        }
        Writer::Tools(tools) => {
            run_tool(&tools.users, pid, &spec.users)?;
            run_tool(&tools.groups, pid, &spec.groups)
        }
    }
}

fn line(map: &IdMap) -> String {
    format!("{} {} {}", map.inside, map.outside, map.count)
}

fn write_direct(proc: &Procfs, pid: Pid, kind: &'static str, maps: &[IdMap]) -> Result<(), Error> {
    if maps.is_empty() {
        return Ok(());
    }
    let text: String = maps.iter().map(|map| line(map) + "\n").collect();
    if text.len() >= LONGEST {
        return Err(Error::Long(kind));
    }
    let path = format!("{}/{kind}_map", pid.as_raw_nonzero());
    let shown = || text.trim_end().replace('\n', ", ");
    proc.write(&path, text.as_bytes()).map_err(|e| Error::Write(kind, shown(), e))
}

fn run_tool(tool: &Path, pid: Pid, maps: &[IdMap]) -> Result<(), Error> {
    if maps.is_empty() {
        return Ok(());
    }
    let text = maps.iter().map(line).collect::<Vec<_>>().join(" ");
    let mut command = Command::new(tool);
    command.arg(pid.as_raw_nonzero().to_string()).args(text.split(' '));
    let output = command.output().map_err(|e| Error::Run(tool.to_owned(), e))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Tool(tool.to_owned(), text, said))
}

/// Finds `newuidmap` and `newgidmap` in the directories of `path`. Only programs that have privilege
/// themselves count: set-user-id root, or with file capabilities.
pub fn find_tools(path: &OsStr) -> Option<Tools> {
    let find = |name: &str| {
        let dirs = path.as_bytes().split(|&b| b == b':').filter(|dir| dir.starts_with(b"/"));
        let mut files = dirs.map(|dir| Path::new(OsStr::from_bytes(dir)).join(name));
        files.find(|file| is_privileged(file))
    };
    Some(Tools { users: find("newuidmap")?, groups: find("newgidmap")? })
}

fn is_privileged(file: &Path) -> bool {
    const REGULAR_SETUID_EXECUTABLE: u32 = 0o104_001;
    const REGULAR_EXECUTABLE: u32 = 0o100_001;
    let Ok(stat) = rustix::fs::statat(CWD, file, AtFlags::empty()) else { return false };
    if stat.st_uid == 0 && stat.st_mode & REGULAR_SETUID_EXECUTABLE == REGULAR_SETUID_EXECUTABLE {
        return true;
    }
    let mut value = [0_u8; 64];
    stat.st_mode & REGULAR_EXECUTABLE == REGULAR_EXECUTABLE
        && rustix::fs::getxattr(file, "security.capability", &mut value[..]).is_ok_and(|size| size > 0)
}

/// Gives a file to a user and group of the container. The file may be opened with `O_PATH`.
///
/// # Errors
/// An id without mapping, and those of `fchownat`.
pub fn chown_mapped(file: BorrowedFd<'_>, maps: &[IdMap], uid: u32, gid: u32) -> Result<(), Error> {
    let uid = outside(maps, IdKind::User, uid).ok_or(Error::Unmapped("user", uid))?;
    let gid = outside(maps, IdKind::Group, gid).ok_or(Error::Unmapped("group", gid))?;
    // The highest id means "leave it" to the kernel.
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Errno::INVAL).op("fchown", format!("{uid}:{gid}")).map_err(Error::System);
    }
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chownat(file, "", Some(user), Some(group), AtFlags::EMPTY_PATH)
        .op("fchown", format!("{uid}:{gid}"))?;
    Ok(())
}

//! The folder of a new container: made, marked as unfinished, removed again unless all goes well.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use lxc_config::Config;
use lxc_host::storage::remove_tree;
use lxc_sys::{Op, Result};
use lxc_types::IdKind;

use crate::create::rollback::Rollback;

/// Makes the folder; one that is there is used, and left at a failure. Whether it is new.
///
/// # Errors
/// It cannot be made.
pub fn make(folder: &Path, owner: Option<(u32, u32)>, rollback: &mut Rollback) -> Result<bool> {
    match std::fs::create_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(false),
        other => other.op("mkdir", folder)?,
    }
    let undo = folder.to_owned();
    rollback.push(format!("the folder {}", undo.display()), move || remove_tree(&undo));
    // Not what the umask leaves: the group may look after the container.
    std::fs::set_permissions(folder, Permissions::from_mode(0o770)).op("chmod", folder)?;
    give(folder, owner)?;
    Ok(true)
}

/// Gives a file to the container's root, if that has ids of its own.
///
/// # Errors
/// That of chown(2).
pub fn give(path: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    match owner {
        Some((uid, gid)) => std::os::unix::fs::chown(path, Some(uid), Some(gid)).op("chown", path),
        None => Ok(()),
    }
}

/// Writes a new file. One of that name is removed, not written to: in a folder that belongs to the container's root
/// it may be a link. The mode is what the umask leaves of `mode`.
///
/// # Errors
/// The file cannot be made.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let open = || std::fs::File::options().write(true).create_new(true).mode(mode).open(path);
    let mut file = match open() {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(path).op("unlink", path)?;
            open()
        }
        other => other,
    }
    .op("open", path)?;
    file.write_all(bytes).op("write", path)
}

/// The host's ids of the container's root, if it has ids of its own.
pub fn owner(config: &Config) -> Option<(u32, u32)> {
    let root = |kind: IdKind| {
        config.idmaps.iter().filter(|map| map.value.kind == kind).find_map(|map| map.value.to_outside(0))
    };
    Some((root(IdKind::User)?, root(IdKind::Group)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, path) = (dir.path().join("victim"), dir.path().join("config"));
        std::fs::write(&victim, "kept").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        write_new(&path, b"new", 0o640).unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"kept");
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        write_new(&path, b"newer", 0o640).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"newer");
    }
}

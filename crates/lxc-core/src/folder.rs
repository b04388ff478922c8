//! The folder of a new container: made, marked as unfinished, removed again unless all goes well.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
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

/// The host's ids of the container's root, if it has ids of its own.
pub fn owner(config: &Config) -> Option<(u32, u32)> {
    let root = |kind: IdKind| {
        config.idmaps.iter().filter(|map| map.value.kind == kind).find_map(|map| map.value.to_outside(0))
    };
    Some((root(IdKind::User)?, root(IdKind::Group)?))
}

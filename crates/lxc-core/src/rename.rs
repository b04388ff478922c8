//! Giving a container another name: a copy that names the same files, then the first one goes. Whenever this ends,
//! the container is there under one of the names, or under both.

use std::path::Path;

use lxc_config::config::HookKind;
use lxc_host::storage::{self, How, Share};
use lxc_types::{Name, StorageKind};

use crate::container::{Container, DestroyOptions, Error};
use crate::copy::{self, Depend, Task};
use crate::depends;
use crate::destroy::{self, snapshots_of};
use crate::lock;

/// Renames a stopped container that has neither snapshots nor copies that need it. `lxcpath` is the folder of
/// containers for the new name.
///
/// # Errors
/// See [`copy::Error`]; until the copy is complete, nothing has changed.
pub fn rename(
    container: &Container,
    lxcpath: &Path,
    name: &Name,
    hook_args: &[String],
) -> Result<Container, Error> {
    container.check_complete()?;
    if container.is_running() {
        return Err(copy::Error::Running.into());
    }
    if let Some(list) = depends::clones_of(&container.dir())? {
        return Err(copy::Error::HasClones(list).into());
    }
    let snaps = snapshots_of(container.lxcpath(), container.name());
    if std::fs::read_dir(&snaps).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(copy::Error::HasSnapshots(snaps).into());
    }
    let config = container.config();
    let kind = storage::open(&copy::source_of(config)?).map_err(copy::Error::from)?.kind();
    // A hook that writes into a file would write into the first container's, and what is not managed stays there.
    let writes = !config.hooks.list(HookKind::Clone).is_empty() || !config.rootfs.managed;
    let renamed = Task {
        source: container,
        lxcpath,
        name,
        keep_name: false,
        keep_mac: true,
        share: if kind == StorageKind::Overlay { Share::Always } else { Share::Never },
        storage: Some(kind),
        how: if writes { How::Copy } else { How::Link },
        depend: Depend::Instead,
        hook_args,
        extra: &mut |_, _| Ok(()),
    }
    .run()?;
    let Err(error) = container.destroy(&DestroyOptions::default()) else { return Ok(renamed) };
    // What comes before the first file goes: two containers must not share their files.
    use destroy::Error::{HasClones, HasSnapshots, Hook};
    if let Error::Destroy(HasClones(_) | HasSnapshots(_) | Hook(_)) = &error {
        let run = &container.dirs().run;
        let undone = lock::take(run, lxcpath, name)
            .map_err(Into::into)
            .and_then(|_lock| destroy::without_hooks(renamed.config(), run, lxcpath, name));
        if let Err(error) = undone {
            log::error!("the new container stays: {error}");
        }
    }
    Err(error)
}

//! A plain directory.

use std::path::{Path, PathBuf};

use lxc_sys::dir::Dir;
use lxc_sys::mount::{Reach, Tree};
use lxc_types::StorageKind;
use lxc_types::mount::MountOptions;

use crate::mount_flags::attributes_of;

use super::{Abilities, Backend, CreateSpec, Error, Ids, Source, make_dirs, removal};

/// A root file system in a directory of the host.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The directory at `path`.
    pub fn new(path: &Path) -> Self {
        Directory { path: path.to_owned() }
    }

    fn text(&self) -> String {
        format!("dir:{}", self.path.display())
    }
}

impl Backend for Directory {
    fn kind(&self) -> StorageKind {
        StorageKind::Dir
    }

    fn abilities(&self) -> Abilities {
        Abilities { snapshots: false, backups: true, block_device: false, unprivileged: true }
    }

    fn directory(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn mount(&self, at: &Dir, options: &MountOptions, _: Ids) -> Result<(), Error> {
        let attributes = attributes_of(options);
        Tree::clone_path(&self.path, Reach::Tree)
            .and_then(|tree| at.attach_here(tree, Reach::Tree, attributes))
            .map_err(|source| Error::Mount { source_text: self.text(), source })
    }

    fn destroy(&self) -> Result<(), Error> {
        removal::remove_tree(&self.path).map_err(|source| Error::Destroy { source_text: self.text(), source })
    }
}

/// Makes the directory. With `--dir` the files are elsewhere; that directory is the template's to make.
pub fn create(spec: &CreateSpec) -> Result<Source, Error> {
    let path = spec.dir.clone().unwrap_or_else(|| spec.rootfs.clone());
    let source = Source { kind: Some(StorageKind::Dir), path };
    make_dirs(&spec.rootfs, spec.owner)
        .map_err(|error| Error::Create { source_text: source.to_string(), source: error })?;
    Ok(source)
}

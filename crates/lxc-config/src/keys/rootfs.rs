//! `lxc.rootfs`: the root filesystem.

use super::values::*;
use super::{Family, Key, Outcome, Setting, Write};
use crate::config::{Rootfs, RootfsSource};
use crate::diagnostic::nearest;
use crate::system::ROOTFS_MOUNT;
use lxc_types::StorageKind;

pub(super) const FAMILY: Family = Family {
    title: "ROOT FILESYSTEM",
    doc: "Where the container's root filesystem lies. Without lxc.rootfs.path the container runs on the host's.",
    keys: &[PATH, MOUNT, OPTIONS, MANAGED],
};

const PATH: Key = Key {
    name: "lxc.rootfs.path",
    values: "[TYPE:]PATH",
    doc: "The root filesystem: a directory, a block device, an image, a volume or a dataset. TYPE is dir, \
          btrfs, lvm, loop, nbd, overlay (or overlayfs), rbd or zfs; without TYPE the path is looked at. For an \
          overlay PATH is LOWER[:LOWER]...:UPPER. A path that begins with a slash has no TYPE. Reading the key \
          gives PATH alone.",
    set: |c, s| {
        c.rootfs.source = Some(sourced(source(s.value)?, s));
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(c.rootfs.source.as_ref().map(|source| source.value.path.clone()).unwrap_or_default()),
    clear: |c, _| reset(&mut c.rootfs.source),
    write: Write::Values(|c| {
        let text = |source: &RootfsSource| match source.kind {
            Some(kind) => format!("{kind}:{}", source.path),
            None => source.path.clone(),
        };
        c.rootfs.source.iter().map(|source| text(&source.value)).collect()
    }),
    ..Key::SINGLE
};

/// Splits `TYPE:PATH`.
fn source(text: &str) -> Result<RootfsSource, ValueError> {
    let (kind, path) = match text.split_once(':') {
        Some((word, path)) if !word.starts_with(['/', '.']) => (Some(storage(word)?), path),
        Some(_) | None => (None, text),
    };
    if path.is_empty() {
        return Err(ValueError::Invalid("there is no path after the storage type".into()));
    }
    Ok(RootfsSource { kind, path: path.to_owned() })
}

fn storage(word: &str) -> Result<StorageKind, ValueError> {
    word.parse().map_err(|_| ValueError::Choice {
        value: word.to_owned(),
        known: "dir, btrfs, lvm, loop, nbd, overlay, overlayfs, rbd, zfs".into(),
        nearest: nearest(word, StorageKind::ALL.into_iter().map(StorageKind::as_str)).map(str::to_owned),
    })
}

const MOUNT: Key = Key {
    name: "lxc.rootfs.mount",
    values: "PATH",
    doc: "Directory of the host on which the root filesystem is mounted while the container is set up. It \
          must exist. The default is chosen when the program is built.",
    set: |c, s| set_path(&mut c.rootfs.mount, s),
    get: |c, _| {
        Ok(c.rootfs.mount.as_ref().map_or_else(|| ROOTFS_MOUNT.to_owned(), |path| path.value.clone()))
    },
    clear: |c, _| reset(&mut c.rootfs.mount),
    ..Key::SINGLE
};

const OPTIONS: Key = Key {
    name: "lxc.rootfs.options",
    values: "OPTION[,OPTION]...",
    doc: "Mount options of the root filesystem: flags and propagation as in lxc.mount.entry, options of the \
          filesystem itself for block devices and overlays, and idmap=container or idmap=PATH for an idmapped \
          mount. The options create=dir, create=file, optional and relative are refused.",
    set: options,
    get: |c, _| Ok(show_sourced(c.rootfs.options.as_ref())),
    clear: |c, _| reset(&mut c.rootfs.options),
    ..Key::SINGLE
};

fn options(config: &mut crate::Config, s: &Setting<'_>) -> Set {
    let refused = ["create=dir", "create=file", "optional", "relative"];
    if let Some(option) = s.value.split(',').find(|option| refused.contains(option)) {
        return Err(ValueError::Invalid(format!("\"{option}\" has no meaning for a root filesystem")));
    }
    config.rootfs.options = Some(sourced(s.value.to_owned(), s));
    Ok(Outcome::Exact)
}

const MANAGED: Key = Key {
    name: "lxc.rootfs.managed",
    values: "0 | 1",
    doc: "0: the storage is somebody else's; it is neither created nor copied nor destroyed. Default 1.",
    set: |c, s| flag(&mut c.rootfs.managed, s),
    get: |c, _| Ok(show_flag(c.rootfs.managed)),
    clear: |c, _| {
        c.rootfs.managed = Rootfs::default().managed;
        Ok(())
    },
    ..Key::SINGLE
};

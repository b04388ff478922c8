//! `lxc.mount.fstab` and `lxc.mount.entry`.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use lxc_sys::Op;
use lxc_sys::clone::InGuest;
use lxc_sys::dir::open_in_root;
use lxc_sys::mount::{Attributes, Change, FileSystem, Reach, Tree, fd_path};
use lxc_types::mount::{Bind, Create};
use rustix::io::Errno;

use super::super::host::IdmapRequest;
use super::super::{Cause, Dir, Error, MountSource, MountSpec};
use super::{Mounted, Rootfs};
use crate::mount_flags::{attributes_of, mount_flags, propagation_flags, reach_of};

/// Makes the configured mounts in their order. Those that show other ids are only cloned: they come back
/// as requests that the monitor answers (`host::idmapped`).
///
/// # Errors
/// The first mount that fails and is not optional.
pub fn mount_entries(
    _: &InGuest,
    rootfs: &Rootfs<Mounted>,
    mounts: &[MountSpec],
) -> Result<Vec<IdmapRequest>, Error> {
    let mut requests = Vec::new();
    for (number, spec) in (0u32..).zip(mounts) {
        if let Some(tree) = or_optional(spec, mount_entry(rootfs.root(), spec))?.flatten() {
            requests.push(IdmapRequest { mount: number, tree });
        }
    }
    Ok(requests)
}

/// Attaches the trees that the monitor has idmapped.
///
/// # Errors
/// The first mount that fails and is not optional.
pub fn attach_idmapped(
    _: &InGuest,
    rootfs: &Rootfs<Mounted>,
    mounts: &[MountSpec],
    trees: Vec<IdmapRequest>,
) -> Result<(), Error> {
    for IdmapRequest { mount, tree } in trees {
        let Some(spec) = usize::try_from(mount).ok().and_then(|i| mounts.get(i)) else { continue };
        or_optional(spec, attach(rootfs.root(), spec, Tree::detached(tree, &spec.target)))?;
    }
    Ok(())
}

/// Names the entry in an error, or swallows it if the entry is optional.
fn or_optional<T>(spec: &MountSpec, result: Result<T, Cause>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(cause) if spec.options.optional => {
            log::info!("optional mount entry \"{}\" left out: {cause}", spec.text);
            Ok(None)
        }
        Err(source) => Err(Error::Entry { text: spec.text.clone(), origin: spec.origin.clone(), source }),
    }
}

fn mount_entry(root: &Dir, spec: &MountSpec) -> Result<Option<OwnedFd>, Cause> {
    create_target(root, spec)?;
    for dir in &spec.overlay_dirs {
        make_host_dirs(dir)?;
    }
    match spec.options.bind {
        Bind::One | Bind::Recursive => {
            let tree = clone_source(root, spec)?;
            if spec.idmap().is_none() {
                return attach(root, spec, tree).map(|()| None);
            }
            tree.into_detached().map(Some).ok_or(Cause::Idmap("Linux 5.12"))
        }
        Bind::Move => move_here(root, spec).map(|()| None),
        Bind::No => mount_fs(root, spec).map(|()| None),
    }
}

fn create_target(root: &Dir, spec: &MountSpec) -> Result<(), Cause> {
    let made = match spec.options.create {
        None => return Ok(()),
        Some(Create::Directory) => root.make_dirs(&spec.target).map(drop),
        Some(Create::File) => create_file(root, &spec.target),
    };
    made.map_err(|e| Cause::reaching(e, &root.show(&spec.target)))
}

fn create_file(root: &Dir, target: &Path) -> lxc_sys::Result<()> {
    match root.make_file(target, 0) {
        Err(e) if e.errno() == Errno::NOENT => {}
        other => return other.map(drop),
    }
    if let Some(parent) = target.parent() {
        root.make_dirs(parent)?;
    }
    root.make_file(target, 0).map(drop)
}

/// Makes a directory of the host, below the container's own (the plan has checked that).
fn make_host_dirs(path: &Path) -> Result<(), Cause> {
    if rustix::fs::stat(path).is_ok() {
        return Ok(());
    }
    // The longest part that exists is the host's; only what is missing is made.
    let mut base = path;
    while let Some(parent) = base.parent() {
        base = parent;
        if rustix::fs::stat(base).is_ok() {
            break;
        }
    }
    let rest = path.strip_prefix(base).unwrap_or(path);
    Dir::open(base)?.make_dirs(rest)?;
    Ok(())
}

/// Clones what a bind mount shows.
fn clone_source(root: &Dir, spec: &MountSpec) -> Result<Tree, Cause> {
    let reach = if spec.options.bind == Bind::Recursive { Reach::Tree } else { Reach::One };
    let tree = match &spec.source {
        MountSource::Host(path) => Tree::clone_path(path, reach)?,
        MountSource::FromSlash(path) => {
            let slash = Dir::open(Path::new("/"))?;
            Tree::clone_fd(&slash.at(path)?, &slash.show(path), reach)?
        }
        MountSource::InRoot(path) => Tree::clone_fd(&open_in_root(root, path)?, &root.show(path), reach)?,
        MountSource::Word(word) => Tree::clone_path(Path::new(word), reach)?,
    };
    Ok(tree)
}

/// Attaches a clone with the entry's flags and propagation.
fn attach(root: &Dir, spec: &MountSpec, tree: Tree) -> Result<(), Cause> {
    let shown = root.show(&spec.target);
    let open = || root.at(&spec.target);
    let target = open().map_err(|e| Cause::reaching(e, &shown))?;
    let mut attributes = attributes_of(&spec.options);
    let later = spec.options.propagation.filter(|p| p.recursive);
    // Flags are for the one mount, as upstream has it; a recursive propagation is a change of its own.
    attributes.propagation =
        spec.options.propagation.filter(|p| !p.recursive).map(|p| propagation_flags(p.kind));
    tree.attach(target.as_fd(), &Change { attributes, reach: Reach::One, shown: &shown }, &open)?;
    match later {
        None => Ok(()),
        Some(_) => propagate(root, spec),
    }
}

/// Sets the propagation of what is mounted on the target now.
fn propagate(root: &Dir, spec: &MountSpec) -> Result<(), Cause> {
    let Some(propagation) = spec.options.propagation else { return Ok(()) };
    let mount = root.at(&spec.target)?;
    let attributes =
        Attributes { propagation: Some(propagation_flags(propagation.kind)), ..Attributes::default() };
    let shown = root.show(&spec.target);
    Ok(Change { attributes, reach: reach_of(propagation), shown: &shown }.apply_attached(mount.as_fd())?)
}

/// Mounts a file system.
fn mount_fs(root: &Dir, spec: &MountSpec) -> Result<(), Cause> {
    let inside;
    let source: OsString = match &spec.source {
        MountSource::Host(path) | MountSource::FromSlash(path) => path.clone().into(),
        MountSource::Word(word) => word.clone(),
        MountSource::InRoot(path) => {
            inside = open_in_root(root, path)?;
            fd_path(&inside).into()
        }
    };
    let target = root.at(&spec.target).map_err(|e| Cause::reaching(e, &root.show(&spec.target)))?;
    let flags = mount_flags(spec.options.flags);
    let fs = FileSystem { source: &source, fstype: &spec.fstype, flags, data: &spec.options.data };
    fs.mount(target.as_fd(), &root.show(&spec.target))?;
    propagate(root, spec)
}

/// Takes a mount from its place on the host's side of the namespace (`move`).
fn move_here(root: &Dir, spec: &MountSpec) -> Result<(), Cause> {
    let shown = root.show(&spec.target);
    let target = root.at(&spec.target).map_err(|e| Cause::reaching(e, &shown))?;
    let from: &Path = match &spec.source {
        MountSource::Host(path) | MountSource::FromSlash(path) => path,
        MountSource::InRoot(path) => {
            let inside = open_in_root(root, path)?;
            rustix::mount::mount_move(fd_path(&inside), fd_path(&target)).op("mount", &shown)?;
            return propagate(root, spec);
        }
        MountSource::Word(word) => Path::new(word),
    };
    rustix::mount::mount_move(from, fd_path(&target)).op("mount", &shown)?;
    propagate(root, spec)
}

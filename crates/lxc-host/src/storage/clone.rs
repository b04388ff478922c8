//! A container's root file system for another container: a copy of its own, or one that shares what has not
//! changed. `plan` decides and changes nothing; [`ClonePlan::carry_out`] does it.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use lxc_sys::Op;
use lxc_sys::dir::Dir;
use lxc_types::StorageKind;
use lxc_types::mount::MountOptions;
use rustix::fs::Mode;

use super::copy::{How, copy_tree};
use super::{Abilities, Backend, Error, Ids, Overlay, Source, make_dirs, open};

/// Whether the new storage shares what has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Everything is copied.
    Never,
    /// It must share; a directory becomes the lower part of an overlay.
    Always,
    /// If storage of this type can: its type stays.
    IfItCan,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct CloneSpec {
    /// The storage there is.
    pub source: Source,
    /// The type that is asked for.
    pub kind: Option<StorageKind>,
    /// Whether files are shared.
    pub share: Share,
    /// Whether the new container lies in another folder of containers.
    pub elsewhere: bool,
    /// The new container's folder.
    pub container: PathBuf,
    /// Who owns directories that are made: the host's ids of the container's root.
    pub owner: Option<(u32, u32)>,
    /// What becomes of files that are copied.
    pub how: How,
    /// A folder that goes away afterwards: what lies in it below an overlay is copied, too.
    pub leaves: Option<PathBuf>,
}

/// What is to be done.
#[derive(Debug)]
pub struct ClonePlan {
    spec: CloneSpec,
    backend: Box<dyn Backend>,
    target: StorageKind,
    shares: bool,
}

/// Decides.
///
/// # Errors
/// The source is nothing that is known, or cannot become what is asked for.
pub fn plan(spec: CloneSpec) -> Result<ClonePlan, Error> {
    let backend = open(&spec.source)?;
    let Abilities { snapshots, .. } = backend.abilities();
    let kind = backend.kind();
    let target = match (spec.kind, spec.share) {
        (Some(kind), _) => kind,
        (None, Share::Always) if kind == StorageKind::Dir => StorageKind::Overlay,
        (None, Share::Never) if spec.elsewhere => StorageKind::Dir,
        (None, _) => kind,
    };
    let shares = match spec.share {
        Share::Never => false,
        Share::Always => true,
        Share::IfItCan => snapshots,
    };
    let refused = |problem| Err(Error::Clone { source_text: spec.source.to_string(), target, problem });
    match (target, shares) {
        (StorageKind::Dir, false) => {}
        (StorageKind::Dir, true) => return refused("a directory cannot share files with another"),
        (StorageKind::Overlay, true) => {}
        (StorageKind::Overlay, false) => return refused("an overlay can only be made as a snapshot (-s)"),
        (other, _) => return Err(Error::Unsupported(other)),
    }
    Ok(ClonePlan { spec, backend, target, shares })
}

impl ClonePlan {
    /// Where the new storage will be.
    ///
    /// # Errors
    /// The source does not have the form of its type.
    pub fn target(&self) -> Result<Source, Error> {
        let path = match self.target {
            StorageKind::Overlay => {
                let mut path = self.lower()?.into_os_string();
                path.push(":");
                path.push(self.upper());
                path.into()
            }
            _ => self.rootfs(),
        };
        Ok(Source { kind: Some(self.target), path })
    }

    /// Whether the new storage uses files of the container that it is made from.
    pub fn shares(&self) -> bool {
        self.shares
    }

    fn rootfs(&self) -> PathBuf {
        self.spec.container.join("rootfs")
    }

    fn upper(&self) -> PathBuf {
        self.spec.container.join("overlay/delta")
    }

    fn source_overlay(&self) -> Result<Overlay, Error> {
        Overlay::parse(&self.spec.source.path)
    }

    fn lower(&self) -> Result<PathBuf, Error> {
        match self.backend.directory() {
            Some(directory) => Ok(directory.to_owned()),
            None => {
                let mut all = OsString::new();
                for lower in self.source_overlay()?.lowers() {
                    if !all.is_empty() {
                        all.push(":");
                    }
                    all.push(self.moved(lower).as_deref().unwrap_or(lower));
                }
                Ok(all.into())
            }
        }
    }

    /// Where a lower directory goes that must not stay where it is.
    fn moved(&self, lower: &Path) -> Option<PathBuf> {
        let place = lower.strip_prefix(self.spec.leaves.as_ref()?).ok()?;
        let inside = place.components().all(|part| matches!(part, Component::Normal(_)));
        inside.then(|| self.spec.container.join(place))
    }

    /// Makes the new storage. Runs in a mount namespace of its own: what has to be mounted to be read is
    /// mounted on `at`.
    ///
    /// # Errors
    /// A file cannot be read or made. What is there by then is the caller's to remove.
    pub fn carry_out(&self, at: &Path) -> Result<(), Error> {
        if self.target == StorageKind::Overlay {
            return self.share();
        }
        let from = match self.backend.directory() {
            Some(directory) => directory,
            None => {
                let point = Dir::open(at).map_err(|source| self.failed(source))?;
                // Marks of removed files are where the container's own mount puts them.
                let ids = if self.spec.owner.is_some() { Ids::Mapped } else { Ids::Initial };
                self.backend.mount(&point, &MountOptions::default(), ids)?;
                at
            }
        };
        copy_tree(from, &self.rootfs(), self.spec.how).map_err(|source| self.failed(source))
    }

    /// A layer of its own for the changes: empty, or with those that there are.
    fn share(&self) -> Result<(), Error> {
        let (upper, owner) = (self.upper(), self.spec.owner);
        let parent = upper.parent().unwrap_or(&upper);
        let failed = |source| self.failed(source);
        make_dirs(parent, owner).map_err(failed)?;
        make_dirs(&upper, owner).map_err(failed)?;
        make_dirs(&parent.join("work"), owner).map_err(failed)?;
        let Some(lower) = self.backend.directory() else {
            let source = self.source_overlay()?;
            for lower in source.lowers() {
                if let Some(to) = self.moved(lower) {
                    make_dirs(&to, owner).map_err(failed)?;
                    copy_tree(lower, &to, self.spec.how).map_err(failed)?;
                }
            }
            return copy_tree(source.upper(), &upper, self.spec.how).map_err(failed);
        };
        // The root directory of an overlay looks like that of its upper layer.
        let stat = rustix::fs::stat(lower).op("stat", lower).map_err(failed)?;
        rustix::fs::chmod(&upper, Mode::from_raw_mode(stat.st_mode & 0o7777))
            .op("chmod", &upper)
            .map_err(failed)?;
        std::os::unix::fs::chown(&upper, Some(stat.st_uid), Some(stat.st_gid))
            .op("chown", &upper)
            .map_err(failed)
    }

    fn failed(&self, source: lxc_sys::Error) -> Error {
        Error::Copy { source_text: self.spec.source.to_string(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: StorageKind, path: &str, share: Share) -> CloneSpec {
        CloneSpec {
            source: Source { kind: Some(kind), path: path.into() },
            kind: None,
            share,
            elsewhere: false,
            container: "/l/new".into(),
            owner: None,
            how: How::Copy,
            leaves: None,
        }
    }

    fn target(spec: CloneSpec) -> Result<String, String> {
        plan(spec).and_then(|plan| plan.target()).map(|t| t.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn what_becomes_of_what() {
        let dir = |share| spec(StorageKind::Dir, "/l/c1/rootfs", share);
        let overlay = |share| spec(StorageKind::Overlay, "/a:/b:/l/c1/overlay/delta", share);
        assert_eq!(target(dir(Share::Never)).unwrap(), "dir:/l/new/rootfs");
        assert_eq!(target(dir(Share::IfItCan)).unwrap(), "dir:/l/new/rootfs");
        assert_eq!(target(dir(Share::Always)).unwrap(), "overlay:/l/c1/rootfs:/l/new/overlay/delta");
        assert_eq!(target(overlay(Share::Always)).unwrap(), "overlay:/a:/b:/l/new/overlay/delta");
        assert_eq!(target(overlay(Share::IfItCan)).unwrap(), "overlay:/a:/b:/l/new/overlay/delta");
        assert!(target(overlay(Share::Never)).unwrap_err().contains("only be made as a snapshot"));
        let leaves = |text: &str| {
            let source = spec(StorageKind::Overlay, text, Share::Always);
            target(CloneSpec { leaves: Some("/l/c1".into()), ..source }).unwrap()
        };
        assert_eq!(
            leaves("/l/c1/rootfs:/b:/l/c1/overlay/delta"),
            "overlay:/l/new/rootfs:/b:/l/new/overlay/delta"
        );
        assert_eq!(
            leaves("/l/c10:/l/c1/../b:/l/c1/overlay/delta"),
            "overlay:/l/c10:/l/c1/../b:/l/new/overlay/delta"
        );
        let elsewhere = CloneSpec { elsewhere: true, ..overlay(Share::Never) };
        assert_eq!(target(elsewhere).unwrap(), "dir:/l/new/rootfs");
        let asked = |kind, spec| target(CloneSpec { kind: Some(kind), ..spec });
        assert_eq!(asked(StorageKind::Dir, overlay(Share::Never)).unwrap(), "dir:/l/new/rootfs");
        assert!(asked(StorageKind::Dir, dir(Share::Always)).is_err());
        assert!(asked(StorageKind::Overlay, dir(Share::Never)).is_err());
        assert!(asked(StorageKind::Zfs, dir(Share::Never)).unwrap_err().contains("zfs"));
    }
}

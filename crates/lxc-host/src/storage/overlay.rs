//! Directories on top of each other, with the changes in one of their own.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use lxc_sys::Op;
use lxc_sys::dir::Dir;
use lxc_sys::mount::FileSystem;
use lxc_types::StorageKind;
use lxc_types::mount::MountOptions;
use rustix::io::Errno;

use crate::mount_flags::mount_flags;

use super::{Abilities, Backend, CreateSpec, Error, Ids, Source, make_dirs, removal};

/// `overlay:LOWER[:LOWER…]:UPPER`; the uppermost of the lower directories is written first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// `LOWER[:LOWER…]`, as the kernel takes it.
    lower: OsString,
    upper: PathBuf,
    /// Beside the upper directory.
    work: PathBuf,
}

impl Overlay {
    /// Takes the path apart: the last `:/` separates the upper directory.
    ///
    /// # Errors
    /// There are fewer than two absolute directories.
    pub fn parse(path: &Path) -> Result<Self, Error> {
        let bytes = path.as_os_str().as_bytes();
        let form = |problem| Error::Form { source_text: format!("overlay:{}", path.display()), problem };
        let at = bytes
            .windows(2)
            .rposition(|pair| pair == b":/")
            .ok_or_else(|| form("expected LOWER:UPPER with an absolute UPPER"))?;
        let (lower, upper) = (&bytes[..at], &bytes[at + 1..]);
        if !lower.starts_with(b"/") {
            return Err(form("the lower directory is not absolute"));
        }
        let upper = PathBuf::from(OsStr::from_bytes(upper));
        let parent = upper.parent().ok_or_else(|| form("the upper directory cannot be /"))?;
        Ok(Overlay { lower: OsStr::from_bytes(lower).to_owned(), work: parent.join("work"), upper })
    }

    /// The lower directories, uppermost first.
    pub fn lowers(&self) -> impl Iterator<Item = &Path> {
        self.lower.as_bytes().split(|b| *b == b':').map(|part| Path::new(OsStr::from_bytes(part)))
    }

    /// The directory with the changes.
    pub fn upper(&self) -> &Path {
        &self.upper
    }

    fn text(&self) -> String {
        format!("overlay:{}:{}", self.lower.display(), self.upper.display())
    }

    /// The options of the mount. Commas and backslashes in paths are escaped, as overlayfs reads them.
    fn data(&self, more: &[&str]) -> Result<String, Errno> {
        let mut data = Vec::new();
        let upper = (b"upperdir=".as_slice(), self.upper.as_os_str());
        let work = (b",workdir=".as_slice(), self.work.as_os_str());
        for (name, value) in [upper, (b",lowerdir=".as_slice(), &self.lower), work] {
            data.extend_from_slice(name);
            for &byte in value.as_bytes() {
                if matches!(byte, b',' | b'\\') {
                    data.push(b'\\');
                }
                data.push(byte);
            }
        }
        let mut data = OsString::from_vec(data).into_string().map_err(|_| Errno::ILSEQ)?;
        for item in more.iter().filter(|m| !m.is_empty()) {
            data.push(',');
            data.push_str(item);
        }
        Ok(data)
    }

    fn try_mount(&self, at: &Dir, options: &MountOptions, extra: &str) -> lxc_sys::Result<()> {
        let named = |errno| lxc_sys::Error::new("mount", self.text(), errno);
        let data = self.data(&[extra, &options.data]).map_err(named)?;
        let flags = mount_flags(options.flags);
        let fs = FileSystem { source: OsStr::new("overlay"), fstype: "overlay", flags, data: &data };
        fs.mount(at.as_fd(), at.path())
    }
}

impl Backend for Overlay {
    fn kind(&self) -> StorageKind {
        StorageKind::Overlay
    }

    fn abilities(&self) -> Abilities {
        Abilities { snapshots: true, backups: true, block_device: false, unprivileged: false }
    }

    fn directory(&self) -> Option<&Path> {
        None
    }

    fn mount(&self, at: &Dir, options: &MountOptions, ids: Ids) -> Result<(), Error> {
        let all = || {
            // Nothing is made for a mount that cannot be.
            for lower in self.lowers() {
                rustix::fs::stat(lower).op("stat", lower)?;
            }
            make_dirs(&self.upper, None)?;
            make_dirs(&self.work, None)?;
            // In a user namespace the marks of removed and replaced directories must be `user.` attributes
            // (Linux 5.11); an older kernel that allows overlays there at all does without.
            let extra = if ids == Ids::Mapped { "userxattr" } else { "" };
            match self.try_mount(at, options, extra) {
                Err(e) if e.errno() == Errno::INVAL && !extra.is_empty() => self.try_mount(at, options, ""),
                other => other,
            }
        };
        all().map_err(|source| Error::Mount { source_text: self.text(), source })
    }

    /// Removes the changes; what is below belongs to others.
    fn destroy(&self) -> Result<(), Error> {
        removal::remove_tree(&self.upper)
            .map_err(|source| Error::Destroy { source_text: self.text(), source })
    }
}

/// Makes an empty lower directory for a template to fill, and one for the changes.
pub fn create(spec: &CreateSpec) -> Result<Source, Error> {
    let upper = spec.container.join("overlay/delta");
    let mut path = spec.rootfs.clone().into_os_string();
    path.push(":");
    path.push(&upper);
    let source = Source { kind: Some(StorageKind::Overlay), path: path.into() };
    let failed = |error| Error::Create { source_text: source.to_string(), source: error };
    make_dirs(&spec.rootfs, spec.owner).map_err(failed)?;
    make_dirs(&upper, spec.owner).map_err(failed)?;
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let one = Overlay::parse(Path::new("/lower:/c/overlay/delta")).unwrap();
        assert_eq!(one.lowers().collect::<Vec<_>>(), [Path::new("/lower")]);
        assert_eq!(
            one.data(&[]).unwrap(),
            "upperdir=/c/overlay/delta,lowerdir=/lower,workdir=/c/overlay/work"
        );
        let many = Overlay::parse(Path::new("/a:/b:/c:/d/u")).unwrap();
        assert_eq!(many.lowers().count(), 3);
        assert_eq!(
            many.data(&["", "userxattr"]).unwrap(),
            "upperdir=/d/u,lowerdir=/a:/b:/c,workdir=/d/work,userxattr"
        );
        assert_eq!(Overlay::parse(Path::new("/:/d/u")).unwrap().lowers().next(), Some(Path::new("/")));
        let odd = Overlay::parse(Path::new("/a,b:/d/u")).unwrap();
        assert_eq!(odd.data(&[]).unwrap(), "upperdir=/d/u,lowerdir=/a\\,b,workdir=/d/work");
        for bad in ["/only", "a:/b", "/a:b", "/a:/"] {
            assert!(Overlay::parse(Path::new(bad)).is_err(), "{bad}");
        }
    }
}

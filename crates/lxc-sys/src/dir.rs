//! A directory, and everything below it, reached without ever following a symbolic link.
//!
//! Whatever a container or another user can change is reached from a [`Dir`]: a path below it cannot lead
//! outside, however its parts are renamed or replaced meanwhile. Mounts may be crossed. A symbolic link in
//! a path is the error `ELOOP`, `..` is the error `EXDEV`.
//!
//! `openat2` does the work; where it is missing (before Linux 5.6) the path is walked part by part.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dev, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::mount::{Attributes, Change, FileSystem, Reach, Tree, fd_path};
use crate::{Error, Op, Result};

/// An open directory whose tree is reached only downwards.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    shown: PathBuf,
}

/// Whether something had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is new.
    New,
    /// It was there.
    Existed,
}

/// How often a lookup is repeated when renames elsewhere make the kernel unsure of it.
const ATTEMPTS: u32 = 64;

impl Dir {
    /// Opens a directory by a path that only its owner controls: links in it are followed.
    ///
    /// # Errors
    /// The errno of `open`.
    pub fn open(path: &Path) -> Result<Dir> {
        let fd = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .op("open", path)?;
        Ok(Dir::from_fd(fd, path))
    }

    /// Opens a directory by a path no part of which may be a symbolic link.
    ///
    /// # Errors
    /// `ELOOP` for a link.
    pub fn open_without_links(path: &Path) -> Result<Dir> {
        if !path.is_absolute() {
            return Err(Error::new("open", path.display().to_string(), Errno::INVAL));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let how = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let fd = match rustix::fs::openat2(CWD, path, flags, Mode::empty(), how) {
            Err(Errno::NOSYS | Errno::AGAIN) => {
                Dir::open(Path::new("/"))?.at_with(path, flags, Mode::empty())?
            }
            other => other.op("open", path)?,
        };
        Ok(Dir::from_fd(fd, path))
    }

    /// A directory that is open already; `shown` is its name in messages.
    pub fn from_fd(fd: OwnedFd, shown: &Path) -> Dir {
        Dir { fd, shown: shown.to_owned() }
    }

    /// What messages call the directory.
    pub fn path(&self) -> &Path {
        &self.shown
    }

    /// What messages call `rel` below it.
    pub fn show(&self, rel: impl AsRef<Path>) -> PathBuf {
        match strip(rel.as_ref()) {
            here if here.as_os_str().is_empty() => self.shown.clone(),
            below => self.shown.join(below),
        }
    }

    /// A second descriptor of the same directory.
    ///
    /// # Errors
    /// The process has too many descriptors.
    pub fn try_clone(&self) -> Result<Dir> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 3).op("dup", &self.shown)?;
        Ok(Dir::from_fd(fd, &self.shown))
    }

    /// The same directory under another name, for example once it has become `/`.
    #[must_use]
    pub fn renamed(self, shown: &Path) -> Dir {
        Dir { shown: shown.to_owned(), ..self }
    }

    /// Opens `rel` for naming it only (`O_PATH`), across mounts.
    ///
    /// # Errors
    /// `ELOOP` if any part is a symbolic link, `EXDEV` if it leads upwards.
    pub fn at(&self, rel: impl AsRef<Path>) -> Result<OwnedFd> {
        self.at_with(rel.as_ref(), OFlags::PATH, Mode::empty())
    }

    /// Opens a directory below.
    ///
    /// # Errors
    /// As [`Dir::at`], and `ENOTDIR`.
    pub fn dir(&self, rel: impl AsRef<Path>) -> Result<Dir> {
        let fd = self.at_with(rel.as_ref(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Dir { fd, shown: self.show(rel) })
    }

    /// Opens a file below for use. Never blocks on a fifo, never gets a controlling terminal.
    ///
    /// # Errors
    /// As [`Dir::at`].
    pub fn file(&self, rel: impl AsRef<Path>, flags: OFlags) -> Result<OwnedFd> {
        self.at_with(rel.as_ref(), flags | OFlags::NOCTTY | OFlags::NONBLOCK, Mode::empty())
    }

    /// The status of what is at `rel`, a symbolic link included; `None` if nothing is.
    ///
    /// # Errors
    /// As [`Dir::at`] for the directories on the way.
    pub fn stat(&self, rel: impl AsRef<Path>) -> Result<Option<Stat>> {
        let rel = rel.as_ref();
        let found = self.parent(rel).and_then(|(dir, name)| {
            rustix::fs::statat(dir.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
                .op("stat", self.show(rel))
        });
        match found {
            Ok(stat) => Ok(Some(stat)),
            Err(e) if e.errno() == Errno::NOENT => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Makes one directory, exactly with `mode`'s bits that the umask leaves.
    ///
    /// # Errors
    /// As [`Dir::at`] for the directories on the way.
    pub fn make_dir(&self, rel: impl AsRef<Path>, mode: u32) -> Result<Made> {
        let rel = rel.as_ref();
        let (dir, name) = self.parent(rel)?;
        match rustix::fs::mkdirat(dir.as_fd(), name, Mode::from_raw_mode(mode)) {
            Err(Errno::EXIST) => Ok(Made::Existed),
            other => other.op("mkdir", self.show(rel)).map(|()| Made::New),
        }
    }

    /// Opens the directory at `rel`, making it and those on the way (0755) if they are missing.
    ///
    /// # Errors
    /// `ELOOP` if a part is a symbolic link, `ENOTDIR` if one is a file.
    pub fn make_dirs(&self, rel: impl AsRef<Path>) -> Result<Dir> {
        let rel = rel.as_ref();
        match self.dir(rel) {
            Err(e) if e.errno() == Errno::NOENT => {}
            other => return other,
        }
        let mut here = self.try_clone()?;
        for part in parts(rel, &self.shown)? {
            here = match here.dir(part) {
                Err(e) if e.errno() == Errno::NOENT => {
                    here.make_dir(part, 0o755)?;
                    here.dir(part)?
                }
                other => other?,
            };
        }
        Ok(here)
    }

    /// Makes an empty file, or leaves what is there.
    ///
    /// # Errors
    /// As [`Dir::at`] for the directories on the way.
    pub fn make_file(&self, rel: impl AsRef<Path>, mode: u32) -> Result<Made> {
        self.make_node(rel, FileType::RegularFile, mode, 0)
    }

    /// Makes a file that must be new, and opens it.
    ///
    /// # Errors
    /// `EEXIST`, and as [`Dir::at`].
    pub fn create_new(&self, rel: impl AsRef<Path>, flags: OFlags, mode: u32) -> Result<OwnedFd> {
        let rel = rel.as_ref();
        let (dir, name) = self.parent(rel)?;
        let flags =
            flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::fs::openat(dir.as_fd(), name, flags, Mode::from_raw_mode(mode)).op("open", self.show(rel))
    }

    /// Makes a device node, fifo or file, or leaves what is there.
    ///
    /// # Errors
    /// `EPERM` for devices without `CAP_MKNOD` on the host.
    pub fn make_node(&self, rel: impl AsRef<Path>, kind: FileType, mode: u32, dev: Dev) -> Result<Made> {
        let rel = rel.as_ref();
        let (dir, name) = self.parent(rel)?;
        match rustix::fs::mknodat(dir.as_fd(), name, kind, Mode::from_raw_mode(mode), dev) {
            Err(Errno::EXIST) => Ok(Made::Existed),
            other => other.op("mknod", self.show(rel)).map(|()| Made::New),
        }
    }

    /// Makes a symbolic link that says `text`, or leaves what is there.
    ///
    /// # Errors
    /// As [`Dir::at`] for the directories on the way.
    pub fn make_link(&self, rel: impl AsRef<Path>, text: impl AsRef<Path>) -> Result<Made> {
        let rel = rel.as_ref();
        let (dir, name) = self.parent(rel)?;
        match rustix::fs::symlinkat(text.as_ref(), dir.as_fd(), name) {
            Err(Errno::EXIST) => Ok(Made::Existed),
            other => other.op("symlink", self.show(rel)).map(|()| Made::New),
        }
    }

    /// Removes a file or link; whether there was one.
    ///
    /// # Errors
    /// `EISDIR` for a directory, `EBUSY` for a mount point.
    pub fn remove_file(&self, rel: impl AsRef<Path>) -> Result<bool> {
        let rel = rel.as_ref();
        let (dir, name) = self.parent(rel)?;
        match rustix::fs::unlinkat(dir.as_fd(), name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(false),
            other => other.op("unlink", self.show(rel)).map(|()| true),
        }
    }

    /// Mounts a file system on `rel`.
    ///
    /// # Errors
    /// As [`Dir::at`], and the errno of `mount`.
    pub fn mount(&self, rel: impl AsRef<Path>, fs: &FileSystem<'_>) -> Result<()> {
        let target = self.at(&rel)?;
        fs.mount(target.as_fd(), &self.show(rel))
    }

    /// Attaches a tree on `rel` with attributes of its own.
    ///
    /// # Errors
    /// As [`Dir::at`], and the errno of the mount calls.
    pub fn attach(
        &self,
        rel: impl AsRef<Path>,
        tree: Tree,
        reach: Reach,
        attributes: Attributes<'_>,
    ) -> Result<()> {
        let target = self.at(&rel)?;
        self.attach_on(target.as_fd(), rel.as_ref(), tree, reach, attributes)
    }

    /// Attaches a tree on this directory itself.
    ///
    /// # Errors
    /// The errno of the mount calls.
    pub fn attach_here(&self, tree: Tree, reach: Reach, attributes: Attributes<'_>) -> Result<()> {
        self.attach_on(self.fd.as_fd(), Path::new(""), tree, reach, attributes)
    }

    /// Attaches a tree on `rel`, which the caller has just opened or made as `target`.
    ///
    /// # Errors
    /// The errno of the mount calls.
    pub fn attach_on(
        &self,
        target: BorrowedFd<'_>,
        rel: &Path,
        tree: Tree,
        reach: Reach,
        attributes: Attributes<'_>,
    ) -> Result<()> {
        let shown = self.show(rel);
        tree.attach(target, &Change { attributes, reach, shown: &shown }, &|| self.at(rel))
    }

    /// Takes away what is mounted on `rel` (lazily); whether something was.
    ///
    /// # Errors
    /// As [`Dir::at`], and the errno of `umount2`.
    pub fn detach(&self, rel: impl AsRef<Path>) -> Result<bool> {
        let target = match self.at(&rel) {
            Err(e) if e.errno() == Errno::NOENT => return Ok(false),
            other => other?,
        };
        match rustix::mount::unmount(fd_path(&target), UnmountFlags::DETACH) {
            Err(Errno::INVAL) => Ok(false),
            other => other.op("umount2", self.show(rel)).map(|()| true),
        }
    }

    /// Opens for `flags` below this directory.
    fn at_with(&self, rel: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        if rel.components().any(|part| part == Component::ParentDir) {
            return Err(Error::new("open", self.show(rel).display().to_string(), Errno::XDEV));
        }
        // Not O_NOFOLLOW: with O_PATH that would open a final link instead of refusing it.
        let flags = flags | OFlags::CLOEXEC;
        let inner = match strip(rel) {
            inner if inner.as_os_str().is_empty() => Path::new("."),
            inner => inner,
        };
        for _ in 0..ATTEMPTS {
            match rustix::fs::openat2(&self.fd, inner, flags, mode, how) {
                Err(Errno::AGAIN) => {}
                Err(Errno::NOSYS) => return self.walk(rel, flags | OFlags::NOFOLLOW, mode),
                other => return other.op("open", self.show(rel)),
            }
        }
        Err(Error::new("open", self.show(rel).display().to_string(), Errno::AGAIN))
    }

    /// The same part by part. Each is opened from its directory's descriptor and not followed, so the
    /// walk cannot leave the tree either.
    fn walk(&self, rel: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        let parts = parts(rel, &self.shown)?;
        let Some((last, way)) = parts.split_last() else {
            return rustix::fs::openat(&self.fd, ".", flags, mode).op("open", &self.shown);
        };
        let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut here: Option<OwnedFd> = None;
        for part in way {
            let from = here.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
            here = Some(step(from, part, directory, mode).op("open", self.show(rel))?);
        }
        let from = here.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
        step(from, last, flags, mode).op("open", self.show(rel))
    }

    /// The directory that holds `rel`, and its name there.
    fn parent<'a>(&self, rel: &'a Path) -> Result<(Holder<'_>, &'a OsStr)> {
        let parts = parts(rel, &self.shown)?;
        let Some((last, way)) = parts.split_last() else {
            return Err(Error::new("open", self.shown.display().to_string(), Errno::INVAL));
        };
        if way.is_empty() {
            return Ok((Holder::This(self.fd.as_fd()), last));
        }
        let way: PathBuf = way.iter().collect();
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        Ok((Holder::Below(self.at_with(&way, flags, Mode::empty())?), last))
    }
}

/// One step of [`Dir::walk`]: a symbolic link is `ELOOP`, also where the kernel would open the link itself
/// (`O_PATH`) or call it no directory.
fn step(from: BorrowedFd<'_>, part: &OsStr, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::openat(from, part, flags, mode) {
        Ok(fd) if flags.contains(OFlags::PATH) && is_link(&rustix::fs::fstat(&fd)?) => Err(Errno::LOOP),
        Err(Errno::NOTDIR) => {
            let stat = rustix::fs::statat(from, part, AtFlags::SYMLINK_NOFOLLOW)?;
            Err(if is_link(&stat) { Errno::LOOP } else { Errno::NOTDIR })
        }
        other => other,
    }
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

/// A directory that is borrowed or was opened for the occasion.
enum Holder<'a> {
    This(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl AsFd for Holder<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Holder::This(fd) => *fd,
            Holder::Below(fd) => fd.as_fd(),
        }
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A path without the slashes before it.
fn strip(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

/// The names in a path, none of which leads upwards.
fn parts<'a>(rel: &'a Path, below: &Path) -> Result<Vec<&'a OsStr>> {
    let names = rel.components().filter_map(|part| match part {
        Component::Normal(name) => Some(Ok(name)),
        Component::ParentDir => Some(Err(())),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let all: std::result::Result<Vec<_>, ()> = names.collect();
    all.map_err(|()| Error::new("open", below.join(strip(rel)).display().to_string(), Errno::XDEV))
}

/// Opens `path` as seen with `root` as `/`: links are followed, but inside. Before Linux 5.6 links are an
/// error, as everywhere in this module.
///
/// # Errors
/// The errno of `openat2`.
pub fn open_in_root(root: &Dir, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..ATTEMPTS {
        match rustix::fs::openat2(&root.fd, path, flags, Mode::empty(), how) {
            Err(Errno::AGAIN) => {}
            Err(Errno::NOSYS) => return root.at(path),
            other => return other.op("open", root.show(path)),
        }
    }
    Err(Error::new("open", root.show(path).display().to_string(), Errno::AGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Dir) {
        let tmp = tempfile::tempdir().unwrap();
        let dir = Dir::open(tmp.path()).unwrap();
        (tmp, dir)
    }

    /// By `openat2` and by walking: both must agree.
    fn both(dir: &Dir, rel: &str) -> [std::result::Result<(), Errno>; 2] {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let walked = dir.walk(Path::new(rel), flags, Mode::empty());
        [dir.at(rel), walked].map(|r| r.map(drop).map_err(|e| e.errno()))
    }

    #[test]
    fn plain_paths_are_found() {
        let (_tmp, dir) = tree();
        dir.make_dirs("a/b/c").unwrap();
        assert_eq!(dir.make_file("a/b/f", 0o600).unwrap(), Made::New);
        assert_eq!(dir.make_file("a/b/f", 0o600).unwrap(), Made::Existed);
        for rel in ["", "/", ".", "a", "/a/b", "a//b/./c/", "a/b/f"] {
            assert_eq!(both(&dir, rel), [Ok(()), Ok(())], "{rel}");
        }
        assert_eq!(both(&dir, "a/x"), [Err(Errno::NOENT); 2]);
        assert_eq!(both(&dir, "a/b/f/x"), [Err(Errno::NOTDIR); 2]);
    }

    #[test]
    fn links_and_parents_are_refused_everywhere() {
        let (tmp, dir) = tree();
        dir.make_dirs("real/sub").unwrap();
        dir.make_link("absolute", "/etc").unwrap();
        dir.make_link("up", "..").unwrap();
        dir.make_link("inside", "real").unwrap();
        dir.make_link("real/dangling", "/nowhere/at/all").unwrap();
        for rel in ["absolute", "absolute/passwd", "up", "up/x", "inside/sub", "inside", "real/dangling"] {
            assert_eq!(both(&dir, rel), [Err(Errno::LOOP); 2], "{rel}");
            let made = dir.make_dirs(Path::new(rel).join("new"));
            assert_eq!(made.unwrap_err().errno(), Errno::LOOP, "{rel}");
        }
        assert_eq!(both(&dir, "../x"), [Err(Errno::XDEV); 2]);
        assert_eq!(both(&dir, "real/../real"), [Err(Errno::XDEV); 2]);
        assert_eq!(dir.make_dirs("real/../../x").unwrap_err().errno(), Errno::XDEV);
        let e = dir.make_node("up/node", FileType::RegularFile, 0o600, 0).unwrap_err();
        assert_eq!(e.errno(), Errno::LOOP);
        assert_eq!(dir.create_new("real/dangling", OFlags::WRONLY, 0o600).unwrap_err().errno(), Errno::EXIST);
        let shown = tmp.path().join("absolute/passwd").display().to_string();
        assert_eq!(dir.at("absolute/passwd").unwrap_err().on(), shown);
    }

    #[test]
    fn links_in_root_stay_inside() {
        let (_tmp, dir) = tree();
        dir.make_dirs("etc").unwrap();
        dir.make_link("l", "/etc").unwrap();
        let inside = rustix::fs::fstat(open_in_root(&dir, Path::new("/l")).unwrap()).unwrap();
        assert_eq!(inside.st_ino, dir.stat("etc").unwrap().unwrap().st_ino);
        dir.make_link("out", "../../../../..").unwrap();
        let root = rustix::fs::fstat(open_in_root(&dir, Path::new("out")).unwrap()).unwrap();
        assert_eq!(root.st_ino, rustix::fs::fstat(&dir).unwrap().st_ino);
    }

    #[test]
    fn making_and_removing() {
        let (_tmp, dir) = tree();
        assert_eq!(dir.stat("n").unwrap().map(|s| s.st_ino), None);
        dir.make_dirs("x/y").unwrap();
        dir.make_link("x/y/l", "text").unwrap();
        assert!(is_link(&dir.stat("x/y/l").unwrap().unwrap()));
        assert!(dir.remove_file("x/y/l").unwrap());
        assert!(!dir.remove_file("x/y/l").unwrap());
        assert_eq!(dir.remove_file("x/y").unwrap_err().errno(), Errno::ISDIR);
        assert_eq!(dir.remove_file("").unwrap_err().errno(), Errno::INVAL);
    }
}

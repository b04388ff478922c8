//! Copying a tree that a container may have prepared: any depth, links in any place, files of every kind.
//!
//! Each file is reached from its directory's descriptor, and no link is followed. What a container changes
//! meanwhile may or may not be in the copy; it cannot lead out of the tree. Mounts on the way are entered.

mod attributes;
mod data;

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lxc_sys::mount::fd_path;
use lxc_sys::{Error, Op, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// How many directories of each tree are open at a time.
const DEPTH: usize = 64;

/// What becomes of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Each file gets data of its own, shared with the first until one is written to where the file system can.
    Copy,
    /// Both trees name the same files, for a tree whose first one goes away.
    Link,
}

/// Copies what is in directory `from`, and what the directory itself is like, to directory `to`, which must
/// exist. Owners, modes, times, extended attributes, access lists, holes, devices, fifos, sockets stay what
/// they are, hard links stay links of each other.
///
/// # Errors
/// The errno of the call on the file that could not be copied; `ELOOP` when `to` lies in `from`.
pub fn copy_tree(from: &Path, to: &Path, how: How) -> Result<()> {
    let (from_top, to_top) = (open_top(from)?, open_top(to)?);
    let target = identity(&rustix::fs::fstat(&to_top).op("fstat", to)?);
    let mut copier =
        Copier { from, to, to_top, target, how, links: HashMap::new(), way: Vec::new(), buffer: Vec::new() };
    let from_stat = rustix::fs::fstat(&from_top).op("fstat", from)?;
    let to_fd = rustix::io::fcntl_dupfd_cloexec(&copier.to_top, 3).op("dup", to)?;
    copier.enter(CString::default(), from_stat, from_top, to_fd)?;
    copier.run()
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Device and inode: which file it is, whatever its name.
type Identity = (u64, u64);

fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

/// Where one entry comes from and goes to.
#[derive(Clone, Copy)]
struct Step<'a> {
    from: BorrowedFd<'a>,
    to: BorrowedFd<'a>,
    name: &'a CString,
}

/// A directory on the way down.
struct Level {
    name: CString,
    stat: Stat,
    /// Names that are still to be copied.
    entries: Vec<CString>,
    /// Both sides; closed while deeper directories need the descriptors.
    open: Option<(OwnedFd, OwnedFd)>,
}

struct Copier<'a> {
    from: &'a Path,
    to: &'a Path,
    to_top: OwnedFd,
    target: Identity,
    how: How,
    /// Where the first name of a file with several is in the copy.
    links: HashMap<Identity, PathBuf>,
    way: Vec<Level>,
    buffer: Vec<u8>,
}

impl Copier<'_> {
    fn run(&mut self) -> Result<()> {
        while let Some(level) = self.way.last_mut() {
            let next = level.entries.pop();
            let open = level.open.take();
            let open = match open {
                Some(open) => open,
                None => self.reopen()?,
            };
            match next {
                Some(name) => {
                    let step = Step { from: open.0.as_fd(), to: open.1.as_fd(), name: &name };
                    let below = self.entry(step)?;
                    if let Some(level) = self.way.last_mut() {
                        level.open = Some(open);
                    }
                    if let Some((stat, from, to)) = below {
                        self.enter(name, stat, from, to)?;
                    }
                }
                None => self.leave(&open)?,
            }
        }
        Ok(())
    }

    /// Goes into a directory that was made just now.
    fn enter(&mut self, name: CString, stat: Stat, from: OwnedFd, to: OwnedFd) -> Result<()> {
        if !self.way.is_empty() && identity(&stat) == self.target {
            return Err(self.failure("mkdir", &name, Errno::LOOP));
        }
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&from).op("readdir", self.show(&name))? {
            let entry = entry.op("readdir", self.show(&name))?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                entries.push(entry.file_name().to_owned());
            }
        }
        self.way.push(Level { name, stat, entries, open: Some((from, to)) });
        if let Some(far) = self.way.len().checked_sub(DEPTH).and_then(|at| self.way.get_mut(at)) {
            far.open = None;
        }
        Ok(())
    }

    /// A directory is complete: now nothing changes its times any more.
    fn leave(&mut self, open: &(OwnedFd, OwnedFd)) -> Result<()> {
        let Some(level) = self.way.pop() else { return Ok(()) };
        attributes::copy(open.0.as_fd(), open.1.as_fd(), &level.stat)
            .map_err(|(op, errno)| self.failure(op, &level.name, errno))
    }

    /// Opens the deepest directory anew, from the top, and those above it that may be open.
    fn reopen(&mut self) -> Result<(OwnedFd, OwnedFd)> {
        let mut here = (open_top(self.from)?, open_top(self.to)?);
        for at in 1..self.way.len() {
            let below = |side: &OwnedFd| {
                let name = self.way.get(at).map(|level| level.name.clone()).unwrap_or_default();
                open_dir(side.as_fd(), &name).map_err(|errno| self.failure("open", &name, errno))
            };
            let next = (below(&here.0)?, below(&here.1)?);
            let above = std::mem::replace(&mut here, next);
            if at + DEPTH > self.way.len()
                && let Some(level) = self.way.get_mut(at - 1)
            {
                level.open = Some(above);
            }
        }
        Ok(here)
    }

    /// Copies one entry; a directory is only made, and handed back with both its sides.
    fn entry(&mut self, step: Step<'_>) -> Result<Option<(Stat, OwnedFd, OwnedFd)>> {
        let failed = |this: &Self, op, errno| this.failure(op, step.name, errno);
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let stat = match rustix::fs::statat(step.from, step.name.as_c_str(), flags) {
            // Gone since its directory was read.
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(|errno| failed(self, "stat", errno))?,
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return self.directory(step);
        }
        let known = if stat.st_nlink > 1 { self.links.get(&identity(&stat)) } else { None };
        if let Some(first) = known {
            let holder = self.walk(first).map_err(|errno| failed(self, "open", errno))?;
            let first = first.file_name().unwrap_or_default();
            return rustix::fs::linkat(&holder, first, step.to, step.name.as_c_str(), AtFlags::empty())
                .map(|()| None)
                .map_err(|errno| failed(self, "link", errno));
        }
        let linked = self.how == How::Link
            && rustix::fs::linkat(
                step.from,
                step.name.as_c_str(),
                step.to,
                step.name.as_c_str(),
                AtFlags::empty(),
            )
            .is_ok();
        if !linked && !self.file(step)? {
            return Ok(None);
        }
        if stat.st_nlink > 1 {
            let mut place: PathBuf = self.way.iter().skip(1).map(|level| part(&level.name)).collect();
            place.push(part(step.name));
            self.links.insert(identity(&stat), place);
        }
        Ok(None)
    }

    fn directory(&self, step: Step<'_>) -> Result<Option<(Stat, OwnedFd, OwnedFd)>> {
        let failed = |op, errno| self.failure(op, step.name, errno);
        let from = match open_dir(step.from, step.name) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(|errno| failed("open", errno))?,
        };
        let stat = rustix::fs::fstat(&from).map_err(|errno| failed("fstat", errno))?;
        rustix::fs::mkdirat(step.to, step.name.as_c_str(), Mode::RWXU)
            .map_err(|errno| failed("mkdir", errno))?;
        let to = open_dir(step.to, step.name).map_err(|errno| failed("open", errno))?;
        Ok(Some((stat, from, to)))
    }

    /// Copies what is no directory; false when it was gone by then.
    fn file(&mut self, step: Step<'_>) -> Result<bool> {
        let name = step.name.as_c_str();
        let failed = |this: &Self, op, errno| this.failure(op, step.name, errno);
        // From here on it is this very file, whatever takes its name: a device must not be opened for use.
        let from = match open_name(step.from, step.name) {
            Err(Errno::NOENT) => return Ok(false),
            other => other.map_err(|errno| failed(self, "open", errno))?,
        };
        let stat = rustix::fs::fstat(&from).map_err(|errno| failed(self, "fstat", errno))?;
        let to = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                let data = rustix::fs::open(fd_path(&from), flags, Mode::empty())
                    .map_err(|errno| failed(self, "open", errno))?;
                let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let to = rustix::fs::openat(step.to, name, flags, Mode::RUSR | Mode::WUSR)
                    .map_err(|errno| failed(self, "open", errno))?;
                data::copy(data.as_fd(), to.as_fd(), &stat, &mut self.buffer)
                    .map_err(|(op, errno)| failed(self, op, errno))?;
                to
            }
            FileType::Directory => return Err(failed(self, "open", Errno::BUSY)),
            kind => {
                if kind == FileType::Symlink {
                    let text = rustix::fs::readlinkat(&from, "", Vec::new())
                        .map_err(|errno| failed(self, "readlink", errno))?;
                    rustix::fs::symlinkat(text, step.to, name)
                        .map_err(|errno| failed(self, "symlink", errno))?;
                } else {
                    rustix::fs::mknodat(step.to, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev)
                        .map_err(|errno| failed(self, "mknod", errno))?;
                }
                open_name(step.to, step.name).map_err(|errno| failed(self, "open", errno))?
            }
        };
        attributes::copy(from.as_fd(), to.as_fd(), &stat).map_err(|(op, errno)| failed(self, op, errno))?;
        Ok(true)
    }

    /// The directory in the copy that holds `place`; part by part, for a whole path may be too long.
    fn walk(&self, place: &Path) -> rustix::io::Result<OwnedFd> {
        let mut here = rustix::io::fcntl_dupfd_cloexec(&self.to_top, 3)?;
        for part in place.parent().into_iter().flatten() {
            here = rustix::fs::openat(&here, part, DIRECTORY, Mode::empty())?;
        }
        Ok(here)
    }

    /// The source of an entry of the deepest directory, for messages.
    fn show(&self, name: &CString) -> PathBuf {
        let mut path = self.from.to_owned();
        path.extend(self.way.iter().skip(1).map(|level| part(&level.name)));
        if !name.is_empty() {
            path.push(part(name));
        }
        path
    }

    fn failure(&self, op: &'static str, name: &CString, errno: Errno) -> Error {
        Error::new(op, self.show(name).display().to_string(), errno)
    }
}

fn part(name: &CString) -> &OsStr {
    OsStr::from_bytes(name.as_bytes())
}

/// The directories that the caller names are its own: links that lead to them are followed.
fn open_top(top: &Path) -> Result<OwnedFd> {
    rustix::fs::open(top, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty()).op("open", top)
}

fn open_dir(parent: BorrowedFd<'_>, name: &CString) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(parent, name.as_c_str(), DIRECTORY, Mode::empty())
}

/// Opens whatever bears the name, for naming it only.
fn open_name(parent: BorrowedFd<'_>, name: &CString) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name.as_c_str(), flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn trees() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let tmp = tempfile::tempdir().unwrap();
        let (from, to) = (tmp.path().join("from"), tmp.path().join("to"));
        std::fs::create_dir(&from).unwrap();
        std::fs::create_dir(&to).unwrap();
        (tmp, from, to)
    }

    #[test]
    fn files_links_modes_and_times() {
        let (_tmp, from, to) = trees();
        std::fs::create_dir_all(from.join("d/e")).unwrap();
        std::fs::write(from.join("d/e/f"), "text").unwrap();
        std::fs::set_permissions(from.join("d/e/f"), std::fs::Permissions::from_mode(0o4751)).unwrap();
        std::fs::hard_link(from.join("d/e/f"), from.join("g")).unwrap();
        symlink("/etc/passwd", from.join("d/link")).unwrap();
        symlink("nowhere", from.join("dangling")).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
        for dir in ["d/e", "d", ""] {
            let dir = std::fs::File::open(from.join(dir)).unwrap();
            dir.set_times(std::fs::FileTimes::new().set_modified(old).set_accessed(old)).unwrap();
        }
        std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o711)).unwrap();
        copy_tree(&from, &to, How::Copy).unwrap();
        assert_eq!(std::fs::read_to_string(to.join("d/e/f")).unwrap(), "text");
        let copied = |path: &str| std::fs::symlink_metadata(to.join(path)).unwrap();
        assert_eq!(copied("d/e/f").mode() & 0o7777, 0o4751);
        assert_eq!(copied("d/e/f").ino(), copied("g").ino());
        assert_ne!(copied("g").ino(), std::fs::metadata(from.join("g")).unwrap().ino());
        assert_eq!(std::fs::read_link(to.join("d/link")).unwrap(), Path::new("/etc/passwd"));
        assert_eq!(std::fs::read_link(to.join("dangling")).unwrap(), Path::new("nowhere"));
        for dir in ["d/e", "d", ""] {
            assert_eq!(copied(dir).modified().unwrap(), old, "{dir}");
        }
        assert_eq!(copied("").mode() & 0o7777, 0o711);
    }

    #[test]
    fn holes_stay_holes() {
        let (_tmp, from, to) = trees();
        let file = std::fs::File::create(from.join("sparse")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"begin", 0).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"middle", 64 << 20).unwrap();
        file.set_len(128 << 20).unwrap();
        copy_tree(&from, &to, How::Copy).unwrap();
        let copy = std::fs::metadata(to.join("sparse")).unwrap();
        assert_eq!(copy.len(), 128 << 20);
        assert!(copy.blocks() * 512 < 1 << 20, "{} blocks", copy.blocks());
        let copy = std::fs::File::open(to.join("sparse")).unwrap();
        let mut text = [0; 8];
        std::os::unix::fs::FileExt::read_exact_at(&copy, &mut text, 64 << 20).unwrap();
        assert_eq!(&text, b"middle\0\0");
    }

    #[test]
    fn any_depth() {
        let (tmp, from, to) = trees();
        let mut here = rustix::fs::open(&from, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..700 {
            rustix::fs::mkdirat(&here, "a-long-name", Mode::RWXU).unwrap();
            rustix::fs::mkdirat(&here, "beside", Mode::RWXU).unwrap();
            here = rustix::fs::openat(&here, "a-long-name", DIRECTORY, Mode::empty()).unwrap();
        }
        let file = |dir: &OwnedFd, name: &str, flags| {
            rustix::fs::openat(dir, name, flags | OFlags::CLOEXEC, Mode::RUSR).unwrap()
        };
        file(&here, "deep", OFlags::CREATE | OFlags::WRONLY);
        rustix::fs::linkat(&here, "deep", &here, "deep2", AtFlags::empty()).unwrap();
        drop(here);
        copy_tree(&from, &to, How::Copy).unwrap();
        let mut here = rustix::fs::open(&to, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..700 {
            assert!(rustix::fs::statat(&here, "beside", AtFlags::empty()).is_ok());
            here = rustix::fs::openat(&here, "a-long-name", DIRECTORY, Mode::empty()).unwrap();
        }
        assert_eq!(rustix::fs::fstat(file(&here, "deep2", OFlags::RDONLY)).unwrap().st_nlink, 2);
        drop(here);
        super::super::remove_tree(&from).unwrap();
        super::super::remove_tree(&to).unwrap();
        drop(tmp);
    }

    #[test]
    fn linked_trees_name_the_same_files() {
        let (_tmp, from, to) = trees();
        std::fs::create_dir(from.join("d")).unwrap();
        std::fs::write(from.join("d/f"), "x").unwrap();
        symlink("f", from.join("d/l")).unwrap();
        copy_tree(&from, &to, How::Link).unwrap();
        for name in ["d/f", "d/l"] {
            let ino = |tree: &Path| std::fs::symlink_metadata(tree.join(name)).unwrap().ino();
            assert_eq!(ino(&from), ino(&to), "{name}");
        }
    }

    #[test]
    fn a_copy_inside_its_source_is_refused() {
        let (_tmp, from, _) = trees();
        let to = from.join("d/copy");
        std::fs::create_dir_all(&to).unwrap();
        let refused = copy_tree(&from, &to, How::Copy).unwrap_err();
        assert_eq!(refused.errno(), Errno::LOOP, "{refused}");
    }
}

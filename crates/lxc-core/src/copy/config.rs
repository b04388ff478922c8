//! The configuration of a copy: the lines of the first one, where they name the container itself made anew.

use std::fs::{File, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use lxc_config::{Config, Document, interpret};
use lxc_host::storage::Source;
use lxc_sys::Op;
use lxc_types::Name;
use lxc_types::mac::fill_digits;
use rustix::fs::OFlags;

use super::{Error, Result};
use crate::config_file;

/// The new addresses' form: LXC's own range.
const ADDRESS: &str = "10:66:6a:xx:xx:xx";

/// What changes.
pub struct Move<'a> {
    /// The first container's folder.
    pub(crate) from: &'a Path,
    /// The new one's.
    pub(crate) to: &'a Path,
    /// The new name.
    pub(crate) name: &'a Name,
    /// The host name stays.
    pub(crate) keep_name: bool,
    /// Hardware addresses stay.
    pub(crate) keep_mac: bool,
    /// The new root file system.
    pub(crate) rootfs: &'a Source,
}

/// The new configuration.
pub struct Rewritten {
    /// Its text.
    pub(crate) document: Document,
    /// What it means.
    pub(crate) config: Config,
    /// Files that it names, to be copied.
    pub(crate) files: Vec<CopiedFile>,
}

/// A script or table in the container's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedFile {
    /// Where it is.
    pub(crate) from: PathBuf,
    /// Where its copy goes.
    pub(crate) to: PathBuf,
}

impl CopiedFile {
    /// Copies contents and permissions; directories between it and `folder` are made.
    ///
    /// # Errors
    /// A file that is not there, or is there already.
    pub(crate) fn copy(&self, folder: &Path) -> Result<()> {
        if let Some(parent) = self.to.parent()
            && parent != folder
        {
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create(parent).op("mkdir", parent)?;
        }
        // A fifo without a writer is not waited for.
        let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        let mut from =
            File::options().read(true).custom_flags(nonblock).open(&self.from).op("open", &self.from)?;
        let stat = from.metadata().op("stat", &self.from)?;
        if !stat.is_file() {
            return Err(Error::Value(format!("{} is not a regular file", self.from.display())));
        }
        let mode = stat.permissions().mode() & 0o777;
        let mut to =
            File::options().write(true).create_new(true).mode(0o600).open(&self.to).op("open", &self.to)?;
        std::io::copy(&mut from, &mut to).op("write", &self.to)?;
        Ok(to.set_permissions(Permissions::from_mode(mode)).op("chmod", &self.to)?)
    }
}

/// Makes the new configuration of the old one. Included files are not touched.
pub fn rewrite(document: &Document, config: &Config, moved: &Move<'_>) -> Result<Rewritten> {
    let mut document = document.clone();
    let mut files = Vec::new();
    document.drop_blank_lines();
    let refused = |e: lxc_config::document::EditError| Error::Value(e.to_string());
    document.rewrite(&mut |key, value| moved.value(key, value, &mut files)).map_err(refused)?;
    let set = |document: &mut Document, key: &str, value: &str| {
        document.remove(key).and_then(|()| document.append(key, value)).map_err(refused)
    };
    set(&mut document, "lxc.rootfs.path", &moved.rootfs.to_string())?;
    if !moved.keep_name {
        set(&mut document, "lxc.uts.name", moved.name)?;
    }
    if let Some(fstab) = config.mounts.fstab.as_ref() {
        let from = PathBuf::from(&fstab.value);
        let to = moved.to.join(from.file_name().unwrap_or_default());
        set(&mut document, "lxc.mount.fstab", &to.to_string_lossy())?;
        files.push(CopiedFile { from, to });
    }
    let (config, problems) = interpret(&document, &config_file::context());
    if problems.iter().any(|problem| problem.is_error()) {
        return Err(Error::Config(problems));
    }
    Ok(Rewritten { document, config, files })
}

impl Move<'_> {
    /// The new value of a line, if it has one.
    fn value(&self, key: &str, value: &str, files: &mut Vec<CopiedFile>) -> Option<String> {
        if key.starts_with("lxc.hook.") {
            return self.hook(value, files);
        }
        if key.starts_with("lxc.net.") && key.ends_with(".hwaddr") {
            let whole = value.len() == ADDRESS.len();
            return (whole && !self.keep_mac).then(|| fill_digits(ADDRESS, &mut config_file::random_byte));
        }
        if key == "lxc.mount.entry" && value.contains(" overlay") {
            let new = ["upperdir=", "workdir=", "br="]
                .iter()
                .fold(value.to_owned(), |value, option| self.option(&value, option));
            return (new != value).then_some(new);
        }
        None
    }

    /// A hook whose program lies in the container's folder gets a copy of it. What lies in the root file system
    /// is copied with that.
    fn hook(&self, value: &str, files: &mut Vec<CopiedFile>) -> Option<String> {
        let end = value.find(char::is_whitespace).unwrap_or(value.len());
        let (program, rest) = value.split_at(end);
        let program = Path::new(program);
        let place = program.strip_prefix(self.from).ok()?;
        let mut parts = place.components();
        if place.as_os_str().is_empty() || !parts.all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        let to = self.to.join(place);
        if !place.starts_with("rootfs") {
            let file = CopiedFile { from: program.to_owned(), to: to.clone() };
            if !files.contains(&file) {
                files.push(file);
            }
        } else if !self.rootfs.path.starts_with(self.to) {
            return None;
        }
        Some(format!("{}{rest}", to.display()))
    }

    /// `OPTION` with the old folder, with the new one instead.
    fn option(&self, value: &str, option: &str) -> String {
        let (old, new) = (self.from.to_string_lossy(), self.to.to_string_lossy());
        let pattern = format!("{option}{old}");
        let mut out = String::new();
        let mut rest = value;
        while let Some(at) = rest.find(&pattern) {
            let (before, found) = rest.split_at(at);
            let after = found.strip_prefix(&pattern).unwrap_or_default();
            out.push_str(before);
            let ends = after.chars().next().is_none_or(|c| matches!(c, '/' | ',' | ':') || c.is_whitespace());
            out.push_str(option);
            out.push_str(if ends { &new } else { &old });
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use lxc_types::StorageKind;

    use super::*;

    fn rewritten(text: &str, keep: bool) -> (String, Vec<CopiedFile>) {
        let (document, problems) =
            Document::from_text(Path::new("/l/a/config"), text.as_bytes(), &mut config_file::read);
        assert!(problems.is_empty(), "{problems:?}");
        let (config, problems) = interpret(&document, &config_file::context());
        assert!(problems.is_empty(), "{problems:?}");
        let rootfs = Source { kind: Some(StorageKind::Dir), path: "/l/b/rootfs".into() };
        let moved = Move {
            from: Path::new("/l/a"),
            to: Path::new("/l/b"),
            name: &"b".parse().unwrap(),
            keep_name: keep,
            keep_mac: keep,
            rootfs: &rootfs,
        };
        let new = rewrite(&document, &config, &moved).unwrap();
        (String::from_utf8(new.document.to_text()).unwrap(), new.files)
    }

    #[test]
    fn lines_that_name_the_container() {
        let text = "# a comment\n\n  lxc.rootfs.path = /l/a/rootfs\nlxc.uts.name = a\n lxc.tty.max = 0\n\
                    lxc.mount.fstab = /l/a/fstab\nlxc.hook.pre-start = /l/a/hooks/x  one two\n\
                    lxc.hook.stop = /l/a/hooks/x\nlxc.hook.start = /l/a/rootfs/bin/y\n\
                    lxc.hook.mount = /bin/true /l/a/z\nlxc.hook.clone = /l/a/../b/z\n\
                    lxc.mount.entry = overlay m overlay lowerdir=/l/a/l,upperdir=/l/a/u,workdir=/l/a/w 0 0\n\
                    lxc.mount.entry = overlay m overlay upperdir=/l/ab/u 0 0\n\
                    lxc.mount.entry = /l/a/x mnt none bind 0 0\nsomething else\n";
        let (text, files) = rewritten(text, false);
        assert_eq!(
            text,
            "# a comment\n lxc.tty.max = 0\nlxc.hook.pre-start = /l/b/hooks/x  one two\n\
             lxc.hook.stop = /l/b/hooks/x\nlxc.hook.start = /l/b/rootfs/bin/y\n\
             lxc.hook.mount = /bin/true /l/a/z\nlxc.hook.clone = /l/a/../b/z\n\
             lxc.mount.entry = overlay m overlay lowerdir=/l/a/l,upperdir=/l/b/u,workdir=/l/b/w 0 0\n\
             lxc.mount.entry = overlay m overlay upperdir=/l/ab/u 0 0\n\
             lxc.mount.entry = /l/a/x mnt none bind 0 0\nsomething else\n\
             lxc.rootfs.path = dir:/l/b/rootfs\nlxc.uts.name = b\nlxc.mount.fstab = /l/b/fstab\n"
        );
        let file = |from: &str, to: &str| CopiedFile { from: from.into(), to: to.into() };
        assert_eq!(files, [file("/l/a/hooks/x", "/l/b/hooks/x"), file("/l/a/fstab", "/l/b/fstab")]);
    }

    #[test]
    fn addresses_and_the_host_name() {
        let text = "lxc.uts.name = a\nlxc.rootfs.path = /l/a/rootfs\nlxc.net.0.type = veth\n\
                    lxc.net.0.hwaddr=10:66:6a:01:02:03\nlxc.net.1.type = veth\nlxc.net.1.hwaddr = 0:1:2:3:4:5\n";
        let (kept, _) = rewritten(text, true);
        assert!(kept.starts_with("lxc.uts.name = a\nlxc.net.0.type"), "{kept}");
        assert!(kept.contains("lxc.net.0.hwaddr=10:66:6a:01:02:03\n"), "{kept}");
        let addresses: std::collections::BTreeSet<String> = (0..4)
            .map(|_| {
                let (new, _) = rewritten(text, false);
                assert!(new.contains("lxc.net.1.hwaddr = 0:1:2:3:4:5\n"), "{new}");
                let at = new.find("lxc.net.0.hwaddr=10:66:6a:").unwrap();
                new[at..].lines().next().unwrap().to_owned()
            })
            .collect();
        assert!(addresses.len() > 1, "{addresses:?}");
    }

    #[test]
    fn files_are_copied_once_with_their_mode() {
        let dir = tempfile::tempdir().unwrap();
        let file = CopiedFile { from: dir.path().join("a"), to: dir.path().join("d/e/b") };
        assert!(file.copy(dir.path()).is_err(), "nothing to copy");
        std::fs::write(&file.from, "text").unwrap();
        std::fs::set_permissions(&file.from, Permissions::from_mode(0o4751)).unwrap();
        file.copy(dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&file.to).unwrap(), "text");
        assert_eq!(std::fs::metadata(&file.to).unwrap().permissions().mode() & 0o7777, 0o751);
        assert!(file.copy(dir.path()).is_err(), "nothing is overwritten");
        let fifo = CopiedFile { from: dir.path().join("fifo"), to: dir.path().join("c") };
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo.from, rustix::fs::Mode::RUSR).unwrap();
        assert!(fifo.copy(dir.path()).unwrap_err().to_string().ends_with("fifo is not a regular file"));
    }
}

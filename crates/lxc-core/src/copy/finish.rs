//! The last steps in a new container, with its root file system in place: clone hooks, the host name.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use lxc_config::Config;
use lxc_config::config::HookKind;
use lxc_host::storage::{self, Ids, Source};
use lxc_sys::dir::Dir;
use lxc_sys::{Op, Result as SysResult};
use lxc_types::Name;
use lxc_types::mount::MountOptions;

use super::{Result, worker};
use crate::dirs::Dirs;
use crate::hooks::{self, Context, Env};

/// What is needed for them.
pub struct Finish<'a> {
    pub(crate) dirs: &'a Dirs,
    pub(crate) config: &'a Config,
    pub(crate) config_file: &'a Path,
    /// The new root file system.
    pub(crate) rootfs: &'a Source,
    pub(crate) name: &'a Name,
    /// The name of the container that this one is made of.
    pub(crate) source: &'a Name,
    pub(crate) hook_args: &'a [String],
    /// The host name to write, if there is to be another one.
    pub(crate) host_name: Option<&'a str>,
}

/// Does them, in a process with mounts of its own.
pub fn run(finish: &Finish<'_>) -> Result<()> {
    if finish.host_name.is_none() && finish.config.hooks.list(HookKind::Clone).is_empty() {
        return Ok(());
    }
    worker::run("clone", || {
        let rootfs = finish.mount()?;
        finish.hooks(&rootfs)?;
        match finish.host_name {
            Some(name) => Ok(write_host_name(&rootfs, name)?),
            None => Ok(()),
        }
    })
}

impl Finish<'_> {
    /// The directory where the new root file system is.
    fn mount(&self) -> Result<PathBuf> {
        let backend = storage::open(self.rootfs)?;
        if let Some(directory) = backend.directory() {
            return Ok(directory.to_owned());
        }
        let configured = self.config.rootfs.mount.as_ref().map(|mount| PathBuf::from(&mount.value));
        let at = configured.unwrap_or_else(|| self.dirs.rootfs_mount.clone());
        let ids = if self.config.idmaps.is_empty() { Ids::Initial } else { Ids::Mapped };
        backend.mount(&Dir::open(&at)?, &MountOptions::default(), ids)?;
        Ok(at)
    }

    fn hooks(&self, rootfs: &Path) -> Result<()> {
        let mut env = Env::of_this_process();
        env.set("LXC_SRC_NAME", self.source.as_str());
        env.set("LXC_NAME", self.name.as_str());
        env.set("LXC_CONFIG_FILE", self.config_file);
        env.set("LXC_ROOTFS_MOUNT", rootfs);
        env.set("LXC_ROOTFS_PATH", self.rootfs.to_string());
        let plan = crate::plan::hooks::for_disk(self.config, self.dirs, self.name, self.config_file);
        let context = Context { name: self.name.to_string(), version: self.config.hooks.version };
        Ok(hooks::run(&plan.list, HookKind::Clone, &context, &env, self.hook_args)?)
    }
}

/// Writes `/etc/hostname` where there is one. A link there may lead anywhere: it is left alone.
fn write_host_name(rootfs: &Path, name: &str) -> SysResult<()> {
    const FILE: &str = "etc/hostname";
    let root = Dir::open(rootfs)?;
    let stat = match root.stat(FILE) {
        Ok(Some(stat)) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => stat,
        Ok(_) => return Ok(()),
        Err(e) => {
            log::debug!("{e}");
            return Ok(());
        }
    };
    let file = if stat.st_nlink == 1 {
        root.file(FILE, OFlags::WRONLY | OFlags::TRUNC)?
    } else {
        // Its other names may be another container's.
        root.remove_file(FILE)?;
        let file = root.create_new(FILE, OFlags::WRONLY, 0o600)?;
        let owner =
            (Some(rustix::fs::Uid::from_raw(stat.st_uid)), Some(rustix::fs::Gid::from_raw(stat.st_gid)));
        rustix::fs::fchown(&file, owner.0, owner.1).op("chown", root.show(FILE))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(stat.st_mode & 0o7777)).op("chmod", root.show(FILE))?;
        file
    };
    File::from(file).write_all(OsStr::new(name).as_encoded_bytes()).op("write", root.show(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("etc");
        write_host_name(dir.path(), "b").unwrap();
        assert!(!etc.exists(), "nothing is made");
        std::fs::create_dir(&etc).unwrap();
        std::fs::write(etc.join("hostname"), "a long name\n").unwrap();
        std::fs::hard_link(etc.join("hostname"), etc.join("other")).unwrap();
        write_host_name(dir.path(), "b").unwrap();
        assert_eq!(std::fs::read_to_string(etc.join("hostname")).unwrap(), "b");
        assert_eq!(std::fs::read_to_string(etc.join("other")).unwrap(), "a long name\n");
        write_host_name(dir.path(), "c").unwrap();
        assert_eq!(std::fs::read_to_string(etc.join("hostname")).unwrap(), "c");
        std::fs::remove_file(etc.join("hostname")).unwrap();
        std::os::unix::fs::symlink("other", etc.join("hostname")).unwrap();
        write_host_name(dir.path(), "d").unwrap();
        assert_eq!(std::fs::read_to_string(etc.join("other")).unwrap(), "a long name\n");
    }
}

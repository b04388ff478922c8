//! `lxc-create`: make a container.

use std::path::{Path, PathBuf};
use std::process::Command;

use lxc_core::{CreateOptions, Template};
use lxc_sys::process;
use lxc_types::StorageKind;

use crate::cli::{Common, Rcfile, Tool};
use crate::report::{self, Failure};
use crate::session::{Session, absolute};

/// Make a container
#[derive(Debug, clap::Parser)]
pub struct Create {
    /// What the root file system lies on: dir (the default), btrfs, loop, lvm, nbd, overlay, overlayfs, rbd,
    /// zfs, or best
    #[arg(short = 'B', long, value_name = "TYPE")]
    bdev: Option<String>,
    /// Begin with the configuration in FILE instead of the default one
    #[arg(short = 'f', long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What makes the root file system: a template's name or path; "host": this host's own root, below a
    /// writable layer; "none": nothing
    #[arg(short, long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// With lvm: the logical volume (default: the container's name)
    #[arg(short = '0', long, value_name = "NAME")]
    lvname: Option<String>,
    /// With lvm: the volume group (default: lxc)
    #[arg(short = '1', long, value_name = "NAME")]
    vgname: Option<String>,
    /// With lvm: the thin pool (default: lxc)
    #[arg(short = '2', long, value_name = "NAME")]
    thinpool: Option<String>,
    /// With lvm, loop, rbd: the file system (default: ext4)
    #[arg(short = '3', long, value_name = "TYPE")]
    fstype: Option<String>,
    /// With lvm, loop, rbd: the size, with a unit of bBkKmMgGtT (default: 1G; without unit: M)
    #[arg(short = '4', long, value_name = "SIZE")]
    fssize: Option<String>,
    /// With zfs: the data set below which the container's is made (default: lxc)
    #[arg(short = '5', long, value_name = "PATH")]
    zfsroot: Option<String>,
    /// With dir: the directory of the root file system
    #[arg(short = '6', long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// With rbd: the image (default: the container's name)
    #[arg(short = '7', long, value_name = "NAME")]
    rbdname: Option<String>,
    /// With rbd: the pool (default: lxc)
    #[arg(short = '8', long, value_name = "NAME")]
    rbdpool: Option<String>,
    /// With rbd: the user
    #[arg(short = '9', long, value_name = "NAME")]
    rbduser: Option<String>,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Create {
    const PROGRAM: &'static str = "lxc-create";
    const SYNOPSIS: &'static str = "--name=NAME --template=TEMPLATE [OPTIONS] [-- TEMPLATE OPTIONS]";

    crate::cli::common!();

    /// `lxc-create -t T -h` shows the template's own options, too.
    fn after_help(&self) {
        let Some(word) = &self.template else { return };
        let dirs = lxc_core::Dirs::of_this_process();
        let Ok(Template::Program(program)) = Template::find(word, &dirs.templates) else { return };
        // As upstream: however that ends, help was shown.
        if let Err(error) = Command::new(&program).arg("-h").status() {
            report::line(&format!("lxc-create: cannot run {}: {error}", program.display()));
        }
    }

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let Some(word) = &self.template else {
            return Err(Failure::said("a template must be specified: -t TEMPLATE")
                .help("use \"none\" if you really want a container without a rootfs, \"host\" for one made from this host"));
        };
        let storage = self.storage().map_err(Failure::said)?;
        let config = match self.config.as_deref().or(self.rcfile.rcfile.as_deref()) {
            Some(given) => Some(absolute(given)?),
            None => Some(session.dirs.default_config.clone()).filter(|path| path.exists()),
        };
        let options = CreateOptions {
            config,
            template: Template::find(word, &session.dirs.templates)?,
            args: self.common.rest,
            storage,
            dir: self.dir,
            quiet: session.quiet,
        };
        // An interrupted template ends, and then what it has left is removed here.
        process::ignore_signal(SIGINT);
        process::ignore_signal(SIGQUIT);
        lxc_core::create::create(&session.dirs.run, &session.lxcpath, session.name()?, &options)?;
        Ok(0)
    }
}

const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;

impl Create {
    /// The kind of storage, if it fits the other options; the text of the complaint.
    fn storage(&self) -> Result<StorageKind, String> {
        let word = self.bdev.as_deref().unwrap_or("dir");
        if word == "best" {
            // What is best where nothing better can be made yet.
            return Ok(StorageKind::Dir);
        }
        let kind = match word {
            "none" | "" => StorageKind::Dir,
            word => word.parse().map_err(|_| format!("{word} is not a valid backing storage type"))?,
        };
        let sized = matches!(kind, StorageKind::Lvm | StorageKind::Loop | StorageKind::Rbd);
        if (self.fstype.is_some() || self.fssize.is_some()) && !sized {
            return Err("--fstype and --fssize are only valid with -B lvm, loop or rbd".to_owned());
        }
        if [&self.lvname, &self.vgname, &self.thinpool].iter().any(|o| o.is_some())
            && kind != StorageKind::Lvm
        {
            return Err("--lvname, --vgname and --thinpool are only valid with -B lvm".to_owned());
        }
        if [&self.rbdname, &self.rbdpool, &self.rbduser].iter().any(|o| o.is_some())
            && kind != StorageKind::Rbd
        {
            return Err("--rbdname, --rbdpool and --rbduser are only valid with -B rbd".to_owned());
        }
        if self.zfsroot.is_some() && kind != StorageKind::Zfs {
            return Err("--zfsroot is only valid with -B zfs".to_owned());
        }
        match &self.dir {
            Some(dir) if !dir.is_absolute() => {
                Err(format!("--dir must be an absolute path, not {}", dir.display()))
            }
            Some(_) if kind != StorageKind::Dir => {
                // As upstream; a script may always give it.
                log::warn!("--dir is for storage of type dir: it is ignored");
                Ok(kind)
            }
            _ => Ok(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::from_words;

    fn storage(words: &str) -> Result<StorageKind, String> {
        from_words::<Create>(&words.split_whitespace().collect::<Vec<_>>()).unwrap().storage()
    }

    #[test]
    fn kinds_of_storage() {
        for (words, kind) in [
            ("", StorageKind::Dir),
            ("-B none", StorageKind::Dir),
            ("-B best --fstype xfs", StorageKind::Dir),
            ("-B overlayfs", StorageKind::Overlay),
            ("-B loop --fssize 2G", StorageKind::Loop),
            ("-B lvm --lvname a -1 b -2 c -3 ext4", StorageKind::Lvm),
            ("-B rbd -7 a", StorageKind::Rbd),
            ("-B zfs --zfsroot tank", StorageKind::Zfs),
            ("--dir /srv/x", StorageKind::Dir),
            ("-B overlay --dir /srv/x", StorageKind::Overlay),
        ] {
            assert_eq!(storage(words), Ok(kind), "{words}");
        }
    }

    #[test]
    fn what_does_not_fit() {
        for words in [
            "-B foo",
            "-B btrfs,dir",
            "--fstype ext4",
            "-B overlay --fssize 1G",
            "--lvname x",
            "-B lvm --rbdname x",
            "-B dir --zfsroot x",
            "--dir relative",
            "-B loop --dir x",
        ] {
            assert!(storage(words).is_err(), "{words}");
        }
    }
}

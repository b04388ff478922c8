//! Root file system and mounts.

use std::path::{Path, PathBuf};

use lxc_config::Config;
use lxc_host::cgroup::mounts::{Admin, Force, Mode as CgroupMode, Namespace, View, Wish as CgroupWish};
use lxc_host::rootfs::{AutoSpec, MountSpec, NetAdmin, Place, Resolution, RootKind, RootfsSpec};
use lxc_host::storage::{self, Backend, Source};
use lxc_types::StorageKind;
use lxc_types::mount::{AutoMounts, CgroupAccess, CgroupView, MountEntry, RootfsOptions, parse_fstab};

use super::namespaces::NsPlan;
use super::security::SecurityPlan;
use super::{PlanError, Wish};
use crate::dirs::Dirs;

/// Root file system and mounts of a container.
#[derive(Debug)]
pub struct MountPlan {
    /// The root.
    pub rootfs: RootfsSpec,
    /// What it is made of; `None` for the host's own root.
    pub storage: Option<Storage>,
    /// `lxc.rootfs.options`.
    pub options: RootfsOptions,
    /// `/proc` and `/sys`.
    pub auto: AutoSpec,
    /// `/sys/fs/cgroup`.
    pub cgroup: Option<CgroupWish>,
    /// Fstab, then entries, then what was added, in this order.
    pub entries: Vec<MountSpec>,
    /// Where mounts of the host come in later (`shmounts`), inside.
    pub shared: Option<PathBuf>,
    /// The size of the tmpfs on `/dev` in bytes; `None` leaves `/dev` as the root has it.
    pub autodev: Option<u64>,
}

/// Storage of a root file system.
#[derive(Debug)]
pub struct Storage {
    /// Where it is.
    pub source: Source,
    /// How it is mounted.
    pub backend: Box<dyn Backend>,
    /// How errors call it.
    pub origin: String,
}

/// Decides.
///
/// # Errors
/// Entries that cannot be read or can never be mounted, storage that is not there.
pub fn plan(
    config: &Config,
    dirs: &Dirs,
    wish: &Wish,
    namespaces: &NsPlan,
    security: &SecurityPlan,
) -> Result<MountPlan, PlanError> {
    let options = rootfs_options(config)?;
    let storage = config.rootfs.source.as_ref().map(storage_of).transpose()?;
    let mount = config.rootfs.mount.as_ref().map(|m| PathBuf::from(&m.value));
    let kind = if storage.is_some() { RootKind::Separate } else { RootKind::Host };
    let plain = |s: &&Storage| s.backend.kind() == StorageKind::Dir && config.idmaps.is_empty();
    let pin = storage.as_ref().filter(plain).and_then(|s| s.backend.directory()).map(Path::to_owned);
    let rootfs = RootfsSpec { kind, mount: mount.unwrap_or_else(|| dirs.rootfs_mount.clone()), pin };
    let auto = &config.mounts.auto;
    let container = super::container_dir(&wish.lxcpath, &wish.name);
    let place =
        Place { kind, container: &container, rootfs: storage.as_ref().map(|s| s.source.path.as_path()) };
    Ok(MountPlan {
        auto: AutoSpec {
            proc: auto.proc,
            sys: auto.sys,
            net_admin: if security.keeps_net_admin() { NetAdmin::Kept } else { NetAdmin::Dropped },
        },
        cgroup: cgroup(auto, namespaces, security),
        entries: entries(config, &place)?,
        shared: auto.shared.as_ref().map(|s| PathBuf::from(&s.container)),
        autodev: config.mounts.autodev.then_some(config.mounts.autodev_size),
        rootfs,
        storage,
        options,
    })
}

fn rootfs_options(config: &Config) -> Result<RootfsOptions, PlanError> {
    let Some(options) = &config.rootfs.options else { return Ok(RootfsOptions::default()) };
    options.value.parse().map_err(|e| PlanError::Value {
        key: "lxc.rootfs.options".to_owned(),
        origin: options.origin.to_string(),
        why: format!("{e}"),
    })
}

fn storage_of(source: &lxc_config::Sourced<lxc_config::config::RootfsSource>) -> Result<Storage, PlanError> {
    let kind = source.value.kind;
    let fail = |e| PlanError::Rootfs {
        path: source.value.path.clone(),
        origin: source.origin.to_string(),
        source: Box::new(e),
    };
    let found = Source { kind, path: PathBuf::from(&source.value.path) };
    let backend = storage::open(&found).map_err(fail)?;
    let origin = format!("lxc.rootfs.path = {} ({})", source.value.path, source.origin);
    Ok(Storage { source: found, backend, origin })
}

fn cgroup(auto: &AutoMounts, namespaces: &NsPlan, security: &SecurityPlan) -> Option<CgroupWish> {
    let cgroup = auto.cgroup?;
    let own = namespaces.own().contains(lxc_sys::ns::NsFlags::CGROUP);
    Some(CgroupWish {
        view: match cgroup.view {
            CgroupView::Own => View::Own,
            CgroupView::Full => View::Full,
            CgroupView::Unified => View::Unified,
        },
        mode: match cgroup.access {
            CgroupAccess::Unspecified => CgroupMode::Unset,
            CgroupAccess::Mixed => CgroupMode::Mixed,
            CgroupAccess::ReadOnly => CgroupMode::ReadOnly,
            CgroupAccess::ReadWrite => CgroupMode::ReadWrite,
        },
        force: if cgroup.force { Force::Yes } else { Force::No },
        namespace: if own { Namespace::Own } else { Namespace::Host },
        admin: if security.keeps_sys_admin() { Admin::Kept } else { Admin::Dropped },
    })
}

/// The fstab file, the entries, the shared directory, and what nested containers need, in this order.
fn entries(config: &Config, place: &Place<'_>) -> Result<Vec<MountSpec>, PlanError> {
    let mut all = Vec::new();
    if let Some(fstab) = &config.mounts.fstab {
        let path = &fstab.value;
        let refused =
            |why: String| PlanError::Mount(format!("lxc.mount.fstab = {path} ({}): {why}", fstab.origin));
        let text = std::fs::read_to_string(path).map_err(|e| refused(e.to_string()))?;
        for (line, entry) in parse_fstab(&text) {
            let entry = entry.map_err(|e| refused(format!("line {line}: {e}")))?;
            add(&mut all, &entry, place, &format!("line {line} of {path}"))?;
        }
    }
    for written in &config.mounts.entries {
        let entry: MountEntry = written.value.parse().map_err(|e| {
            PlanError::Mount(format!("lxc.mount.entry = {} ({}): {e}", written.value, written.origin))
        })?;
        add(&mut all, &entry, place, &written.origin.to_string())?;
    }
    if let Some(shared) = &config.mounts.auto.shared {
        add(&mut all, &MountSpec::shared(shared), place, "lxc.mount.auto shmounts")?;
    }
    if config.lsm.apparmor.allow_nesting && !config.mounts.entries.is_empty() {
        for entry in MountSpec::nesting() {
            add(&mut all, &entry, place, "lxc.apparmor.allow_nesting")?;
        }
    }
    Ok(all)
}

fn add(
    all: &mut Vec<MountSpec>,
    entry: &MountEntry,
    place: &Place<'_>,
    origin: &str,
) -> Result<(), PlanError> {
    match MountSpec::resolve(entry, place, origin) {
        Ok(Resolution::Mount(spec)) => all.push(*spec),
        Ok(Resolution::Ignored(why)) => log::warn!("{why}: ignored"),
        Err(e) => return Err(PlanError::Mount(e.to_string())),
    }
    Ok(())
}

//! Which namespaces a container gets, shares or keeps.

use std::path::{Path, PathBuf};

use lxc_config::Config;
use lxc_config::config::{NamespaceChoice, NetKind};
use lxc_sys::ns::NsFlags;
use lxc_types::{NamespaceKind, Namespaces};

use super::PlanError;
use crate::command::Client;

/// The namespaces of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NsPlan {
    /// Made new by clone3(2).
    pub cloned: NsFlags,
    /// Made new by the guest itself, later: the network after the user namespace is mapped, the cgroup namespace
    /// when the guest is in its cgroup, the time namespace with its offsets.
    pub unshared: NsFlags,
    /// Entered, in this order: kind, file, and what the configuration says.
    pub shared: Vec<Shared>,
    /// Lines for `/proc/self/timens_offsets`: clock, seconds, nanoseconds.
    pub time_offsets: Vec<(&'static str, i64, u32)>,
}

/// A namespace of somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Its kind.
    pub kind: NsFlags,
    /// Its file.
    pub path: PathBuf,
    /// Where the configuration names it, for errors.
    pub origin: String,
}

impl NsPlan {
    /// All that are the container's own.
    pub fn own(&self) -> NsFlags {
        self.cloned | self.unshared
    }

    /// Whether it has a user namespace of its own.
    pub fn has_user(&self) -> bool {
        self.own().contains(NsFlags::USER)
    }
}

/// What of the kernel matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Cgroup namespaces (Linux 4.6).
    pub cgroup: bool,
    /// Time namespaces (Linux 5.6).
    pub time: bool,
}

/// The kernel's bit of a kind.
pub fn flag(kind: NamespaceKind) -> NsFlags {
    match kind {
        NamespaceKind::User => NsFlags::USER,
        NamespaceKind::Mount => NsFlags::MNT,
        NamespaceKind::Pid => NsFlags::PID,
        NamespaceKind::Uts => NsFlags::UTS,
        NamespaceKind::Ipc => NsFlags::IPC,
        NamespaceKind::Net => NsFlags::NET,
        NamespaceKind::Cgroup => NsFlags::CGROUP,
        NamespaceKind::Time => NsFlags::TIME,
    }
}

/// The kernel's bits of a set.
pub fn flags(set: Namespaces) -> NsFlags {
    set.iter().fold(NsFlags::empty(), |all, kind| all | flag(kind))
}

/// Decides.
///
/// # Errors
/// Contradictions, and a shared namespace that cannot be found.
pub fn plan(config: &Config, known: Known, lxcpath: &Path) -> Result<NsPlan, PlanError> {
    let rules = &config.namespaces;
    let offsets = time_offsets(config);
    let mapped = !config.idmaps.is_empty();
    let mut wanted = match rules.choice {
        NamespaceChoice::Clone(set) => flags(set),
        NamespaceChoice::Keep(set) => {
            if set.contains(NamespaceKind::Time) && !offsets.is_empty() {
                return Err(PlanError::Contradiction(
                    "lxc.namespace.keep has time, and lxc.time.offset is set",
                ));
            }
            usual(config, known, mapped, &offsets) - flags(set)
        }
        NamespaceChoice::Default => usual(config, known, mapped, &offsets),
    };
    let mut shared = Vec::new();
    for (kind, value) in &rules.share {
        wanted -= flag(*kind);
        let path = resolve(*kind, &value.value, lxcpath).map_err(|why| PlanError::Share {
            key: format!("lxc.namespace.share.{kind}"),
            value: value.value.clone(),
            origin: value.origin.to_string(),
            why,
        })?;
        let origin = format!("lxc.namespace.share.{kind} ({})", value.origin);
        shared.push(Shared { kind: flag(*kind), path, origin });
    }
    let mut late = wanted & (NsFlags::TIME | NsFlags::CGROUP);
    if wanted.contains(NsFlags::USER | NsFlags::NET) {
        // Only in a mapped user namespace does the guest own what is made in its network namespace.
        late |= NsFlags::NET;
    }
    Ok(NsPlan { cloned: wanted - late, unshared: late, shared, time_offsets: offsets })
}

fn usual(config: &Config, known: Known, mapped: bool, offsets: &[(&'static str, i64, u32)]) -> NsFlags {
    let mut set = NsFlags::MNT | NsFlags::PID | NsFlags::UTS | NsFlags::IPC;
    let host_network = !config.net.is_empty() && config.net.iter().all(|n| n.kind == NetKind::None);
    if !host_network {
        set |= NsFlags::NET;
    }
    if mapped {
        set |= NsFlags::USER;
    }
    if known.cgroup {
        set |= NsFlags::CGROUP;
    }
    if known.time && !offsets.is_empty() {
        set |= NsFlags::TIME;
    }
    set
}

fn time_offsets(config: &Config) -> Vec<(&'static str, i64, u32)> {
    let time = &config.namespaces.time;
    [("boottime", time.boot), ("monotonic", time.monotonic)]
        .into_iter()
        .filter(|(_, offset)| !offset.is_zero())
        .map(|(clock, offset)| (clock, offset.seconds(), offset.nanoseconds()))
        .collect()
}

/// A process id, a path, or a container (with or without its folder).
fn resolve(kind: NamespaceKind, value: &str, lxcpath: &Path) -> Result<PathBuf, String> {
    let of_process = |pid: &str| PathBuf::from(format!("/proc/{pid}/ns/{}", flag_name(kind)));
    if value.bytes().all(|b| b.is_ascii_digit()) && value.parse::<u32>().is_ok_and(|pid| pid > 0) {
        return Ok(of_process(value));
    }
    let direct = Path::new(value);
    if direct.is_absolute() && is_namespace_file(direct) {
        return Ok(direct.to_owned());
    }
    let (folder, name) = match value.rsplit_once('/') {
        Some((folder, name)) => (Path::new(folder), name),
        None => (lxcpath, value),
    };
    match Client::new(folder, name).init_pid() {
        Ok(pid) if pid > 0 => Ok(of_process(&pid.to_string())),
        Ok(_) => Err("the container has no init yet".to_owned()),
        Err(_) if direct.is_absolute() => {
            Err("it is neither a namespace file nor a running container".to_owned())
        }
        Err(e) => Err(e.to_string()),
    }
}

fn is_namespace_file(path: &Path) -> bool {
    const NSFS_MAGIC: u64 = 0x6e73_6673;
    rustix::fs::statfs(path).is_ok_and(|fs| u64::try_from(fs.f_type) == Ok(NSFS_MAGIC))
}

fn flag_name(kind: NamespaceKind) -> &'static str {
    flag(kind).named().next().map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = Known { cgroup: true, time: true };

    fn planned(lines: &[(&str, &str)]) -> Result<NsPlan, PlanError> {
        let mut config = Config::default();
        for (key, value) in lines {
            config.set(key, value).unwrap();
        }
        plan(&config, KNOWN, Path::new("/var/lib/lxc"))
    }

    const USUAL: NsFlags =
        NsFlags::MNT.union(NsFlags::PID).union(NsFlags::UTS).union(NsFlags::IPC).union(NsFlags::NET);

    #[test]
    fn usual_set() {
        let p = planned(&[]).unwrap();
        assert_eq!((p.cloned, p.unshared), (USUAL, NsFlags::CGROUP));
        assert!(!planned(&[("lxc.net.0.type", "none")]).unwrap().own().contains(NsFlags::NET));
    }

    #[test]
    fn a_mapped_container_makes_its_network_late() {
        let p = planned(&[("lxc.idmap", "u 0 100000 65536")]).unwrap();
        assert!(p.cloned.contains(NsFlags::USER) && p.unshared.contains(NsFlags::NET));
    }

    #[test]
    fn choices() {
        let p = planned(&[("lxc.namespace.clone", "mnt pid")]).unwrap();
        assert_eq!(p.own(), NsFlags::MNT | NsFlags::PID);
        let p = planned(&[("lxc.namespace.keep", "net cgroup")]).unwrap();
        assert_eq!(p.own(), USUAL - NsFlags::NET);
        let keep_time = planned(&[("lxc.namespace.keep", "time"), ("lxc.time.offset.boot", "1h")]);
        assert!(keep_time.is_err());
    }

    #[test]
    fn offsets_and_shares() {
        let p = planned(&[("lxc.time.offset.boot", "10s"), ("lxc.namespace.share.net", "1")]).unwrap();
        assert_eq!(p.time_offsets, [("boottime", 10, 0)]);
        assert!(p.unshared.contains(NsFlags::TIME) && !p.own().contains(NsFlags::NET));
        assert_eq!(p.shared[0].path, Path::new("/proc/1/ns/net"));
        assert!(planned(&[("lxc.namespace.share.net", "no-such-container-here")]).is_err());
    }
}

//! From `lxc.cgroup*` to the names and values of control groups.

use lxc_config::Config;
use lxc_host::cgroup::spec::{
    CgroupSpec, Driver, Family, Names, NamesConfig, Need, Owner, Setting, controller_of,
};
use lxc_types::IdKind;

use super::PlanError;

/// What of the global configuration matters here.
#[derive(Clone, Debug, Default)]
pub struct Global {
    /// `lxc.cgroup.pattern`.
    pub pattern: Option<String>,
}

/// Decides.
///
/// # Errors
/// Keys that contradict each other.
pub fn plan(config: &Config, name: &str, global: &Global, uid: u32) -> Result<CgroupSpec, PlanError> {
    let dirs = &config.cgroup.dirs;
    let names = Names::resolve(&NamesConfig {
        name,
        pattern: global.pattern.as_deref(),
        dir: dirs.both.as_deref(),
        dir_monitor: dirs.monitor.as_deref(),
        dir_monitor_pivot: dirs.monitor_pivot.as_deref(),
        dir_container: dirs.container.as_deref(),
        dir_container_inner: dirs.container_inner.as_deref(),
    })
    .map_err(PlanError::Cgroup)?;
    let root = |kind| config.idmaps.iter().find(|m| m.value.kind == kind && m.value.inside == 0);
    let owner = root(IdKind::Group).map(|map| Owner { uid, gid: map.value.outside });
    Ok(CgroupSpec { names, settings: settings(config), owner, via: Driver::Cgroupfs })
}

/// Both families, in the order of the files: which one applies is the host's affair.
fn settings(config: &Config) -> Vec<Setting> {
    let of =
        |family: Family, prefix: &str, list: &[lxc_config::Sourced<lxc_config::config::CgroupSetting>]| {
            list.iter()
                .map(|s| Setting {
                    family,
                    file: s.value.file.clone(),
                    value: s.value.value.clone(),
                    origin: format!("{prefix}.{} = {} ({})", s.value.file, s.value.value, s.origin),
                    need: need(&s.value.file, &s.origin),
                })
                .collect::<Vec<_>>()
        };
    let mut all = of(Family::V1, "lxc.cgroup", &config.cgroup.legacy);
    all.extend(of(Family::V2, "lxc.cgroup2", &config.cgroup.unified));
    all
}

/// The device lists that ship with LXC are a default: a kernel without the controller runs without them. What
/// the container's own configuration says must be.
fn need(file: &str, origin: &lxc_config::Origin) -> Need {
    let shipped = match origin {
        lxc_config::Origin::File(span) => span
            .file
            .to_str()
            .is_some_and(|f| f.contains("/share/lxc/config/") || f.ends_with("/etc/lxc/default.conf")),
        lxc_config::Origin::Program => false,
    };
    if shipped && controller_of(file) == "devices" { Need::BestEffort } else { Need::Required }
}

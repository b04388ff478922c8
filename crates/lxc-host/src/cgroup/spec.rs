//! What one container wants of control groups, fully resolved: names, settings, devices, owner.

use std::path::{Path, PathBuf};

use lxc_types::device_rule::{DeviceInput, DeviceRuleError};

use super::dir::is_inside;
use super::layout::{Hierarchies, Hierarchy, Layout, Version};
use super::{Error, SettingError, Warning};

/// All about the groups of one container.
#[derive(Clone, Debug)]
pub struct CgroupSpec {
    /// How the groups are called.
    pub names: Names,
    /// The values of `lxc.cgroup.*` and `lxc.cgroup2.*` keys in the order of the configuration.
    pub settings: Vec<Setting>,
    /// To whom the groups are handed over; `None` without an id map.
    pub owner: Option<Owner>,
    /// Who makes the groups.
    pub via: Driver,
}

/// Who makes the groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// We, in the cgroup file systems. In a systemd scope too: it is our base then.
    #[default]
    Cgroupfs,
}

/// To whom a container's own group is handed over, as ids of the monitor's user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user who started the container.
    pub uid: u32,
    /// The group of the container's root.
    pub gid: u32,
}

/// The keys that name the groups, as configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamesConfig<'a> {
    /// The container's name.
    pub name: &'a str,
    /// `lxc.cgroup.pattern` of the global configuration.
    pub pattern: Option<&'a str>,
    /// `lxc.cgroup.dir`.
    pub dir: Option<&'a str>,
    /// `lxc.cgroup.dir.monitor`.
    pub dir_monitor: Option<&'a str>,
    /// `lxc.cgroup.dir.monitor.pivot`.
    pub dir_monitor_pivot: Option<&'a str>,
    /// `lxc.cgroup.dir.container`.
    pub dir_container: Option<&'a str>,
    /// `lxc.cgroup.dir.container.inner`.
    pub dir_container_inner: Option<&'a str>,
}

/// What to do when groups of a name are used by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// Append `-1`, `-2` … `-999`.
    Vary,
    /// Fail: the names were given by the user.
    Fail,
}

/// Where the groups are, relative to the base of each hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The monitor's group.
    pub monitor: PathBuf,
    /// The container's group: limits are set on it.
    pub payload: PathBuf,
    /// The group below it that the processes are in; none if they are in it itself.
    pub inner: Option<PathBuf>,
    /// The directory in which the monitor's last group `lxc.pivot` is made; without, the monitor goes
    /// back to the base and leaves nothing.
    pub pivot: Option<PathBuf>,
    /// What to do when the names are taken.
    pub clash: Clash,
}

impl Names {
    /// Decides the names by upstream's rules.
    ///
    /// # Errors
    /// Keys that contradict each other, and paths that are absolute or lead upwards.
    pub fn resolve(config: &NamesConfig<'_>) -> Result<Names, Error> {
        let NamesConfig { name, dir, dir_monitor, dir_container, .. } = *config;
        if dir_monitor.is_some() || dir_container.is_some() || config.dir_container_inner.is_some() {
            if dir.is_some() {
                return Err(Error::Names("lxc.cgroup.dir excludes lxc.cgroup.dir.monitor and .container"));
            }
            if dir_monitor.is_none() || dir_container.is_none() {
                return Err(Error::Names("lxc.cgroup.dir.monitor and .container need each other"));
            }
        }
        let (monitor, payload, clash) = match (dir_monitor, dir_container, dir, config.pattern) {
            (Some(monitor), Some(payload), ..) => (monitor.to_owned(), payload.to_owned(), Clash::Fail),
            (.., Some(dir), _) => {
                (format!("{dir}/lxc.monitor.{name}"), format!("{dir}/lxc.payload.{name}"), Clash::Vary)
            }
            (.., None, Some(pattern)) => {
                let top = pattern.replace("%n", name);
                (format!("{top}/monitor"), format!("{top}/payload"), Clash::Vary)
            }
            _ => (format!("lxc.monitor.{name}"), format!("lxc.payload.{name}"), Clash::Vary),
        };
        let inner = config.dir_container_inner;
        if inner.is_some_and(|inner| inner.contains('/') || inner == ".") {
            return Err(Error::Names("lxc.cgroup.dir.container.inner is not a single name"));
        }
        Ok(Names {
            monitor: below_base(&monitor)?,
            payload: below_base(&payload)?,
            inner: inner.map(below_base).transpose()?,
            pivot: config.dir_monitor_pivot.map(below_base).transpose()?,
            clash,
        })
    }
}

fn below_base(path: &str) -> Result<PathBuf, Error> {
    let path = Path::new(path);
    let upwards = path.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b".."));
    if upwards || !is_inside(path) || path.file_name().is_none() {
        return Err(Error::Outside(path.to_owned()));
    }
    // Taken apart and together again: no double slash, no ".".
    Ok(path.components().filter(|part| part.as_os_str() != ".").collect())
}

/// Which family of keys a setting is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `lxc.cgroup.*`: for v1 hierarchies.
    V1,
    /// `lxc.cgroup2.*`: for the unified hierarchy.
    V2,
}

/// Whether a start without the setting is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// No: the start fails.
    #[default]
    Required,
    /// Yes, if the host lacks the controller: a default that ships with the program.
    BestEffort,
}

/// One line of the configuration that sets a control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Which keys it is from.
    pub family: Family,
    /// The control file, for example `memory.limit_in_bytes`.
    pub file: String,
    /// What is written to it.
    pub value: String,
    /// Where it is from, for messages: `lxc.cgroup.pids.max = 9 (config line 7)`.
    pub origin: String,
    /// Whether the start fails when the host lacks the controller.
    pub need: Need,
}

impl Setting {
    /// The controller: the part of the file's name before its first dot.
    pub fn controller(&self) -> &str {
        controller_of(&self.file)
    }

    /// This setting's error.
    pub(super) fn error(&self, source: impl Into<SettingError>) -> Error {
        Error::Setting { origin: self.origin.clone(), source: source.into() }
    }
}

/// The controller of a control file: the part of its name before the first dot.
pub fn controller_of(file: &str) -> &str {
    file.split('.').next().unwrap_or(file)
}

/// A device rule of v2 with where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceSetting {
    /// `devices.allow` or `devices.deny`.
    pub verdict: Verdict,
    /// The rule.
    pub input: DeviceInput,
    pub origin: String,
}

/// What a device rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be used.
    Allow,
    /// It may not.
    Deny,
}

impl Verdict {
    /// Of the name of a control file.
    pub fn of_file(file: &str) -> Option<Verdict> {
        match file {
            "devices.allow" => Some(Verdict::Allow),
            "devices.deny" => Some(Verdict::Deny),
            _ => None,
        }
    }

    /// The control file of v1.
    pub fn file(self) -> &'static str {
        match self {
            Verdict::Allow => "devices.allow",
            Verdict::Deny => "devices.deny",
        }
    }
}

/// Which device rules bind a container: those of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum DeviceWork {
    /// None are configured, or none can be applied.
    #[default]
    None,
    /// Written to the v1 devices controller as they are: the kernel reads them.
    V1(Vec<Setting>),
    /// A program on the unified hierarchy.
    V2(Vec<DeviceSetting>),
}

/// The settings that apply on this host, sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// For v1 hierarchies, without devices, in the order of writing.
    pub v1: Vec<Setting>,
    /// For the unified hierarchy, without devices.
    pub v2: Vec<Setting>,
    pub devices: DeviceWork,
    pub warnings: Vec<Warning>,
}

impl Work {
    /// Whether the container must not run without its group in a hierarchy.
    pub fn needs(&self, hierarchy: &Hierarchy) -> bool {
        match hierarchy.version() {
            Version::V1 => hierarchy.wanted || hierarchy.controllers().iter().any(|c| self.needs_v1(c)),
            Version::V2 => self.needs_v2(),
        }
    }

    /// Whether a v1 hierarchy with that controller must be there.
    pub fn needs_v1(&self, controller: &str) -> bool {
        self.v1.iter().any(|s| s.controller() == controller && s.need == Need::Required)
            || (controller == "devices" && matches!(self.devices, DeviceWork::V1(_)))
    }

    /// Whether the unified hierarchy must be there.
    pub fn needs_v2(&self) -> bool {
        self.v2.iter().any(|s| s.need == Need::Required) || matches!(self.devices, DeviceWork::V2(_))
    }
}

impl CgroupSpec {
    /// Looks whether the settings can be applied on this host, changing nothing; for planning.
    ///
    /// # Errors
    /// A setting without its controller, or one that cannot be meant.
    pub fn check(&self, host: &Hierarchies) -> Result<Vec<Warning>, Error> {
        self.sort(host).map(|work| work.warnings)
    }

    /// Decides which settings apply: v1 keys where there are v1 hierarchies, v2 keys where the
    /// unified hierarchy has the controller.
    pub(super) fn sort(&self, host: &Hierarchies) -> Result<Work, Error> {
        let mut work = Work::default();
        let (mut v1_rules, mut v2_rules) = (Vec::new(), Vec::new());
        for setting in &self.settings {
            plain_name(setting)?;
            freezes_nothing(setting)?;
            if !self.applies(setting, host, &mut work.warnings)? {
                continue;
            }
            let devices = setting.controller() == "devices";
            match (setting.family, Verdict::of_file(&setting.file)) {
                (Family::V1, Some(_)) => v1_rules.push(setting.clone()),
                (Family::V2, Some(verdict)) => v2_rules.push(DeviceSetting {
                    verdict,
                    input: setting.value.parse().map_err(|error: DeviceRuleError| setting.error(error))?,
                    origin: setting.origin.clone(),
                }),
                (Family::V2, None) if devices => {
                    return Err(setting.error(SettingError::File(setting.file.clone())));
                }
                (Family::V1, None) => work.v1.push(setting.clone()),
                (Family::V2, None) => work.v2.push(setting.clone()),
            }
        }
        // The kernel wants memory+swap to be no less than memory: it comes after all others.
        work.v1.sort_by_key(|setting| setting.file == "memory.memsw.limit_in_bytes");
        work.devices = match (v1_rules.is_empty(), v2_rules.is_empty()) {
            (false, _) => DeviceWork::V1(v1_rules),
            (true, false) => DeviceWork::V2(v2_rules),
            (true, true) => DeviceWork::None,
        };
        Ok(work)
    }

    /// Whether a setting is for this host; a warning or error if it ought to be and cannot.
    fn applies(
        &self,
        setting: &Setting,
        host: &Hierarchies,
        warnings: &mut Vec<Warning>,
    ) -> Result<bool, Error> {
        let version = match setting.family {
            Family::V1 => Version::V1,
            Family::V2 => Version::V2,
        };
        if host.iter().any(|h| h.version() == version && h.has(setting.controller())) {
            return Ok(true);
        }
        // A host without any usable hierarchy runs containers without groups, as upstream does.
        let other_family = match setting.family {
            Family::V1 => host.layout() == Layout::Unified,
            Family::V2 => host.layout() != Layout::Unified,
        };
        let missing = SettingError::NoController(setting.controller().to_owned());
        if other_family || setting.need == Need::BestEffort || host.iter().next().is_none() {
            warnings.push(Warning::ignored(&setting.origin, missing));
            return Ok(false);
        }
        Err(setting.error(missing))
    }
}

fn plain_name(setting: &Setting) -> Result<(), Error> {
    let file = &setting.file;
    if file.is_empty() || file.contains(['/', '\0']) || file.starts_with('.') {
        return Err(setting.error(SettingError::File(file.clone())));
    }
    Ok(())
}

/// A container that is frozen while it is set up hangs its start.
fn freezes_nothing(setting: &Setting) -> Result<(), Error> {
    let value = setting.value.trim();
    let freezes = match setting.file.as_str() {
        "freezer.state" => value.starts_with('F'),
        "cgroup.freeze" => value != "0",
        _ => false,
    };
    if freezes { Err(setting.error(SettingError::Freezes)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(config: NamesConfig<'_>) -> Result<(String, String, Clash), String> {
        let config = NamesConfig { name: "c1", ..config };
        let names = Names::resolve(&config).map_err(|e| e.to_string())?;
        Ok((names.monitor.display().to_string(), names.payload.display().to_string(), names.clash))
    }

    #[test]
    fn names_by_precedence() {
        let pattern = Some("lxc/%n");
        let dir = Some("top//sub/./");
        let both = |m: &str, p: &str, c| Ok((m.to_owned(), p.to_owned(), c));
        assert_eq!(names(NamesConfig::default()), both("lxc.monitor.c1", "lxc.payload.c1", Clash::Vary));
        assert_eq!(
            names(NamesConfig { pattern, ..Default::default() }),
            both("lxc/c1/monitor", "lxc/c1/payload", Clash::Vary)
        );
        assert_eq!(
            names(NamesConfig { pattern, dir, ..Default::default() }),
            both("top/sub/lxc.monitor.c1", "top/sub/lxc.payload.c1", Clash::Vary)
        );
        let exact =
            NamesConfig { pattern, dir_monitor: Some("m"), dir_container: Some("c/d"), ..Default::default() };
        assert_eq!(names(exact), both("m", "c/d", Clash::Fail));
    }

    #[test]
    fn names_that_contradict_or_lead_out() {
        for config in [
            NamesConfig { dir_monitor: Some("m"), ..Default::default() },
            NamesConfig { dir_container: Some("m"), ..Default::default() },
            NamesConfig { dir_container_inner: Some("m"), ..Default::default() },
            NamesConfig {
                dir: Some("d"),
                dir_monitor: Some("m"),
                dir_container: Some("c"),
                ..Default::default()
            },
            NamesConfig { dir: Some("../d"), ..Default::default() },
            NamesConfig { dir: Some("/d"), ..Default::default() },
            NamesConfig { dir: Some("a/..b"), ..Default::default() },
            NamesConfig {
                dir_monitor: Some("m"),
                dir_container: Some("c"),
                dir_container_inner: Some("a/b"),
                ..Default::default()
            },
        ] {
            assert!(names(config).is_err(), "{config:?}");
        }
    }

    #[test]
    fn verdicts_of_file_names() {
        assert_eq!(Verdict::of_file("devices.allow"), Some(Verdict::Allow));
        assert_eq!(Verdict::of_file("devices.foo"), None);
    }
}

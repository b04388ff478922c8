//! What the container's processes may do: capabilities, seccomp, labels, keyring.

use std::path::Path;

use lxc_config::Config;
use lxc_config::config::{Capabilities, ProxyAddress, SessionKeyring};
use lxc_host::keyring::KeyringSpec;
use lxc_host::lsm::{self, GeneratedSpec, Incomplete, LabelSpec, Lsm, Privilege, Profile};
use lxc_host::seccomp::notify::{Address, ProxySpec};
use lxc_host::seccomp::{self, Nesting, Program};
use lxc_sys::caps::CapsSpec;
use lxc_types::Name;

use super::PlanError;
use super::namespaces::NsPlan;
use crate::facts::Facts;

/// The confinement of a container.
#[derive(Debug)]
pub struct SecurityPlan {
    /// The bounding set; `None` leaves it.
    pub caps: Option<CapsSpec>,
    /// The number of the last capability that the kernel knows.
    pub last_cap: u32,
    /// The seccomp program.
    pub seccomp: Option<Program>,
    /// Who decides about the system calls that ask.
    pub proxy: Option<ProxySpec>,
    /// The label.
    pub label: LabelSpec,
    /// The session keyring.
    pub keyring: KeyringSpec,
    /// `no_new_privs`.
    pub no_new_privs: bool,
}

const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;

impl SecurityPlan {
    /// Whether the container's processes can have a capability.
    fn keeps(&self, number: u32) -> bool {
        match &self.caps {
            None => true,
            Some(spec) => spec.kept(self.last_cap).contains(lxc_sys::caps::single(number)),
        }
    }

    /// Whether they can have `CAP_NET_ADMIN`.
    pub fn keeps_net_admin(&self) -> bool {
        self.keeps(CAP_NET_ADMIN)
    }

    /// Whether they can have `CAP_SYS_ADMIN`.
    pub fn keeps_sys_admin(&self) -> bool {
        self.keeps(CAP_SYS_ADMIN)
    }
}

/// Decides.
///
/// # Errors
/// A seccomp policy with mistakes, a label that cannot be.
pub fn plan(
    config: &Config,
    facts: &Facts,
    namespaces: &NsPlan,
    lxcpath: &Path,
    name: &Name,
) -> Result<SecurityPlan, PlanError> {
    Ok(SecurityPlan {
        caps: caps(&config.caps),
        last_cap: facts.last_cap,
        seccomp: seccomp(config, &facts.status)?,
        proxy: proxy(config),
        label: label(config, namespaces, lxcpath, name),
        keyring: keyring(config, &facts.lsm),
        no_new_privs: config.lsm.no_new_privs,
    })
}

fn caps(caps: &Capabilities) -> Option<CapsSpec> {
    let set = |list: &[lxc_config::Sourced<lxc_types::Capability>]| {
        list.iter()
            .map(|c| lxc_sys::caps::single(c.value.number().into()))
            .fold(rustix::thread::CapabilitySet::empty(), |all, one| all | one)
    };
    match caps {
        Capabilities::All => None,
        Capabilities::Drop(list) => Some(CapsSpec::Drop(set(list))),
        Capabilities::Keep(list) => Some(CapsSpec::Keep(set(list))),
    }
}

/// Reads and compiles the policy; `status` is `/proc/self/status`.
///
/// # Errors
/// A file that cannot be read, and mistakes in it by line.
pub fn seccomp(config: &Config, status: &[u8]) -> Result<Option<Program>, PlanError> {
    let Some(profile) = &config.seccomp.profile else { return Ok(None) };
    let nesting = if config.seccomp.allow_nesting { Nesting::Allow } else { Nesting::Skip };
    if !seccomp::is_wanted(status, nesting) {
        log::info!("a seccomp filter is active already: lxc.seccomp.profile is not loaded");
        return Ok(None);
    }
    let place = || format!("lxc.seccomp.profile = {} ({})", profile.value, profile.origin);
    let text = std::fs::read_to_string(&profile.value)
        .map_err(|e| PlanError::Seccomp(format!("{}: {e}", place())))?;
    let policy = lxc_config::seccomp_policy::parse(&text, seccomp::host::runs_here).map_err(|errors| {
        let texts: Vec<String> = errors.iter().map(|e| format!("{}:{e}", profile.value)).collect();
        PlanError::Seccomp(format!("{} ({})", texts.join("; "), place()))
    })?;
    let compiled =
        seccomp::host::compile(&policy).map_err(|e| PlanError::Seccomp(format!("{}: {e}", place())))?;
    for skipped in &compiled.unknown {
        log::info!(
            "{}:{}: the system call \"{}\" is unknown here",
            profile.value,
            skipped.line,
            skipped.name
        );
    }
    Ok(Some(compiled.program))
}

fn proxy(config: &Config) -> Option<ProxySpec> {
    let notify = &config.seccomp.notify;
    let address = match &notify.proxy.as_ref()?.value {
        ProxyAddress::Path(path) => Address::Path(path.into()),
        ProxyAddress::Abstract(name) => Address::Abstract(name.clone().into_bytes()),
    };
    Some(ProxySpec { address, cookie: notify.cookie.clone().map(String::into_bytes) })
}

/// Where apparmor_parser keeps compiled profiles, as upstream's build has it.
const PROFILE_CACHE: &str = "/var/cache/lxc/apparmor";

fn label(config: &Config, namespaces: &NsPlan, lxcpath: &Path, name: &Name) -> LabelSpec {
    let keys = &config.lsm.apparmor;
    let apparmor = match keys.profile.as_ref().map(|p| p.value.as_str()) {
        None => Profile::Default,
        Some("unchanged") => Profile::Unchanged,
        Some("unconfined") => Profile::Unconfined,
        Some("generated") => Profile::Generated(Box::new(GeneratedSpec {
            name: name.to_string(),
            lxcpath: lxcpath.to_owned(),
            cache: PROFILE_CACHE.into(),
            nesting: if keys.allow_nesting { lsm::Nesting::Allow } else { lsm::Nesting::Refuse },
            privilege: if namespaces.has_user() { Privilege::Unprivileged } else { Privilege::Privileged },
            raw: keys.raw.iter().map(|l| l.value.clone()).collect(),
        })),
        Some(named) => Profile::Named(named.to_owned()),
    };
    LabelSpec {
        apparmor,
        incomplete: if keys.allow_incomplete { Incomplete::Allow } else { Incomplete::Refuse },
        selinux: config.lsm.selinux.context.as_ref().map(|c| c.value.clone()),
    }
}

/// The label for new keys, where SELinux is at work: that of the keyring's key, else that of init.
fn keyring(config: &Config, module: &Lsm) -> KeyringSpec {
    if config.lsm.session_keyring == SessionKeyring::Inherit {
        return KeyringSpec::Keep;
    }
    let selinux = &config.lsm.selinux;
    let label = selinux.keyring.as_ref().or(selinux.context.as_ref()).map(|c| c.value.clone());
    KeyringSpec::New { label: label.filter(|_| matches!(module, Lsm::Selinux)) }
}

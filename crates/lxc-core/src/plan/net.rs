//! From `lxc.net.*` to links.

use lxc_config::Config;
use lxc_config::config::{HookKind, NetDevice, NetKind, VethMode};
use lxc_host::net::spec as host;
use lxc_sys::ns::NsFlags;

use super::PlanError;
use super::hooks::HookPlan;
use super::namespaces::NsPlan;

/// A link and its scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPlan {
    /// What is made.
    pub spec: host::LinkSpec,
    /// `script.up` and where it was written.
    pub up: Option<Script>,
    /// `script.down` and where it was written.
    pub down: Option<Script>,
}

/// A script of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The shell text.
    pub command: String,
    /// How errors call it.
    pub what: String,
}

/// Plans every link.
///
/// # Errors
/// Types that are not made yet, and values that contradict each other.
pub fn plan(config: &Config) -> Result<Vec<LinkPlan>, PlanError> {
    config.net.iter().map(link).collect()
}

/// Whether namespace and links can be made before the container's first process: it does not own its network
/// through ids of its own, and no hook or script is to run before a link is made.
pub fn can_come_first(links: &[LinkPlan], namespaces: &NsPlan, hooks: &HookPlan) -> bool {
    let ours = |link: &LinkPlan| matches!(link.spec, host::LinkSpec::Veth(_) | host::LinkSpec::Empty(_));
    let before_last = links.split_last().map_or(&[][..], |(_, before)| before);
    namespaces.cloned.contains(NsFlags::NET)
        && namespaces.shared.is_empty()
        && links.iter().all(ours)
        && before_last.iter().all(|link| link.up.is_none())
        && !hooks.list.iter().any(|hook| hook.kind == HookKind::PreStart)
}

fn link(device: &NetDevice) -> Result<LinkPlan, PlanError> {
    let origin = host::Origin { index: device.index, text: device.origin.to_string() };
    let refuse = |what: &str| PlanError::Net {
        index: device.index,
        origin: device.origin.to_string(),
        what: what.into(),
    };
    let spec = match &device.kind {
        NetKind::Unset => return Err(refuse("it has no type (lxc.net.N.type must come first)")),
        NetKind::None => host::LinkSpec::None(origin),
        NetKind::Empty => host::LinkSpec::Empty(host::Empty { origin, admin: admin(device) }),
        NetKind::Veth(veth) => {
            if veth.vlan.is_some() || !veth.tagged_vlans.is_empty() {
                return Err(refuse("VLANs of bridge ports are not supported yet"));
            }
            host::LinkSpec::Veth(host::Veth {
                origin,
                host: host_end(device, veth),
                guest: guest_end(device),
                hwaddr: mac(device, &refuse)?,
                mtu: device.mtu.map_or(host::Mtu::OfLink, host::Mtu::Fixed),
                rx_queues: veth.rx_queues,
                tx_queues: veth.tx_queues,
            })
        }
        NetKind::Macvlan(_) => return Err(refuse("the type macvlan is not supported yet")),
        NetKind::Ipvlan { .. } => return Err(refuse("the type ipvlan is not supported yet")),
        NetKind::Vlan { .. } => return Err(refuse("the type vlan is not supported yet")),
        NetKind::Phys => return Err(refuse("the type phys is not supported yet")),
    };
    if device.l2proxy && device.link.is_some() {
        return Err(refuse("l2proxy is not supported yet"));
    }
    spec.check().map_err(PlanError::Link)?;
    let script = |kind: &str, script: &Option<lxc_config::Sourced<String>>| {
        script.as_ref().map(|s| Script {
            command: s.value.clone(),
            what: format!("lxc.net.{}.script.{kind} \"{}\" ({})", device.index, s.value, s.origin),
        })
    };
    Ok(LinkPlan { spec, up: script("up", &device.script_up), down: script("down", &device.script_down) })
}

fn admin(device: &NetDevice) -> host::Admin {
    if device.up { host::Admin::Up } else { host::Admin::Down }
}

type Refuse<'a> = &'a dyn Fn(&str) -> PlanError;

fn mac(device: &NetDevice, refuse: Refuse<'_>) -> Result<Option<host::Mac>, PlanError> {
    let Some(hwaddr) = &device.hwaddr else { return Ok(None) };
    let bytes = hwaddr
        .value
        .address()
        .ok_or_else(|| refuse(&format!("hwaddr \"{}\" is no address", hwaddr.value)))?;
    Ok(Some(host::Mac(bytes)))
}

fn host_end(device: &NetDevice, veth: &lxc_config::config::Veth) -> host::HostEnd {
    let v4 = veth.ipv4_routes.iter().map(|r| (r.value.network.into(), r.value.prefix));
    let v6 = veth.ipv6_routes.iter().map(|r| (r.value.network.into(), r.value.prefix));
    host::HostEnd {
        name: match &veth.pair {
            Some(pair) => host::HostName::Fixed(pair.value.clone()),
            None => host::HostName::Random,
        },
        link: device.link.as_ref().map(|l| l.value.clone()),
        mode: match veth.mode {
            VethMode::Bridge => host::VethMode::Bridge,
            VethMode::Router => host::VethMode::Router,
        },
        routes: v4.chain(v6).map(|(address, prefix)| host::Subnet { address, prefix }).collect(),
    }
}

fn guest_end(device: &NetDevice) -> host::GuestEnd {
    host::GuestEnd {
        name: host::GuestName::of(device.name.as_ref().map(|n| n.value.clone())),
        admin: admin(device),
        ipv4: device.ipv4.iter().map(|a| a.value).collect(),
        ipv6: device.ipv6.iter().map(|a| a.value).collect(),
        ipv4_gateway: device.ipv4_gateway.as_ref().map(|g| g.value),
        ipv6_gateway: device.ipv6_gateway.as_ref().map(|g| g.value),
    }
}

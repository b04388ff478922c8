//! `lxc.net`: network devices. Keys that only one kind of device has are in `net_kind`.

use lxc_types::{IfName, Ipv4Interface};

use super::values::*;
use super::{Family, Index, Key, Outcome, Setting, net_kind};
use crate::config::{Config, NetDevice, NetKind, Sourced, Veth};

pub(super) const FAMILY: Family = Family {
    title: "NETWORK",
    doc: "Network devices of the container. [i] is the number of a device; numbers may have gaps, and the order of \
          the lines does not matter except that lxc.net.[i].type comes first. Without any device the container \
          has a network of its own with nothing but a loopback device that is down.",
    keys: &[
        TYPE,
        LINK,
        NAME,
        FLAGS,
        HWADDR,
        MTU,
        IPV4,
        IPV4_GATEWAY,
        IPV6,
        IPV6_GATEWAY,
        UP,
        DOWN,
        L2PROXY,
        net_kind::VETH_PAIR,
        net_kind::VETH_MODE,
        net_kind::RX_QUEUES,
        net_kind::TX_QUEUES,
        net_kind::IPV4_ROUTE,
        net_kind::IPV6_ROUTE,
        net_kind::VETH_VLAN,
        net_kind::TAGGED_VLAN,
        net_kind::VLAN_ID,
        net_kind::MACVLAN_MODE,
        net_kind::IPVLAN_MODE,
        net_kind::ISOLATION,
        DEVICE,
        ALL,
    ],
};

/// The device of a number, if the config has it.
pub(super) fn find<'a>(config: &'a Config, index: &Index<'_>) -> Result<&'a NetDevice, ValueError> {
    let number = index.number();
    config.net.iter().find(|device| device.index == number).ok_or(ValueError::NoDevice(number))
}

/// Changes the device of a number. If the config has none, a new one without type is put in, unless
/// the change is refused or says nothing new.
pub(super) fn change(
    config: &mut Config,
    s: &Setting<'_>,
    change: impl FnOnce(&mut NetDevice) -> Set,
) -> Set {
    let number = s.index.number();
    match config.net.binary_search_by_key(&number, |device| device.index) {
        Ok(at) => change(&mut config.net[at]),
        Err(at) => {
            let mut device = NetDevice::new(number, NetKind::Unset, s.origin.clone());
            let outcome = change(&mut device)?;
            if !is_blank(&device) {
                config.net.insert(at, device);
            }
            Ok(outcome)
        }
    }
}

/// Whether nothing is known of a device but its number: it is then not kept.
fn is_blank(device: &NetDevice) -> bool {
    *device == NetDevice::new(device.index, NetKind::Unset, device.origin.clone())
}

/// Shows something of a device.
pub(super) fn shown(
    config: &Config,
    index: &Index<'_>,
    show: impl Fn(&NetDevice) -> String,
) -> Result<String, ValueError> {
    find(config, index).map(show)
}

/// Takes something of a device back; a device that does not exist has nothing to take back.
pub(super) fn cleared(
    config: &mut Config,
    index: &Index<'_>,
    clear: impl Fn(&mut NetDevice),
) -> Result<(), ValueError> {
    if let Some(device) = config.net.iter_mut().find(|device| device.index == index.number()) {
        clear(device);
        config.net.retain(|device| !is_blank(device));
    }
    Ok(())
}

/// An interface name; what is too long loses its end, as upstream does it.
pub(super) fn interface(to: &mut Option<Sourced<IfName>>, s: &Setting<'_>) -> Set {
    let name = IfName::truncated(s.value).map_err(invalid)?;
    let outcome = match name.as_str() == s.value {
        true => Outcome::Exact,
        false => Outcome::Adjusted(format!("\"{}\" is longer than 15 bytes, \"{name}\" is taken", s.value)),
    };
    *to = Some(sourced(name, s));
    Ok(outcome)
}

const TYPE: Key = Key {
    name: "lxc.net.[i].type",
    values: "veth | macvlan | ipvlan | vlan | phys | empty | none",
    doc: "What the device is: one end of a pair whose other end is on the host (veth), a device on top of one of \
          the host's (macvlan, ipvlan, vlan), a device of the host itself (phys), nothing but the loopback device \
          (empty), or the host's own network (none). It must be a device's first key: it resets all others, and an empty value takes the device back.",
    set: |c, s| {
        let kind = kind(s.value)?;
        change(c, s, |device| {
            let fresh = NetDevice::new(device.index, NetKind::Unset, s.origin.clone());
            let untouched = NetDevice { origin: device.origin.clone(), ..fresh.clone() };
            let discards = device.kind == NetKind::Unset && *device != untouched;
            *device = NetDevice { kind, ..fresh };
            Ok(match discards {
                true => Outcome::Adjusted(
                    "earlier settings of this device are lost, its type must come first".into(),
                ),
                false => Outcome::Exact,
            })
        })
    },
    get: |c, index| shown(c, index, |device| type_name(&device.kind).unwrap_or_default().to_owned()),
    clear: remove_device,
    ..Key::NET
};

fn kind(text: &str) -> Result<NetKind, ValueError> {
    let default_ipvlan = || NetKind::Ipvlan { mode: Default::default(), isolation: Default::default() };
    let kinds = ["veth", "macvlan", "ipvlan", "vlan", "phys", "empty", "none"].map(|name| (name, name));
    Ok(match choice(&kinds, text)? {
        "veth" => NetKind::Veth(Veth::default()),
        "macvlan" => NetKind::Macvlan(Default::default()),
        "ipvlan" => default_ipvlan(),
        "vlan" => NetKind::Vlan { id: 0 },
        "phys" => NetKind::Phys,
        "empty" => NetKind::Empty,
        _ => NetKind::None,
    })
}

/// The word of `lxc.net.[i].type`, if the device has one.
pub(super) const fn type_name(kind: &NetKind) -> Option<&'static str> {
    match kind {
        NetKind::Unset => None,
        NetKind::Empty => Some("empty"),
        NetKind::None => Some("none"),
        NetKind::Veth(_) => Some("veth"),
        NetKind::Macvlan(_) => Some("macvlan"),
        NetKind::Ipvlan { .. } => Some("ipvlan"),
        NetKind::Vlan { .. } => Some("vlan"),
        NetKind::Phys => Some("phys"),
    }
}

const LINK: Key = Key {
    name: "lxc.net.[i].link",
    values: "INTERFACE",
    doc: "Interface of the host: the bridge to which a veth is connected, the parent of a macvlan, ipvlan or vlan, \
          or the physical device itself. For phys a name that ends in + means any device that begins so.",
    set: |c, s| change(c, s, |device| interface(&mut device.link, s)),
    get: |c, index| shown(c, index, |device| show_sourced(device.link.as_ref())),
    clear: |c, index| cleared(c, index, |device| device.link = None),
    ..Key::NET
};

const NAME: Key = Key {
    name: "lxc.net.[i].name",
    values: "INTERFACE",
    doc: "Name of the interface in the container. Without it the kernel picks the first free of eth0, eth1, ...; \
          a physical device keeps its name.",
    set: |c, s| change(c, s, |device| interface(&mut device.name, s)),
    get: |c, index| shown(c, index, |device| show_sourced(device.name.as_ref())),
    clear: |c, index| cleared(c, index, |device| device.name = None),
    ..Key::NET
};

const FLAGS: Key = Key {
    name: "lxc.net.[i].flags",
    values: "up",
    doc: "up: the interface is brought up.",
    set: |c, s| {
        change(c, s, |device| {
            device.up = true;
            Ok(match s.value {
                "up" => Outcome::Exact,
                other => Outcome::Adjusted(format!("\"{other}\" is taken for \"up\"")),
            })
        })
    },
    get: |c, index| shown(c, index, |device| if device.up { "up".into() } else { String::new() }),
    clear: |c, index| cleared(c, index, |device| device.up = false),
    ..Key::NET
};

const HWADDR: Key = Key {
    name: "lxc.net.[i].hwaddr",
    values: "AA:BB:CC:DD:EE:FF",
    doc: "Hardware address of the interface. For x a random digit is put in, once: it is kept when the config is \
          saved.",
    set: |c, s| change(c, s, |device| optional_sourced(&mut device.hwaddr, s)),
    get: |c, index| shown(c, index, |device| show_sourced(device.hwaddr.as_ref())),
    clear: |c, index| cleared(c, index, |device| device.hwaddr = None),
    ..Key::NET
};

const MTU: Key = Key {
    name: "lxc.net.[i].mtu",
    values: "BYTES",
    doc: "Largest packet of the interface. Without it a veth gets that of its bridge.",
    set: |c, s| {
        let mtu = s.value.parse::<u32>().ok().filter(|_| s.value.chars().all(|c| c.is_ascii_digit()));
        let mtu = mtu.ok_or_else(|| ValueError::Invalid(format!("\"{}\" is no number of bytes", s.value)))?;
        change(c, s, |device| {
            device.mtu = Some(mtu);
            Ok(Outcome::Exact)
        })
    },
    get: |c, index| shown(c, index, |device| show(device.mtu.as_ref())),
    clear: |c, index| cleared(c, index, |device| device.mtu = None),
    ..Key::NET
};

const IPV4: Key = Key {
    name: "lxc.net.[i].ipv4.address",
    values: "ADDRESS[/PREFIX] [BROADCAST]",
    doc: "IPv4 address of the interface. Without PREFIX that of the address's class is taken.",
    set: |c, s| {
        let address: Ipv4Interface = parse(s.value)?;
        change(c, s, |device| {
            device.ipv4.push(sourced(address, s));
            Ok(match s.value.contains('/') {
                true => Outcome::Exact,
                false => {
                    Outcome::Adjusted(format!("no prefix length is given, /{} is taken", address.prefix))
                }
            })
        })
    },
    get: |c, index| {
        shown(c, index, |device| {
            joined(plain(&device.ipv4).map(|address| format!("{}/{}", address.address, address.prefix)))
        })
    },
    clear: |c, index| cleared(c, index, |device| device.ipv4.clear()),
    ..Key::NET_LIST
};

const IPV4_GATEWAY: Key = Key {
    name: "lxc.net.[i].ipv4.gateway",
    values: "ADDRESS | auto | dev",
    doc: "Default route: by this address, by the address of the link on the host (auto), or by the interface \
          itself (dev).",
    set: |c, s| change(c, s, |device| optional_sourced(&mut device.ipv4_gateway, s)),
    get: |c, index| shown(c, index, |device| show_sourced(device.ipv4_gateway.as_ref())),
    clear: |c, index| cleared(c, index, |device| device.ipv4_gateway = None),
    ..Key::NET
};

const IPV6: Key = Key {
    name: "lxc.net.[i].ipv6.address",
    values: "ADDRESS[/PREFIX]",
    doc: "IPv6 address of the interface. Without PREFIX it is 64.",
    set: |c, s| change(c, s, |device| append(&mut device.ipv6, s)),
    get: |c, index| shown(c, index, |device| joined(plain(&device.ipv6))),
    clear: |c, index| cleared(c, index, |device| device.ipv6.clear()),
    ..Key::NET_LIST
};

const IPV6_GATEWAY: Key = Key {
    name: "lxc.net.[i].ipv6.gateway",
    values: "ADDRESS | auto | dev",
    doc: "The same for IPv6.",
    set: |c, s| change(c, s, |device| optional_sourced(&mut device.ipv6_gateway, s)),
    get: |c, index| shown(c, index, |device| show_sourced(device.ipv6_gateway.as_ref())),
    clear: |c, index| cleared(c, index, |device| device.ipv6_gateway = None),
    ..Key::NET
};

const UP: Key = Key {
    name: "lxc.net.[i].script.up",
    values: "COMMAND",
    doc: "Shell command that runs on the host when the device was made. It is told the container's name, net, up, \
          the type and more about the device.",
    set: |c, s| change(c, s, |device| optional_sourced(&mut device.script_up, s)),
    get: |c, index| shown(c, index, |device| show_sourced(device.script_up.as_ref())),
    clear: |c, index| cleared(c, index, |device| device.script_up = None),
    ..Key::NET
};

const DOWN: Key = Key {
    name: "lxc.net.[i].script.down",
    values: "COMMAND",
    doc: "Shell command that runs on the host before the device goes.",
    set: |c, s| change(c, s, |device| optional_sourced(&mut device.script_down, s)),
    get: |c, index| shown(c, index, |device| show_sourced(device.script_down.as_ref())),
    clear: |c, index| cleared(c, index, |device| device.script_down = None),
    ..Key::NET
};

const L2PROXY: Key = Key {
    name: "lxc.net.[i].l2proxy",
    values: "0 | 1",
    doc: "1: the host answers for the container's addresses on the link. Default 0.",
    set: |c, s| change(c, s, |device| flag(&mut device.l2proxy, s)),
    get: |c, index| shown(c, index, |device| show_flag(device.l2proxy)),
    clear: |c, index| cleared(c, index, |device| device.l2proxy = false),
    ..Key::NET
};

fn remove_device(config: &mut Config, index: &Index<'_>) -> Result<(), ValueError> {
    config.net.retain(|device| device.index != index.number());
    Ok(())
}

const DEVICE: Key = Key {
    name: "lxc.net.[i]",
    doc: "An empty value takes this device back.",
    get: |_, _| Err(ValueError::GroupOnly),
    clear: remove_device,
    ..Key::GROUP
};

const ALL: Key = Key {
    name: "lxc.net",
    doc: "An empty value takes all devices back.",
    get: |c, _| Ok(lines(c.net.iter().map(|device| type_name(&device.kind).unwrap_or("(invalid)")))),
    clear: |c, _| reset(&mut c.net),
    ..Key::GROUP
};

//! `lxc.net`: the keys that only one kind of device has.

use super::net::{cleared, find, interface};
use super::values::*;
use super::{Index, Key, Outcome, Setting};
use crate::config::{Config, IpvlanIsolation, IpvlanMode, MacvlanMode, NativeVlan, NetKind, Veth, VethMode};

/// Changes a device that must be a veth.
fn veth(config: &mut Config, s: &Setting<'_>, change: impl FnOnce(&mut Veth) -> Set) -> Set {
    let NetKind::Veth(veth) = kind_of(config, s)? else { return Err(kind_error(s.index, "veth")) };
    change(veth)
}

/// The kind of a device that must exist already.
fn kind_of<'a>(config: &'a mut Config, s: &Setting<'_>) -> Result<&'a mut NetKind, ValueError> {
    let number = s.index.number();
    let device = config.net.iter_mut().find(|device| device.index == number);
    device.map(|device| &mut device.kind).ok_or(ValueError::NoDevice(number))
}

const fn kind_error(index: Index<'_>, needed: &'static str) -> ValueError {
    ValueError::Kind { index: index.number(), needed }
}

/// Shows something of a device that must be a veth.
fn show_veth(
    config: &Config,
    index: &Index<'_>,
    show: impl Fn(&Veth) -> String,
) -> Result<String, ValueError> {
    let NetKind::Veth(veth) = &find(config, index)?.kind else { return Err(kind_error(*index, "veth")) };
    Ok(show(veth))
}

/// Takes something of a veth back; other devices have nothing to take back.
fn clear_veth(config: &mut Config, index: &Index<'_>, clear: impl Fn(&mut Veth)) -> Result<(), ValueError> {
    cleared(config, index, |device| {
        if let NetKind::Veth(veth) = &mut device.kind {
            clear(veth);
        }
    })
}

pub(super) const VETH_PAIR: Key = Key {
    name: "lxc.net.[i].veth.pair",
    values: "INTERFACE",
    doc: "Name of a veth's other end, on the host. Without it a random name is made.",
    set: |c, s| veth(c, s, |veth| interface(&mut veth.pair, s)),
    get: |c, index| show_veth(c, index, |veth| show_sourced(veth.pair.as_ref())),
    clear: |c, index| clear_veth(c, index, |veth| veth.pair = None),
    ..Key::NET
};

const VETH_MODES: [(&str, VethMode); 2] = [("bridge", VethMode::Bridge), ("router", VethMode::Router)];

pub(super) const VETH_MODE: Key = Key {
    name: "lxc.net.[i].veth.mode",
    values: "bridge | router",
    doc: "bridge: the host's end becomes a port of the link. router: the host gets routes to the container's \
          addresses, and answers for its gateways. Default bridge.",
    set: |c, s| {
        let mode = choice(&VETH_MODES, s.value)?;
        veth(c, s, |veth| {
            veth.mode = mode;
            Ok(Outcome::Exact)
        })
    },
    get: |c, index| show_veth(c, index, |veth| word(&VETH_MODES, &veth.mode)),
    clear: |c, index| clear_veth(c, index, |veth| veth.mode = VethMode::default()),
    ..Key::NET
};

fn queues(to: &mut Option<u32>, s: &Setting<'_>) -> Set {
    match lxc_types::number::signed(s.value).map_err(invalid)? {
        count @ 1.. => *to = Some(count.unsigned_abs()),
        _ => return Err(ValueError::Invalid(format!("\"{}\" is not over 0", s.value))),
    }
    Ok(Outcome::Exact)
}

pub(super) const RX_QUEUES: Key = Key {
    name: "lxc.net.[i].veth.n_rxqueues",
    values: "NUMBER",
    doc: "How many queues for received packets both ends of a veth have.",
    set: |c, s| veth(c, s, |veth| queues(&mut veth.rx_queues, s)),
    get: |c, index| show_veth(c, index, |veth| show(veth.rx_queues.as_ref())),
    clear: |c, index| clear_veth(c, index, |veth| veth.rx_queues = None),
    ..Key::NET
};

pub(super) const TX_QUEUES: Key = Key {
    name: "lxc.net.[i].veth.n_txqueues",
    values: "NUMBER",
    doc: "How many queues for sent packets both ends of a veth have.",
    set: |c, s| veth(c, s, |veth| queues(&mut veth.tx_queues, s)),
    get: |c, index| show_veth(c, index, |veth| show(veth.tx_queues.as_ref())),
    clear: |c, index| clear_veth(c, index, |veth| veth.tx_queues = None),
    ..Key::NET
};

pub(super) const IPV4_ROUTE: Key = Key {
    name: "lxc.net.[i].veth.ipv4.route",
    values: "ADDRESS/PREFIX",
    doc: "IPv4 route on the host to a veth's other end.",
    set: |c, s| veth(c, s, |veth| append(&mut veth.ipv4_routes, s)),
    get: |c, index| show_veth(c, index, |veth| joined(plain(&veth.ipv4_routes))),
    clear: |c, index| clear_veth(c, index, |veth| veth.ipv4_routes.clear()),
    ..Key::NET_LIST
};

pub(super) const IPV6_ROUTE: Key = Key {
    name: "lxc.net.[i].veth.ipv6.route",
    values: "ADDRESS/PREFIX",
    doc: "IPv6 route on the host to a veth's other end.",
    set: |c, s| veth(c, s, |veth| append(&mut veth.ipv6_routes, s)),
    get: |c, index| show_veth(c, index, |veth| joined(plain(&veth.ipv6_routes))),
    clear: |c, index| clear_veth(c, index, |veth| veth.ipv6_routes.clear()),
    ..Key::NET_LIST
};

/// The highest number a VLAN of a bridge port may have.
const VLAN_MAX: u16 = 4094;

fn vlan(text: &str) -> Result<u16, ValueError> {
    let number = lxc_types::number::unsigned(text).ok().and_then(|number| u16::try_from(number).ok());
    number
        .filter(|number| *number <= VLAN_MAX)
        .ok_or_else(|| ValueError::Invalid(format!("\"{text}\" is no VLAN number (0 to {VLAN_MAX})")))
}

pub(super) const VETH_VLAN: Key = Key {
    name: "lxc.net.[i].veth.vlan.id",
    values: "NUMBER | none",
    doc: "VLAN of the untagged packets of a veth's bridge port, 0 to 4094; none forbids such packets.",
    set: |c, s| {
        let id = match s.value {
            "none" => NativeVlan::None,
            number => NativeVlan::Id(vlan(number)?),
        };
        veth(c, s, |veth| {
            veth.vlan = Some(id);
            Ok(Outcome::Exact)
        })
    },
    get: |c, index| {
        show_veth(c, index, |veth| match veth.vlan {
            Some(NativeVlan::None) => "none".into(),
            Some(NativeVlan::Id(id)) => id.to_string(),
            None => String::new(),
        })
    },
    clear: |c, index| clear_veth(c, index, |veth| veth.vlan = None),
    ..Key::NET
};

pub(super) const TAGGED_VLAN: Key = Key {
    name: "lxc.net.[i].veth.vlan.tagged.id",
    values: "NUMBER",
    doc: "A further VLAN of a veth's bridge port, whose packets carry tags, 0 to 4094.",
    set: |c, s| {
        let id = vlan(s.value)?;
        veth(c, s, |veth| {
            veth.tagged_vlans.push(id);
            Ok(Outcome::Exact)
        })
    },
    get: |c, index| show_veth(c, index, |veth| joined(&veth.tagged_vlans)),
    clear: |c, index| clear_veth(c, index, |veth| veth.tagged_vlans.clear()),
    ..Key::NET_LIST
};

pub(super) const VLAN_ID: Key = Key {
    name: "lxc.net.[i].vlan.id",
    values: "NUMBER",
    doc: "Number of the VLAN of a vlan device, 0 to 65535. Default 0.",
    set: |c, s| {
        let number = lxc_types::number::unsigned(s.value).ok().and_then(|number| u16::try_from(number).ok());
        let new = number
            .ok_or_else(|| ValueError::Invalid(format!("\"{}\" is no VLAN number (0 to 65535)", s.value)))?;
        let NetKind::Vlan { id } = kind_of(c, s)? else {
            return Err(kind_error(s.index, "vlan"));
        };
        *id = new;
        Ok(Outcome::Exact)
    },
    get: |c, index| {
        let NetKind::Vlan { id } = &find(c, index)?.kind else { return Err(kind_error(*index, "vlan")) };
        Ok(id.to_string())
    },
    clear: |c, index| {
        cleared(c, index, |device| {
            if let NetKind::Vlan { id } = &mut device.kind {
                *id = 0;
            }
        })
    },
    ..Key::NET
};

const MACVLAN_MODES: [(&str, MacvlanMode); 4] = [
    ("private", MacvlanMode::Private),
    ("vepa", MacvlanMode::Vepa),
    ("bridge", MacvlanMode::Bridge),
    ("passthru", MacvlanMode::Passthru),
];

pub(super) const MACVLAN_MODE: Key = Key {
    name: "lxc.net.[i].macvlan.mode",
    values: "private | vepa | bridge | passthru",
    doc: "Who may talk to whom among the macvlans of one link: nobody (private), all by way of a switch outside \
          (vepa), all directly (bridge), or there is only one (passthru). Default private.",
    set: |c, s| {
        let new = choice(&MACVLAN_MODES, s.value)?;
        let NetKind::Macvlan(mode) = kind_of(c, s)? else {
            return Err(kind_error(s.index, "macvlan"));
        };
        *mode = new;
        Ok(Outcome::Exact)
    },
    get: |c, index| {
        let NetKind::Macvlan(mode) = &find(c, index)?.kind else { return Err(kind_error(*index, "macvlan")) };
        Ok(word(&MACVLAN_MODES, mode))
    },
    clear: |c, index| {
        cleared(c, index, |device| {
            if let NetKind::Macvlan(mode) = &mut device.kind {
                *mode = MacvlanMode::default();
            }
        })
    },
    ..Key::NET
};

const IPVLAN_MODES: [(&str, IpvlanMode); 3] =
    [("l3", IpvlanMode::L3), ("l3s", IpvlanMode::L3s), ("l2", IpvlanMode::L2)];

pub(super) const IPVLAN_MODE: Key = Key {
    name: "lxc.net.[i].ipvlan.mode",
    values: "l3 | l3s | l2",
    doc: "At which layer an ipvlan forwards; l3s is layer 3 with the host's packet filter. Default l3.",
    set: |c, s| {
        let new = choice(&IPVLAN_MODES, s.value)?;
        let NetKind::Ipvlan { mode, .. } = kind_of(c, s)? else {
            return Err(kind_error(s.index, "ipvlan"));
        };
        *mode = new;
        Ok(Outcome::Exact)
    },
    get: |c, index| {
        let NetKind::Ipvlan { mode, .. } = &find(c, index)?.kind else {
            return Err(kind_error(*index, "ipvlan"));
        };
        Ok(word(&IPVLAN_MODES, mode))
    },
    clear: |c, index| {
        cleared(c, index, |device| {
            if let NetKind::Ipvlan { mode, .. } = &mut device.kind {
                *mode = IpvlanMode::default();
            }
        })
    },
    ..Key::NET
};

const ISOLATIONS: [(&str, IpvlanIsolation); 3] = [
    ("bridge", IpvlanIsolation::Bridge),
    ("private", IpvlanIsolation::Private),
    ("vepa", IpvlanIsolation::Vepa),
];

pub(super) const ISOLATION: Key = Key {
    name: "lxc.net.[i].ipvlan.isolation",
    values: "bridge | private | vepa",
    doc: "Who may talk to whom among the ipvlans of one link, as in lxc.net.[i].macvlan.mode. Default bridge.",
    set: |c, s| {
        let new = choice(&ISOLATIONS, s.value)?;
        let NetKind::Ipvlan { isolation, .. } = kind_of(c, s)? else {
            return Err(kind_error(s.index, "ipvlan"));
        };
        *isolation = new;
        Ok(Outcome::Exact)
    },
    get: |c, index| {
        let NetKind::Ipvlan { isolation, .. } = &find(c, index)?.kind else {
            return Err(kind_error(*index, "ipvlan"));
        };
        Ok(word(&ISOLATIONS, isolation))
    },
    clear: |c, index| {
        cleared(c, index, |device| {
            if let NetKind::Ipvlan { isolation, .. } = &mut device.kind {
                *isolation = IpvlanIsolation::default();
            }
        })
    },
    ..Key::NET
};

//! What to make: one variant a kind of link, each with only what it needs, every text already parsed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::{Error, Result};
use lxc_types::{Gateway, IfName, Ipv4Interface, Ipv6Interface};

/// One `lxc.net.N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkSpec {
    /// Only the loopback device.
    Empty(Empty),
    /// Nothing. If all links are of this kind the container shares the host's network namespace (the
    /// plan's affair); beside others it has no effect.
    None(Origin),
    /// A pair: one end stays on the host, the other is the guest's.
    Veth(Veth),
}

/// Where a link was configured, for error texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// N of `lxc.net.N`.
    pub index: u32,
    /// A place such as `config line 7`; may be empty.
    pub text: String,
}

/// `lxc.net.N.type = empty`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Empty {
    /// Where it was configured.
    pub origin: Origin,
    /// Whether `lo` is brought up.
    pub admin: Admin,
}

/// `lxc.net.N.type = veth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veth {
    /// Where it was configured.
    pub origin: Origin,
    /// The end on the host.
    pub host: HostEnd,
    /// The end in the guest.
    pub guest: GuestEnd,
    /// `hwaddr`: the address of the guest's end; without it the kernel makes one up.
    pub hwaddr: Option<Mac>,
    /// Of both ends.
    pub mtu: Mtu,
    /// `veth.n_rxqueues` of both ends; without it the kernel chooses.
    pub rx_queues: Option<u32>,
    /// `veth.n_txqueues` of both ends; without it the kernel chooses.
    pub tx_queues: Option<u32>,
}

/// The host's end of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEnd {
    /// How it is called.
    pub name: HostName,
    /// `link`: in [`VethMode::Bridge`] the bridge to attach to; in both modes the source of the MTU and of
    /// `auto` gateways, and an argument of scripts.
    pub link: Option<IfName>,
    /// What it is attached to.
    pub mode: VethMode,
    /// `veth.ipv4.route`, `veth.ipv6.route`: networks routed to the guest.
    pub routes: Vec<Subnet>,
}

/// The name of a host end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// `veth.pair`: this name or failure.
    Fixed(IfName),
    /// `vethXXXXXX`, each X random.
    Random,
}

/// `veth.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VethMode {
    /// The host end becomes a port of the bridge `link`; without a link it is left alone.
    Bridge,
    /// Host routes to each address of the guest, and the guest's gateway answered for by proxy.
    Router,
}

/// The guest's end of any kind of link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestEnd {
    /// How it is called.
    pub name: GuestName,
    /// Whether it, and then `lo`, is brought up.
    pub admin: Admin,
    /// In the order of configuration.
    pub ipv4: Vec<Ipv4Interface>,
    /// In the order of configuration.
    pub ipv6: Vec<Ipv6Interface>,
    /// The IPv4 default route; `Auto` is for [`resolve_gateways`](super::host::resolve_gateways) to replace.
    pub ipv4_gateway: Option<Gateway<Ipv4Addr>>,
    /// The IPv6 default route.
    pub ipv6_gateway: Option<Gateway<Ipv6Addr>>,
}

/// The name of a guest end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestName {
    /// This name.
    Fixed(IfName),
    /// No name, or `eth%d`: the first free of `eth0`, `eth1`, … after all fixed names are taken.
    Counted,
}

impl GuestName {
    /// From the value of `lxc.net.N.name`.
    pub fn of(configured: Option<IfName>) -> Self {
        match configured {
            Some(name) if name.as_str() != "eth%d" => GuestName::Fixed(name),
            _ => GuestName::Counted,
        }
    }
}

/// `flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Switched on.
    Up,
    /// Left as it is.
    Down,
}

/// `mtu`, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mtu {
    /// As configured.
    Fixed(u32),
    /// That of the link if there is one, else 1500.
    OfLink,
}

/// A hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// An address in it.
    pub address: IpAddr,
    /// Bits of the network part.
    pub prefix: u8,
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Origin {
    /// How an error names `key` of this link; an empty key names the link itself.
    pub fn key(&self, key: &str) -> String {
        let dot = if key.is_empty() { "" } else { "." };
        let Origin { index, text } = self;
        if text.is_empty() {
            format!("lxc.net.{index}{dot}{key}")
        } else {
            format!("lxc.net.{index}{dot}{key} ({text})")
        }
    }
}

impl LinkSpec {
    /// Where it was configured.
    pub fn origin(&self) -> &Origin {
        match self {
            LinkSpec::Empty(empty) => &empty.origin,
            LinkSpec::None(origin) => origin,
            LinkSpec::Veth(veth) => &veth.origin,
        }
    }

    /// The name of the kind, as in `lxc.net.N.type`.
    pub fn kind(&self) -> &'static str {
        match self {
            LinkSpec::Empty(_) => "empty",
            LinkSpec::None(_) => "none",
            LinkSpec::Veth(_) => "veth",
        }
    }

    /// The end that [`guest::setup`](super::guest::setup) configures, if the kind has one.
    pub fn guest(&self) -> Option<&GuestEnd> {
        match self {
            LinkSpec::Empty(_) | LinkSpec::None(_) => None,
            LinkSpec::Veth(veth) => Some(&veth.guest),
        }
    }

    /// Whether a gateway is to be looked up on the host.
    pub fn has_auto_gateway(&self) -> bool {
        self.guest().is_some_and(|end| {
            end.ipv4_gateway == Some(Gateway::Auto) || end.ipv6_gateway == Some(Gateway::Auto)
        })
    }

    /// Finds before anything is made what upstream would only find afterwards: a gateway needs `flags` and an
    /// address of its family (an IPv6 link-local gateway needs none); `veth.pair` is a name, not a pattern.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key.
    pub fn check(&self) -> Result<()> {
        let Some(guest) = self.guest() else { return Ok(()) };
        let refuse = |key, reason: &str| Err(Error::config(self.origin(), key, reason));
        if let LinkSpec::Veth(Veth { host: HostEnd { name: HostName::Fixed(name), .. }, .. }) = self
            && name.is_pattern()
        {
            return refuse("veth.pair", "the name must not hold a pattern for the kernel to fill in");
        }
        let up = guest.admin == Admin::Up;
        if guest.ipv4_gateway.is_some() {
            if !up {
                return refuse("ipv4.gateway", "a gateway needs the link to be up (lxc.net.N.flags)");
            }
            if guest.ipv4.is_empty() {
                return refuse("ipv4.gateway", "a gateway needs an IPv4 address on the link");
            }
        }
        if let Some(gateway) = guest.ipv6_gateway {
            let on_link = matches!(gateway, Gateway::Address(a) if a.is_unicast_link_local());
            if !up {
                return refuse("ipv6.gateway", "a gateway needs the link to be up (lxc.net.N.flags)");
            }
            if guest.ipv6.is_empty() && !on_link {
                return refuse("ipv6.gateway", "a gateway needs an IPv6 address on the link");
            }
        }
        Ok(())
    }
}

/// The name that the guest end of link `at` ends up with in a namespace of its own, if that can be said
/// beforehand: `None` for a kind without a guest end, and for a pattern other than `eth%d`.
pub(super) fn final_name(links: &[LinkSpec], at: usize) -> Option<IfName> {
    let fixed = |name: &IfName| {
        links.iter().filter_map(LinkSpec::guest).any(|g| g.name == GuestName::Fixed(name.clone()))
    };
    match &links.get(at)?.guest()?.name {
        GuestName::Fixed(name) => (!name.is_pattern()).then(|| name.clone()),
        GuestName::Counted => {
            let before = links[..at].iter().filter_map(LinkSpec::guest);
            let counted = before.filter(|g| g.name == GuestName::Counted).count();
            (0..).map(IfName::ethernet).filter(|name| !fixed(name)).nth(counted)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn veth(index: u32, name: Option<&str>) -> Veth {
        Veth {
            origin: Origin { index, text: "test".into() },
            host: HostEnd { name: HostName::Random, link: None, mode: VethMode::Bridge, routes: vec![] },
            guest: GuestEnd {
                name: GuestName::of(name.map(|n| n.parse().unwrap())),
                admin: Admin::Up,
                ipv4: vec![],
                ipv6: vec![],
                ipv4_gateway: None,
                ipv6_gateway: None,
            },
            hwaddr: None,
            mtu: Mtu::OfLink,
            rx_queues: None,
            tx_queues: None,
        }
    }

    #[test]
    fn counted_names_avoid_all_fixed_ones() {
        let names = |all: &[Option<&str>]| {
            let links: Vec<_> = (0..).zip(all).map(|(i, n)| LinkSpec::Veth(veth(i, *n))).collect();
            (0..links.len()).map(|at| final_name(&links, at).map(|n| n.to_string())).collect::<Vec<_>>()
        };
        let some = |n: &str| Some(n.to_owned());
        assert_eq!(names(&[None, Some("eth0"), Some("eth%d")]), [some("eth1"), some("eth0"), some("eth2")]);
        assert_eq!(
            names(&[Some("wan"), None, Some("eth1"), None]),
            [some("wan"), some("eth0"), some("eth1"), some("eth2")]
        );
        assert_eq!(names(&[Some("foo%d"), None]), [None, some("eth0")]);
        assert_eq!(final_name(&[], 0), None);
    }

    #[test]
    fn what_cannot_work_is_found_beforehand() {
        let mut spec = veth(3, None);
        spec.guest.ipv4_gateway = Some(Gateway::Device);
        let text = LinkSpec::Veth(spec.clone()).check().unwrap_err().to_string();
        assert_eq!(text, "lxc.net.3.ipv4.gateway (test): a gateway needs an IPv4 address on the link");
        let address = Ipv4Addr::new(10, 0, 3, 2);
        spec.guest.ipv4.push(Ipv4Interface { address, prefix: 24, broadcast: Ipv4Addr::UNSPECIFIED });
        assert_eq!(LinkSpec::Veth(spec.clone()).check(), Ok(()));
        spec.guest.admin = Admin::Down;
        assert!(LinkSpec::Veth(spec.clone()).check().is_err());

        let mut spec = veth(0, None);
        spec.host.name = HostName::Fixed("v%d".parse().unwrap());
        assert!(LinkSpec::Veth(spec).check().unwrap_err().to_string().starts_with("lxc.net.0.veth.pair"));

        let mut spec = veth(0, None);
        spec.guest.ipv6_gateway = Some(Gateway::Address("fd00::1".parse().unwrap()));
        assert!(LinkSpec::Veth(spec.clone()).check().is_err());
        spec.guest.ipv6_gateway = Some(Gateway::Address("fe80::1".parse().unwrap()));
        assert_eq!(LinkSpec::Veth(spec).check(), Ok(()));
    }
}

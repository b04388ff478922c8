//! rtnetlink(7) messages, as we need them: the one file that names the types of `netlink-packet-route`.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use lxc_sys::netlink::{Flags, Request};
use netlink_packet_core::{Emitable, NlaBuffer, NlasIterator, Parseable, ParseableParametrized};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkInfo,
    LinkMessage, Stats64,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::spec::{Mac, Subnet};
use lxc_types::{IfName, Ipv4Interface, Ipv6Interface};

/// `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
// The attributes of a link that are looked at; parsing all would fail on one that the kernel adds.
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;

/// One end of a pair that is to be.
pub(super) struct End<'a> {
    pub name: &'a IfName,
    pub mac: Option<Mac>,
    pub mtu: u32,
    pub rx_queues: Option<u32>,
    pub tx_queues: Option<u32>,
    /// Up from the start. The kernel refuses this for the peer (`ENOTCONN`).
    pub up: bool,
}

impl End<'_> {
    fn attributes(&self) -> Vec<LinkAttribute> {
        let mut attributes =
            vec![LinkAttribute::IfName(self.name.as_str().to_owned()), LinkAttribute::Mtu(self.mtu)];
        attributes.extend(self.mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
        attributes.extend(self.rx_queues.map(LinkAttribute::NumRxQueues));
        attributes.extend(self.tx_queues.map(LinkAttribute::NumTxQueues));
        attributes
    }
}

fn request(message: &RouteNetlinkMessage, flags: Flags) -> Request {
    let mut body = vec![0; message.buffer_len()];
    message.emit(&mut body);
    Request { kind: message.message_type(), flags, body }
}

const MAKE: Flags = Flags::CREATE.union(Flags::EXCL);

/// Makes a pair: `host` here, `peer` in the network namespace `netns` at once, so that it need not be moved.
pub(super) fn new_veth(host: &End<'_>, peer: &End<'_>, netns: BorrowedFd<'_>) -> Request {
    let mut other = LinkMessage::default();
    other.attributes = peer.attributes();
    other.attributes.push(LinkAttribute::NetNsFd(netns.as_raw_fd()));
    let mut link = LinkMessage::default();
    if host.up {
        link.header.change_mask = LinkFlags::Up;
        link.header.flags = LinkFlags::Up;
    }
    link.attributes = host.attributes();
    link.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
    ]));
    request(&RouteNetlinkMessage::NewLink(link), MAKE)
}

/// Makes a bridge, down.
pub(super) fn new_bridge(name: &IfName, mac: Option<Mac>) -> Request {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
    link.attributes.extend(mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
    link.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
    request(&RouteNetlinkMessage::NewLink(link), MAKE)
}

/// A change of a link.
#[derive(Default)]
pub(super) struct Change<'a> {
    /// Up or down.
    pub up: Option<bool>,
    /// The index of the bridge to join; 0 to leave it.
    pub master: Option<u32>,
    /// A new name.
    pub name: Option<&'a IfName>,
    /// The network namespace to move to.
    pub netns: Option<BorrowedFd<'a>>,
}

/// Changes the link with this index, all in one.
pub(super) fn set_link(index: u32, change: &Change<'_>) -> Request {
    let mut link = LinkMessage::default();
    link.header.index = index;
    if let Some(up) = change.up {
        link.header.change_mask = LinkFlags::Up;
        link.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    }
    link.attributes.extend(change.master.map(LinkAttribute::Controller));
    link.attributes.extend(change.name.map(|name| LinkAttribute::IfName(name.as_str().to_owned())));
    link.attributes.extend(change.netns.map(|netns| LinkAttribute::NetNsFd(netns.as_raw_fd())));
    request(&RouteNetlinkMessage::SetLink(link), Flags::empty())
}

/// Deletes the link with this index.
pub(super) fn delete_link(index: u32) -> Request {
    let mut link = LinkMessage::default();
    link.header.index = index;
    request(&RouteNetlinkMessage::DelLink(link), Flags::empty())
}

/// Which link is asked for.
pub(super) enum Which<'a> {
    Index(u32),
    Name(&'a str),
}

/// Asks for one link, with or without the costly counters.
pub(super) fn get_link(which: &Which<'_>, counters: bool) -> Request {
    let mut link = LinkMessage::default();
    match which {
        Which::Index(index) => link.header.index = *index,
        Which::Name(name) => link.attributes.push(LinkAttribute::IfName((*name).to_owned())),
    }
    if !counters {
        link.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    }
    request(&RouteNetlinkMessage::GetLink(link), Flags::empty())
}

/// Asks for all links.
pub(super) fn list_links() -> Request {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    request(&RouteNetlinkMessage::GetLink(link), Flags::DUMP)
}

/// What an answer says about a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LinkFacts {
    pub index: u32,
    pub up: bool,
    pub name: String,
    pub mac: Option<Mac>,
    pub mtu: u32,
    pub master: Option<u32>,
    pub kind: String,
    /// Bytes received and sent.
    pub bytes: Option<(u64, u64)>,
}

impl LinkFacts {
    /// From what stands behind the netlink header; `None` if that is no link.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let header = LinkHeader::parse(body).ok()?;
        let mut facts =
            LinkFacts { index: header.index, up: header.flags.contains(LinkFlags::Up), ..Self::default() };
        for nla in NlasIterator::new(body.get(LINK_HEADER..)?) {
            let nla = nla.ok()?;
            let wanted = [IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO, IFLA_STATS64];
            if wanted.contains(&nla.kind()) {
                facts.take(&nla);
            }
        }
        Some(facts)
    }

    fn take(&mut self, nla: &NlaBuffer<&[u8]>) {
        match LinkAttribute::parse_with_param(nla, AddressFamily::Unspec) {
            Ok(LinkAttribute::Address(bytes)) => self.mac = bytes.try_into().ok().map(Mac),
            Ok(LinkAttribute::IfName(name)) => self.name = name,
            Ok(LinkAttribute::Mtu(mtu)) => self.mtu = mtu,
            Ok(LinkAttribute::Controller(index)) => self.master = Some(index),
            Ok(LinkAttribute::LinkInfo(infos)) => {
                let kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
                self.kind = kind.unwrap_or_default();
            }
            Ok(LinkAttribute::Stats64(Stats64 { rx_bytes, tx_bytes, .. })) => {
                self.bytes = Some((rx_bytes, tx_bytes))
            }
            // An attribute of a known kind and an unknown shape, as from a much newer kernel: not known, then.
            _ => {}
        }
    }
}

/// Adds an IPv4 address. A broadcast address of `0.0.0.0` means none to the kernel too.
pub(super) fn add_ipv4(index: u32, ip: &Ipv4Interface) -> Request {
    let mut message = address(index, AddressFamily::Inet, ip.prefix);
    message.attributes =
        vec![AddressAttribute::Local(ip.address.into()), AddressAttribute::Address(ip.address.into())];
    if ip.broadcast != Ipv4Addr::UNSPECIFIED {
        message.attributes.push(AddressAttribute::Broadcast(ip.broadcast));
    }
    request(&RouteNetlinkMessage::NewAddress(message), MAKE)
}

/// Adds an IPv6 address.
pub(super) fn add_ipv6(index: u32, ip: &Ipv6Interface) -> Request {
    let mut message = address(index, AddressFamily::Inet6, ip.prefix);
    message.attributes =
        vec![AddressAttribute::Local(ip.address.into()), AddressAttribute::Address(ip.address.into())];
    request(&RouteNetlinkMessage::NewAddress(message), MAKE)
}

fn address(index: u32, family: AddressFamily, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.family = family;
    message.header.prefix_len = prefix;
    message
}

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Any,
    V4,
    V6,
}

/// Asks for addresses; of one link if `index` is not 0. Kernels before 4.20 heed only the family.
pub(super) fn list_addresses(index: u32, family: Family) -> Request {
    let family = match family {
        Family::Any => AddressFamily::Unspec,
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    request(&RouteNetlinkMessage::GetAddress(address(index, family, 0)), Flags::DUMP)
}

/// The index of the link and its own address; of a point-to-point link the near address.
pub(super) fn parse_address(body: &[u8]) -> Option<(u32, IpAddr)> {
    let message = AddressMessage::parse(body).ok()?;
    let local = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    let near = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Address(ip) => Some(*ip),
        _ => None,
    });
    Some((message.header.index, local.or(near)?))
}

fn route(index: u32, family: AddressFamily, scope: RouteScope) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = scope;
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::Oif(index));
    message
}

fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// Adds a default route: through a router, or (`None`) with everything on the link.
pub(super) fn add_default_route(index: u32, ipv6: bool, gateway: Option<IpAddr>) -> Request {
    let family = if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let mut message = route(index, family, RouteScope::Universe);
    message.attributes.extend(gateway.map(|ip| RouteAttribute::Gateway(RouteAddress::from(ip))));
    request(&RouteNetlinkMessage::NewRoute(message), MAKE)
}

/// Adds a route to a network on the link.
pub(super) fn add_link_route(index: u32, to: &Subnet) -> Request {
    let mut message = route(index, family(to.address), RouteScope::Link);
    message.header.destination_prefix_length = to.prefix;
    message.attributes.push(RouteAttribute::Destination(to.address.into()));
    request(&RouteNetlinkMessage::NewRoute(message), MAKE)
}

/// Answers for `ip` on the link (proxy ARP or NDP of one address).
pub(super) fn add_proxy(index: u32, ip: IpAddr) -> Request {
    let mut message = NeighbourMessage::default();
    message.header.family = family(ip);
    message.header.ifindex = index;
    message.header.flags = NeighbourFlags::Proxy;
    message.header.kind = RouteType::Unicast;
    let address = match ip {
        IpAddr::V4(ip) => NeighbourAddress::Inet(ip),
        IpAddr::V6(ip) => NeighbourAddress::Inet6(ip),
    };
    message.attributes.push(NeighbourAttribute::Destination(address));
    request(&RouteNetlinkMessage::NewNeighbour(message), MAKE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_no_link() {
        assert_eq!(LinkFacts::parse(&[]), None);
        assert_eq!(LinkFacts::parse(&[0; 15]), None);
        assert_eq!(LinkFacts::parse(&[0; 18]), None);
        assert_eq!(parse_address(&[1, 2, 3]), None);
        let mut short_mac = vec![0; 16];
        short_mac.extend_from_slice(&[7, 0, 1, 0, 1, 2, 3, 0]);
        assert_eq!(LinkFacts::parse(&short_mac).unwrap().mac, None);
    }

    #[test]
    fn a_default_route_is_upstreams() {
        // As strace shows upstream's: table main, protocol boot, scope universe, unicast.
        let gateway = IpAddr::V4(Ipv4Addr::new(10, 77, 1, 1));
        let sent = add_default_route(2, false, Some(gateway));
        assert_eq!(sent.body[..12], [2, 0, 0, 0, 0xfe, 3, 0, 1, 0, 0, 0, 0]);
        assert_eq!(sent.flags.bits(), 0x600);
    }
}

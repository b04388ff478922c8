//! The host's side of a pair. Runs in the monitor.
//!
//! Two messages make a bridged pair, one any other: most of the time (0.7 of 0.9 ms) goes into the kernel's
//! registering two devices with all their sysctls, whichever way it is asked to. So the peer is born in the
//! guest's namespace with its last name, address and MTU: nothing is moved or renamed afterwards.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use lxc_sys::netlink::Netlink;
use rustix::io::Errno;

use super::batch::Batch;
use super::error::{Doing, Error, Result};
use super::host::{Device, Lease};
use super::message::{self, Change, End, LinkFacts, Which};
use lxc_types::{Gateway, IfName};

use super::name;
use super::spec::{HostName, Mac, Mtu, Subnet, Veth, VethMode};
use super::sysctl::{self, Family};
use super::wired::Wired;

/// How many names are tried; each collides with a chance of one in thousands of millions.
const NAME_TRIES: usize = 8;

/// Makes the pair. `peer` is the guest end's name, if it can be given at once.
pub(super) fn create(
    spec: &Veth,
    peer: Option<IfName>,
    guest: BorrowedFd<'_>,
    sock: &mut Netlink,
) -> Result<Lease> {
    let link = look_up_link(spec, sock)?;
    let bridge = link.as_ref().filter(|_| spec.host.mode == VethMode::Bridge);
    let lease = make(spec, peer, Pair { mtu: mtu(spec, link.as_ref()), up: bridge.is_none(), guest }, sock)?;
    if let Some(device) = lease.device() {
        // A failure drops the lease, and so the pair.
        if let Some(bridge) = bridge {
            attach(spec, device, bridge, sock)?;
        }
        routes(spec, device, sock)?;
    }
    Ok(lease)
}

/// The link, which must be a bridge where it is used as one.
fn look_up_link(spec: &Veth, sock: &mut Netlink) -> Result<Option<LinkFacts>> {
    let Some(name) = &spec.host.link else { return Ok(None) };
    let found = match sock.get(&message::get_link(&Which::Name(name.as_str()), false)) {
        Ok(answer) => LinkFacts::parse(&answer),
        Err(e) if e.errno() == Some(Errno::NODEV) && spec.host.mode == VethMode::Router => None,
        Err(e) => return Err(e).step(&spec.origin, "link", || format!("look up bridge \"{name}\"")),
    };
    match found {
        Some(facts) if spec.host.mode == VethMode::Bridge && facts.kind != "bridge" => {
            let reason = format!("\"{name}\" is not a bridge (Open vSwitch is not supported)");
            Err(Error::config(&spec.origin, "link", reason))
        }
        found => Ok(found),
    }
}

fn mtu(spec: &Veth, link: Option<&LinkFacts>) -> u32 {
    match (spec.mtu, link) {
        (Mtu::Fixed(mtu), _) => mtu,
        (Mtu::OfLink, Some(link)) => link.mtu,
        (Mtu::OfLink, None) => 1500,
    }
}

/// What both ends are made with.
struct Pair<'a> {
    mtu: u32,
    /// Whether the host end is up from the start: not if it must be silenced and attached first.
    up: bool,
    guest: BorrowedFd<'a>,
}

/// Makes the two devices. A name that is taken is left to the kernel to find: looking before would take
/// longer and prove nothing.
fn make(spec: &Veth, mut peer: Option<IfName>, pair: Pair<'_>, sock: &mut Netlink) -> Result<Lease> {
    let Pair { mtu, up, guest } = pair;
    let random = || name::random_veth().query(|| "get random bytes".to_owned());
    for _ in 0..NAME_TRIES {
        let name = match &spec.host.name {
            HostName::Fixed(name) => name.clone(),
            HostName::Random => random()?,
        };
        // The name and what it will be to the guest.
        let (peer_name, wired): (IfName, fn(IfName) -> Wired) = match &peer {
            Some(name) => (name.clone(), Wired::Named),
            None => (random()?, Wired::Unnamed),
        };
        let mac = host_mac()?;
        let (rx_queues, tx_queues) = (spec.rx_queues, spec.tx_queues);
        let host = End { name: &name, mac: Some(mac), mtu, rx_queues, tx_queues, up };
        let other = End { name: &peer_name, mac: spec.hwaddr, mtu, rx_queues, tx_queues, up: false };
        match sock.run(&[message::new_veth(&host, &other, guest)]) {
            Ok(()) => {
                let what = || format!("find the new link \"{name}\"");
                let index = sock.index_of(name.as_str()).step(&spec.origin, "", what)?;
                return Ok(Lease::new(Device::new(index, name, mac, &spec.host.name), wired(peer_name)));
            }
            Err(e) if e.errno() != Some(Errno::EXIST) => {
                return Err(e)
                    .step(&spec.origin, "", || format!("create the pair \"{name}\" and \"{peer_name}\""));
            }
            Err(e) if sock.index_of(name.as_str()).is_ok() => {
                if let HostName::Fixed(_) = spec.host.name {
                    return Err(e).step(&spec.origin, "veth.pair", || format!("create \"{name}\""));
                }
            }
            // The guest's name is taken: the guest finds out by renaming, and says so.
            Err(_) => peer = None,
        }
    }
    Err(Error::config(&spec.origin, "", "no free name found for the pair"))
}

/// A random address. Its first byte is high, so that a bridge, which takes the lowest address among its
/// ports for its own, keeps the one it has.
fn host_mac() -> Result<Mac> {
    let mut mac = [0; 6];
    name::fill(&mut mac).query(|| "get random bytes".to_owned())?;
    mac[0] = 0xfe;
    Ok(Mac(mac))
}

/// Makes the host end a port, then brings it up.
fn attach(spec: &Veth, device: &Device, bridge: &LinkFacts, sock: &mut Netlink) -> Result<()> {
    // Before it comes up, or it speaks IPv6 with an address of its own beside the bridge's.
    match sysctl::enable(Family::Ipv6, device.name(), "disable_ipv6") {
        Err(e) if e.errno() == Errno::NOENT => {} // a kernel without IPv6
        done => done.step(&spec.origin, "link", || format!("disable IPv6 on \"{}\"", device.name()))?,
    }
    let mut batch = Batch::new(&spec.origin);
    let step = format!("attach \"{}\" to bridge \"{}\"", device.name(), bridge.name);
    let change = Change { master: Some(bridge.index), up: Some(true), ..Change::default() };
    batch.push("link", step, message::set_link(device.index(), &change));
    batch.run(sock)
}

/// The configured host routes, and what mode `router` needs.
fn routes(spec: &Veth, device: &Device, sock: &mut Netlink) -> Result<()> {
    let mut batch = Batch::new(&spec.origin);
    for subnet in &spec.host.routes {
        let key = if subnet.address.is_ipv4() { "veth.ipv4.route" } else { "veth.ipv6.route" };
        let step = format!("add the route {subnet} to \"{}\"", device.name());
        batch.push(key, step, message::add_link_route(device.index(), subnet));
    }
    if spec.host.mode == VethMode::Router {
        router(spec, device, &mut batch)?;
    }
    batch.run(sock)
}

fn router(spec: &Veth, device: &Device, batch: &mut Batch<'_>) -> Result<()> {
    let enable = |family, key: &'static str, setting: &'static str| {
        let what = || format!("enable {setting} on \"{}\"", device.name());
        sysctl::enable(family, device.name(), setting).step(&spec.origin, key, what)
    };
    let mut proxy = |key, ip: IpAddr| {
        let step = format!("answer for {ip} on \"{}\"", device.name());
        batch.push(key, step, message::add_proxy(device.index(), ip));
    };
    if let Some(Gateway::Address(ip)) = spec.guest.ipv4_gateway {
        enable(Family::Ipv4, "ipv4.gateway", "forwarding")?;
        proxy("ipv4.gateway", ip.into());
    }
    if let Some(Gateway::Address(ip)) = spec.guest.ipv6_gateway {
        let key = "ipv6.gateway";
        if !sysctl::forwards(Family::Ipv6)
            .step(&spec.origin, key, || "see whether the host forwards".to_owned())?
        {
            return Err(Error::config(&spec.origin, key, "mode router needs net.ipv6.conf.all.forwarding=1"));
        }
        enable(Family::Ipv6, key, "forwarding")?;
        enable(Family::Ipv6, key, "proxy_ndp")?;
        proxy(key, ip.into());
    }
    let ipv4 = spec.guest.ipv4.iter().map(|ip| ("ipv4.address", IpAddr::from(ip.address), 32));
    let ipv6 = spec.guest.ipv6.iter().map(|ip| ("ipv6.address", IpAddr::from(ip.address), 128));
    for (key, address, prefix) in ipv4.chain(ipv6) {
        let step = format!("add the route {address} to \"{}\"", device.name());
        batch.push(key, step, message::add_link_route(device.index(), &Subnet { address, prefix }));
    }
    Ok(())
}

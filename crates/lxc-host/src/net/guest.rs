//! Links in the guest: names, addresses, routes. Runs in the container's first process, in its network
//! namespace, before anything of the container runs.

use std::net::IpAddr;

use lxc_sys::netlink::Netlink;
use rustix::io::Errno;

use super::batch::{Batch, Refused};
use super::error::{Doing, Error, Result};
use super::message::{self, Change};
use super::spec::{Admin, Empty, GuestEnd, GuestName, LinkSpec, Origin, Subnet};
use super::wired::Wired;
use lxc_types::{Gateway, IfName};

/// A link that is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// N of `lxc.net.N`.
    pub link: u32,
    /// Its index in the guest.
    pub index: u32,
    /// Its name in the guest.
    pub name: String,
}

/// Sets all links up; `wired` holds what [`create`](super::host::create) told about each. Links with a name
/// come first, then those that take the next free `ethN`, as upstream does.
///
/// # Errors
/// Any [`Error`], naming the key it came from.
pub fn setup(links: &[LinkSpec], wired: &[Wired]) -> Result<Vec<Device>> {
    let named = |link: &LinkSpec| !matches!(link.guest(), Some(GuestEnd { name: GuestName::Counted, .. }));
    let mut pairs: Vec<_> = links.iter().zip(wired).collect();
    pairs.sort_by_key(|(link, _)| !named(link));
    let mut devices = Vec::new();
    let mut guest = Guest { sock: None, loopback: Admin::Down };
    for (link, wired) in pairs {
        devices.extend(guest.set_up(link, wired)?);
    }
    Ok(devices)
}

struct Guest {
    /// Opened when the first link needs it.
    sock: Option<Netlink>,
    /// Whether `lo` is up by now.
    loopback: Admin,
}

impl Guest {
    fn set_up(&mut self, link: &LinkSpec, wired: &Wired) -> Result<Option<Device>> {
        let origin = link.origin();
        match (link, link.guest(), wired.name()) {
            (_, Some(end), Some(name)) => self.set_up_end(origin, end, (wired, name)).map(Some),
            (_, Some(_), None) => Err(Error::config(origin, "", "the link was not made on the host")),
            (LinkSpec::Empty(Empty { admin: Admin::Up, .. }), None, _) => {
                let sock = open(&mut self.sock, origin)?;
                let mut batch = Batch::new(origin);
                bring_loopback_up(&mut self.loopback, &mut batch, sock)?;
                batch.run(sock).map(|()| None)
            }
            (_, None, _) => Ok(None),
        }
    }

    /// Everything for one device goes to the kernel in one message; only what fails is looked at.
    fn set_up_end(
        &mut self,
        origin: &Origin,
        end: &GuestEnd,
        (wired, current): (&Wired, &IfName),
    ) -> Result<Device> {
        let sock = open(&mut self.sock, origin)?;
        let index = sock
            .index_of(current.as_str())
            .step(origin, "", || format!("find \"{current}\" in the guest"))?;
        let mut batch = Batch::new(origin);
        let renamed = matches!(wired, Wired::Unnamed(_));
        if renamed {
            rename(&mut batch, index, &end.name);
        }
        addresses(&mut batch, index, end, current);
        if end.admin == Admin::Up {
            batch.push("flags", format!("bring \"{current}\" up"), message::set_link(index, &up()));
            bring_loopback_up(&mut self.loopback, &mut batch, sock)?;
        }
        let ipv4 = end.ipv4_gateway.map(|gateway| Route::new(index, gateway));
        let ipv6 = end.ipv6_gateway.map(|gateway| Route::new(index, gateway));
        let mut gateways = Vec::new();
        for (key, route) in [("ipv4.gateway", ipv4), ("ipv6.gateway", ipv6)] {
            let Some(route) = route else { continue };
            let route =
                route.ok_or_else(|| Error::config(origin, key, "an \"auto\" gateway was not resolved"))?;
            gateways.push((batch.push(key, route.step(), route.request()), key, route));
        }
        for refused in batch.submit(sock)? {
            match gateways.iter().find(|(at, _, _)| *at == refused.at) {
                Some((_, key, route)) => retry(origin, key, route, refused, sock)?,
                None => return Err(refused.error),
            }
        }
        let name = if renamed {
            sock.name_of(index).step(origin, "name", || "read the new name".to_owned())?
        } else {
            current.to_string()
        };
        Ok(Device { link: origin.index, index, name })
    }
}

fn open<'a>(sock: &'a mut Option<Netlink>, origin: &Origin) -> Result<&'a mut Netlink> {
    match sock {
        Some(sock) => Ok(sock),
        None => {
            let opened = Netlink::route().step(origin, "", || "open a socket in the guest".to_owned())?;
            Ok(sock.insert(opened))
        }
    }
}

/// Adds the request, unless it was made for another link.
fn bring_loopback_up(state: &mut Admin, batch: &mut Batch<'_>, sock: &Netlink) -> Result<()> {
    if *state == Admin::Down {
        // Not 1 for sure: fallback tunnels may be registered first.
        let lo = sock.index_of("lo").query(|| "look up \"lo\"".to_owned())?;
        batch.push("flags", "bring \"lo\" up".to_owned(), message::set_link(lo, &up()));
        *state = Admin::Up;
    }
    Ok(())
}

fn up() -> Change<'static> {
    Change { up: Some(true), ..Change::default() }
}

fn rename(batch: &mut Batch<'_>, index: u32, to: &GuestName) {
    let pattern = IfName::ethernet_pattern();
    let name = match to {
        GuestName::Fixed(name) => name,
        GuestName::Counted => &pattern,
    };
    let change = Change { name: Some(name), ..Change::default() };
    batch.push("name", format!("rename to \"{name}\""), message::set_link(index, &change));
}

fn addresses(batch: &mut Batch<'_>, index: u32, end: &GuestEnd, name: &IfName) {
    for ip in &end.ipv4 {
        let step = format!("add {}/{} to \"{name}\"", ip.address, ip.prefix);
        batch.push("ipv4.address", step, message::add_ipv4(index, ip));
    }
    for ip in &end.ipv6 {
        let step = format!("add {}/{} to \"{name}\"", ip.address, ip.prefix);
        batch.push("ipv6.address", step, message::add_ipv6(index, ip));
    }
}

/// A default route.
struct Route {
    index: u32,
    ipv6: bool,
    /// `None`: everything is on the link.
    via: Option<IpAddr>,
}

impl Route {
    /// `None`: the gateway is not resolved.
    fn new<A: Into<IpAddr> + FamilyOf>(index: u32, gateway: Gateway<A>) -> Option<Self> {
        let via = match gateway {
            Gateway::Address(ip) => Some(ip.into()),
            Gateway::Device => None,
            Gateway::Auto => return None,
        };
        Some(Route { index, ipv6: A::IPV6, via })
    }

    fn request(&self) -> lxc_sys::netlink::Request {
        message::add_default_route(self.index, self.ipv6, self.via)
    }

    fn step(&self) -> String {
        self.via.map_or_else(
            || "add the default route".to_owned(),
            |ip| format!("add the default route via {ip}"),
        )
    }
}

trait FamilyOf {
    const IPV6: bool;
}

impl FamilyOf for std::net::Ipv4Addr {
    const IPV6: bool = false;
}

impl FamilyOf for std::net::Ipv6Addr {
    const IPV6: bool = true;
}

/// The gateway may lie outside of the link's networks: a route to it alone, then the default route again.
fn retry(
    origin: &Origin,
    key: &'static str,
    route: &Route,
    refused: Refused,
    sock: &mut Netlink,
) -> Result<()> {
    let Some(address) = route.via else { return Err(refused.error) };
    let prefix = if route.ipv6 { 128 } else { 32 };
    let mut batch = Batch::new(origin);
    let host = message::add_link_route(route.index, &Subnet { address, prefix });
    let host = batch.push(key, format!("add the route to gateway {address}"), host);
    batch.push(key, route.step(), route.request());
    match batch.submit(sock)?.into_iter().find(|r| r.at != host || r.errno != Errno::EXIST) {
        Some(refused) => Err(refused.error),
        None => Ok(()),
    }
}

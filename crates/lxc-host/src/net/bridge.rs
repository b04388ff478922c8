//! Bridges on the host, for set-ups without a network service of the distribution.

use std::net::IpAddr;

use lxc_sys::netlink::Netlink;

use super::error::{Doing, Error, Result};
use super::message::{self, Change};
use super::query;
use super::spec::Mac;
use lxc_types::{IfName, Ipv4Interface, Ipv6Interface};

/// An address of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4.
    V4(Ipv4Interface),
    /// IPv6.
    V6(Ipv6Interface),
}

impl Address {
    fn ip(&self) -> IpAddr {
        match self {
            Address::V4(ip) => ip.address.into(),
            Address::V6(ip) => ip.address.into(),
        }
    }
}

/// Makes bridge `name` with these addresses and brings it up. With no hardware address given the bridge
/// takes that of its lowest port, and changes it with the ports.
///
/// # Errors
/// [`Error::Query`]; `EEXIST` if there is a link of that name. Nothing is left behind.
pub fn create(sock: &mut Netlink, name: &IfName, mac: Option<Mac>, addresses: &[Address]) -> Result<()> {
    sock.run(&[message::new_bridge(name, mac)]).query(|| format!("create bridge \"{name}\""))?;
    let set_up = |sock: &mut Netlink| {
        let index = sock.index_of(name.as_str()).query(|| format!("look up \"{name}\""))?;
        for address in addresses {
            let add = match address {
                Address::V4(ip) => message::add_ipv4(index, ip),
                Address::V6(ip) => message::add_ipv6(index, ip),
            };
            sock.run(&[add]).query(|| format!("add {} to bridge \"{name}\"", address.ip()))?;
        }
        let up = Change { up: Some(true), ..Change::default() };
        sock.run(&[message::set_link(index, &up)]).query(|| format!("bring bridge \"{name}\" up"))
    };
    set_up(sock).inspect_err(|_| {
        if let Err(e) = delete(sock, name) {
            log::warn!("{}", super::error::chain(&e));
        }
    })
}

/// Deletes bridge `name`; its ports stay. Not an error if it does not exist.
///
/// # Errors
/// [`Error::Query`], also when the link is no bridge (`EINVAL`).
pub fn delete(sock: &mut Netlink, name: &IfName) -> Result<()> {
    let what = || format!("delete bridge \"{name}\"");
    match query::link(sock, name.as_str())? {
        None => Ok(()),
        Some(link) if link.kind == "bridge" => sock.run(&[message::delete_link(link.index)]).query(what),
        Some(_) => {
            let not_a_bridge = lxc_sys::Error::new("delete bridge", name.as_str(), rustix::io::Errno::INVAL);
            Err(Error::Query { what: what(), source: not_a_bridge.into() })
        }
    }
}

//! Questions about links, for tools. Nothing here changes anything.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use lxc_sys::netlink::Netlink;
use lxc_sys::ns::{self, NsFlags};
use rustix::io::Errno;

use super::error::{Doing, Error, Result};
use super::message::{self, Family, LinkFacts, Which};

/// Opens a socket in the network namespace `netns`, which must be enterable by the caller (for that of a
/// container with its own user namespace, from within that). The calling thread is in that namespace for a
/// moment and back when this returns; other threads are not touched.
///
/// # Errors
/// [`Error::Query`]. When the way back is barred, which takes a change of the thread's credentials
/// underway, the thread stays in `netns`: the error says so.
pub fn socket_in(netns: BorrowedFd<'_>) -> Result<Netlink> {
    let own = ns::open_own("net").query(|| "open the own network namespace".to_owned())?;
    ns::enter(netns, NsFlags::NET).query(|| "enter the network namespace".to_owned())?;
    let sock = Netlink::route();
    ns::enter(&own, NsFlags::NET).query(|| "return from the network namespace".to_owned())?;
    sock.query(|| "open a socket in the network namespace".to_owned())
}

/// The addresses in the network namespace `netns` with the names of their links, sorted by the text of the
/// address. Left out: those of `lo`, and IPv6 link-local ones. So `lxc-info` shows them.
///
/// # Errors
/// [`Error::Query`], also that of [`socket_in`].
pub fn addresses(netns: BorrowedFd<'_>) -> Result<Vec<(String, IpAddr)>> {
    let mut sock = socket_in(netns)?;
    let links = list(&mut sock)?;
    let answers = sock
        .dump(&message::list_addresses(0, Family::Any))
        .query(|| "list the addresses of the namespace".to_owned())?;
    let shown = |ip: &IpAddr| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let mut found: Vec<(String, IpAddr)> = answers
        .iter()
        .filter_map(|answer| message::parse_address(answer))
        .filter(|(_, ip)| shown(ip))
        .filter_map(|(index, ip)| Some((links.iter().find(|l| l.index == index)?.name.clone(), ip)))
        .filter(|(name, _)| name != "lo")
        .collect();
    found.sort_by_cached_key(|(_, ip)| ip.to_string());
    Ok(found)
}

/// The names of all links in the network namespace `netns`, in the order of their indexes.
///
/// # Errors
/// [`Error::Query`], also that of [`socket_in`].
pub fn interfaces(netns: BorrowedFd<'_>) -> Result<Vec<String>> {
    let mut links = list(&mut socket_in(netns)?)?;
    links.sort_by_key(|link| link.index);
    Ok(links.into_iter().map(|link| link.name).collect())
}

fn list(sock: &mut Netlink) -> Result<Vec<LinkFacts>> {
    let answers = sock.dump(&message::list_links()).query(|| "list the links of the namespace".to_owned())?;
    Ok(answers.iter().filter_map(|answer| LinkFacts::parse(answer)).collect())
}

/// A link of the socket's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The driver, for example `bridge` or `veth`; empty for hardware.
    pub kind: String,
    /// In bytes.
    pub mtu: u32,
    /// Whether it is switched on.
    pub up: bool,
    /// The index of the bridge it belongs to.
    pub master: Option<u32>,
    /// The hardware address, where it has 6 bytes.
    pub mac: Option<super::spec::Mac>,
    /// Bytes received by the device: for a host end, what the container sent.
    pub rx_bytes: u64,
    /// Bytes sent by the device: for a host end, what the container received.
    pub tx_bytes: u64,
}

/// The link called `name`, with its counters; `None` if there is none.
///
/// # Errors
/// [`Error::Query`].
pub fn link(sock: &mut Netlink, name: &str) -> Result<Option<Link>> {
    // What cannot name a link names none; the kernel would answer ERANGE to a long one.
    if name.parse::<lxc_types::IfName>().is_err() {
        return Ok(None);
    }
    let answer = match sock.get(&message::get_link(&Which::Name(name), true)) {
        Err(e) if e.errno() == Some(Errno::NODEV) => return Ok(None),
        answer => answer.query(|| format!("look up link \"{name}\""))?,
    };
    let malformed = || Error::Query {
        what: format!("look up link \"{name}\""),
        source: lxc_sys::netlink::Error::Malformed,
    };
    let facts = LinkFacts::parse(&answer).ok_or_else(malformed)?;
    let (rx_bytes, tx_bytes) = facts.bytes.unwrap_or_default();
    let LinkFacts { index, up, name, mac, mtu, master, kind, .. } = facts;
    Ok(Some(Link { index, name, kind, mtu, up, master, mac, rx_bytes, tx_bytes }))
}

//! Links on the host: made before the guest sets itself up, undone when it is gone. Runs in the monitor.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use lxc_sys::netlink::{self, Netlink};
use rustix::io::Errno;

use super::error::{Doing, Error, Result};
use super::message::{self, Change, Family, LinkFacts, Which};
use lxc_types::{Gateway, IfName};

use super::name;
use super::spec::{self, HostName, LinkSpec, Mac, Origin, Veth};
use super::veth;
use super::wired::Wired;

/// How many names are tried when a device is renamed out of the way.
const NAME_TRIES: usize = 8;

/// Makes every `auto` gateway an address: the first of that family on the link. Upstream does it before the
/// clone.
///
/// # Errors
/// A link is not configured, does not exist, or has no such address.
pub fn resolve_gateways(links: &mut [LinkSpec], sock: &mut Netlink) -> Result<()> {
    for link in links {
        let LinkSpec::Veth(Veth { origin, host, guest, .. }) = link else { continue };
        if guest.ipv4_gateway == Some(Gateway::Auto) {
            let found = first_address(origin, "ipv4.gateway", host.link.as_ref(), sock)?;
            if let IpAddr::V4(ip) = found {
                guest.ipv4_gateway = Some(Gateway::Address(ip));
            }
        }
        if guest.ipv6_gateway == Some(Gateway::Auto) {
            let found = first_address(origin, "ipv6.gateway", host.link.as_ref(), sock)?;
            if let IpAddr::V6(ip) = found {
                guest.ipv6_gateway = Some(Gateway::Address(ip));
            }
        }
    }
    Ok(())
}

fn first_address(origin: &Origin, key: &str, link: Option<&IfName>, sock: &mut Netlink) -> Result<IpAddr> {
    let Some(link) = link else {
        return Err(Error::config(origin, key, "the gateway is \"auto\" but no link is configured"));
    };
    let family = if key.starts_with("ipv4") { Family::V4 } else { Family::V6 };
    let index = sock.index_of(link.as_str()).step(origin, "link", || format!("look up \"{link}\""))?;
    let what = || format!("list the addresses of \"{link}\"");
    let answers = sock.dump(&message::list_addresses(index, family)).step(origin, key, what)?;
    let mut addresses = answers.iter().filter_map(|a| message::parse_address(a));
    let wanted = |ip: &IpAddr| ip.is_ipv4() == (family == Family::V4);
    match addresses.find(|(of, ip)| *of == index && wanted(ip)) {
        Some((_, ip)) => Ok(ip),
        None => Err(Error::config(origin, key, format!("\"{link}\" has no address to be the gateway"))),
    }
}

/// Makes link `at` of `links`, with its far end in the network namespace `guest`. One at a time, because the
/// link's up script runs before the next one is made. `links` is looked at whole to number unnamed devices.
///
/// # Errors
/// Any [`Error`]; nothing is left behind then.
pub fn create(links: &[LinkSpec], at: usize, guest: BorrowedFd<'_>, sock: &mut Netlink) -> Result<Lease> {
    let Some(link) = links.get(at) else { return Ok(Lease::nothing()) };
    link.check()?;
    match link {
        LinkSpec::Empty(_) | LinkSpec::None(_) => Ok(Lease::nothing()),
        LinkSpec::Veth(spec) => veth::create(spec, spec::final_name(links, at), guest, sock),
    }
}

/// A device on the host that is ours, with all that tells it from another one of its name.
#[derive(Debug)]
pub(super) struct Device {
    index: u32,
    name: IfName,
    mac: Mac,
    /// Whether another start may want the same name.
    coveted: bool,
}

impl Device {
    pub(super) fn new(index: u32, name: IfName, mac: Mac, configured: &HostName) -> Self {
        Device { index, name, mac, coveted: matches!(configured, HostName::Fixed(_)) }
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    pub(super) fn name(&self) -> &IfName {
        &self.name
    }

    /// Whether the device is still there. An index can be given anew, and a device renamed, but not both
    /// with our random hardware address.
    fn exists(&self, sock: &mut Netlink) -> Result<bool, netlink::Error> {
        match sock.get(&message::get_link(&Which::Index(self.index), false)) {
            Ok(answer) => Ok(LinkFacts::parse(&answer)
                .is_some_and(|facts| facts.mac == Some(self.mac) || facts.name == self.name.as_str())),
            Err(e) if e.errno() == Some(Errno::NODEV) => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn delete(&self, sock: &mut Netlink) -> Result<()> {
        let delete = |sock: &mut Netlink| {
            if self.exists(sock)? {
                gone_is_good(sock.run(&[message::delete_link(self.index)]))
            } else {
                Ok(())
            }
        };
        delete(sock).query(|| format!("delete link \"{}\"", self.name))
    }

    /// In the place of `release`, when there is nobody to report to.
    fn delete_or_log(&self) {
        let done =
            Netlink::route().query(|| "open a socket".to_owned()).and_then(|mut sock| self.delete(&mut sock));
        if let Err(e) = done {
            log::warn!("{}", super::error::chain(&e));
        }
    }

    /// Switches the device off, takes it off its bridge and, if its name may be wanted, renames it.
    fn put_aside(&self, sock: &mut Netlink) -> Result<(), netlink::Error> {
        let off = Change { up: Some(false), ..Change::default() };
        if !self.coveted {
            let aside = Change { master: Some(0), ..off };
            return sock.run(&[message::set_link(self.index, &aside)]);
        }
        for _ in 0..NAME_TRIES {
            let name = name::random_veth()?;
            let aside = Change { master: Some(0), name: Some(&name), ..Change::default() };
            // In two steps: before Linux 6.2 a device that is up cannot be renamed.
            let both = [message::set_link(self.index, &off), message::set_link(self.index, &aside)];
            match sock.run(&both) {
                Err(e) if e.errno() == Some(Errno::EXIST) => {}
                done => return done,
            }
        }
        Err(netlink::Error::Unsteady)
    }
}

/// What was to be gone is gone.
fn gone_is_good(done: Result<(), netlink::Error>) -> Result<(), netlink::Error> {
    match done {
        Err(e) if e.errno() == Some(Errno::NODEV) => Ok(()),
        done => done,
    }
}

/// The host's end of one link. Dropping it deletes the device.
///
/// At the end of a container take [`retire`](Self::retire) and later [`Retired::finish`], unless the link
/// must be gone when the call returns: then [`release`](Self::release).
#[must_use = "dropping a lease deletes the link"]
#[derive(Debug)]
pub struct Lease {
    device: Option<Device>,
    wired: Wired,
}

impl Lease {
    fn nothing() -> Self {
        Lease { device: None, wired: Wired::Nothing }
    }

    pub(super) fn new(device: Device, wired: Wired) -> Self {
        Lease { device: Some(device), wired }
    }

    pub(super) fn device(&self) -> Option<&Device> {
        self.device.as_ref()
    }

    /// As bytes, for another process that takes the lease over: at most 64. The guest's end, after its length;
    /// then index, address, whether the name is coveted, and name of the device.
    pub fn encode(&self) -> Vec<u8> {
        let wired = self.wired.encode();
        let mut bytes = vec![u8::try_from(wired.len()).unwrap_or(0)];
        bytes.extend(wired);
        if let Some(device) = &self.device {
            bytes.extend(device.index.to_ne_bytes());
            bytes.extend(device.mac.0);
            bytes.push(u8::from(device.coveted));
            bytes.extend(device.name.as_str().as_bytes());
        }
        bytes
    }

    /// From the bytes of [`encode`](Self::encode); `None` if they are not. The lease is this process's from now on.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first()?;
        let (wired, rest) = rest.split_at_checked(usize::from(*length))?;
        let wired = Wired::decode(wired)?;
        if rest.is_empty() {
            return Some(Lease { device: None, wired });
        }
        let (index, rest) = rest.split_first_chunk()?;
        let (mac, rest) = rest.split_first_chunk()?;
        let (coveted, name) = rest.split_first()?;
        let device = Device {
            index: u32::from_ne_bytes(*index),
            name: std::str::from_utf8(name).ok()?.parse().ok()?,
            mac: Mac(*mac),
            coveted: *coveted == 1,
        };
        Some(Lease { device: Some(device), wired })
    }

    /// Gives up on the lease without deleting the device: another process has taken it over.
    pub fn keep(mut self) {
        self.device = None;
    }

    /// What the guest must be told.
    pub fn wired(&self) -> &Wired {
        &self.wired
    }

    /// The name of the device on the host, if the kind of link has one.
    pub fn host_name(&self) -> Option<&IfName> {
        self.device().map(Device::name)
    }

    /// The index of the device on the host, if the kind of link has one.
    pub fn host_index(&self) -> Option<u32> {
        self.device().map(Device::index)
    }

    /// Deletes the device; it is gone when this returns. Not an error if it was gone already.
    ///
    /// Takes some 30 ms however fast the machine is: the kernel unlists the device after 2 ms, then waits
    /// until no CPU can still be using it (`rcu_barrier` in `netdev_run_todo`).
    ///
    /// # Errors
    /// [`Error::Query`]; the device may still be there then.
    pub fn release(mut self, sock: &mut Netlink) -> Result<()> {
        self.device.take().map_or(Ok(()), |device| device.delete(sock))
    }

    /// Puts the device aside in 0.4 ms: switched off, off its bridge, its routes gone, and its name
    /// (if it was configured) free for the next start. It still has to be deleted:
    /// [`Retired::finish`] does so when nobody waits any more, for example after STOPPED is announced.
    ///
    /// Safe in every case, unlike leaving the device to the death of the guest's network namespace: that
    /// death is not certain (another process may be in the namespace, or hold a descriptor of it) and
    /// never immediate, so a configured name could still be taken at the next start.
    ///
    /// # Errors
    /// [`Error::Query`]; the device was then deleted instead, if that was possible.
    pub fn retire(mut self, sock: &mut Netlink) -> Result<Retired> {
        let retired = Retired { device: self.device.take() };
        let Some(device) = &retired.device else { return Ok(retired) };
        let aside = |sock: &mut Netlink| {
            if device.exists(sock)? { gone_is_good(device.put_aside(sock)) } else { Ok(()) }
        };
        aside(sock).query(|| format!("put link \"{}\" aside", device.name))?;
        Ok(retired)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(device) = self.device.take() {
            device.delete_or_log();
        }
    }
}

/// A host device out of use that only waits to be deleted. Dropping it deletes it.
#[must_use = "dropping it takes as long as releasing the lease"]
#[derive(Debug)]
pub struct Retired {
    device: Option<Device>,
}

impl Retired {
    /// Deletes the device, unless the kernel already did together with the guest's network namespace. Takes
    /// up to 30 ms, as [`Lease::release`] does.
    ///
    /// # Errors
    /// [`Error::Query`]; the device may still be there then.
    pub fn finish(mut self, sock: &mut Netlink) -> Result<()> {
        self.device.take().map_or(Ok(()), |device| device.delete(sock))
    }

    /// Leaves the deletion to the kernel: the far end dies with the guest's network namespace, and this end with
    /// it. To be taken when no process of the container is left. Somebody else who holds the namespace keeps the
    /// link, which is down, on no bridge and without a configured name, for as long.
    pub fn leave_to_kernel(mut self) {
        self.device = None;
    }
}

impl Drop for Retired {
    fn drop(&mut self) {
        if let Some(device) = self.device.take() {
            device.delete_or_log();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_crosses_processes() {
        let (name, peer): (IfName, IfName) = ("vethA".parse().unwrap(), "eth0".parse().unwrap());
        let mac = Mac([0xfe, 1, 2, 3, 4, 5]);
        let device = Device::new(7, name.clone(), mac, &HostName::Fixed(name));
        let lease = Lease::new(device, Wired::Named(peer));
        let bytes = lease.encode();
        let got = Lease::decode(&bytes).unwrap();
        assert_eq!((got.host_index(), got.wired(), got.encode()), (Some(7), lease.wired(), bytes.clone()));
        got.keep();
        lease.keep();
        let nothing = Lease::decode(&Lease::nothing().encode()).unwrap();
        assert!(nothing.device().is_none() && *nothing.wired() == Wired::Nothing);
        // Neither half of a device is one.
        for cut in 7..bytes.len() - 5 {
            assert!(Lease::decode(&bytes[..cut]).is_none(), "{cut}");
        }
    }
}

//! The network, made outside: whoever forks the monitor makes the container's network namespace and its links
//! while the monitor gets ready, and hands both over. The kernel needs more time for them than for all the rest of
//! a start, and the starter would only wait.
//!
//! What is made belongs to the network namespace: if the starter or the monitor dies on the way, the last
//! descriptor of the namespace goes, and everything with it.

use std::os::fd::{AsFd, OwnedFd};

use lxc_host::net::{self, LinkSpec, Netlink};
use lxc_sys::ns::{self, NsFlags};
use lxc_sys::{Error as SysError, Op, socket};

use super::link::{self, LinkError, Parcel, Report};
use super::messages::take_list;
use super::{Cause, InStage, StartError};
use crate::fault;
use crate::meanwhile::Meanwhile;
use crate::plan::StartPlan;

/// The starter's end.
#[derive(Debug)]
pub struct Maker(OwnedFd);

/// The monitor's end: a network that is being made.
#[derive(Debug)]
pub struct Ordered(OwnedFd);

/// Both ends, if the plan leaves the network to the starter.
///
/// # Errors
/// That of socketpair(2).
pub fn order(plan: &StartPlan) -> Result<Option<(Maker, Ordered)>, SysError> {
    if !plan.network_from_starter {
        return Ok(None);
    }
    let (maker, ordered) = socket::seqpacket_pair()?;
    Ok(Some((Maker(maker), Ordered(ordered))))
}

impl Maker {
    /// Makes the namespace and all links; a failure is told to the monitor. The caller must have one thread, and
    /// is in its own network namespace again when this returns, unless that cannot be entered any more.
    pub fn make(self, plan: &StartPlan) {
        let done = self.namespace().and_then(|guest| self.links(plan, &guest));
        if let Err(error) = done {
            link::send_report(self.0.as_fd(), &Report::of("network", &error)).ok();
        }
    }

    fn namespace(&self) -> Result<OwnedFd, Cause> {
        fault::at("starter-namespace")?;
        let own = ns::open_own("net")?;
        ns::unshare(NsFlags::NET)?;
        let made = ns::open_own("net")?;
        let parcel = Parcel { bytes: Vec::new(), fds: vec![made] };
        self.send(&parcel)?;
        ns::enter(own, NsFlags::NET)?;
        parcel.fds.into_iter().next().ok_or(Cause::Starter)
    }

    fn links(&self, plan: &StartPlan, guest: &OwnedFd) -> Result<(), Cause> {
        let specs = resolved(plan)?;
        let mut made = Vec::with_capacity(specs.len());
        if !specs.is_empty() {
            let mut sock = Netlink::route()?;
            for at in 0..specs.len() {
                made.push(net::host::create(&specs, at, guest.as_fd(), &mut sock)?);
            }
        }
        fault::at("starter-links")?;
        let mut bytes = Vec::new();
        for lease in &made {
            let lease = lease.encode();
            bytes.push(u8::try_from(lease.len()).unwrap_or(0));
            bytes.extend(lease);
        }
        bytes.push(0);
        self.send(&Parcel { bytes, fds: Vec::new() })?;
        // The monitor's from here on.
        made.into_iter().for_each(net::Lease::keep);
        Ok(())
    }

    fn send(&self, parcel: &Parcel) -> Result<(), Cause> {
        link::send_data(self.0.as_fd(), parcel).map_err(|_| Cause::Starter)
    }
}

/// The plan's links with every `auto` gateway made an address.
///
/// # Errors
/// A gateway that cannot be found.
pub fn resolved(plan: &StartPlan) -> Result<Vec<LinkSpec>, Cause> {
    let mut links: Vec<LinkSpec> = plan.net.iter().map(|l| l.spec.clone()).collect();
    if links.iter().any(LinkSpec::has_auto_gateway) {
        net::host::resolve_gateways(&mut links, &mut Netlink::route()?)?;
    }
    Ok(links)
}

impl Ordered {
    /// Waits until the starter has something to say, and serves others meanwhile.
    ///
    /// # Errors
    /// That of poll(2).
    pub fn until_ready(&self, meanwhile: &mut dyn Meanwhile) -> Result<(), StartError> {
        meanwhile.until_ready(&[self.0.as_fd()]).map(drop).op("poll", "network").stage("network")
    }

    /// Waits for the network namespace.
    ///
    /// # Errors
    /// What the starter failed with; that it is gone.
    pub fn namespace(&self) -> Result<OwnedFd, StartError> {
        let Parcel { mut fds, .. } = self.receive()?;
        Ok(fds.pop().ok_or(LinkError::Garbled("no network namespace"))?)
    }

    /// Waits for the links, in the order of the plan.
    ///
    /// # Errors
    /// As [`namespace`](Self::namespace).
    pub fn links(self) -> Result<Vec<net::Lease>, StartError> {
        let parcel = self.receive()?;
        let links = take_list(&mut parcel.bytes.as_slice())
            .and_then(|links| links.into_iter().map(net::Lease::decode).collect::<Option<Vec<_>>>());
        Ok(links.ok_or(LinkError::Garbled("links"))?)
    }

    fn receive(&self) -> Result<Parcel, StartError> {
        match link::receive(self.0.as_fd()) {
            Err(LinkError::Gone) => Err(Cause::Starter).stage("network"),
            other => Ok(other?),
        }
    }
}

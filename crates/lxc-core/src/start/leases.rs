//! What a start has made on the host, and the order in which it is given back.

use std::time::Duration;

use lxc_host::cgroup::{MonitorLease, PayloadLease};
use lxc_host::net::Netlink;
use lxc_host::{lsm, net, rootfs};

use super::outside::Ordered;
use crate::plan::StartPlan;

/// Everything that one run of a container holds. Dropped, it is given back top to bottom.
#[derive(Debug, Default)]
pub struct Leases {
    /// A network that the starter makes for the first run.
    pub network: Option<Ordered>,
    /// Links, by their place in the plan.
    pub net: Vec<(usize, net::Lease)>,
    /// Links out of use, whose deletion nobody needs to wait for.
    pub retired: Vec<net::Retired>,
    /// The file that keeps the root file system writable.
    pub rootfs: Option<rootfs::host::Lease>,
    /// The container's cgroups.
    pub payload: Option<PayloadLease>,
    /// A generated profile.
    pub profile: Option<lsm::Lease>,
    /// The monitor's cgroups.
    pub monitor: Option<MonitorLease>,
    /// The monitor is in its v1 cgroups: they last over a reboot.
    pub monitor_entered: bool,
}

impl Leases {
    /// Takes all links out of use; `down` is called before each.
    pub fn retire_links(
        &mut self,
        plan: &StartPlan,
        mut down: impl FnMut(&crate::plan::net::LinkPlan, &net::Lease),
    ) {
        let links = std::mem::take(&mut self.net);
        if links.is_empty() {
            return;
        }
        let mut sock = Netlink::route();
        for (at, lease) in links {
            if let Some(link) = plan.net.get(at) {
                down(link, &lease);
            }
            match &mut sock {
                Ok(sock) => match lease.retire(sock) {
                    Ok(retired) => self.retired.push(retired),
                    Err(e) => log::warn!("{e}"),
                },
                // Dropping the lease deletes the link.
                Err(e) => log::warn!("{e}"),
            }
        }
    }

    /// Gives back what was made for the container; the monitor's own cgroups stay. `wait` passes the
    /// time while the kernel is not ready.
    pub fn release_container(&mut self, wait: &mut dyn FnMut(Duration)) {
        if let Some(profile) = self.profile.take() {
            warn(profile.release());
        }
        if let Some(payload) = self.payload.take() {
            warn(payload.release_waiting(wait));
        }
        if let Some(pin) = self.rootfs.take() {
            pin.release();
        }
    }

    /// Gives back the monitor's cgroups.
    pub fn release_monitor(&mut self) {
        self.monitor_entered = false;
        if let Some(monitor) = self.monitor.take() {
            warn(monitor.release());
        }
    }
}

fn warn<E: std::error::Error>(result: Result<(), E>) {
    if let Err(e) = result {
        log::warn!("{e}");
    }
}

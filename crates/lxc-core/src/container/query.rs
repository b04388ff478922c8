//! Asking about a container that runs.

use std::net::IpAddr;
use std::os::fd::AsFd;

use rustix::process::Pid;

use lxc_host::net::{Netlink, query};
use lxc_sys::ns;

use super::gauges::{CgroupHost, Stats};
use super::{Container, Result};

/// An address inside and the link that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The link's name inside.
    pub link: String,
    /// The address.
    pub address: IpAddr,
}

/// What went over a link, as the host counts it on its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// The device on the host.
    pub host_name: String,
    /// Bytes that the container sent: what the host's end received.
    pub tx_bytes: u64,
    /// Bytes that the container received.
    pub rx_bytes: u64,
}

impl Container {
    /// The process id of init, as the host sees it.
    pub fn init_pid(&self) -> Option<i32> {
        self.client().init_pid().ok().filter(|pid| *pid > 0)
    }

    /// A value of the configuration that it runs with.
    ///
    /// # Errors
    /// When it does not run or cannot be asked.
    pub fn running_config_item(&self, key: &str) -> Result<Option<String>> {
        Ok(self.client().config_item(key)?)
    }

    fn netns(&self) -> Option<std::os::fd::OwnedFd> {
        ns::open_of(Pid::from_raw(self.init_pid()?)?, "net").ok()
    }

    /// Its addresses, without those of `lo` and the IPv6 link-local ones.
    pub fn addresses(&self) -> Vec<Address> {
        let Some(netns) = self.netns() else { return Vec::new() };
        let found = query::addresses(netns.as_fd()).unwrap_or_default();
        found.into_iter().map(|(link, address)| Address { link, address }).collect()
    }

    /// The names of its links.
    pub fn interfaces(&self) -> Vec<String> {
        self.netns().and_then(|netns| query::interfaces(netns.as_fd()).ok()).unwrap_or_default()
    }

    /// What it has used; `None` when it does not run.
    pub fn stats(&self) -> Option<Stats> {
        self.gauges(&CgroupHost::find()).map(|gauges| gauges.read())
    }

    /// What went over its links, in the order of their numbers, up to the first number without a link.
    pub fn link_stats(&self) -> Vec<LinkStats> {
        let names = self.link_names();
        if names.is_empty() { Vec::new() } else { Links::of_this_host().stats(&names) }
    }

    /// The host's ends of its links, in the order of their numbers, up to the first number without one.
    pub fn link_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for index in 0.. {
            let item = |key: &str| self.running_config_item(&format!("lxc.net.{index}.{key}")).ok().flatten();
            let Some(kind) = item("type") else { break };
            let name = if kind.trim() == "veth" { item("veth.pair") } else { item("link") };
            let Some(name) = name else { break };
            names.push(name);
        }
        names
    }
}

/// The links of this network namespace, to be asked for counters.
#[derive(Debug)]
pub struct Links(Option<Netlink>);

impl Links {
    /// Where there is no netlink, there are no links.
    pub fn of_this_host() -> Links {
        Links(Netlink::route().ok())
    }

    /// The counters of those that exist.
    pub fn stats(&mut self, names: &[String]) -> Vec<LinkStats> {
        let Some(sock) = &mut self.0 else { return Vec::new() };
        let mut all = Vec::new();
        for name in names {
            if let Ok(Some(link)) = query::link(sock, name.trim()) {
                // The host's end receives what the container sends.
                let host_name = name.clone();
                all.push(LinkStats { host_name, tx_bytes: link.rx_bytes, rx_bytes: link.tx_bytes });
            }
        }
        all
    }
}

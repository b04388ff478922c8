//! Asking about a container that runs.

use std::net::IpAddr;
use std::os::fd::AsFd;

use rustix::process::Pid;

use lxc_host::cgroup::stats;
use lxc_host::net::{Netlink, query};
use lxc_sys::ns;

use super::{Container, Error, Result};
use crate::command::ClientError;

pub use stats::{Stats, Transfers};

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
        let client = self.client();
        let mut running = true;
        let stats = Stats::read(&mut |controller| match self.group_dir(&client, controller) {
            Ok(dir) => Some(dir),
            Err(error) => {
                running &= !matches!(error, Error::Client(ClientError::NotRunning));
                None
            }
        });
        running.then_some(stats)
    }

    /// What went over its links, in the order of their numbers, up to the first number without a link.
    pub fn link_stats(&self) -> Vec<LinkStats> {
        let Ok(mut sock) = Netlink::route() else { return Vec::new() };
        let mut all = Vec::new();
        for index in 0.. {
            let item = |key: &str| self.running_config_item(&format!("lxc.net.{index}.{key}")).ok().flatten();
            let Some(kind) = item("type") else { break };
            let name = if kind.trim() == "veth" { item("veth.pair") } else { item("link") };
            let Some(name) = name else { break };
            if let Ok(Some(link)) = query::link(&mut sock, name.trim()) {
                // The host's end receives what the container sends.
                all.push(LinkStats { host_name: name, tx_bytes: link.rx_bytes, rx_bytes: link.tx_bytes });
            }
        }
        all
    }
}

//! Network devices.

use std::net::{Ipv4Addr, Ipv6Addr};

use lxc_types::{Gateway, IfName, Ipv4Interface, Ipv6Interface, MacTemplate, Route};

use crate::origin::{Origin, Sourced};

/// `lxc.net.INDEX.*`: one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetDevice {
    /// The number in the key.
    pub index: u32,
    /// Where the device was first mentioned.
    pub origin: Origin,
    /// What it is, and what only such a device has.
    pub kind: NetKind,
    /// `flags`: whether the device is brought up.
    pub up: bool,
    /// `link`: bridge, parent or physical device on the host. For `phys`, `PREFIX+` means any
    /// device with that prefix.
    pub link: Option<Sourced<IfName>>,
    /// `l2proxy`: whether the host answers for the container's addresses on `link`.
    pub l2proxy: bool,
    /// `name` in the container.
    pub name: Option<Sourced<IfName>>,
    /// `hwaddr`, digits not yet chosen if the caller did not fill them.
    pub hwaddr: Option<Sourced<MacTemplate>>,
    /// `mtu` in bytes.
    pub mtu: Option<u32>,
    /// `ipv4.address`, in file order.
    pub ipv4: Vec<Sourced<Ipv4Interface>>,
    /// `ipv4.gateway`.
    pub ipv4_gateway: Option<Sourced<Gateway<Ipv4Addr>>>,
    /// `ipv6.address`, in file order.
    pub ipv6: Vec<Sourced<Ipv6Interface>>,
    /// `ipv6.gateway`.
    pub ipv6_gateway: Option<Sourced<Gateway<Ipv6Addr>>>,
    /// `script.up`: command that runs on the host when the device was made.
    pub script_up: Option<Sourced<String>>,
    /// `script.down`: command that runs on the host before the device goes.
    pub script_down: Option<Sourced<String>>,
}

impl NetDevice {
    /// A device of which nothing is known but its number.
    pub fn new(index: u32, kind: NetKind, origin: Origin) -> Self {
        NetDevice {
            index,
            origin,
            kind,
            up: false,
            link: None,
            l2proxy: false,
            name: None,
            hwaddr: None,
            mtu: None,
            ipv4: Vec::new(),
            ipv4_gateway: None,
            ipv6: Vec::new(),
            ipv6_gateway: None,
            script_up: None,
            script_down: None,
        }
    }
}

/// What a network device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetKind {
    /// No `type` line: a start refuses it.
    Unset,
    /// A network namespace with only its loopback device.
    Empty,
    /// The host's network.
    None,
    /// A pair of devices, one on the host.
    Veth(Veth),
    /// A device with its own hardware address on top of another.
    Macvlan(MacvlanMode),
    /// A device with its parent's hardware address.
    Ipvlan {
        /// At which layer it forwards.
        mode: IpvlanMode,
        /// Who may talk to whom.
        isolation: IpvlanIsolation,
    },
    /// A tagged VLAN of another device.
    Vlan {
        /// The 802.1Q number.
        id: u16,
    },
    /// A device of the host, moved into the container.
    Phys,
}

/// What only veth devices have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Veth {
    /// `veth.mode`.
    pub mode: VethMode,
    /// `veth.pair`: name on the host.
    pub pair: Option<Sourced<IfName>>,
    /// `veth.n_rxqueues`.
    pub rx_queues: Option<u32>,
    /// `veth.n_txqueues`.
    pub tx_queues: Option<u32>,
    /// `veth.ipv4.route`: routes on the host.
    pub ipv4_routes: Vec<Sourced<Route<Ipv4Addr>>>,
    /// `veth.ipv6.route`: routes on the host.
    pub ipv6_routes: Vec<Sourced<Route<Ipv6Addr>>>,
    /// `veth.vlan.id`: the untagged VLAN of the bridge port.
    pub vlan: Option<NativeVlan>,
    /// `veth.vlan.tagged.id`: further VLANs of the bridge port.
    pub tagged_vlans: Vec<u16>,
}

/// How the host's end is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VethMode {
    /// As a port of the bridge `link`.
    #[default]
    Bridge,
    /// By routes.
    Router,
}

/// The untagged VLAN of a bridge port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeVlan {
    /// No untagged traffic.
    None,
    /// This VLAN, 0 to 4094.
    Id(u16),
}

/// Who may talk to whom among macvlans of one parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MacvlanMode {
    /// Nobody.
    #[default]
    Private,
    /// All, through the switch outside.
    Vepa,
    /// All, directly.
    Bridge,
    /// One macvlan has the parent for itself.
    Passthru,
}

/// At which layer an ipvlan forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpvlanMode {
    /// Layer 3.
    #[default]
    L3,
    /// Layer 3 with netfilter and connection tracking.
    L3s,
    /// Layer 2.
    L2,
}

/// Who may talk to whom among ipvlans of one parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpvlanIsolation {
    /// All.
    #[default]
    Bridge,
    /// Nobody.
    Private,
    /// All, through the switch outside.
    Vepa,
}

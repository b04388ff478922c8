//! Links on a real kernel. Each test has two network namespaces of its own, one playing the host, and leaves
//! the machine's own alone. Needs root.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use lxc_host::net::bridge::{self, Address};
use lxc_host::net::guest::{self, Device};
use lxc_host::net::spec::{
    Admin, Empty, GuestEnd, GuestName, HostEnd, HostName, Mac, Mtu, Origin, Subnet, Veth, VethMode,
};
use lxc_host::net::{Error, Lease, LinkSpec, Netlink, Wired, host, query, script};
use lxc_sys::ns::{self, NsFlags};
use lxc_types::{Gateway, IfName, Ipv4Interface, Ipv6Interface};

/// The calling thread's way through three network namespaces.
struct Lab {
    machine: OwnedFd,
    host: OwnedFd,
    guest: Option<OwnedFd>,
}

impl Lab {
    fn new() -> (Self, Netlink) {
        let machine = ns::open_own("net").unwrap();
        let new = || {
            ns::unshare(NsFlags::NET).unwrap();
            // No waiting for duplicate address detection.
            for interface in ["all", "default"] {
                std::fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/accept_dad"), "0").unwrap();
            }
            ns::open_own("net").unwrap()
        };
        let host = new();
        let guest = Some(new());
        ns::enter(&host, NsFlags::NET).unwrap();
        (Lab { machine, host, guest }, Netlink::route().unwrap())
    }

    fn guest(&self) -> BorrowedFd<'_> {
        self.guest.as_ref().unwrap().as_fd()
    }

    fn in_guest<T>(&self, work: impl FnOnce() -> T) -> T {
        ns::enter(self.guest(), NsFlags::NET).unwrap();
        let done = work();
        ns::enter(&self.host, NsFlags::NET).unwrap();
        done
    }

    /// All links of the host.
    fn links(&self) -> Vec<String> {
        query::interfaces(self.host.as_fd()).unwrap()
    }

    fn start(&self, links: &[LinkSpec], sock: &mut Netlink) -> (Vec<Lease>, Result<Vec<Device>, Error>) {
        let leases: Vec<_> =
            (0..links.len()).map(|at| host::create(links, at, self.guest(), sock).unwrap()).collect();
        // As it goes over a socket to the guest.
        let wired: Vec<_> = leases.iter().map(|l| Wired::decode(&l.wired().encode()).unwrap()).collect();
        let devices = self.in_guest(|| guest::setup(links, &wired));
        (leases, devices)
    }

    /// Starts a guest with one link.
    fn start_one(&self, link: Veth, sock: &mut Netlink) -> Lease {
        let (mut leases, devices) = self.start(&[LinkSpec::Veth(link)], sock);
        assert_eq!(devices.unwrap().len(), 1);
        leases.pop().unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        ns::enter(&self.machine, NsFlags::NET).unwrap();
    }
}

fn ip4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn ip6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn name(text: &str) -> IfName {
    text.parse().unwrap()
}

fn new_bridge(sock: &mut Netlink) -> IfName {
    let bridge = name("brtest");
    let v4 = Ipv4Interface { address: ip4("10.77.1.1"), prefix: 24, broadcast: ip4("10.77.1.255") };
    let v6 = Ipv6Interface { address: ip6("fd77::1"), prefix: 64 };
    bridge::create(sock, &bridge, None, &[Address::V4(v4), Address::V6(v6)]).unwrap();
    bridge
}

fn veth(index: u32, called: Option<&str>, link: Option<&IfName>) -> Veth {
    Veth {
        origin: Origin { index, text: format!("line {index}") },
        host: HostEnd { name: HostName::Random, link: link.cloned(), mode: VethMode::Bridge, routes: vec![] },
        guest: GuestEnd {
            name: GuestName::of(called.map(name)),
            admin: Admin::Up,
            ipv4: vec![],
            ipv6: vec![],
            ipv4_gateway: None,
            ipv6_gateway: None,
        },
        hwaddr: None,
        mtu: Mtu::OfLink,
        rx_queues: None,
        tx_queues: None,
    }
}

fn addressed(mut spec: Veth) -> Veth {
    spec.guest.ipv4 =
        vec![Ipv4Interface { address: ip4("10.77.1.2"), prefix: 24, broadcast: ip4("10.77.1.250") }];
    spec.guest.ipv6 = vec![Ipv6Interface { address: ip6("fd77::2"), prefix: 64 }];
    spec
}

/// A link whose name on the host is configured.
fn fixed(bridge: &IfName) -> Veth {
    let mut spec = addressed(veth(0, None, Some(bridge)));
    spec.host.name = HostName::Fixed(name("vfixed"));
    spec
}

/// What `ip` says, in the namespace of the calling thread: a judge that shares no code with ours.
fn ip(arguments: &str) -> String {
    let out = std::process::Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(out.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn sysctl(path: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap().trim().to_owned()
}

/// One byte each way over TCP, between the host and a listener in the guest at `at`.
fn talk(lab: &Lab, at: IpAddr) {
    let listener = lab.in_guest(|| TcpListener::bind(SocketAddr::new(at, 0)).unwrap());
    let mut near =
        TcpStream::connect_timeout(&listener.local_addr().unwrap(), Duration::from_secs(5)).unwrap();
    near.write_all(b"x").unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let mut byte = [0];
    far.read_exact(&mut byte).unwrap();
    far.write_all(b"y").unwrap();
    near.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"y");
}

#[test]
fn a_bridged_pair_is_all_that_was_configured() {
    let (lab, mut sock) = Lab::new();
    let bridge = new_bridge(&mut sock);
    let before = lab.links();
    let mut spec = addressed(veth(0, Some("eth0"), Some(&bridge)));
    spec.hwaddr = Some(Mac([0x10, 0x66, 0x6a, 1, 2, 3]));
    spec.mtu = Mtu::Fixed(1400);
    (spec.tx_queues, spec.rx_queues) = (Some(2), Some(2));
    spec.host.routes = vec![Subnet { address: ip4("10.99.0.0").into(), prefix: 24 }];
    spec.guest.ipv4_gateway = Some(Gateway::Auto);
    spec.guest.ipv6_gateway = Some(Gateway::Auto);
    let mut links = [LinkSpec::Veth(spec)];
    host::resolve_gateways(&mut links, &mut sock).unwrap();
    let (mut leases, devices) = lab.start(&links, &mut sock);
    let devices = devices.unwrap();
    let lease = leases.pop().unwrap();

    let end_name = lease.host_name().unwrap().to_string();
    let end = query::link(&mut sock, &end_name).unwrap().unwrap();
    let master = query::link(&mut sock, "brtest").unwrap().unwrap();
    assert_eq!((end.mtu, end.up, end.master, end.mac.unwrap().0[0]), (1400, true, Some(master.index), 0xfe));
    assert_eq!(Some(end.index), lease.host_index());
    assert_eq!(sysctl(&format!("ipv6/conf/{end_name}/disable_ipv6")), "1");
    assert!(ip(&format!("-d link show {end_name}")).contains("numtxqueues 2 numrxqueues 2"));
    assert!(ip("route").contains(&format!("10.99.0.0/24 dev {end_name} scope link")));

    assert_eq!((devices[0].link, devices[0].name.as_str()), (0, "eth0"));
    let shown = lab.in_guest(|| ip("-d addr"));
    assert!(shown.contains("link/ether 10:66:6a:01:02:03"), "{shown}");
    assert!(shown.contains("mtu 1400") && shown.contains("numtxqueues 2 numrxqueues 2"), "{shown}");
    assert!(shown.contains("inet 10.77.1.2/24 brd 10.77.1.250 scope global eth0"), "{shown}");
    assert!(shown.contains("inet6 fd77::2/64 scope global"), "{shown}");
    assert!(shown.contains("lo: <LOOPBACK,UP"), "{shown}");
    assert!(lab.in_guest(|| ip("route")).contains("default via 10.77.1.1 dev eth0 \n"));
    assert!(lab.in_guest(|| ip("-6 route")).contains("default via fd77::1 dev eth0"));
    let addresses = [IpAddr::from(ip4("10.77.1.2")), ip6("fd77::2").into()];
    assert_eq!(query::addresses(lab.guest()).unwrap(), addresses.map(|a| ("eth0".to_owned(), a)));
    assert_eq!(query::interfaces(lab.guest()).unwrap(), ["lo", "eth0"]);

    talk(&lab, addresses[0]);
    talk(&lab, addresses[1]);
    let counted = query::link(&mut sock, &end_name).unwrap().unwrap();
    assert!(counted.rx_bytes > 0 && counted.tx_bytes > 0, "{counted:?}");

    let call = script::call(&links[0], &lease);
    assert_eq!(call.arguments, ["veth", "brtest", &end_name]);
    let env = [("LXC_NET_TYPE", "veth"), ("LXC_NET_PARENT", "brtest"), ("LXC_NET_PEER", &end_name)];
    assert_eq!(call.env, env.map(|(key, value)| (key, value.to_owned())));
    lease.release(&mut sock).unwrap();
    assert_eq!(lab.links(), before);
}

#[test]
fn the_mtu_is_the_bridges_and_a_bridge_keeps_its_address() {
    let (lab, mut sock) = Lab::new();
    let bridge = new_bridge(&mut sock);
    ip("link set brtest mtu 1300");
    // A port with a low address, as an ordinary network card has.
    ip("link add card address 02:00:00:00:00:01 type veth peer name cable");
    ip("link set card master brtest");
    let address = |sock: &mut Netlink| query::link(sock, "brtest").unwrap().unwrap().mac;
    assert_eq!(address(&mut sock), Some(Mac([2, 0, 0, 0, 0, 1])));
    let lease = lab.start_one(veth(0, None, Some(&bridge)), &mut sock);
    let end = query::link(&mut sock, lease.host_name().unwrap().as_str()).unwrap().unwrap();
    assert_eq!((end.mtu, address(&mut sock)), (1300, Some(Mac([2, 0, 0, 0, 0, 1]))));
    assert!(lab.in_guest(|| ip("link show eth0")).contains("mtu 1300"));
}

#[test]
fn names_are_given_as_configured_and_counted_around_them() {
    let (lab, mut sock) = Lab::new();
    let links = [
        LinkSpec::Veth(veth(0, None, None)),
        LinkSpec::None(Origin { index: 1, text: String::new() }),
        LinkSpec::Veth(veth(2, Some("eth0"), None)),
        LinkSpec::Veth(veth(3, Some("foo%d"), None)),
        LinkSpec::Veth(veth(4, Some("eth%d"), None)),
    ];
    let (leases, devices) = lab.start(&links, &mut sock);
    let devices = devices.unwrap();
    let got: Vec<_> = devices.iter().map(|d| (d.link, d.name.as_str())).collect();
    assert_eq!(got, [(2, "eth0"), (3, "foo0"), (0, "eth1"), (4, "eth2")]);
    for device in &devices {
        let shown = lab.in_guest(|| ip(&format!("link show {}", device.name)));
        assert!(shown.starts_with(&format!("{}: {}@", device.index, device.name)), "{shown}");
    }
    assert_eq!(leases.iter().filter(|l| l.host_name().is_some()).count(), 4);
    drop(leases);
    assert_eq!(lab.links(), ["lo"]);
}

#[test]
fn the_loopback_comes_up_only_when_asked_for() {
    for (admin, state) in [(Admin::Up, "LOOPBACK,UP"), (Admin::Down, "state DOWN")] {
        let (lab, mut sock) = Lab::new();
        let origin = Origin { index: 0, text: String::new() };
        let mut down = veth(1, None, None);
        down.guest.admin = Admin::Down;
        let links = [LinkSpec::Empty(Empty { origin, admin }), LinkSpec::Veth(down)];
        let (leases, devices) = lab.start(&links, &mut sock);
        assert_eq!(devices.unwrap().len(), 1);
        assert!(lab.in_guest(|| ip("link show lo")).contains(state));
        assert!(lab.in_guest(|| ip("link show eth0")).contains("state DOWN"));
        assert_eq!(script::call(&links[0], &leases[0]).arguments, ["empty"]);
    }
}

#[test]
fn a_gateway_outside_of_the_network_gets_a_route_of_its_own() {
    let (lab, mut sock) = Lab::new();
    let mut spec = addressed(veth(0, None, None));
    spec.guest.ipv4_gateway = Some(Gateway::Address(ip4("192.0.2.1")));
    spec.guest.ipv6_gateway = Some(Gateway::Address(ip6("2001:db8::1")));
    let _lease = lab.start_one(spec, &mut sock);
    let (v4, v6) = lab.in_guest(|| (ip("route"), ip("-6 route")));
    assert!(
        v4.contains("default via 192.0.2.1 dev eth0") && v4.contains("192.0.2.1 dev eth0 scope link"),
        "{v4}"
    );
    assert!(
        v6.contains("default via 2001:db8::1 dev eth0") && v6.contains("2001:db8::1 dev eth0 metric"),
        "{v6}"
    );
}

#[test]
fn a_device_gateway_is_a_route_without_a_router() {
    let (lab, mut sock) = Lab::new();
    let mut spec = addressed(veth(0, None, None));
    spec.guest.ipv4_gateway = Some(Gateway::Device);
    spec.guest.ipv6_gateway = Some(Gateway::Device);
    let _lease = lab.start_one(spec, &mut sock);
    let (v4, v6) = lab.in_guest(|| (ip("route"), ip("-6 route")));
    assert!(v4.contains("default dev eth0 \n"), "{v4}");
    assert!(v6.contains("default dev eth0 metric"), "{v6}");
}

#[test]
fn a_router_answers_for_the_gateway_and_routes_to_the_guest() {
    let (lab, mut sock) = Lab::new();
    let mut spec = addressed(veth(0, None, None));
    spec.host.mode = VethMode::Router;
    spec.host.name = HostName::Fixed(name("vrouted"));
    spec.guest.ipv4_gateway = Some(Gateway::Address(ip4("169.254.1.1")));
    spec.guest.ipv6_gateway = Some(Gateway::Address(ip6("fd77::1")));
    let refused = host::create(&[LinkSpec::Veth(spec.clone())], 0, lab.guest(), &mut sock).unwrap_err();
    let text = "lxc.net.0.ipv6.gateway (line 0): mode router needs net.ipv6.conf.all.forwarding=1";
    assert_eq!(refused.to_string(), text);
    assert_eq!(lab.links(), ["lo"]);
    std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
    let lease = lab.start_one(spec, &mut sock);
    assert!(ip("route").contains("10.77.1.2 dev vrouted scope link"));
    assert!(ip("-6 route").contains("fd77::2 dev vrouted"));
    assert!(ip("neigh show proxy").contains("169.254.1.1 dev vrouted"));
    assert!(ip("-6 neigh show proxy").contains("fd77::1 dev vrouted"));
    for setting in
        ["ipv4/conf/vrouted/forwarding", "ipv6/conf/vrouted/forwarding", "ipv6/conf/vrouted/proxy_ndp"]
    {
        assert_eq!(sysctl(setting), "1", "{setting}");
    }
    // The host's address is elsewhere, so the guest answers by way of the proxied gateway. (The kernel
    // answers for one only if it has a route to it, not by the same link.)
    ip("link set lo up");
    ip("addr add 10.66.0.1/32 dev lo");
    ip("route add 169.254.0.0/16 dev lo src 10.66.0.1");
    talk(&lab, ip4("10.77.1.2").into());
    drop(lease);
    assert_eq!(lab.links(), ["lo"]);
}

#[test]
fn what_cannot_work_fails_with_its_key_and_leaves_nothing() {
    let (lab, mut sock) = Lab::new();
    let bridge = new_bridge(&mut sock);
    ip("link add taken type veth peer name other");
    let before = lab.links();
    let mut refuse = |spec: Veth| {
        let error = host::create(&[LinkSpec::Veth(spec)], 0, lab.guest(), &mut sock).unwrap_err();
        assert_eq!(lab.links(), before, "{error}");
        assert_eq!(query::interfaces(lab.guest()).unwrap(), ["lo"], "{error}");
        let cause = std::error::Error::source(&error).map(|c| format!(": {c}")).unwrap_or_default();
        format!("{error}{cause}")
    };
    assert_eq!(
        refuse(veth(0, None, Some(&name("brmissing")))),
        "lxc.net.0.link (line 0): look up bridge \"brmissing\": netlink: No such device"
    );
    assert!(refuse(veth(0, None, Some(&name("other")))).contains("\"other\" is not a bridge"));
    let mut spec = veth(7, None, Some(&bridge));
    spec.host.name = HostName::Fixed(name("taken"));
    assert!(refuse(spec).starts_with("lxc.net.7.veth.pair (line 7): create \"taken\": netlink: File exists"));
    let mut spec = veth(0, None, Some(&bridge));
    spec.hwaddr = Some(Mac([1, 0, 0, 0, 0, 0]));
    assert!(refuse(spec).starts_with("lxc.net.0 (line 0): create the pair"));
    // Half-way: the pair is made, the route is refused.
    let mut spec = veth(0, None, Some(&bridge));
    spec.host.routes = vec![Subnet { address: ip4("10.99.0.1").into(), prefix: 24 }];
    let text = refuse(spec);
    assert!(
        text.starts_with("lxc.net.0.veth.ipv4.route (line 0): add the route 10.99.0.1/24 to \"veth"),
        "{text}"
    );
    assert!(text.contains("Invalid argument ("), "{text}");
    let mut spec = veth(0, None, Some(&bridge));
    spec.guest.ipv4_gateway = Some(Gateway::Auto);
    assert!(refuse(spec).starts_with("lxc.net.0.ipv4.gateway (line 0): a gateway needs an IPv4 address"));
}

#[test]
fn an_automatic_gateway_needs_a_link_with_an_address() {
    let (_lab, mut sock) = Lab::new();
    let bridge = name("brbare");
    bridge::create(&mut sock, &bridge, None, &[]).unwrap();
    let mut resolve = |link: Option<&IfName>| {
        let mut spec = addressed(veth(0, None, link));
        spec.guest.ipv4_gateway = Some(Gateway::Auto);
        host::resolve_gateways(&mut [LinkSpec::Veth(spec)], &mut sock).unwrap_err().to_string()
    };
    assert!(resolve(Some(&bridge)).ends_with("\"brbare\" has no address to be the gateway"));
    assert!(resolve(None).ends_with("no link is configured"));
    assert!(resolve(Some(&name("brmissing"))).ends_with("look up \"brmissing\""));
}

#[test]
fn the_guest_names_the_key_that_fails() {
    let (lab, mut sock) = Lab::new();
    let links = [LinkSpec::Veth(veth(0, Some("eth0"), None)), LinkSpec::Veth(veth(1, Some("eth0"), None))];
    let (leases, devices) = lab.start(&links, &mut sock);
    assert_eq!(devices.unwrap_err().to_string(), "lxc.net.1.name (line 1): rename to \"eth0\"");
    drop(leases);
    let mut spec = veth(0, None, None);
    let same = Ipv4Interface { address: ip4("10.0.0.1"), prefix: 24, broadcast: Ipv4Addr::UNSPECIFIED };
    spec.guest.ipv4 = vec![same, same];
    let (_leases, devices) = lab.start(&[LinkSpec::Veth(spec)], &mut sock);
    let error = devices.unwrap_err();
    assert_eq!(error.to_string(), "lxc.net.0.ipv4.address (line 0): add 10.0.0.1/24 to \"eth0\"");
    assert_eq!(error.errno(), Some(rustix::io::Errno::EXIST));
}

#[test]
fn a_retired_pair_frees_its_name_at_once() {
    let (lab, mut sock) = Lab::new();
    let bridge = new_bridge(&mut sock);
    let before = lab.links();
    let retired = lab.start_one(fixed(&bridge), &mut sock).retire(&mut sock).unwrap();
    let aside = lab.links();
    assert_eq!(aside.len(), before.len() + 1);
    assert!(!aside.contains(&"vfixed".to_owned()) && !ip("link").contains("master brtest"));
    // A reboot, with the old guest's namespace still there.
    let guest = lab.in_guest(|| {
        ns::unshare(NsFlags::NET).unwrap();
        ns::open_own("net").unwrap()
    });
    let again = host::create(&[LinkSpec::Veth(fixed(&bridge))], 0, guest.as_fd(), &mut sock).unwrap();
    assert_eq!(again.host_name().unwrap().as_str(), "vfixed");
    retired.finish(&mut sock).unwrap();
    again.release(&mut sock).unwrap();
    assert_eq!(lab.links(), before);
}

#[test]
fn a_retired_pair_without_a_configured_name_leaves_its_bridge() {
    let (lab, mut sock) = Lab::new();
    let bridge = new_bridge(&mut sock);
    let before = lab.links();
    let lease = lab.start_one(veth(0, None, Some(&bridge)), &mut sock);
    assert!(ip("link").contains("master brtest"));
    let retired = lease.retire(&mut sock).unwrap();
    assert!(!ip("link").contains("master brtest"));
    drop(retired);
    assert_eq!(lab.links(), before);
}

#[test]
fn a_link_goes_with_its_guest_even_if_the_monitor_is_killed() {
    let (mut lab, mut sock) = Lab::new();
    let bridge = new_bridge(&mut sock);
    let before = lab.links();
    std::mem::forget(lab.start_one(fixed(&bridge), &mut sock));
    assert_ne!(lab.links(), before);
    lab.guest = None;
    let deadline = Instant::now() + Duration::from_secs(10);
    while lab.links() != before {
        assert!(Instant::now() < deadline, "{:?}", lab.links());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_lease_never_deletes_somebody_elses_link() {
    let (lab, mut sock) = Lab::new();
    let bridge = new_bridge(&mut sock);
    // Another link under our name.
    let lease = lab.start_one(fixed(&bridge), &mut sock);
    let index = lease.host_index().unwrap();
    ip("link del vfixed");
    ip(&format!("link add vfixed index {} type veth peer name stranger", index + 10));
    lease.release(&mut sock).unwrap();
    assert!(lab.links().contains(&"vfixed".to_owned()));
    ip("link del vfixed");
    // Our index given to another link.
    let lease = lab.start_one(fixed(&bridge), &mut sock);
    let index = lease.host_index().unwrap();
    ip("link del vfixed");
    ip(&format!("link add another index {index} type veth peer name stranger"));
    lease.retire(&mut sock).unwrap().finish(&mut sock).unwrap();
    assert!(lab.links().contains(&"another".to_owned()));
    // Renamed by an administrator: still ours.
    let lease = lab.start_one(fixed(&bridge), &mut sock);
    ip("link set vfixed down");
    ip("link set vfixed name renamed");
    drop(lease);
    assert!(!lab.links().contains(&"renamed".to_owned()));
}

#[test]
fn a_bridge_is_made_whole_and_only_bridges_are_deleted() {
    let (lab, mut sock) = Lab::new();
    let bridge = name("brmade");
    let v4 = Ipv4Interface { address: ip4("10.5.0.1"), prefix: 16, broadcast: ip4("10.5.255.255") };
    let mac = Mac([2, 0, 0, 0, 0, 9]);
    bridge::create(&mut sock, &bridge, Some(mac), &[Address::V4(v4)]).unwrap();
    let made = query::link(&mut sock, "brmade").unwrap().unwrap();
    assert_eq!((made.kind.as_str(), made.mac, made.up), ("bridge", Some(mac), true));
    assert!(ip("addr show brmade").contains("inet 10.5.0.1/16 brd 10.5.255.255"));
    assert!(bridge::create(&mut sock, &bridge, None, &[]).is_err());
    assert!(query::link(&mut sock, "brmade").unwrap().is_some());
    bridge::delete(&mut sock, &bridge).unwrap();
    bridge::delete(&mut sock, &bridge).unwrap();
    // Half-made: the same address twice.
    assert!(bridge::create(&mut sock, &bridge, None, &[Address::V4(v4), Address::V4(v4)]).is_err());
    assert_eq!(lab.links(), ["lo"]);
    assert!(bridge::delete(&mut sock, &name("lo")).is_err());
    assert_eq!(query::link(&mut sock, "a name longer than any").unwrap(), None);
}

/// A process in a user and a network namespace of its own.
struct Foreign {
    child: std::process::Child,
    netns: OwnedFd,
}

impl Foreign {
    fn new() -> Self {
        let mut child = std::process::Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "sh", "-c", "echo ready; exec cat"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        let netns = ns::open_of(rustix::process::Pid::from_child(&child), "net").unwrap();
        Foreign { child, netns }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _gone = (self.child.kill(), self.child.wait());
    }
}

#[test]
fn a_guest_may_belong_to_another_user_namespace() {
    let (lab, mut sock) = Lab::new();
    let bridge = new_bridge(&mut sock);
    let before = lab.links();
    let guest = Foreign::new();
    let lease = host::create(&[LinkSpec::Veth(fixed(&bridge))], 0, guest.netns.as_fd(), &mut sock).unwrap();
    assert_eq!(lease.wired(), &Wired::Named(name("eth0")));
    assert_eq!(query::interfaces(guest.netns.as_fd()).unwrap(), ["lo", "eth0"]);
    assert_eq!(query::addresses(guest.netns.as_fd()).unwrap(), []);
    // Back in the own namespace after the questions.
    assert!(ip("link show vfixed").contains("master brtest"));
    drop(guest);
    lease.retire(&mut sock).unwrap().finish(&mut sock).unwrap();
    assert_eq!(lab.links(), before);
}

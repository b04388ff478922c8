//! The plan for people to read (`lxc-start --plan`).

use std::fmt::{Display, Write};

use lxc_host::cgroup::mounts::{Mode, View, Wish};
use lxc_host::lsm::Profile;
use lxc_host::net::spec::{Admin, GuestName, HostName, LinkSpec, Mtu, Veth, VethMode};
use lxc_sys::caps::{self, CapsSpec};
use lxc_types::mount::{ProcAuto, SysAuto};
use lxc_types::{Capability, Gateway};

use super::terminals::ConsolePlan;
use super::{StartPlan, net, security, terminals};

/// One line a decision, grouped by concern, in the order of a start.
pub fn render(plan: &StartPlan) -> String {
    let mut lines = Lines(String::new());
    program(plan, &mut lines);
    mounts(plan, &mut lines);
    for link in &plan.net {
        network(link, &mut lines);
    }
    host(plan, &mut lines);
    confinement(&plan.security, &mut lines);
    terminals(&plan.terminals, &mut lines);
    for hook in &plan.hooks.list {
        lines.add("hook", format_args!("{} {} ({})", hook.kind, hook.command, hook.origin));
    }
    lines.0
}

struct Lines(String);

impl Lines {
    fn add(&mut self, topic: &str, text: impl Display) {
        // Writing to a string does not fail.
        writeln!(self.0, "{topic:<12} {text}").ok();
    }
}

fn program(plan: &StartPlan, lines: &mut Lines) {
    lines.add("container", format_args!("{} in {}", plan.name, plan.lxcpath.display()));
    lines.add("program", format_args!("{} as {}:{}", plan.init.command(), plan.init.uid, plan.init.gid));
    for (name, value) in &plan.init.env.0 {
        lines.add("environment", format_args!("{}={}", name.to_string_lossy(), value.to_string_lossy()));
    }
    lines.add("namespaces", format_args!("new: {}", plan.namespaces.own()));
    for shared in &plan.namespaces.shared {
        lines.add("namespaces", format_args!("shared: {} ({})", shared.path.display(), shared.origin));
    }
    for (clock, seconds, nanoseconds) in &plan.namespaces.time_offsets {
        lines.add("namespaces", format_args!("clock {clock} moved by {seconds} s and {nanoseconds} ns"));
    }
    for map in &plan.ids.maps {
        lines.add("id map", map);
    }
    if let Some(name) = &plan.hostname {
        lines.add("host name", name);
    }
}

fn mounts(plan: &StartPlan, lines: &mut Lines) {
    let mounts = &plan.mounts;
    match &mounts.storage {
        Some(storage) => {
            lines.add("root", format_args!("{} on {}", storage.source, mounts.rootfs.mount.display()));
        }
        None => lines.add("root", "the host's"),
    }
    if let Some(size) = mounts.autodev {
        lines.add("mount", format_args!("/dev, a tmpfs of {size} bytes"));
    }
    match mounts.auto.proc {
        None => {}
        Some(ProcAuto::Mixed) => {
            lines.add("mount", "/proc, with /proc/sys and /proc/sysrq-trigger read-only")
        }
        Some(ProcAuto::ReadWrite) => lines.add("mount", "/proc, read-write"),
    }
    match mounts.auto.sys {
        None => {}
        Some(SysAuto::Mixed) => lines.add("mount", "/sys, read-only but for /sys/devices/virtual/net"),
        Some(SysAuto::ReadOnly) => lines.add("mount", "/sys, read-only"),
        Some(SysAuto::ReadWrite) => lines.add("mount", "/sys, read-write"),
    }
    if let Some(wish) = &mounts.cgroup {
        lines.add("mount", format_args!("/sys/fs/cgroup, {}", cgroup_view(wish)));
    }
    for entry in &mounts.entries {
        lines.add("mount", format_args!("{} ({})", entry.text, entry.origin));
    }
}

fn cgroup_view(wish: &Wish) -> String {
    let view = match wish.view {
        View::Own => "the container's own groups",
        View::Full => "the whole hierarchies",
        View::Unified => "the unified hierarchy",
    };
    let mode = match wish.mode {
        Mode::Unset => "",
        Mode::ReadOnly => ", read-only",
        Mode::ReadWrite => ", read-write",
        Mode::Mixed => ", read-only but for the container's own groups",
    };
    format!("{view}{mode}")
}

fn network(link: &net::LinkPlan, lines: &mut Lines) {
    let origin = link.spec.origin();
    let key = format!("lxc.net.{}", origin.index);
    lines.add("network", format_args!("{} {}", origin.key(""), link.spec.kind()));
    if let LinkSpec::Veth(veth) = &link.spec {
        lines.add("network", format_args!("{key} {}", ends(veth)));
        addresses(veth, &key, lines);
    }
    for script in [&link.up, &link.down].into_iter().flatten() {
        lines.add("network", &script.what);
    }
}

/// What a pair connects.
fn ends(veth: &Veth) -> String {
    let mut out = match &veth.guest.name {
        GuestName::Fixed(name) => format!("\"{name}\""),
        GuestName::Counted => "the first free of eth0, eth1, …".to_owned(),
    };
    if let Some(mac) = &veth.hwaddr {
        out.push_str(&format!(", {mac}"));
    }
    if let Mtu::Fixed(mtu) = veth.mtu {
        out.push_str(&format!(", MTU {mtu}"));
    }
    out.push_str(match veth.guest.admin {
        Admin::Up => ", up",
        Admin::Down => ", left down",
    });
    out.push_str(&match &veth.host.name {
        HostName::Fixed(name) => format!("; on the host \"{name}\""),
        HostName::Random => "; on the host a random name".to_owned(),
    });
    match (&veth.host.link, veth.host.mode) {
        (Some(link), VethMode::Bridge) => out.push_str(&format!(", a port of {link}")),
        (Some(link), VethMode::Router) => out.push_str(&format!(", routed by {link}")),
        (None, VethMode::Bridge) => {}
        (None, VethMode::Router) => out.push_str(", routed"),
    }
    out
}

fn addresses(veth: &Veth, key: &str, lines: &mut Lines) {
    let guest = &veth.guest;
    for a in &guest.ipv4 {
        lines.add("network", format_args!("{key} address {}/{}", a.address, a.prefix));
    }
    for a in &guest.ipv6 {
        lines.add("network", format_args!("{key} address {}/{}", a.address, a.prefix));
    }
    if let Some(gateway) = &guest.ipv4_gateway {
        lines.add("network", format_args!("{key} gateway {}", via(gateway)));
    }
    if let Some(gateway) = &guest.ipv6_gateway {
        lines.add("network", format_args!("{key} gateway {}", via(gateway)));
    }
    for route in &veth.host.routes {
        lines.add("network", format_args!("{key} route on the host to {route}"));
    }
}

fn via<A: Display>(gateway: &Gateway<A>) -> String {
    match gateway {
        Gateway::Address(address) => address.to_string(),
        Gateway::Device => "the link itself".to_owned(),
        Gateway::Auto => "the first address of the host's link".to_owned(),
    }
}

/// Control groups and kernel settings.
fn host(plan: &StartPlan, lines: &mut Lines) {
    let names = &plan.cgroup.names;
    let (payload, monitor) = (names.payload.display(), names.monitor.display());
    lines.add("cgroup", format_args!("{payload} for the container, {monitor} for its monitor"));
    for setting in &plan.cgroup.settings {
        lines.add("cgroup", &setting.origin);
    }
    for file in &plan.proc_files {
        lines.add("proc", &file.origin);
    }
    for sysctl in &plan.sysctls {
        lines.add("sysctl", &sysctl.origin);
    }
}

fn confinement(security: &security::SecurityPlan, lines: &mut Lines) {
    lines.add("confinement", format_args!("capabilities: {}", capabilities(security)));
    lines.add("confinement", format_args!("label: {}", label(&security.label.apparmor)));
    if let Some(context) = &security.label.selinux {
        lines.add("confinement", format_args!("SELinux context: {context}"));
    }
    match &security.seccomp {
        None => lines.add("confinement", "seccomp: none"),
        Some(p) => lines.add("confinement", format_args!("seccomp: {} instructions", p.instructions.len())),
    }
    if security.no_new_privs {
        lines.add("confinement", "no new privileges");
    }
}

fn capabilities(security: &security::SecurityPlan) -> String {
    let names = |set: rustix::thread::CapabilitySet| {
        let contained = (0..=security.last_cap).filter(|n| set.contains(caps::single(*n)));
        let names: Vec<_> =
            contained.map(|n| Capability::new(n).map_or_else(|| n.to_string(), |c| c.to_string())).collect();
        names.join(" ")
    };
    match security.caps {
        None => "all".to_owned(),
        Some(CapsSpec::Keep(set)) if set.is_empty() => "none".to_owned(),
        Some(CapsSpec::Keep(set)) => format!("only {}", names(set)),
        Some(CapsSpec::Drop(set)) if set.is_empty() => "all".to_owned(),
        Some(CapsSpec::Drop(set)) => format!("all but {}", names(set)),
    }
}

fn label(profile: &Profile) -> &str {
    match profile {
        Profile::Default => "LXC's own where there is one",
        Profile::Unchanged => "the starter's",
        Profile::Unconfined => "unconfined",
        Profile::Named(name) => name,
        Profile::Generated(_) => "a profile generated for this container",
    }
}

fn terminals(plan: &terminals::TerminalPlan, lines: &mut Lines) {
    match &plan.console {
        ConsolePlan::Disabled => lines.add("terminals", "no console"),
        ConsolePlan::Starter => {
            lines.add("terminals", "the console is the starter's terminal, if it has one")
        }
        ConsolePlan::Device(path, origin) => {
            lines.add("terminals", format_args!("the console is {} ({origin})", path.display()));
        }
    }
    if let Some(log) = &plan.output.log {
        lines.add("terminals", format_args!("what the console shows goes to {}", log.display()));
    }
    lines.add("terminals", format_args!("{} ttys, {} pseudo terminals", plan.ttys, plan.ptys));
}

//! The plan for people to read (`lxc-start --plan`).

use std::fmt::Write;

use super::StartPlan;

/// One line a decision, grouped by concern, in the order of a start.
pub fn render(plan: &StartPlan) -> String {
    let mut out = String::new();
    let mut line = |topic: &str, text: String| {
        // Writing to a string does not fail.
        writeln!(out, "{topic:<12} {text}").ok();
    };
    line("container", format!("{} in {}", plan.name, plan.lxcpath.display()));
    let argv: Vec<_> = plan.init.argv.iter().map(|a| a.to_string_lossy()).collect();
    line("program", format!("{} as {}:{}", argv.join(" "), plan.init.uid, plan.init.gid));
    for (name, value) in &plan.init.env.0 {
        line("environment", format!("{}={}", name.to_string_lossy(), value.to_string_lossy()));
    }
    let own: Vec<_> = plan.namespaces.own().named().map(|(_, name)| name).collect();
    line("namespaces", format!("new: {}", own.join(" ")));
    for shared in &plan.namespaces.shared {
        line("namespaces", format!("shared: {} ({})", shared.path.display(), shared.origin));
    }
    for map in &plan.ids.maps {
        line("id map", map.to_string());
    }
    if let Some(name) = &plan.hostname {
        line("host name", name.clone());
    }
    match &plan.mounts.storage {
        Some(storage) => {
            line("root", format!("{} on {}", storage.source, plan.mounts.rootfs.mount.display()))
        }
        None => line("root", "the host's".to_owned()),
    }
    if let Some(size) = plan.mounts.autodev {
        line("mount", format!("/dev tmpfs of {size} bytes"));
    }
    line(
        "mount",
        format!(
            "/proc {:?}, /sys {:?}, /sys/fs/cgroup {:?}",
            plan.mounts.auto.proc,
            plan.mounts.auto.sys,
            plan.mounts.cgroup.map(|c| c.view)
        ),
    );
    for entry in &plan.mounts.entries {
        line("mount", format!("{} ({})", entry.text, entry.origin));
    }
    for link in &plan.net {
        line("network", format!("{} {}", link.spec.origin().key(""), link.spec.kind()));
    }
    line(
        "cgroup",
        format!(
            "{} for the container, {} for its monitor",
            plan.cgroup.names.payload.display(),
            plan.cgroup.names.monitor.display()
        ),
    );
    for setting in &plan.cgroup.settings {
        line("cgroup", setting.origin.clone());
    }
    for (topic, origin) in plan
        .proc_files
        .iter()
        .map(|f| ("proc", &f.origin))
        .chain(plan.sysctls.iter().map(|s| ("sysctl", &s.origin)))
    {
        line(topic, origin.clone());
    }
    line("confinement", format!("capabilities {:?}", plan.security.caps));
    line("confinement", format!("label {:?}", plan.security.label.apparmor));
    let seccomp = plan
        .security
        .seccomp
        .as_ref()
        .map_or_else(|| "none".to_owned(), |p| format!("{} instructions", p.instructions.len()));
    line("confinement", format!("seccomp {seccomp}, no_new_privs {}", plan.security.no_new_privs));
    line(
        "terminals",
        format!(
            "console {:?}, {} ttys, {} ptys",
            plan.terminals.console, plan.terminals.ttys, plan.terminals.ptys
        ),
    );
    for hook in &plan.hooks.list {
        line("hook", format!("{} {} ({})", hook.kind, hook.command, hook.origin));
    }
    out
}

//! Key names from before LXC 2.1 and what they are called today.

const NAMES: [(&str, Option<&str>); 26] = [
    ("lxc.aa_allow_incomplete", Some("lxc.apparmor.allow_incomplete")),
    ("lxc.aa_profile", Some("lxc.apparmor.profile")),
    ("lxc.console", Some("lxc.console.path")),
    ("lxc.devttydir", Some("lxc.tty.dir")),
    ("lxc.haltsignal", Some("lxc.signal.halt")),
    ("lxc.id_map", Some("lxc.idmap")),
    ("lxc.init_cmd", Some("lxc.init.cmd")),
    ("lxc.init_gid", Some("lxc.init.gid")),
    ("lxc.init_uid", Some("lxc.init.uid")),
    ("lxc.kmsg", None),
    ("lxc.limit", Some("lxc.prlimit")),
    ("lxc.logfile", Some("lxc.log.file")),
    ("lxc.loglevel", Some("lxc.log.level")),
    ("lxc.mount", Some("lxc.mount.fstab")),
    ("lxc.network", Some("lxc.net")),
    ("lxc.pivotdir", None),
    ("lxc.pts", Some("lxc.pty.max")),
    ("lxc.rebootsignal", Some("lxc.signal.reboot")),
    ("lxc.rootfs", Some("lxc.rootfs.path")),
    ("lxc.rootfs.backend", Some("lxc.rootfs.path = TYPE:PATH")),
    ("lxc.se_context", Some("lxc.selinux.context")),
    ("lxc.seccomp", Some("lxc.seccomp.profile")),
    ("lxc.stopsignal", Some("lxc.signal.stop")),
    ("lxc.syslog", Some("lxc.log.syslog")),
    ("lxc.tty", Some("lxc.tty.max")),
    ("lxc.utsname", Some("lxc.uts.name")),
];

/// What an old key is called today: `None` if it never was a key, `Some(None)` if it is gone.
pub(super) fn today(name: &str) -> Option<Option<String>> {
    if let Some((_, new)) = NAMES.iter().find(|(old, _)| *old == name) {
        return Some(new.map(str::to_owned));
    }
    if let Some(resource) = name.strip_prefix("lxc.limit.") {
        return Some(Some(format!("lxc.prlimit.{resource}")));
    }
    name.strip_prefix("lxc.network.").map(|rest| Some(network(rest)))
}

/// `0.ipv4` and `ipv4` become `lxc.net.0.ipv4.address`.
fn network(rest: &str) -> String {
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (index, sub) = rest.split_at(digits);
    let index = if index.is_empty() { "[i]" } else { index };
    match sub.trim_start_matches('.') {
        "" => format!("lxc.net.{index}"),
        "ipv4" => format!("lxc.net.{index}.ipv4.address"),
        "ipv6" => format!("lxc.net.{index}.ipv6.address"),
        sub => format!("lxc.net.{index}.{sub}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names() {
        let to = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(today("lxc.utsname"), to("lxc.uts.name"));
        assert_eq!(today("lxc.network.type"), to("lxc.net.[i].type"));
        assert_eq!(today("lxc.network.2.ipv4"), to("lxc.net.2.ipv4.address"));
        assert_eq!(today("lxc.network.2"), to("lxc.net.2"));
        assert_eq!(today("lxc.limit.nofile"), to("lxc.prlimit.nofile"));
        assert_eq!(today("lxc.kmsg"), Some(None));
        assert_eq!(today("lxc.uts.name"), None);
    }

    #[test]
    fn new_names_are_known() {
        for (old, new) in NAMES {
            let Some(new) = new else { continue };
            let new = new.split(' ').next().unwrap();
            assert!(crate::keys::find(new).is_ok(), "{old} -> {new}");
            assert!(crate::keys::find(old).is_err(), "{old}");
        }
    }
}

//! Old key names to new ones, in a text. Like upstream's, this looks at the text alone: it renames in comments and
//! values, too, so that a line that is taken out of its comment is a good one.

use lxc_types::StorageKind;

/// Keys that are only called something else.
const RENAMED: [(&str, &str); 22] = [
    ("lxc.aa_allow_incomplete", "lxc.apparmor.allow_incomplete"),
    ("lxc.aa_profile", "lxc.apparmor.profile"),
    ("lxc.console", "lxc.console.path"),
    ("lxc.devttydir", "lxc.tty.dir"),
    ("lxc.haltsignal", "lxc.signal.halt"),
    ("lxc.id_map", "lxc.idmap"),
    ("lxc.init_cmd", "lxc.init.cmd"),
    ("lxc.init_gid", "lxc.init.gid"),
    ("lxc.init_uid", "lxc.init.uid"),
    ("lxc.limit", "lxc.prlimit"),
    ("lxc.logfile", "lxc.log.file"),
    ("lxc.loglevel", "lxc.log.level"),
    ("lxc.mount", "lxc.mount.fstab"),
    ("lxc.network", "lxc.net"),
    ("lxc.pts", "lxc.pty.max"),
    ("lxc.rebootsignal", "lxc.signal.reboot"),
    ("lxc.se_context", "lxc.selinux.context"),
    ("lxc.seccomp", "lxc.seccomp.profile"),
    ("lxc.stopsignal", "lxc.signal.stop"),
    ("lxc.syslog", "lxc.log.syslog"),
    ("lxc.tty", "lxc.tty.max"),
    ("lxc.utsname", "lxc.uts.name"),
];

/// Keys whose lines go.
const DROPPED: [&str; 3] = ["lxc.rootfs.backend", "lxc.pivotdir", "lxc.kmsg"];

/// What stands behind a whole key.
const AFTER_KEY: [char; 4] = [' ', '\t', '*', '='];

/// The text with today's names.
pub fn convert(text: &str) -> String {
    let backend = backend(text);
    let mut device = None;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if DROPPED.iter().any(|key| whole_keys(line, key).next().is_some()) {
            continue;
        }
        if line.contains("lxc.network.type") {
            device = Some(device.map_or(0, |device: u32| device + 1));
        }
        let mut line = rootfs(line, backend);
        line = network(&line, device.unwrap_or(0));
        line = line.replace("lxc.limit.", "lxc.prlimit.");
        for (old, new) in RENAMED {
            line = rename(&line, old, new);
        }
        out.push_str(&line);
    }
    out
}

/// The places of `key` where it is the whole key.
fn whole_keys<'a>(line: &'a str, key: &'a str) -> impl Iterator<Item = usize> {
    line.match_indices(key).map(|(at, _)| at).filter(move |at| line[at + key.len()..].starts_with(AFTER_KEY))
}

fn rename(line: &str, old: &str, new: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut done = 0;
    for at in whole_keys(line, old) {
        out.push_str(&line[done..at]);
        out.push_str(new);
        done = at + old.len();
    }
    out.push_str(&line[done..]);
    out
}

/// What the last `lxc.rootfs.backend` says.
fn backend(text: &str) -> &str {
    let said = text.lines().rev().find_map(|line| {
        let value = line.trim_start().strip_prefix("lxc.rootfs.backend")?.trim_start().strip_prefix('=')?;
        Some(value.trim()).filter(|value| !value.is_empty() && *value != "best")
    });
    said.unwrap_or("dir")
}

/// `lxc.rootfs = /a` becomes `lxc.rootfs.path = dir:/a`.
fn rootfs(line: &str, backend: &str) -> String {
    const KEY: &str = "lxc.rootfs";
    let mut out = String::with_capacity(line.len() + 16);
    let mut done = 0;
    for at in whole_keys(line, KEY) {
        let behind = &line[at + KEY.len()..];
        let Some(value) = behind.trim_start_matches([' ', '\t']).strip_prefix('=') else { continue };
        let value = value.trim_start_matches([' ', '\t']);
        let quote = usize::from(value.starts_with(['"', '\'']));
        let value_at = line.len() - value.len() + quote;
        out.push_str(&line[done..at]);
        out.push_str("lxc.rootfs.path");
        out.push_str(&line[at + KEY.len()..value_at]);
        let value = &line[value_at..];
        if !value.trim().is_empty() && !has_type(value) {
            out.push_str(backend);
            out.push(':');
        }
        done = value_at;
    }
    out.push_str(&line[done..]);
    out
}

fn has_type(value: &str) -> bool {
    value.split_once(':').is_some_and(|(kind, _)| kind.parse::<StorageKind>().is_ok())
}

/// `lxc.network.link` becomes `lxc.net.0.link`, `lxc.network.1.link` `lxc.net.1.link`; a bare `ipv4` or `ipv6` is
/// the address.
fn network(line: &str, device: u32) -> String {
    const KEY: &str = "lxc.network.";
    let mut out = String::with_capacity(line.len() + 16);
    let mut rest = line;
    while let Some(at) = rest.find(KEY) {
        out.push_str(&rest[..at]);
        rest = &rest[at + KEY.len()..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        if !rest.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            out.push_str(KEY);
            continue;
        }
        out.push_str("lxc.net.");
        let key = if number.is_empty() {
            out.push_str(&format!("{device}."));
            behind
        } else {
            out.push_str(number);
            behind.strip_prefix('.').inspect(|_| out.push('.')).unwrap_or(behind)
        };
        rest = key;
        for family in ["ipv4", "ipv6"] {
            if let Some(behind) = key.strip_prefix(family)
                && behind.starts_with(AFTER_KEY)
            {
                out.push_str(family);
                out.push_str(".address");
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Old and new, line by line; `-` for a line that goes.
    fn check(pairs: &[(&str, &str)]) {
        for (old, new) in pairs {
            assert_eq!(convert(old), if *new == "-" { "" } else { *new }, "{old}");
        }
    }

    #[test]
    fn names() {
        check(&[
            ("lxc.utsname = a", "lxc.uts.name = a"),
            ("lxc.utsname=a", "lxc.uts.name=a"),
            ("\tlxc.utsname\t= a", "\tlxc.uts.name\t= a"),
            ("#lxc.utsname = a # lxc.utsname = b\r\n", "#lxc.uts.name = a # lxc.uts.name = b\r\n"),
            ("lxc.utsname", "lxc.utsname"),
            ("lxc.utsnamefoo = a", "lxc.utsnamefoo = a"),
            ("lxc.mount.entry = a", "lxc.mount.entry = a"),
            ("lxc.mount = a", "lxc.mount.fstab = a"),
            ("lxc.tty.max = 4", "lxc.tty.max = 4"),
            ("lxc.seccomp.profile = a", "lxc.seccomp.profile = a"),
            ("lxc.limit.nofile = 5", "lxc.prlimit.nofile = 5"),
            ("lxc.kmsg = 1\n", "-"),
            (" # lxc.pivotdir=x\n", "-"),
            ("lxc.kmsgs = 1", "lxc.kmsgs = 1"),
        ]);
    }

    #[test]
    fn roots() {
        check(&[
            ("lxc.rootfs = /a", "lxc.rootfs.path = dir:/a"),
            ("lxc.rootfs=/a", "lxc.rootfs.path=dir:/a"),
            ("lxc.rootfs.path = /a", "lxc.rootfs.path = /a"),
            ("lxc.rootfs.mount = /a", "lxc.rootfs.mount = /a"),
            ("lxc.rootfs = btrfs:/a", "lxc.rootfs.path = btrfs:/a"),
            ("lxc.rootfs = overlayfs:/a:/b", "lxc.rootfs.path = overlayfs:/a:/b"),
            ("lxc.rootfs = \"/a b\"", "lxc.rootfs.path = \"dir:/a b\""),
            ("lxc.rootfs =", "lxc.rootfs.path ="),
            ("lxc.rootfs is = a", "lxc.rootfs is = a"),
            ("lxc.rootfs.backend = zfs\nlxc.rootfs = a/b\n", "lxc.rootfs.path = zfs:a/b\n"),
            ("lxc.rootfs = a/b\nlxc.rootfs.backend=zfs\n", "lxc.rootfs.path = zfs:a/b\n"),
            ("lxc.rootfs = /a\nlxc.rootfs.backend = best\n", "lxc.rootfs.path = dir:/a\n"),
        ]);
    }

    #[test]
    fn networks() {
        check(&[
            (
                "lxc.network.type = veth\nlxc.network.link = a\nlxc.network.type=phys\nlxc.network.link=b\n",
                "lxc.net.0.type = veth\nlxc.net.0.link = a\nlxc.net.1.type=phys\nlxc.net.1.link=b\n",
            ),
            ("lxc.network.ipv4 = 1.2.3.4", "lxc.net.0.ipv4.address = 1.2.3.4"),
            ("lxc.network.ipv6=::1", "lxc.net.0.ipv6.address=::1"),
            ("lxc.network.ipv4.gateway = auto", "lxc.net.0.ipv4.gateway = auto"),
            ("lxc.network.3.ipv4 = 1.2.3.4", "lxc.net.3.ipv4.address = 1.2.3.4"),
            ("lxc.network.12.veth.pair = a", "lxc.net.12.veth.pair = a"),
            ("lxc.network = ", "lxc.net = "),
            ("lxc.network", "lxc.network"),
            ("lxc.network.", "lxc.network."),
            ("lxc.networks.type = a", "lxc.networks.type = a"),
        ]);
    }
}

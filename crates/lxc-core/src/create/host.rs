//! The built-in template `host`: the host's own root, read-only, under a writable layer.
//!
//! Nothing is downloaded or copied. The layer holds what must differ: the container's identity, and a boot
//! without the host's services. What is private to the host is hidden: homes, logs, keys, password hashes,
//! other containers.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;

use lxc_config::Config;
use lxc_sys::Op;
use lxc_types::Name;

use super::{Error, Result};

/// Directories of the host that the container finds empty. `/etc/systemd/system` holds what the
/// administrator has enabled: the container boots without it.
const HIDDEN: [&str; 14] = [
    "etc/cron.d",
    "etc/network",
    "etc/NetworkManager",
    "etc/netplan",
    "etc/ssh",
    "etc/ssl/private",
    "etc/systemd/network",
    "etc/systemd/system",
    "home",
    "media",
    "root",
    "tmp",
    "var/log",
    "var/tmp",
];

/// Units that manage hardware or the network of the host, wherever they are enabled.
const MASKED: [&str; 10] = [
    "NetworkManager.service",
    "apparmor.service",
    "console-setup.service",
    "dhcpcd.service",
    "networking.service",
    "proc-sys-fs-binfmt_misc.automount",
    "systemd-rfkill.service",
    "systemd-timesyncd.service",
    "systemd-udevd.service",
    "wpa_supplicant.service",
];

/// What asks for addresses in the container, if the host has it. It comes without the host's configuration.
const NETWORKD: [&str; 2] = ["systemd-networkd.service", "systemd-networkd.socket"];

/// The init that the layer brings along where the host has none that fits a container.
const SCRIPT: &str = "/etc/lxc-host-init";

/// What boots the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Init {
    /// The host's systemd.
    Systemd,
    /// [`SCRIPT`].
    Script,
}

/// Makes the layer in `folder`; the text of the configuration, made from `text`, which means `config`.
pub(super) fn build(folder: &Path, name: &Name, text: &str, config: &Config) -> Result<String> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Host("only root can lay a writable layer over the host's root"));
    }
    if !config.idmaps.is_empty() {
        return Err(Error::Host("the host's files belong to the host's ids: remove lxc.idmap"));
    }
    if !super::is_plain(folder) || folder.as_os_str().to_string_lossy().contains([':', ',']) {
        return Err(Error::Host("the container's folder has a character that an overlay cannot name"));
    }
    let layer = Layer { delta: folder.join("overlay/delta") };
    let init = init_of(Path::new("/"));
    let veth = !config.net.is_empty() && bridges_exist(config);
    layer.dir("")?;
    layer.hide(folder)?;
    layer.identity(name)?;
    layer.passwords()?;
    match init {
        Init::Systemd => layer.units(veth)?,
        Init::Script => layer.file(SCRIPT.trim_start_matches('/'), INIT_SCRIPT, 0o755)?,
    }
    Ok(configuration(text, &layer.delta, name, init, veth))
}

/// Whether the host boots with systemd, by what `/sbin/init` is; it need not be running.
fn init_of(root: &Path) -> Init {
    let target = std::fs::read_link(root.join("sbin/init")).unwrap_or_default();
    let systemd = ["usr/lib/systemd/systemd", "lib/systemd/systemd"];
    let there = systemd.iter().any(|path| root.join(path).exists());
    if there && target.ends_with("systemd") { Init::Systemd } else { Init::Script }
}

/// Whether all devices that the network is to be linked to are there.
fn bridges_exist(config: &Config) -> bool {
    config
        .net
        .iter()
        .filter_map(|net| net.link.as_ref())
        .all(|link| Path::new("/sys/class/net").join(link.value.as_str()).exists())
}

/// The configuration: the default one, with its network only if that can work here, and what makes a
/// container of a host.
fn configuration(text: &str, delta: &Path, name: &Name, init: Init, veth: bool) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if veth || !line.trim_start().starts_with("lxc.net.") {
            out.push_str(line);
            out.push('\n');
        }
    }
    if !veth {
        out.push_str(
            "# The default network needs a bridge that this host does not have.\nlxc.net.0.type = empty\n",
        );
    }
    out.push_str(&format!("lxc.rootfs.path = overlay:/:{}\n", delta.display()));
    out.push_str(&format!("lxc.uts.name = {name}\n"));
    out.push_str(
        "lxc.tty.max = 4\n\
         lxc.pty.max = 1024\n\
         lxc.cap.drop = mac_admin mac_override sys_time sys_module sys_rawio\n\
         lxc.mount.auto = cgroup:mixed proc:mixed sys:mixed\n",
    );
    if init == Init::Script {
        out.push_str(&format!(
            "lxc.init.cmd = {SCRIPT}\n\
             lxc.signal.halt = SIGTERM\n\
             lxc.signal.reboot = SIGINT\n\
             lxc.mount.entry = tmpfs run tmpfs mode=0755,nosuid,nodev,create=dir 0 0\n"
        ));
    }
    out
}

/// The writable layer of the container.
struct Layer {
    delta: PathBuf,
}

impl Layer {
    /// Makes the directory `path`, and those above it, as they are on the host: owner and mode.
    fn dir(&self, path: &str) -> Result<PathBuf> {
        let mut here = self.delta.clone();
        let mut host = PathBuf::from("/");
        crate::lock::make_dirs(&here)?;
        for part in Path::new(path) {
            here.push(part);
            host.push(part);
            if here.exists() {
                continue;
            }
            std::fs::create_dir(&here).op("mkdir", &here)?;
            let (mode, uid, gid) = match std::fs::metadata(&host) {
                Ok(found) => (found.mode() & 0o7777, found.uid(), found.gid()),
                Err(_) => (0o755, 0, 0),
            };
            chown(&here, Some(uid), Some(gid)).op("chown", &here)?;
            std::fs::set_permissions(&here, std::fs::Permissions::from_mode(mode)).op("chmod", &here)?;
        }
        Ok(here)
    }

    fn file(&self, path: &str, text: &str, mode: u32) -> Result<()> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let path = self.dir(parent)?.join(name);
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)
            .op("open", &path)?;
        file.write_all(text.as_bytes()).op("write", &path)?;
        Ok(file.set_permissions(std::fs::Permissions::from_mode(mode)).op("chmod", &path)?)
    }

    /// Makes directories of the host look empty: an opaque directory covers all below it.
    fn hide(&self, folder: &Path) -> Result<()> {
        let hidden = HIDDEN.iter().map(|path| (*path).to_owned());
        // The folder of all containers: this one's layer must not show up inside itself.
        let containers = folder.parent().and_then(|path| path.strip_prefix("/").ok()).and_then(Path::to_str);
        for path in hidden.chain(containers.map(str::to_owned)) {
            if !Path::new("/").join(&path).is_dir() {
                continue;
            }
            let dir = self.dir(&path)?;
            rustix::fs::setxattr(&dir, c"trusted.overlay.opaque", b"y", XattrFlags::empty())
                .op("setxattr", &dir)?;
        }
        Ok(())
    }

    fn identity(&self, name: &Name) -> Result<()> {
        self.file("etc/hostname", &format!("{name}\n"), 0o644)?;
        self.file("etc/hosts", &format!("127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n::1\tlocalhost\n"), 0o644)?;
        self.file("etc/fstab", "# The container's mounts are made by its configuration.\n", 0o644)?;
        // A filled one: with an empty one systemd would enable all services of the host as on a first boot.
        let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid")
            .op("read", "/proc/sys/kernel/random/uuid")?
            .replace('-', "");
        self.file("etc/machine-id", &id, 0o444)
    }

    /// The host's users without their password hashes.
    fn passwords(&self) -> Result<()> {
        for file in ["etc/shadow", "etc/gshadow"] {
            let host = Path::new("/").join(file);
            let Ok(found) = std::fs::metadata(&host) else { continue };
            let text = std::fs::read_to_string(&host).op("read", &host)?;
            self.file(file, &locked(&text), 0o600)?;
            let here = self.delta.join(file);
            chown(&here, Some(found.uid()), Some(found.gid())).op("chown", &here)?;
            std::fs::set_permissions(&here, std::fs::Permissions::from_mode(found.mode() & 0o7777))
                .op("chmod", &here)?;
        }
        Ok(())
    }

    /// Masks units of the host, and makes the container's target the one without its services. With a network
    /// the container asks for addresses.
    fn units(&self, veth: bool) -> Result<()> {
        const SYSTEM: &str = "etc/systemd/system";
        for unit in MASKED {
            self.link(SYSTEM, unit, "/dev/null")?;
        }
        self.link(SYSTEM, "default.target", "/lib/systemd/system/multi-user.target")?;
        let [service, socket] = NETWORKD;
        if veth && Path::new("/lib/systemd/system").join(service).exists() {
            self.link(
                &format!("{SYSTEM}/multi-user.target.wants"),
                service,
                &format!("/lib/systemd/system/{service}"),
            )?;
            self.file(
                "etc/systemd/network/80-container.network",
                "[Match]\nName=eth*\n\n[Network]\nDHCP=yes\n",
                0o644,
            )?;
        } else {
            self.link(SYSTEM, service, "/dev/null")?;
            self.link(SYSTEM, socket, "/dev/null")?;
        }
        Ok(())
    }

    fn link(&self, dir: &str, name: &str, target: &str) -> Result<()> {
        let link = self.dir(dir)?.join(name);
        Ok(std::os::unix::fs::symlink(target, &link).op("symlink", &link)?)
    }
}

/// A shadow file in which nobody has a password.
fn locked(shadow: &str) -> String {
    let mut out = String::with_capacity(shadow.len());
    for line in shadow.lines() {
        match line.split_once(':').and_then(|(user, rest)| Some((user, rest.split_once(':')?.1))) {
            Some((user, rest)) => out.push_str(&format!("{user}:*:{rest}\n")),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

/// An init for a host without one: keeps the container until it is told to end, and reaps what is left to it.
const INIT_SCRIPT: &str = r#"#!/bin/sh
# Init of a container made from the host by lxc-create -t host.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

stop() {
    trap '' TERM
    kill -TERM -1 2>/dev/null
    sleep 0.2 2>/dev/null || sleep 1
    exit 0
}
again() {
    trap '' INT
    kill -TERM -1 2>/dev/null
    reboot -f 2>/dev/null || exit 0
}
trap stop TERM PWR
trap again INT

mkdir -p /run/lock /tmp /var/tmp
command -v ip >/dev/null 2>&1 && ip link set lo up
if [ -t 0 ]; then
    echo "container $(cat /etc/hostname) is up"
fi
while :; do
    sleep 86400 &
    wait $!
done
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_keeps_a_password() {
        assert_eq!(
            locked("root:$y$j9T$abc:19000:0:99999:7:::\ndaemon:*:19000::::::\nbroken\n"),
            "root:*:19000:0:99999:7:::\ndaemon:*:19000::::::\nbroken\n"
        );
    }

    #[test]
    fn which_init_boots() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(init_of(root.path()), Init::Script);
        std::fs::create_dir_all(root.path().join("sbin")).unwrap();
        std::os::unix::fs::symlink("/lib/systemd/systemd", root.path().join("sbin/init")).unwrap();
        assert_eq!(init_of(root.path()), Init::Script, "a dangling link is no init");
        std::fs::create_dir_all(root.path().join("lib/systemd")).unwrap();
        std::fs::write(root.path().join("lib/systemd/systemd"), "").unwrap();
        assert_eq!(init_of(root.path()), Init::Systemd);
    }

    #[test]
    fn the_configuration() {
        let name = "h1".parse().unwrap();
        let default = "lxc.net.0.type = veth\nlxc.net.0.link = nobr\nlxc.apparmor.profile = generated\n";
        let delta = Path::new("/var/lib/lxc/h1/overlay/delta");
        let text = configuration(default, delta, &name, Init::Script, false);
        assert!(!text.contains("veth") && text.contains("lxc.net.0.type = empty\n"), "{text}");
        assert!(text.contains("lxc.apparmor.profile = generated\n"));
        assert!(text.contains("lxc.rootfs.path = overlay:/:/var/lib/lxc/h1/overlay/delta\n"));
        assert!(text.contains("lxc.init.cmd = /etc/lxc-host-init\n"));
        let text = configuration(default, delta, &name, Init::Systemd, true);
        assert!(text.contains("lxc.net.0.link = nobr\n") && !text.contains("lxc.init.cmd"), "{text}");
    }
}

//! Root file systems for containers.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::run::Run;

const APPLETS: &[&str] = &[
    "[",
    "cat",
    "chmod",
    "chown",
    "chroot",
    "cut",
    "date",
    "dd",
    "echo",
    "env",
    "false",
    "find",
    "grep",
    "halt",
    "head",
    "hostname",
    "id",
    "ip",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mknod",
    "mount",
    "mv",
    "nproc",
    "poweroff",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "reboot",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "setsid",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "stty",
    "sync",
    "tail",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "tty",
    "umount",
    "uname",
    "wc",
    "which",
    "whoami",
    "xargs",
];

/// Init of the small root: does what the test asks for, then waits for the signals LXC sends.
const INIT: &str = r#"#!/bin/sh
trap 'exit 0' PWR TERM
trap 'reboot -f' INT
[ -e /etc/at-boot ] && . /etc/at-boot
echo up >>/etc/booted
while :; do
    sleep 1000 &
    wait $!
done
"#;

/// A root with busybox in it and a shell script as init.
pub fn make_small(root: &Path) {
    for dir in ["bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "run", "root", "mnt", "usr/bin", "var"] {
        make_dir(&root.join(dir));
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].iter().find(|p| Path::new(p).exists());
    let busybox = busybox.expect("busybox-static is not installed");
    fs::copy(busybox, root.join("bin/busybox")).expect("copy busybox");
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).expect("link to busybox");
    }
    write(&root.join("sbin/init"), INIT);
    write(&root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n");
    write(&root.join("etc/group"), "root:x:0:\nuser:x:1000:\n");
}

/// Writes a file, its directories too; executable when it begins with `#!`.
///
/// # Panics
/// When it cannot be written.
pub fn write(path: &Path, text: &str) {
    if let Some(parent) = path.parent() {
        make_dir(parent);
    }
    fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if text.starts_with("#!") {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
}

fn make_dir(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// A Debian 12 root with systemd, made once by mmdebstrap and then only read.
///
/// # Panics
/// When it is not there and cannot be made.
#[must_use]
pub fn debian_root() -> PathBuf {
    let cache = Path::new("/var/cache/lxc-rs-test");
    make_dir(cache);
    let done = cache.join("debian12");
    let lock = File::create(cache.join("lock")).expect("a lock in /var/cache/lxc-rs-test");
    flock(&lock, FlockOperation::LockExclusive).expect("lock");
    if !done.exists() {
        let part = cache.join("debian12.part");
        drop(fs::remove_dir_all(&part));
        let packages = "--include=systemd,systemd-sysv,dbus,iproute2,udev,login,procps";
        let target = part.display().to_string();
        Run::new(Path::new("mmdebstrap"), &["--quiet", "--variant=minbase", packages, "bookworm", &target])
            .limit(Duration::from_secs(300))
            .output()
            .ok();
        fs::rename(&part, &done).expect("rename");
    }
    done
}

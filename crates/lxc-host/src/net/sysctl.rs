//! Settings of one interface below `/proc/sys/net`, in the calling thread's network namespace.

use std::path::PathBuf;

use lxc_sys::{Op, Result};
use rustix::fs::{Mode, OFlags};

use lxc_types::IfName;

/// Which half of `/proc/sys/net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `/proc/sys/net/ipv4`.
    Ipv4,
    /// `/proc/sys/net/ipv6`.
    Ipv6,
}

fn path(family: Family, interface: &str, setting: &str) -> PathBuf {
    let half = match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    };
    ["/proc/sys/net", half, "conf", interface, setting].iter().collect()
}

/// Switches a setting of `interface`, such as `forwarding`, on.
///
/// # Errors
/// That of open(2) or write(2); `ENOENT` if there is no such interface, or no IPv6 in this kernel.
pub fn enable(family: Family, interface: &IfName, setting: &'static str) -> Result<()> {
    let path = path(family, interface.as_str(), setting);
    let file = rustix::fs::open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).op("open", &path)?;
    rustix::io::write(&file, b"1").op("write", &path)?;
    Ok(())
}

/// Whether the host forwards packets of this family between all its interfaces.
///
/// # Errors
/// That of open(2) or read(2).
pub fn forwards(family: Family) -> Result<bool> {
    let path = path(family, "all", "forwarding");
    let file = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).op("open", &path)?;
    let mut value = [0; 16];
    let length = rustix::io::read(&file, &mut value).op("read", &path)?;
    Ok(value.first().is_some_and(|b| length > 0 && *b != b'0'))
}

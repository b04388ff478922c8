//! Telling systemd, or whoever started this process, how the container is: the protocol of sd_notify(3).

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use lxc_sys::{Error as SysError, Op};

/// A service manager that listens.
#[derive(Debug)]
pub struct Manager(UnixDatagram);

impl Manager {
    /// The one that `NOTIFY_SOCKET` names, if any and if it can be reached.
    pub fn of_this_process() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        connect(&name).inspect_err(|e| log::warn!("service manager: {e}")).ok()
    }

    /// Sends lines of `NAME=VALUE`. What cannot be sent is lost: the container does not depend on it.
    pub fn tell(&self, lines: &str) {
        if let Err(e) = self.0.send(lines.as_bytes()) {
            log::warn!("service manager: {e}");
        }
    }
}

/// A path, or after `@` an abstract name.
fn connect(name: &OsStr) -> Result<Manager, SysError> {
    let socket = UnixDatagram::unbound().op("socket", "service manager")?;
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(name),
    };
    address.and_then(|address| socket.connect_addr(&address)).op("connect", name)?;
    socket.set_nonblocking(true).op("fcntl", name)?;
    Ok(Manager(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let abstract_name = format!("@lxc-rs-notify-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name.as_bytes()[1..]).unwrap();
        for (listener, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.as_os_str()),
            (UnixDatagram::bind_addr(&address).unwrap(), OsStr::new(&abstract_name)),
        ] {
            connect(name).unwrap().tell("READY=1");
            let mut got = [0; 64];
            let length = listener.recv(&mut got).unwrap();
            assert_eq!(&got[..length], b"READY=1");
        }
        assert!(connect(OsStr::new("/nosuch/socket")).is_err());
    }
}

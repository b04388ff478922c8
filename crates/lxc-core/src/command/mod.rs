//! The command socket: how tools and libraries talk to a running container's monitor.
//!
//! The protocol is upstream's, byte for byte: either side may be theirs. [`wire`] turns bytes into values and
//! back, [`client`] asks, [`crate::monitor`] answers.

pub mod client;
pub mod wire;

pub use client::{Client, ClientError};

/// The name of a container's command socket, without the leading NUL.
///
/// Names that do not fit an address are replaced by a hash of `LXCPATH/NAME` (FNV-1a, 64 bit), as upstream's
/// `lxc_make_abstract_socket_name` does.
pub fn socket_name(lxcpath: &std::path::Path, name: &str) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    // sun_path is 108 bytes; one is the leading NUL, and the plain name must stay below what is left by one.
    const LIMIT: usize = 106;
    let lxcpath = lxcpath.as_os_str().as_bytes();
    let path = [lxcpath, b"/", name.as_bytes()].concat();
    let plain = [&path[..], b"/command"].concat();
    if plain.len() < LIMIT {
        return plain;
    }
    format!("lxc/{:016x}/command", fnv1a(&path)).into_bytes()
}

/// FNV-1a of 64 bits.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn names() {
        assert_eq!(socket_name(Path::new("/var/lib/lxc"), "c1"), b"/var/lib/lxc/c1/command");
        let long = "x".repeat(100);
        let name = String::from_utf8(socket_name(Path::new("/var/lib/lxc"), &long)).unwrap();
        assert!(name.starts_with("lxc/") && name.ends_with("/command") && name.len() == 28, "{name}");
        assert_eq!(socket_name(Path::new("/p"), &"x".repeat(94)).len(), 105);
        assert_eq!(socket_name(Path::new("/p"), &"x".repeat(95)).len(), 28);
        // The hash that upstream's monitor daemon uses for the default path.
        assert_eq!(format!("{:016x}", fnv1a(b"lxc//var/lib/lxc/monitor-sock")), "ad055575fe28ddd5");
    }
}

//! Names of network interfaces.

use std::fmt;
use std::str::FromStr;

use lxc_sys::Op;
use rustix::rand::{GetRandomFlags, getrandom};

/// What a random name is made of, as in upstream's names.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A name the kernel accepts for an interface: 1 to 15 bytes, not `.` or `..`, without `/`, `:` and white
/// space. So it is also one component of a path below `/proc/sys/net/ipv4/conf`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(String);

/// A text that cannot name an interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" cannot name a network interface")]
pub struct BadName(String);

impl IfName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the kernel replaces a part of the name (`eth%d`) by a free number.
    pub fn is_pattern(&self) -> bool {
        self.0.contains('%')
    }

    /// `veth` and six random letters or digits: 57 thousand million names, so a collision is left to the
    /// kernel to find.
    pub(super) fn random_veth() -> lxc_sys::Result<Self> {
        let mut random = [0; 6];
        fill(&mut random)?;
        let tail = random.iter().filter_map(|b| ALPHABET.get(usize::from(*b) % ALPHABET.len()));
        Ok(IfName("veth".chars().chain(tail.map(|b| char::from(*b))).collect()))
    }

    /// Lets the kernel take the first free of `eth0`, `eth1`, …
    pub(super) fn ethernet_pattern() -> Self {
        IfName("eth%d".to_owned())
    }

    /// `eth0`, `eth1`, …
    pub(super) fn ethernet(number: usize) -> Self {
        IfName(format!("eth{number}"))
    }
}

impl FromStr for IfName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let length = (1..=15).contains(&text.len());
        let bytes =
            text.bytes().all(|b| !matches!(b, b'/' | b':' | 0) && !b.is_ascii_whitespace() && b != 0x0b);
        if length && bytes && text != "." && text != ".." {
            Ok(IfName(text.to_owned()))
        } else {
            Err(BadName(text.to_owned()))
        }
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fills `bytes` (at most 256) from the kernel's random generator.
pub(super) fn fill(bytes: &mut [u8]) -> lxc_sys::Result<()> {
    rustix::io::retry_on_intr(|| getrandom(&mut *bytes, GetRandomFlags::empty()))
        .map(drop)
        .op("getrandom", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["lo", "e", "eth0", "eth%d", "wlan0.100", "br-0123456789ab"] {
            assert_eq!(good.parse::<IfName>().unwrap().to_string(), good);
        }
        for bad in ["", ".", "..", "a/b", "a b", "a:1", "a\n", "sixteen-bytes-xx", "a\0"] {
            assert!(bad.parse::<IfName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn random_names_are_names_and_differ() {
        let one = IfName::random_veth().unwrap();
        assert_eq!(one.as_str().parse(), Ok(one.clone()));
        assert!(one.as_str().starts_with("veth") && one.as_str().len() == 10);
        assert_ne!(one, IfName::random_veth().unwrap());
    }
}

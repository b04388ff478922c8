//! What the guest is told about a link that the host made for it.

use lxc_types::IfName;

/// The guest's end as it stands in the guest's network namespace when the guest begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wired {
    /// The kind of link has no end in the guest.
    Nothing,
    /// A device that has the name it is to have.
    Named(IfName),
    /// A device under a passing name: the guest must rename it.
    Unnamed(IfName),
}

impl Wired {
    /// The current name of the device.
    pub fn name(&self) -> Option<&IfName> {
        match self {
            Wired::Nothing => None,
            Wired::Named(name) | Wired::Unnamed(name) => Some(name),
        }
    }

    /// As bytes, for the way to the guest: one byte for the variant, then the name. At most 16 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let tag = match self {
            Wired::Nothing => 0,
            Wired::Named(_) => 1,
            Wired::Unnamed(_) => 2,
        };
        let mut bytes = vec![tag];
        bytes.extend(self.name().map_or("", IfName::as_str).as_bytes());
        bytes
    }

    /// From the bytes of [`encode`](Self::encode); `None` if they are not.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, name) = bytes.split_first()?;
        let name = std::str::from_utf8(name).ok()?;
        match tag {
            0 if name.is_empty() => Some(Wired::Nothing),
            1 => name.parse().ok().map(Wired::Named),
            2 => name.parse().ok().map(Wired::Unnamed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let name: IfName = "eth0".parse().unwrap();
        for wired in [Wired::Nothing, Wired::Named(name.clone()), Wired::Unnamed(name)] {
            assert_eq!(Wired::decode(&wired.encode()), Some(wired));
        }
        for bad in [&b""[..], b"\x00x", b"\x01", b"\x03eth0", b"\x01a/b", b"\x02\xff"] {
            assert_eq!(Wired::decode(bad), None);
        }
    }
}

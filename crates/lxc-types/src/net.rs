//! Internet addresses with prefix lengths, as network keys hold them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IPv4 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ipv4Interface {
    /// The address.
    pub address: Ipv4Addr,
    /// How many bits are the network's, 0 to 32.
    pub prefix: u8,
    /// Where broadcasts go; `0.0.0.0` means none.
    pub broadcast: Ipv4Addr,
}

/// An IPv6 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ipv6Interface {
    /// The address.
    pub address: Ipv6Addr,
    /// How many bits are the network's, 0 to 128.
    pub prefix: u8,
}

/// The destination of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route<A> {
    /// The network's address.
    pub network: A,
    /// How many bits are the network's.
    pub prefix: u8,
}

/// A default gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gateway<A> {
    /// The first address of the link on the host.
    Auto,
    /// The device itself, without an address.
    Device,
    /// This address.
    Address(A),
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The address itself does not parse.
    #[error("\"{text}\" is no {family} address")]
    Address {
        /// The refused text.
        text: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// The part after the slash is no number or too large.
    #[error("\"{text}\" is no prefix length (0 to {max})")]
    Prefix {
        /// The refused text.
        text: String,
        /// The number of bits of the family.
        max: u8,
    },
    /// A route without a slash.
    #[error("the route \"{0}\" has no prefix length (ADDRESS/PREFIX)")]
    NoPrefix(String),
}

/// The two families, as far as parsing differs.
trait Family: FromStr {
    const NAME: &'static str;
    const BITS: u8;
}

impl Family for Ipv4Addr {
    const NAME: &'static str = "IPv4";
    const BITS: u8 = 32;
}

impl Family for Ipv6Addr {
    const NAME: &'static str = "IPv6";
    const BITS: u8 = 128;
}

fn address<A: Family>(text: &str) -> Result<A, AddressError> {
    text.parse().map_err(|_| AddressError::Address { text: text.to_owned(), family: A::NAME })
}

fn prefix<A: Family>(text: &str) -> Result<u8, AddressError> {
    let error = || AddressError::Prefix { text: text.to_owned(), max: A::BITS };
    if !text.chars().all(|c| c.is_ascii_digit()) {
        return Err(error());
    }
    text.parse().ok().filter(|bits| *bits <= A::BITS).ok_or_else(error)
}

impl Ipv4Interface {
    /// The broadcast address a network has if nobody says otherwise: all host bits set, none for
    /// networks of one or two addresses.
    pub fn usual_broadcast(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
        if prefix >= 31 {
            return Ipv4Addr::UNSPECIFIED;
        }
        Ipv4Addr::from(u32::from(address) | (u32::MAX >> prefix))
    }

    /// The prefix length of an address's class, which applies where none is written.
    pub fn class_prefix(address: Ipv4Addr) -> u8 {
        match address.octets()[0] {
            0..=127 => 8,
            128..=191 => 16,
            192..=223 => 24,
            224.. => 0,
        }
    }
}

impl FromStr for Ipv4Interface {
    type Err = AddressError;

    /// `ADDRESS[/PREFIX][ BROADCAST]`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        let broadcast = words.next();
        if let Some(extra) = words.next() {
            return Err(AddressError::Address { text: extra.to_owned(), family: Ipv4Addr::NAME });
        }
        let (ip, bits) = match first.split_once('/') {
            Some((ip, bits)) => (address(ip)?, prefix::<Ipv4Addr>(bits)?),
            None => {
                let ip = address(first)?;
                (ip, Self::class_prefix(ip))
            }
        };
        let broadcast = match broadcast {
            Some(text) => address(text)?,
            None => Self::usual_broadcast(ip, bits),
        };
        Ok(Ipv4Interface { address: ip, prefix: bits, broadcast })
    }
}

impl fmt::Display for Ipv4Interface {
    /// `ADDRESS/PREFIX`, and the broadcast address if it is not the usual one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)?;
        if self.broadcast != Self::usual_broadcast(self.address, self.prefix) {
            write!(f, " {}", self.broadcast)?;
        }
        Ok(())
    }
}

impl FromStr for Ipv6Interface {
    type Err = AddressError;

    /// `ADDRESS[/PREFIX]`; 64 bits if no prefix is written.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (ip, bits) = match text.split_once('/') {
            Some((ip, bits)) => (ip, prefix::<Ipv6Addr>(bits)?),
            None => (text, 64),
        };
        Ok(Ipv6Interface { address: address(ip)?, prefix: bits })
    }
}

impl fmt::Display for Ipv6Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn route<A: Family>(text: &str) -> Result<Route<A>, AddressError> {
    let (ip, bits) = text.split_once('/').ok_or_else(|| AddressError::NoPrefix(text.to_owned()))?;
    Ok(Route { network: address(ip)?, prefix: prefix::<A>(bits)? })
}

impl FromStr for Route<Ipv4Addr> {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        route(text)
    }
}

impl FromStr for Route<Ipv6Addr> {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        route(text)
    }
}

impl<A: Into<IpAddr> + Copy> fmt::Display for Route<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network.into(), self.prefix)
    }
}

fn gateway<A: Family>(text: &str) -> Result<Gateway<A>, AddressError> {
    match text {
        "auto" => Ok(Gateway::Auto),
        "dev" => Ok(Gateway::Device),
        ip => address(ip).map(Gateway::Address),
    }
}

impl FromStr for Gateway<Ipv4Addr> {
    type Err = AddressError;

    /// `auto`, `dev` or an address.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        gateway(text)
    }
}

impl FromStr for Gateway<Ipv6Addr> {
    type Err = AddressError;

    /// `auto`, `dev` or an address.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        gateway(text)
    }
}

impl<A: fmt::Display> fmt::Display for Gateway<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gateway::Auto => f.pad("auto"),
            Gateway::Device => f.pad("dev"),
            Gateway::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4() {
        let plain: Ipv4Interface = "10.0.3.5/24".parse().unwrap();
        assert_eq!(plain.broadcast, Ipv4Addr::new(10, 0, 3, 255));
        assert_eq!(plain.to_string(), "10.0.3.5/24");
        let own: Ipv4Interface = "10.0.3.5/24 10.0.3.127".parse().unwrap();
        assert_eq!(own.to_string(), "10.0.3.5/24 10.0.3.127");
        assert_eq!(own.to_string().parse(), Ok(own));
        assert_eq!("192.168.1.10".parse::<Ipv4Interface>().unwrap().prefix, 24);
        assert_eq!("10.0.0.200".parse::<Ipv4Interface>().unwrap().prefix, 8);
        assert_eq!("1.2.3.4/31".parse::<Ipv4Interface>().unwrap().broadcast, Ipv4Addr::UNSPECIFIED);
        assert_eq!("1.2.3.4/0".parse::<Ipv4Interface>().unwrap().broadcast, Ipv4Addr::BROADCAST);
        for text in
            ["", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/+1", "1.2.3.4/8 x", "1.2.3.4/8 1.2.3.4 5"]
        {
            assert!(text.parse::<Ipv4Interface>().is_err(), "{text}");
        }
    }

    #[test]
    fn ipv6() {
        let address: Ipv6Interface = "fd00::5".parse().unwrap();
        assert_eq!(address.to_string(), "fd00::5/64");
        assert_eq!(address.to_string().parse(), Ok(address));
        assert!("fd00::5/129".parse::<Ipv6Interface>().is_err());
        assert!("10.0.0.1/8".parse::<Ipv6Interface>().is_err());
    }

    #[test]
    fn routes_and_gateways() {
        let four: Route<Ipv4Addr> = "192.0.2.0/24".parse().unwrap();
        assert_eq!(four.to_string(), "192.0.2.0/24");
        let six: Route<Ipv6Addr> = "2001:db8::/32".parse().unwrap();
        assert_eq!(six.to_string(), "2001:db8::/32");
        assert_eq!("192.0.2.0".parse::<Route<Ipv4Addr>>(), Err(AddressError::NoPrefix("192.0.2.0".into())));
        for text in ["auto", "dev", "10.0.3.1"] {
            assert_eq!(text.parse::<Gateway<Ipv4Addr>>().unwrap().to_string(), text);
        }
        assert!("fd00::1".parse::<Gateway<Ipv4Addr>>().is_err());
        assert_eq!("fd00::1".parse(), Ok(Gateway::Address("fd00::1".parse::<Ipv6Addr>().unwrap())));
    }
}

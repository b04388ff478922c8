//! One line of an id map: `u 0 100000 65536`.

use std::fmt;
use std::str::FromStr;

/// Which kind of id a map line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdKind {
    /// User ids, written `u`.
    User,
    /// Group ids, written `g`.
    Group,
}

/// A range of ids inside a user namespace and the host ids they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdMap {
    /// User or group ids.
    pub kind: IdKind,
    /// First id inside the namespace.
    pub inside: u32,
    /// First id outside of it.
    pub outside: u32,
    /// How many ids.
    pub count: u32,
}

/// Why a text is no id map line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdMapError {
    /// The first field is neither `u` nor `g`.
    #[error("the id map starts with \"{0}\", expected \"u\" or \"g\"")]
    Kind(String),
    /// A field is missing or there are more than four.
    #[error("an id map has four fields: u|g, first id inside, first id on the host, count")]
    Fields,
    /// A number does not parse or is out of range.
    #[error("\"{0}\" is not an id (0 to 4294967295)")]
    Number(String),
}

impl IdMap {
    /// The host id that `id` stands for, if this line covers it.
    pub fn to_outside(&self, id: u32) -> Option<u32> {
        let offset = id.checked_sub(self.inside)?;
        if offset < self.count { self.outside.checked_add(offset) } else { None }
    }

    /// The inside id that stands for host id `id`, if this line covers it.
    pub fn to_inside(&self, id: u32) -> Option<u32> {
        let offset = id.checked_sub(self.outside)?;
        if offset < self.count { self.inside.checked_add(offset) } else { None }
    }
}

impl FromStr for IdMap {
    type Err = IdMapError;

    /// Numbers may be decimal, `0x` hexadecimal or `0` octal, as upstream's parser reads them.
    fn from_str(text: &str) -> Result<Self, IdMapError> {
        let fields: Vec<&str> = text.split([' ', '\t', '\r']).filter(|f| !f.is_empty()).collect();
        let [kind, inside, outside, count] = fields[..] else { return Err(IdMapError::Fields) };
        let kind = match kind {
            "u" => IdKind::User,
            "g" => IdKind::Group,
            other => return Err(IdMapError::Kind(other.to_owned())),
        };
        Ok(IdMap { kind, inside: number(inside)?, outside: number(outside)?, count: number(count)? })
    }
}

fn number(text: &str) -> Result<u32, IdMapError> {
    let parsed = if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        u32::from_str_radix(hex, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        u32::from_str_radix(&text[1..], 8)
    } else {
        text.parse()
    };
    parsed.map_err(|_| IdMapError::Number(text.to_owned()))
}

impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            IdKind::User => 'u',
            IdKind::Group => 'g',
        };
        write!(f, "{kind} {} {} {}", self.inside, self.outside, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for text in ["u 0 100000 65536", "g 5 0 4294967295"] {
            assert_eq!(text.parse::<IdMap>().unwrap().to_string(), text);
        }
        assert_eq!("u 0x10 010 1".parse::<IdMap>().unwrap().to_string(), "u 16 8 1");
    }

    #[test]
    fn refusals() {
        assert_eq!("b 0 1 1".parse::<IdMap>(), Err(IdMapError::Kind("b".into())));
        assert_eq!("u 0 1".parse::<IdMap>(), Err(IdMapError::Fields));
        assert_eq!("u 0 1 2 x".parse::<IdMap>(), Err(IdMapError::Fields));
        assert_eq!("u 0 1 -2".parse::<IdMap>(), Err(IdMapError::Number("-2".into())));
    }

    #[test]
    fn lookups() {
        let map: IdMap = "u 0 100000 65536".parse().unwrap();
        assert_eq!(map.to_outside(5), Some(100_005));
        assert_eq!(map.to_outside(65536), None);
        assert_eq!(map.to_inside(100_000), Some(0));
        assert_eq!(map.to_inside(99_999), None);
    }
}

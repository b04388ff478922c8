//! Names of containers and of network interfaces.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// The longest container name in bytes: it becomes one directory name.
const NAME_MAX: usize = 255;

/// The longest interface name in bytes (`IFNAMSIZ` without its closing NUL).
const IFNAME_MAX: usize = 15;

/// The name of a container: one path component without control characters.
///
/// It becomes a directory below the lxcpath, part of cgroup names and a word in hook arguments, so
/// a name that could leave its directory or begin a second line is refused here, once for all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing between the quotes.
    #[error("the name is empty")]
    Empty,
    /// More bytes than fit.
    #[error("\"{name}\" is longer than {max} bytes")]
    TooLong {
        /// The refused text.
        name: String,
        /// How many bytes fit.
        max: usize,
    },
    /// `.` and `..` are directories of their own.
    #[error("\"{0}\" names a directory, not a container or an interface")]
    Dots(String),
    /// A character that a name may not hold.
    #[error("{name:?} holds {bad:?}, which no name may hold")]
    Character {
        /// The refused text.
        name: String,
        /// The first bad character.
        bad: char,
    },
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check(text, NAME_MAX, |c| c == '/' || c.is_control())?;
        Ok(Name(text.to_owned()))
    }
}

/// The name of a network interface, as the kernel accepts it: 1 to 15 bytes, no `/`, no `:`, no
/// white space.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IfName(String);

impl IfName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `veth` and six letters or digits, chosen by `random` bytes: 57 thousand million names.
    pub fn veth(random: [u8; 6]) -> Self {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let tail = random.iter().filter_map(|b| ALPHABET.get(usize::from(*b) % ALPHABET.len()));
        IfName("veth".chars().chain(tail.map(|b| char::from(*b))).collect())
    }

    /// `eth0`, `eth1`, …
    pub fn ethernet(number: u32) -> Self {
        IfName(format!("eth{number}"))
    }

    /// `eth%d`: lets the kernel take the first of `eth0`, `eth1`, … that is free.
    pub fn ethernet_pattern() -> Self {
        IfName("eth%d".to_owned())
    }

    /// Whether the kernel replaces a part of the name (`eth%d`) by a free number.
    pub fn is_pattern(&self) -> bool {
        self.0.contains('%')
    }

    /// Like parsing, but a name that is too long loses its end, as in upstream's config reader.
    ///
    /// # Errors
    /// As for parsing, without [`NameError::TooLong`].
    pub fn truncated(text: &str) -> Result<Self, NameError> {
        let mut end = text.len().min(IFNAME_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text[..end].parse()
    }
}

impl FromStr for IfName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check(text, IFNAME_MAX, |c| matches!(c, '/' | ':') || c.is_whitespace() || c.is_control())?;
        Ok(IfName(text.to_owned()))
    }
}

fn check(text: &str, max: usize, bad: impl Fn(char) -> bool) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if let Some(bad) = text.chars().find(|c| bad(*c)) {
        return Err(NameError::Character { name: text.to_owned(), bad });
    }
    if text.len() > max {
        return Err(NameError::TooLong { name: text.to_owned(), max });
    }
    if matches!(text, "." | "..") {
        return Err(NameError::Dots(text.to_owned()));
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for IfName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for IfName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names() {
        for text in ["c1", "a b", "-x", "a.b:c", &"n".repeat(255)] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
        for text in ["", ".", "..", "a/b", "a\nb", "a\0", "a\u{7f}", &"n".repeat(256)] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn interface_names() {
        for text in ["eth0", "eth%d", "a", "123456789012345"] {
            assert_eq!(text.parse::<IfName>().unwrap().to_string(), text);
        }
        for text in ["", ".", "..", "a/b", "a b", "a:1", "1234567890123456"] {
            assert!(text.parse::<IfName>().is_err(), "{text:?}");
        }
        assert_eq!(IfName::truncated("1234567890123456").unwrap().as_str(), "123456789012345");
        assert_eq!(IfName::truncated("12345678901234ä").unwrap().as_str(), "12345678901234");
    }
}

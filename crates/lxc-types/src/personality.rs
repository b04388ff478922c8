//! Architecture names and the personality they stand for.

use std::fmt;
use std::str::FromStr;

/// The execution domain a container's init gets by `personality(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// `PER_LINUX32`: `uname -m` shows the 32-bit machine.
    Linux32,
    /// `PER_LINUX`.
    Linux,
}

/// An architecture by one of the names LXC knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Personality {
    name: &'static str,
    domain: Domain,
}

/// A name that is no architecture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no architecture that lxc.arch knows")]
pub struct PersonalityError(pub String);

const NAMES_32: [&str; 16] = [
    "arm", "armel", "armhf", "armv7l", "athlon", "i386", "i486", "i586", "i686", "linux32", "mips", "mipsel",
    "ppc", "powerpc", "x32", "x86",
];

const NAMES_64: [&str; 15] = [
    "aarch64",
    "amd64",
    "arm64",
    "linux64",
    "loongarch64",
    "loong64",
    "mips64",
    "mips64el",
    "ppc64",
    "ppc64el",
    "ppc64le",
    "powerpc64",
    "riscv64",
    "s390x",
    "x86_64",
];

impl Personality {
    /// The name as it was written.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The execution domain.
    pub const fn domain(self) -> Domain {
        self.domain
    }

    /// The name upstream shows for every architecture of the same width.
    pub const fn shown(self) -> &'static str {
        match self.domain {
            Domain::Linux32 => "i686",
            Domain::Linux => "x86_64",
        }
    }

    /// All known names, 32-bit ones first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES_32.into_iter().chain(NAMES_64)
    }
}

impl FromStr for Personality {
    type Err = PersonalityError;

    /// Exact lower case names.
    fn from_str(text: &str) -> Result<Self, PersonalityError> {
        let of = |names: &[&'static str], domain| {
            names.iter().find(|name| **name == text).map(|name| Personality { name, domain })
        };
        of(&NAMES_32, Domain::Linux32)
            .or_else(|| of(&NAMES_64, Domain::Linux))
            .ok_or_else(|| PersonalityError(text.to_owned()))
    }
}

impl fmt::Display for Personality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in Personality::names() {
            assert_eq!(name.parse::<Personality>().unwrap().to_string(), name);
        }
        assert_eq!("armhf".parse::<Personality>().unwrap().domain(), Domain::Linux32);
        assert_eq!("aarch64".parse::<Personality>().unwrap().shown(), "x86_64");
        assert!("I686".parse::<Personality>().is_err());
        assert!("".parse::<Personality>().is_err());
    }
}

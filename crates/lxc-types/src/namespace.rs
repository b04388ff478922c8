//! Kinds of Linux namespaces and sets of them.

use std::fmt;
use std::str::FromStr;

/// A kind of Linux namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NamespaceKind {
    /// User and group ids, capabilities.
    User,
    /// Mounts.
    Mount,
    /// Process ids.
    Pid,
    /// Host and domain name.
    Uts,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// Network devices, addresses, routes.
    Net,
    /// The root of the cgroup tree.
    Cgroup,
    /// Offsets of the monotonic and boot clocks.
    Time,
}

/// A name that is no kind of namespace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no namespace (user, mnt, pid, uts, ipc, net, cgroup, time)")]
pub struct NamespaceError(pub String);

impl NamespaceKind {
    /// All kinds, in the order in which upstream enters and prints them.
    pub const ALL: [NamespaceKind; 8] = [
        NamespaceKind::User,
        NamespaceKind::Mount,
        NamespaceKind::Pid,
        NamespaceKind::Uts,
        NamespaceKind::Ipc,
        NamespaceKind::Net,
        NamespaceKind::Cgroup,
        NamespaceKind::Time,
    ];

    /// The name below `/proc/PID/ns`, which is also the name in config files.
    pub const fn as_str(self) -> &'static str {
        match self {
            NamespaceKind::User => "user",
            NamespaceKind::Mount => "mnt",
            NamespaceKind::Pid => "pid",
            NamespaceKind::Uts => "uts",
            NamespaceKind::Ipc => "ipc",
            NamespaceKind::Net => "net",
            NamespaceKind::Cgroup => "cgroup",
            NamespaceKind::Time => "time",
        }
    }
}

impl FromStr for NamespaceKind {
    type Err = NamespaceError;

    /// Exact lower case names.
    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        NamespaceKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| NamespaceError(text.to_owned()))
    }
}

impl fmt::Display for NamespaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of namespace kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Namespaces(u8);

impl Namespaces {
    /// No kind.
    pub const NONE: Namespaces = Namespaces(0);
    /// Every kind.
    pub const ALL: Namespaces = Namespaces(0xff);

    const fn bit(kind: NamespaceKind) -> u8 {
        1 << kind as u8
    }

    /// Adds a kind.
    pub fn insert(&mut self, kind: NamespaceKind) {
        self.0 |= Self::bit(kind);
    }

    /// Takes a kind out.
    pub fn remove(&mut self, kind: NamespaceKind) {
        self.0 &= !Self::bit(kind);
    }

    /// Whether the kind is in the set.
    pub const fn contains(self, kind: NamespaceKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds of either set.
    #[must_use]
    pub const fn union(self, other: Namespaces) -> Namespaces {
        Namespaces(self.0 | other.0)
    }

    /// The kinds of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Namespaces) -> Namespaces {
        Namespaces(self.0 & !other.0)
    }

    /// The kinds, in the order of [`NamespaceKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = NamespaceKind> {
        NamespaceKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<NamespaceKind> for Namespaces {
    fn from_iter<I: IntoIterator<Item = NamespaceKind>>(kinds: I) -> Self {
        let mut set = Namespaces::NONE;
        kinds.into_iter().for_each(|kind| set.insert(kind));
        set
    }
}

impl FromStr for Namespaces {
    type Err = NamespaceError;

    /// Names separated by spaces or tabs, in any case.
    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        text.split([' ', '\t'])
            .filter(|word| !word.is_empty())
            .map(|word| word.to_ascii_lowercase().parse().map_err(|_| NamespaceError(word.to_owned())))
            .collect()
    }
}

impl fmt::Display for Namespaces {
    /// Lower case names, separated by one space.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, kind) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(kind.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        let set: Namespaces = "NET  user\tmnt".parse().unwrap();
        assert_eq!(set.to_string(), "user mnt net");
        assert_eq!(set.to_string().parse(), Ok(set));
        assert!(set.contains(NamespaceKind::Net));
        assert_eq!(Namespaces::ALL.without(set).to_string(), "pid uts ipc cgroup time");
        assert_eq!(Namespaces::ALL.iter().count(), 8);
        assert!("net mount".parse::<Namespaces>().is_err());
        assert!("".parse::<Namespaces>().unwrap().is_empty());
        assert!("Net".parse::<NamespaceKind>().is_err());
    }
}

//! The generic flags of a mount.

use std::fmt;

/// A flag that every mount can have, whatever its file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum MountFlag {
    /// `ro`
    ReadOnly = 1 << 0,
    /// `nosuid`
    NoSuid = 1 << 1,
    /// `nodev`
    NoDev = 1 << 2,
    /// `noexec`
    NoExec = 1 << 3,
    /// `nosymfollow`
    NoSymfollow = 1 << 4,
    /// `noatime`
    NoAtime = 1 << 5,
    /// `nodiratime`
    NoDirAtime = 1 << 6,
    /// `relatime`
    RelAtime = 1 << 7,
    /// `strictatime`
    StrictAtime = 1 << 8,
}

impl MountFlag {
    /// Every flag, in the order in which they are printed.
    pub const ALL: [MountFlag; 9] = [
        MountFlag::ReadOnly,
        MountFlag::NoSuid,
        MountFlag::NoDev,
        MountFlag::NoExec,
        MountFlag::NoSymfollow,
        MountFlag::NoAtime,
        MountFlag::NoDirAtime,
        MountFlag::RelAtime,
        MountFlag::StrictAtime,
    ];

    /// The option that sets this flag.
    pub fn name(self) -> &'static str {
        match self {
            MountFlag::ReadOnly => "ro",
            MountFlag::NoSuid => "nosuid",
            MountFlag::NoDev => "nodev",
            MountFlag::NoExec => "noexec",
            MountFlag::NoSymfollow => "nosymfollow",
            MountFlag::NoAtime => "noatime",
            MountFlag::NoDirAtime => "nodiratime",
            MountFlag::RelAtime => "relatime",
            MountFlag::StrictAtime => "strictatime",
        }
    }

    /// The option that clears this flag; `nosymfollow` has none.
    pub fn clearing_name(self) -> Option<&'static str> {
        Some(match self {
            MountFlag::ReadOnly => "rw",
            MountFlag::NoSuid => "suid",
            MountFlag::NoDev => "dev",
            MountFlag::NoExec => "exec",
            MountFlag::NoAtime => "atime",
            MountFlag::NoDirAtime => "diratime",
            MountFlag::RelAtime => "norelatime",
            MountFlag::StrictAtime => "nostrictatime",
            MountFlag::NoSymfollow => return None,
        })
    }
}

/// A set of mount flags.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FlagSet(u16);

impl FlagSet {
    /// No flag.
    pub const EMPTY: FlagSet = FlagSet(0);

    /// Whether `flag` is in the set.
    pub fn contains(self, flag: MountFlag) -> bool {
        self.0 & flag as u16 != 0
    }

    /// Whether the set has no flag.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a flag.
    pub fn insert(&mut self, flag: MountFlag) {
        self.0 |= flag as u16;
    }

    /// Takes a flag out.
    pub fn remove(&mut self, flag: MountFlag) {
        self.0 &= !(flag as u16);
    }

    /// The set with one more flag.
    #[must_use]
    pub fn with(mut self, flag: MountFlag) -> FlagSet {
        self.insert(flag);
        self
    }

    /// The flags of either set.
    #[must_use]
    pub fn union(self, other: FlagSet) -> FlagSet {
        FlagSet(self.0 | other.0)
    }

    /// The flags of this set that `other` lacks.
    #[must_use]
    pub fn minus(self, other: FlagSet) -> FlagSet {
        FlagSet(self.0 & !other.0)
    }

    /// The flags in it, in printing order.
    pub fn iter(self) -> impl Iterator<Item = MountFlag> {
        MountFlag::ALL.into_iter().filter(move |&f| self.contains(f))
    }
}

impl FromIterator<MountFlag> for FlagSet {
    fn from_iter<I: IntoIterator<Item = MountFlag>>(flags: I) -> Self {
        flags.into_iter().fold(FlagSet::EMPTY, FlagSet::with)
    }
}

impl fmt::Debug for FlagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

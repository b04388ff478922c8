//! Seccomp policies as data: rules, actions, architectures.
//!
//! The tree of LXC's policy file. Making it from text is `lxc-config`'s work, making a program for the
//! kernel from it is `lxc-host`'s.

use std::fmt;

/// A policy file, understood but not yet tied to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Version 1: only these system call numbers of the native architecture are allowed, anything
    /// else kills.
    Numbers(Vec<NumberRule>),
    /// Version 2: rules by name.
    Named(NamedPolicy),
}

/// A line of a version 1 policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRule {
    /// The system call's number on the native architecture.
    pub number: u32,
    /// Line in the file, counted from 1.
    pub line: u32,
}

/// A version 2 policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPolicy {
    /// What happens to a system call without a rule.
    pub default: Action,
    /// The rules in the file's order.
    pub rules: Vec<Rule>,
}

/// One rule of a version 2 policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The section the rule stands in.
    pub section: Section,
    /// What the rule is about.
    pub target: Target,
    /// What happens when it matches.
    pub action: Action,
    /// All of these must hold for the rule to match.
    pub args: Vec<ArgFilter>,
    /// Line in the file, counted from 1.
    pub line: u32,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A system call by name. The name may be unknown to this machine: such a rule is skipped.
    Syscall(String),
    /// `reject_force_umount`: `umount2` with `MNT_FORCE` fails with `EACCES`.
    ForceUmount,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Syscall(name) => f.write_str(name),
            Target::ForceUmount => f.write_str("reject_force_umount"),
        }
    }
}

/// What the kernel does with a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Kill the thread.
    Kill,
    /// Fail with this errno; 0 makes the call a no-op that returns 0.
    Errno(u16),
    /// Let it pass.
    Allow,
    /// Send `SIGSYS`.
    Trap,
    /// Ask the supervisor behind the listener descriptor.
    Notify,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Kill => f.write_str("kill"),
            Action::Errno(errno) => write!(f, "errno {errno}"),
            Action::Allow => f.write_str("allow"),
            Action::Trap => f.write_str("trap"),
            Action::Notify => f.write_str("notify"),
        }
    }
}

/// A condition on one argument of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgFilter {
    /// Which argument, 0 to 5.
    pub index: u8,
    /// How it is compared.
    pub compare: Compare,
    /// What it is compared with.
    pub value: u64,
}

/// A comparison of an argument, as 64 bit unsigned numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
    /// `&=`: the argument under this mask equals the value.
    MaskedEqual(u64),
}

/// The section of a policy file a rule stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Before any header, or below `[all]`.
    All,
    /// Below the header of one architecture. It takes effect on hosts that can run that
    /// architecture's programs.
    Arch(Arch),
}

/// The architectures that have a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 32 bit x86.
    X86,
    /// 64 bit x86 with 32 bit pointers.
    X32,
    /// 64 bit x86.
    X86_64,
    /// 32 bit ARM.
    Arm,
    /// 64 bit ARM.
    Arm64,
    /// 64 bit PowerPC, little endian.
    Ppc64le,
    /// 64 bit PowerPC, big endian.
    Ppc64,
    /// 32 bit PowerPC.
    Ppc,
    /// 64 bit MIPS, big endian.
    Mips64,
    /// 64 bit MIPS with 32 bit pointers, big endian.
    Mips64n32,
    /// 32 bit MIPS, big endian.
    Mips,
    /// 64 bit MIPS, little endian.
    Mipsel64,
    /// 64 bit MIPS with 32 bit pointers, little endian.
    Mipsel64n32,
    /// 32 bit MIPS, little endian.
    Mipsel,
    /// 64 bit S/390.
    S390x,
    /// 32 bit S/390.
    S390,
    /// 64 bit LoongArch.
    Loongarch64,
}

impl Arch {
    /// All of them with the name of their section.
    pub const ALL: [(Arch, &'static str); 17] = [
        (Arch::X86, "x86"),
        (Arch::X32, "x32"),
        (Arch::X86_64, "x86_64"),
        (Arch::Arm, "arm"),
        (Arch::Arm64, "arm64"),
        (Arch::Ppc64le, "ppc64le"),
        (Arch::Ppc64, "ppc64"),
        (Arch::Ppc, "ppc"),
        (Arch::Mips64, "mips64"),
        (Arch::Mips64n32, "mips64n32"),
        (Arch::Mips, "mips"),
        (Arch::Mipsel64, "mipsel64"),
        (Arch::Mipsel64n32, "mipsel64n32"),
        (Arch::Mipsel, "mipsel"),
        (Arch::S390x, "s390x"),
        (Arch::S390, "s390"),
        (Arch::Loongarch64, "loongarch64"),
    ];
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Arch::ALL.iter().find(|(arch, _)| arch == self).map(|(_, name)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

impl std::str::FromStr for Section {
    type Err = UnknownSection;

    /// Reads what stands between the brackets of a header: the name in lower or in upper case, not
    /// mixed.
    fn from_str(text: &str) -> Result<Self, UnknownSection> {
        let is = |name: &str| text == name || text == name.to_ascii_uppercase();
        if is("all") {
            return Ok(Section::All);
        }
        let known = Arch::ALL.iter().find(|(_, name)| is(name));
        known.map(|(arch, _)| Section::Arch(*arch)).ok_or_else(|| UnknownSection(text.to_owned()))
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Section::All => f.write_str("all"),
            Section::Arch(arch) => arch.fmt(f),
        }
    }
}

/// A header of no known architecture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no section \"[{0}]\"")]
pub struct UnknownSection(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_round_trip() {
        for (arch, name) in Arch::ALL {
            assert_eq!(name.parse(), Ok(Section::Arch(arch)));
            assert_eq!(name.to_ascii_uppercase().parse(), Ok(Section::Arch(arch)));
            assert_eq!(arch.to_string(), name);
        }
        assert_eq!("ALL".parse(), Ok(Section::All));
        assert_eq!("Arm".parse::<Section>(), Err(UnknownSection("Arm".into())));
        assert_eq!("riscv64".parse::<Section>(), Err(UnknownSection("riscv64".into())));
    }
}

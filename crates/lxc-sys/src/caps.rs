//! Capability sets over rustix.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
pub use rustix::thread::CapabilitySet;
use rustix::thread::{
    CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
};

use crate::{Op, Result};

/// The set of one capability. Empty for a number no kernel can have.
pub fn single(number: u32) -> CapabilitySet {
    CapabilitySet::from_bits_retain(1_u64.checked_shl(number).unwrap_or(0))
}

/// All capabilities from 0 to `last`.
pub fn up_to(last: u32) -> CapabilitySet {
    CapabilitySet::from_bits_retain(u64::MAX.checked_shr(63_u32.saturating_sub(last)).unwrap_or(0))
}

/// The highest capability the kernel knows, from `/proc/sys/kernel/cap_last_cap`; without `/proc` the
/// bounding set is asked.
///
/// # Errors
/// When neither answers.
pub fn last() -> Result<u32> {
    const FILE: &str = "/proc/sys/kernel/cap_last_cap";
    if let Ok(fd) = rustix::fs::open(FILE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        let mut text = [0; 16];
        let got = rustix::io::read(&fd, &mut text).op("read", FILE)?;
        let text = text.get(..got).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default();
        if let Ok(last) = text.trim_end().parse() {
            return Ok(last);
        }
    }
    // The kernel answers EINVAL for a capability it does not know.
    let known = (0..63).take_while(|n| capability_is_in_bounding_set(single(*n)).is_ok()).last();
    known.ok_or(Errno::INVAL).op("prctl", "PR_CAPBSET_READ")
}

/// Which capabilities stay in a container's bounding set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapsSpec {
    /// These, and no other.
    Keep(CapabilitySet),
    /// All but these. An empty set leaves the bounding set as it is.
    Drop(CapabilitySet),
}

impl CapsSpec {
    /// The capabilities from 0 to `last` that are to be removed.
    pub fn removed(&self, last: u32) -> CapabilitySet {
        match self {
            CapsSpec::Keep(keep) => up_to(last).difference(*keep),
            CapsSpec::Drop(drop) => *drop & up_to(last),
        }
    }

    /// What a program that runs inside with all of its ids' rights may have at most.
    pub fn kept(&self, last: u32) -> CapabilitySet {
        up_to(last).difference(self.removed(last))
    }
}

/// Removes capabilities from this thread's bounding set, and empties its inheritable and ambient
/// sets. What the thread can do itself does not change until it executes a program.
///
/// A program inherits nothing this way that its own file does not give it (CVE-2022-29162).
///
/// # Errors
/// `EPERM` without `CAP_SETPCAP`.
pub fn apply(spec: &CapsSpec, last: u32) -> Result<()> {
    let removed = spec.removed(last).bits();
    for number in (0..=last).filter(|n| removed.checked_shr(*n).unwrap_or(0) & 1 != 0) {
        remove_capability_from_bounding_set(single(number))
            .op("prctl", format!("PR_CAPBSET_DROP, capability {number}"))?;
    }
    clear_inheritable()
}

/// Empties this thread's inheritable set. The ambient set goes with it, for the kernel keeps it
/// within the inheritable one.
///
/// # Errors
/// None is known.
pub fn clear_inheritable() -> Result<()> {
    let sets = capabilities(None).op("capget", "")?;
    if sets.inheritable.is_empty() {
        return Ok(());
    }
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..sets }).op("capset", "")
}

/// Empties this thread's ambient set.
///
/// # Errors
/// None is known.
pub fn clear_ambient() -> Result<()> {
    clear_ambient_capability_set().op("prctl", "PR_CAP_AMBIENT_CLEAR_ALL")
}

/// Lets this thread's permitted capabilities survive the execution of a program that has none of its
/// own, as is needed when the real uid is not root.
///
/// # Errors
/// `EPERM` when a securebit forbids it.
pub fn raise_ambient() -> Result<()> {
    let sets = capabilities(None).op("capget", "")?;
    let all = CapabilitySets { inheritable: sets.permitted, ..sets };
    set_capabilities(None, all).op("capset", "")?;
    let permitted = sets.permitted.bits();
    for number in (0..64).filter(|n| permitted.checked_shr(*n).unwrap_or(0) & 1 != 0) {
        configure_capability_in_ambient_set(single(number), true)
            .op("prctl", format!("PR_CAP_AMBIENT_RAISE, capability {number}"))?;
    }
    Ok(())
}

/// The bounding set of a process by the text of its `/proc/PID/status`. A process that enters a
/// container keeps what the container's first process has: [`CapsSpec::Keep`] of this.
pub fn bounding_of(status: &[u8]) -> Option<CapabilitySet> {
    let line = status.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"CapBnd:"))?;
    let digits = std::str::from_utf8(line.trim_ascii()).ok()?;
    u64::from_str_radix(digits, 16).ok().map(CapabilitySet::from_bits_retain)
}

/// This thread's effective capabilities.
///
/// # Errors
/// None is known.
pub fn effective() -> Result<CapabilitySet> {
    Ok(capabilities(None).op("capget", "")?.effective)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_one() {
        assert_eq!(single(0), CapabilitySet::CHOWN);
        assert_eq!(single(21), CapabilitySet::SYS_ADMIN);
    }

    #[test]
    fn what_is_removed() {
        let some = CapabilitySet::CHOWN | CapabilitySet::SYS_TIME;
        assert_eq!(CapsSpec::Keep(CapabilitySet::empty()).removed(40).bits(), (1 << 41) - 1);
        assert_eq!(CapsSpec::Keep(some).removed(40).bits(), ((1 << 41) - 1) & !some.bits());
        assert_eq!(CapsSpec::Keep(some).kept(40), some);
        assert_eq!(CapsSpec::Drop(some).removed(40), some);
        assert_eq!(CapsSpec::Drop(some).removed(3), CapabilitySet::CHOWN);
        assert_eq!(up_to(0), CapabilitySet::CHOWN);
        assert_eq!(up_to(63).bits(), u64::MAX);
        assert!(single(64).is_empty());
    }

    #[test]
    fn the_bounding_set_of_a_status() {
        let text = b"CapEff:\t0\nCapBnd:\t0000000000200001\nCapAmb:\t0\n";
        assert_eq!(bounding_of(text), Some(CapabilitySet::CHOWN | CapabilitySet::SYS_ADMIN));
        assert_eq!(bounding_of(b"CapEff:\t0\n"), None);
        assert_eq!(bounding_of(b"CapBnd:\tx\n"), None);
    }

    #[test]
    fn last_is_the_kernels() {
        let text = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
        assert_eq!(last().unwrap().to_string(), text.trim());
    }
}

//! A finished program, and whether one is to be installed at all.

use lxc_sys::seccomp::Instruction;

/// A program for the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Classic BPF over `struct seccomp_data`.
    pub instructions: Box<[Instruction]>,
    /// Whether a listener is needed.
    pub supervision: Supervision,
}

/// Whether a program asks a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervision {
    /// No rule of the policy has the action `notify`.
    None,
    /// Some has: the guest gets a listener when it installs the program.
    Wanted,
}

/// `lxc.seccomp.allow_nesting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// A policy is skipped where one is active already.
    Skip,
    /// It is added to the active one.
    Allow,
}

/// Whether a policy is to be installed, by the text of `/proc/self/status`: as upstream, none is where
/// the process is confined already (`Seccomp:` is not 0) or the kernel cannot confine (no such line).
pub fn is_wanted(status: &[u8], nesting: Nesting) -> bool {
    let mode = status.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"Seccomp:"));
    nesting == Nesting::Allow || mode.is_some_and(|mode| mode.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_where_confined() {
        let wanted = |text: &[u8]| is_wanted(text, Nesting::Skip);
        assert!(wanted(b"Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0\n"));
        assert!(!wanted(b"Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"));
        assert!(!wanted(b"Name:\tx\nSeccomp_filters:\t0\n"));
        assert!(is_wanted(b"Seccomp:\t2\n", Nesting::Allow));
        assert!(is_wanted(b"", Nesting::Allow));
    }
}

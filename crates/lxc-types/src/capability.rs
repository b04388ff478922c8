//! Capability names and numbers.

use std::fmt;
use std::str::FromStr;

/// A capability by its number in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Capability(u8);

/// Why a text is no capability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// An unknown name.
    #[error("\"{0}\" is no capability (lower case, without \"cap_\", like net_admin)")]
    Name(String),
    /// A number no kernel can have.
    #[error("{0} is no capability number (0 to 63)")]
    Range(String),
}

/// The names in the order of their numbers (`linux/capability.h`, up to Linux 5.9).
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

impl Capability {
    /// The number in the kernel.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// A capability by number, if a set of 64 can hold it.
    pub fn new(number: u32) -> Option<Self> {
        u8::try_from(number).ok().filter(|n| *n < 64).map(Capability)
    }

    /// The lower case name without `cap_`, for numbers that have one.
    pub fn name(self) -> Option<&'static str> {
        NAMES.get(usize::from(self.0)).copied()
    }

    /// All names in the order of their numbers.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter()
    }
}

impl FromStr for Capability {
    type Err = CapabilityError;

    /// A lower case name without `cap_`, or a number.
    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        if let Ok(number) = crate::number::unsigned(text) {
            return Capability::new(number).ok_or_else(|| CapabilityError::Range(text.to_owned()));
        }
        (0..)
            .zip(NAMES)
            .find(|(_, name)| *name == text)
            .map(|(number, _)| Capability(number))
            .ok_or_else(|| CapabilityError::Name(text.to_owned()))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for name in Capability::names() {
            assert_eq!(name.parse::<Capability>().unwrap().to_string(), name);
        }
        assert_eq!("sys_admin".parse::<Capability>().unwrap().number(), 21);
        assert_eq!("checkpoint_restore".parse::<Capability>().unwrap().number(), 40);
        assert_eq!("0x15".parse::<Capability>().unwrap().to_string(), "sys_admin");
        assert_eq!("63".parse::<Capability>().unwrap().to_string(), "63");
        for text in ["CAP_KILL", "cap_kill", "KILL", "", "64", "-1"] {
            assert!(text.parse::<Capability>().is_err(), "{text}");
        }
    }
}

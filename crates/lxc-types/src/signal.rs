//! Signals by number or name.

use std::fmt;
use std::str::FromStr;

/// First real-time signal a program may use: the C library keeps 32 and 33 for itself.
const RT_MIN: u8 = 34;
/// Last signal.
const RT_MAX: u8 = 64;

/// A signal number, 0 (none) to 64.
///
/// Names have the numbers of the architectures that share the generic table (x86, ARM, RISC-V,
/// POWER, s390, LoongArch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalSpec(u8);

/// Why a text is no signal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// A number over 64.
    #[error("{0} is no signal number (0 to 64)")]
    Range(String),
    /// An unknown name.
    #[error("\"{0}\" is no signal (a number, SIGNAME, SIGRTMIN+N or SIGRTMAX-N)")]
    Name(String),
}

const NAMES: [(&str, u8); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

impl SignalSpec {
    /// `SIGINT`.
    pub const INT: SignalSpec = SignalSpec(2);
    /// `SIGKILL`.
    pub const KILL: SignalSpec = SignalSpec(9);
    /// `SIGPWR`.
    pub const PWR: SignalSpec = SignalSpec(30);

    /// The number; 0 means none.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// A signal by number, if it is 0 to 64.
    pub fn new(number: u32) -> Option<Self> {
        u8::try_from(number).ok().filter(|n| *n <= RT_MAX).map(SignalSpec)
    }
}

impl FromStr for SignalSpec {
    type Err = SignalError;

    /// Numbers with a C base prefix, or names that begin with `SIG` in any case.
    fn from_str(text: &str) -> Result<Self, SignalError> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let number = crate::number::unsigned(text).map_err(|_| SignalError::Name(text.to_owned()))?;
            return SignalSpec::new(number).ok_or_else(|| SignalError::Range(text.to_owned()));
        }
        by_name(&text.to_ascii_uppercase()).ok_or_else(|| SignalError::Name(text.to_owned()))
    }
}

fn by_name(upper: &str) -> Option<SignalSpec> {
    let name = upper.strip_prefix("SIG")?;
    if let Some(offset) = name.strip_prefix("RTMIN+") {
        return real_time(offset).map(|n| SignalSpec(RT_MIN + n));
    }
    if let Some(offset) = name.strip_prefix("RTMAX-") {
        return real_time(offset).map(|n| SignalSpec(RT_MAX - n));
    }
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| SignalSpec(*number))
}

fn real_time(offset: &str) -> Option<u8> {
    let number = crate::number::unsigned(offset).ok()?;
    u8::try_from(number).ok().filter(|n| *n <= RT_MAX - RT_MIN)
}

impl fmt::Display for SignalSpec {
    /// The number: what upstream shows for a signal key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("sigPwr", 30),
            ("9", 9),
            ("0", 0),
            ("0x10", 16),
            ("010", 8),
            ("SIGRTMIN+3", 37),
            ("sigrtmin+0", 34),
            ("SIGRTMAX-30", 34),
            ("SIGRTMAX-0", 64),
            ("SIGCLD", 17),
        ] {
            let signal: SignalSpec = text.parse().unwrap();
            assert_eq!(signal.number(), number, "{text}");
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
    }

    #[test]
    fn refusals() {
        for text in ["", "TERM", "SIG", "SIGRTMIN", "SIGRTMIN+31", "SIGRTMAX-31", "65", "-1", "9x", "SIGFOO"]
        {
            assert!(text.parse::<SignalSpec>().is_err(), "{text}");
        }
        assert_eq!("300".parse::<SignalSpec>(), Err(SignalError::Range("300".into())));
    }
}

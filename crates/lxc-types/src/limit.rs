//! Resource limits of a process.

use std::fmt;
use std::str::FromStr;

/// A resource the kernel limits per process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Address space, bytes.
    As,
    /// Core file size, bytes.
    Core,
    /// Processor time, seconds.
    Cpu,
    /// Data segment, bytes.
    Data,
    /// File size, bytes.
    Fsize,
    /// Number of locks.
    Locks,
    /// Locked memory, bytes.
    Memlock,
    /// POSIX message queues, bytes.
    Msgqueue,
    /// Ceiling of the nice value.
    Nice,
    /// Number of open files.
    Nofile,
    /// Number of processes of a user.
    Nproc,
    /// Resident set, bytes.
    Rss,
    /// Real-time priority.
    Rtprio,
    /// Real-time processor time, microseconds.
    Rttime,
    /// Number of pending signals.
    Sigpending,
    /// Stack, bytes.
    Stack,
    /// A kernel's own number.
    Number(u32),
}

/// Why a text is no resource or limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// An unknown resource.
    #[error("\"{0}\" is no resource (like nofile, memlock, stack, or a number)")]
    Resource(String),
    /// A limit that is no number.
    #[error("\"{0}\" is no limit (a number or \"unlimited\")")]
    Value(String),
    /// A soft limit over its hard limit, which the kernel refuses.
    #[error("the soft limit {soft} is over the hard limit {hard}")]
    Order {
        /// The soft limit.
        soft: Limit,
        /// The hard limit.
        hard: Limit,
    },
}

const NAMES: [(&str, Resource); 16] = [
    ("as", Resource::As),
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

impl FromStr for Resource {
    type Err = LimitError;

    /// A lower case name or a number.
    fn from_str(text: &str) -> Result<Self, LimitError> {
        if let Some((_, resource)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*resource);
        }
        crate::number::unsigned(text).map(Resource::Number).map_err(|_| LimitError::Resource(text.to_owned()))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Resource::Number(number) = self {
            return fmt::Display::fmt(number, f);
        }
        let name = NAMES.iter().find(|(_, resource)| resource == self).map_or("", |(name, _)| *name);
        f.pad(name)
    }
}

/// One end of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    /// At most this much, in the resource's unit.
    Value(u64),
    /// No limit.
    Unlimited,
}

impl FromStr for Limit {
    type Err = LimitError;

    /// A decimal number, `unlimited`, or `-1`, which means the same.
    fn from_str(text: &str) -> Result<Self, LimitError> {
        if matches!(text, "unlimited" | "-1") {
            return Ok(Limit::Unlimited);
        }
        let decimal = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        match text.parse() {
            Ok(value) if decimal => Ok(Limit::Value(value)),
            _ => Err(LimitError::Value(text.to_owned())),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Value(value) => fmt::Display::fmt(value, f),
            Limit::Unlimited => f.pad("unlimited"),
        }
    }
}

/// A soft limit and the hard limit up to which a process may raise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// What counts now.
    pub soft: Limit,
    /// What the process may raise it to.
    pub hard: Limit,
}

impl FromStr for Limits {
    type Err = LimitError;

    /// `SOFT:HARD`, or one value for both; blanks around the colon are allowed. An empty soft limit before a
    /// colon is 0, as in upstream.
    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        let soft = if soft.trim().is_empty() && soft.len() < text.len() { "0" } else { soft };
        let limits = Limits { soft: soft.trim().parse()?, hard: hard.trim().parse()? };
        if limits.soft > limits.hard {
            return Err(LimitError::Order { soft: limits.soft, hard: limits.hard });
        }
        Ok(limits)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.soft == self.hard {
            return fmt::Display::fmt(&self.soft, f);
        }
        write!(f, "{}:{}", self.soft, self.hard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources() {
        for (name, resource) in NAMES {
            assert_eq!(name.parse(), Ok(resource));
            assert_eq!(resource.to_string(), name);
        }
        assert_eq!("15".parse::<Resource>().unwrap().to_string(), "15");
        assert!("NOFILE".parse::<Resource>().is_err());
    }

    #[test]
    fn limits() {
        for text in ["1024", "1024:4096", "unlimited", "0:unlimited"] {
            assert_eq!(text.parse::<Limits>().unwrap().to_string(), text);
        }
        assert_eq!("0:-1".parse::<Limits>().unwrap().to_string(), "0:unlimited");
        assert_eq!(":5".parse::<Limits>().unwrap().to_string(), "0:5");
        assert_eq!("1 : 2".parse::<Limits>().unwrap().to_string(), "1:2");
        for text in ["", ":", "5:", "-2", "+1", "abc", "1:2:3", "unlimited:5", "6:5"] {
            assert!(text.parse::<Limits>().is_err(), "{text}");
        }
    }
}

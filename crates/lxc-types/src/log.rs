//! Log levels and syslog facilities.

use std::fmt;
use std::str::FromStr;

/// The importance of a log message, in LXC's nine steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// Every step.
    Trace = 0,
    /// For developers.
    Debug = 1,
    /// Normal progress.
    Info = 2,
    /// Unusual, not wrong.
    Notice = 3,
    /// Something was not done as asked.
    Warn = 4,
    /// Something failed.
    Error = 5,
    /// Much failed.
    Crit = 6,
    /// Somebody must act.
    Alert = 7,
    /// The end.
    Fatal = 8,
}

/// A text that is no log level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no log level (TRACE, DEBUG, INFO, NOTICE, WARN, ERROR, CRIT, ALERT, FATAL or 0 to 8)")]
pub struct LogLevelError(pub String);

impl LogLevel {
    /// All levels, from the least to the most important.
    pub const ALL: [LogLevel; 9] = [
        LogLevel::Trace,
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Notice,
        LogLevel::Warn,
        LogLevel::Error,
        LogLevel::Crit,
        LogLevel::Alert,
        LogLevel::Fatal,
    ];

    /// The upper case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Trace => "TRACE",
            LogLevel::Debug => "DEBUG",
            LogLevel::Info => "INFO",
            LogLevel::Notice => "NOTICE",
            LogLevel::Warn => "WARN",
            LogLevel::Error => "ERROR",
            LogLevel::Crit => "CRIT",
            LogLevel::Alert => "ALERT",
            LogLevel::Fatal => "FATAL",
        }
    }
}

impl FromStr for LogLevel {
    type Err = LogLevelError;

    /// A name in any case, or a number 0 to 8.
    fn from_str(text: &str) -> Result<Self, LogLevelError> {
        let number = crate::number::unsigned(text).ok();
        LogLevel::ALL
            .into_iter()
            .find(|level| number == Some(*level as u32) || level.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| LogLevelError(text.to_owned()))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where syslog files a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Facility {
    /// System daemons.
    Daemon,
    /// One of `local0` to `local7`.
    Local(u8),
}

/// A text that is no facility.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no syslog facility (daemon or local0 to local7)")]
pub struct FacilityError(pub String);

impl Facility {
    /// The facility's code, as syslog messages carry it: multiplied by eight.
    pub const fn code(self) -> u32 {
        match self {
            Facility::Daemon => 3 << 3,
            Facility::Local(n) => (16 + n as u32) << 3,
        }
    }
}

impl FromStr for Facility {
    type Err = FacilityError;

    /// In any case.
    fn from_str(text: &str) -> Result<Self, FacilityError> {
        let lower = text.to_ascii_lowercase();
        match lower.strip_prefix("local").map(str::as_bytes) {
            Some([digit @ b'0'..=b'7']) => Ok(Facility::Local(digit - b'0')),
            None if lower == "daemon" => Ok(Facility::Daemon),
            _ => Err(FacilityError(text.to_owned())),
        }
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Facility::Daemon => f.pad("daemon"),
            Facility::Local(n) => write!(f, "local{n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        for (number, level) in (0..).zip(LogLevel::ALL) {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert_eq!(number.to_string().parse(), Ok(level), "{number}: {level}");
        }
        assert_eq!("warn".parse(), Ok(LogLevel::Warn));
        assert!("9".parse::<LogLevel>().is_err());
        assert!("NOTSET".parse::<LogLevel>().is_err());
    }

    #[test]
    fn facilities() {
        for text in ["daemon", "local0", "local7"] {
            assert_eq!(text.parse::<Facility>().unwrap().to_string(), text);
        }
        assert_eq!("LOCAL1".parse::<Facility>().unwrap().code(), 17 * 8);
        for text in ["local8", "local", "local10", "auth", ""] {
            assert!(text.parse::<Facility>().is_err(), "{text}");
        }
    }
}

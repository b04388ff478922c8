//! Offsets of a time namespace's clocks.

use std::fmt;
use std::str::FromStr;

const SECOND: i128 = 1_000_000_000;

/// How far a container's clock is ahead of the host's, to the nanosecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeOffset {
    seconds: i64,
    nanoseconds: u32,
}

/// Why a text is no time offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeOffsetError {
    /// No number, or no unit.
    #[error("\"{0}\" is no time offset (a whole number and h, m, s, ms, us or ns)")]
    Form(String),
    /// More seconds than 64 bits hold.
    #[error("\"{0}\" is too large")]
    Range(String),
}

impl TimeOffset {
    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds to add to [`TimeOffset::seconds`], 0 to 999999999.
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// Whether the clock is the host's.
    pub const fn is_zero(self) -> bool {
        self.seconds == 0 && self.nanoseconds == 0
    }

    fn total(self) -> i128 {
        i128::from(self.seconds) * SECOND + i128::from(self.nanoseconds)
    }
}

impl FromStr for TimeOffset {
    type Err = TimeOffsetError;

    fn from_str(text: &str) -> Result<Self, TimeOffsetError> {
        let form = || TimeOffsetError::Form(text.to_owned());
        let range = || TimeOffsetError::Range(text.to_owned());
        let letters = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let (number, unit) = text.split_at(letters.len());
        let nanoseconds: i128 = match unit.trim_matches([' ', '\t']) {
            "h" => 3600 * SECOND,
            "m" => 60 * SECOND,
            "s" => SECOND,
            "ms" => 1_000_000,
            "us" => 1_000,
            "ns" => 1,
            _ => return Err(form()),
        };
        let number = crate::number::signed64(number).map_err(|error| match error {
            crate::number::NumberError::Form(_) => form(),
            crate::number::NumberError::Range(_) => range(),
        })?;
        let total = i128::from(number) * nanoseconds;
        Ok(TimeOffset {
            seconds: i64::try_from(total.div_euclid(SECOND)).map_err(|_| range())?,
            nanoseconds: u32::try_from(total.rem_euclid(SECOND)).map_err(|_| range())?,
        })
    }
}

impl fmt::Display for TimeOffset {
    /// Seconds if they are whole, else nanoseconds; `0ns` for no offset, as upstream shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanoseconds == 0 && self.seconds != 0 {
            write!(f, "{}s", self.seconds)
        } else {
            write!(f, "{}ns", self.total())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, shown) in [
            ("10s", "10s"),
            ("2 h", "7200s"),
            ("-1m", "-60s"),
            ("1500ms", "1500000000ns"),
            ("1000 ms", "1s"),
            ("-1ns", "-1ns"),
            ("0us", "0ns"),
        ] {
            let offset: TimeOffset = text.parse().unwrap();
            assert_eq!(offset.to_string(), shown, "{text}");
            assert_eq!(offset.to_string().parse(), Ok(offset));
        }
        let back: TimeOffset = "-1ns".parse().unwrap();
        assert_eq!((back.seconds(), back.nanoseconds()), (-1, 999_999_999));
        for text in ["", "5", "s", "5x", "5 d", "1.5s", "9223372036854775807h", "99999999999999999999s"] {
            assert!(text.parse::<TimeOffset>().is_err(), "{text}");
        }
    }
}

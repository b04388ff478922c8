//! Sizes in bytes with units.

use std::fmt;
use std::str::FromStr;

/// Longest text upstream reads as a size: a sign, 19 digits.
const LONGEST: usize = 20;

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// No number, or a minus sign.
    #[error("\"{0}\" is no size (bytes, or a number with KB, MB or GB)")]
    Form(String),
    /// A unit that is none of KB, MB, GB.
    #[error("\"{0}\" is no unit (KB, MB or GB)")]
    Unit(String),
    /// Too many bytes.
    #[error("\"{0}\" is too large")]
    Range(String),
}

impl Size {
    /// The size a ring buffer really gets: at least a page, and a power of two. 0 stays 0 (off).
    #[must_use]
    pub fn ring(self, page: u64) -> Size {
        if self.0 == 0 {
            return self;
        }
        let size = self.0.max(page);
        Size(size.checked_next_power_of_two().unwrap_or(1 << 63))
    }
}

impl FromStr for Size {
    type Err = SizeError;

    /// A number, blanks, then KB, MB or GB (1024 based, any case). A single letter is accepted and
    /// means bytes, as upstream reads it.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let form = || SizeError::Form(text.to_owned());
        if text.len() > LONGEST {
            return Err(SizeError::Range(text.to_owned()));
        }
        let letters = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let (number, unit) = text.split_at(letters.len());
        let number = crate::number::unsigned64(number).map_err(|_| form())?;
        let unit = unit.trim_start_matches([' ', '\t']);
        let factor = match unit.to_ascii_uppercase().as_str() {
            "KB" => 1 << 10,
            "MB" => 1 << 20,
            "GB" => 1 << 30,
            one if one.len() < 2 => 1,
            _ => return Err(SizeError::Unit(unit.to_owned())),
        };
        number
            .checked_mul(factor)
            .filter(|size| i64::try_from(*size).is_ok())
            .map(Size)
            .ok_or_else(|| SizeError::Range(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("2KB", 2048), ("1 mb", 1 << 20), ("3Gb", 3 << 30), ("7k", 7)]
        {
            let size: Size = text.parse().unwrap();
            assert_eq!(size, Size(bytes), "{text}");
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        for text in ["", "KB", "-1", "1TB", "1 KB x", "9999999999999999999", "8589934592GB", "1KBB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn rings() {
        assert_eq!(Size(0).ring(4096), Size(0));
        assert_eq!(Size(1).ring(4096), Size(4096));
        assert_eq!(Size(4097).ring(4096), Size(8192));
        assert_eq!(Size(u64::MAX).ring(4096), Size(1 << 63));
    }
}

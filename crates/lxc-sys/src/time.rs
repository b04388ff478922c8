//! The time of day at this place.

#![allow(unsafe_code)]

use std::fmt;
use std::mem::MaybeUninit;

use rustix::io::Errno;

use crate::{Error, Result};

/// A point in time in the local time zone. Shown as `2026:11:22 01:14:58`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: i32,
    /// 1 to 31.
    pub day: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 60.
    pub second: i32,
}

impl LocalTime {
    /// Now.
    ///
    /// # Errors
    /// As [`LocalTime::at`].
    pub fn now() -> Result<Self> {
        Self::at(rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec)
    }

    /// `seconds` after the beginning of 1970 in UTC, by the zone of `TZ` or `/etc/localtime`.
    ///
    /// # Errors
    /// `EOVERFLOW` when the year has no number.
    pub fn at(seconds: i64) -> Result<Self> {
        let mut parts = MaybeUninit::<libc::tm>::zeroed();
        // SAFETY: both pointers are to valid objects of the types that the call expects.
        let done = unsafe { libc::localtime_r(&raw const seconds, parts.as_mut_ptr()) };
        if done.is_null() {
            return Err(Error::new("localtime", seconds.to_string(), Errno::OVERFLOW));
        }
        // SAFETY: all zeroes are a valid `tm`, and the call has filled it.
        let parts = unsafe { parts.assume_init() };
        Ok(LocalTime {
            year: i64::from(parts.tm_year) + 1900,
            month: parts.tm_mon + 1,
            day: parts.tm_mday,
            hour: parts.tm_hour,
            minute: parts.tm_min,
            second: parts.tm_sec,
        })
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LocalTime { year, month, day, hour, minute, second } = self;
        write!(f, "{year}:{month:02}:{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown() {
        let time = LocalTime { year: 2026, month: 1, day: 2, hour: 3, minute: 4, second: 5 };
        assert_eq!(time.to_string(), "2026:01:02 03:04:05");
        // No zone is a whole day off.
        let year = LocalTime::at(1_000_000_000).unwrap().year;
        assert_eq!(year, 2001);
        assert!(LocalTime::at(i64::MAX).is_err());
    }
}

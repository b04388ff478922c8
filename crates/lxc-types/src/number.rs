//! Numbers as C programs read them: base by prefix, the whole text used up.

/// Why a text is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a number at all, or more text behind it.
    #[error("\"{0}\" is no whole number")]
    Form(String),
    /// A number outside of its range.
    #[error("{0} is out of range")]
    Range(String),
}

/// Reads an unsigned number: leading white space and `+` allowed, `0x` is hexadecimal, `0` octal.
///
/// # Errors
/// A minus sign, trailing text, no digits, or more than 32 bits.
pub fn unsigned(text: &str) -> Result<u32, NumberError> {
    let wide = magnitude(text.trim_start_matches(BLANKS), text)?;
    u32::try_from(wide).map_err(|_| NumberError::Range(text.to_owned()))
}

/// Reads an unsigned number of 64 bits with the same rules as [`unsigned`].
///
/// # Errors
/// As [`unsigned`].
pub fn unsigned64(text: &str) -> Result<u64, NumberError> {
    magnitude(text.trim_start_matches(BLANKS), text)
}

/// Reads a signed number with the same rules as [`unsigned`] and an optional minus sign.
///
/// # Errors
/// As [`unsigned`], for 32 signed bits.
pub fn signed(text: &str) -> Result<i32, NumberError> {
    i32::try_from(signed64(text)?).map_err(|_| NumberError::Range(text.to_owned()))
}

/// Reads a signed number of 64 bits.
///
/// # Errors
/// As [`signed`].
pub fn signed64(text: &str) -> Result<i64, NumberError> {
    let body = text.trim_start_matches(BLANKS);
    let range = || NumberError::Range(text.to_owned());
    match body.strip_prefix('-') {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => {
            0_i64.checked_sub_unsigned(magnitude(digits, text)?).ok_or_else(range)
        }
        Some(_) => Err(NumberError::Form(text.to_owned())),
        None => i64::try_from(magnitude(body, text)?).map_err(|_| range()),
    }
}

/// What `isspace` of C takes for white space.
const BLANKS: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

fn magnitude(body: &str, whole: &str) -> Result<u64, NumberError> {
    let digits = body.strip_prefix('+').unwrap_or(body);
    let (digits, base) = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        (hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (&digits[1..], 8)
    } else {
        (digits, 10)
    };
    // The standard library would take a second sign here.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(NumberError::Form(whole.to_owned()));
    }
    u64::from_str_radix(digits, base).map_err(|_| NumberError::Range(whole.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases() {
        assert_eq!(unsigned("0x1F"), Ok(31));
        assert_eq!(unsigned(" 010"), Ok(8));
        assert_eq!(unsigned("0"), Ok(0));
        assert_eq!(unsigned("+7"), Ok(7));
        assert_eq!(unsigned("4294967295"), Ok(u32::MAX));
        assert_eq!(signed("-0x10"), Ok(-16));
        assert_eq!(signed64("-9223372036854775808"), Ok(i64::MIN));
    }

    #[test]
    fn refusals() {
        for text in ["", "-1", "1 ", "1x", "0x", "09", "++1", "+-1", "0x+1", "ä"] {
            assert_eq!(unsigned(text), Err(NumberError::Form(text.into())), "{text}");
        }
        assert_eq!(unsigned("4294967296"), Err(NumberError::Range("4294967296".into())));
        for text in ["--1", "-+1", "-"] {
            assert_eq!(signed(text), Err(NumberError::Form(text.into())), "{text}");
        }
        assert_eq!(signed("2147483648"), Err(NumberError::Range("2147483648".into())));
    }
}

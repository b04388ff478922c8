//! Hardware addresses, with random digits.

use std::fmt;
use std::str::FromStr;

/// A hardware address in which `x` stands for a digit still to be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MacTemplate(String);

/// A text that is no hardware address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no hardware address (six groups like 10:66:6a:xx:xx:xx, x is a random digit)")]
pub struct MacError(pub String);

impl MacTemplate {
    /// The text, as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, or `None` while a digit is still open.
    pub fn address(&self) -> Option<[u8; 6]> {
        let mut address = [0; 6];
        for (byte, group) in address.iter_mut().zip(groups(&self.0)?) {
            *byte = u8::from_str_radix(group, 16).ok()?;
        }
        Some(address)
    }

    /// Replaces every `x` by a digit of `random` (whose low four bits are used).
    pub fn fill(&self, random: &mut dyn FnMut() -> u8) -> MacTemplate {
        MacTemplate(fill_digits(&self.0, random))
    }
}

/// Replaces every `x` or `X` of a text by a random lower case hexadecimal digit.
///
/// The second character becomes an even digit: an odd one would make a multicast address.
pub fn fill_digits(text: &str, random: &mut dyn FnMut() -> u8) -> String {
    let fill = |(at, c): (usize, char)| match c {
        'x' | 'X' => {
            let digit = random() & if at == 1 { 0xe } else { 0xf };
            char::from_digit(u32::from(digit), 16).unwrap_or('0')
        }
        other => other,
    };
    text.chars().enumerate().map(fill).collect()
}

impl FromStr for MacTemplate {
    type Err = MacError;

    /// Six groups of one or two hexadecimal digits or `x`. The `:` between two full groups may be
    /// left out.
    fn from_str(text: &str) -> Result<Self, MacError> {
        match groups(text) {
            Some(_) => Ok(MacTemplate(text.to_owned())),
            None => Err(MacError(text.to_owned())),
        }
    }
}

/// Splits a text into its six groups of digits, or tells that it has not six.
fn groups(text: &str) -> Option<[&str; 6]> {
    let mut rest = text;
    let mut groups = [""; 6];
    for (at, group) in groups.iter_mut().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(':').unwrap_or(rest);
        }
        let digit = |c: &char| c.is_ascii_hexdigit() || matches!(c, 'x' | 'X');
        let len = rest.chars().take(2).take_while(digit).count();
        (*group, rest) = rest.split_at(len);
        if group.is_empty() {
            return None;
        }
    }
    rest.is_empty().then_some(groups)
}

impl fmt::Display for MacTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        for text in ["10:66:6a:xx:xx:xx", "AA:bb:0:1:2:3", "xx:xx:xx:xx:xx:xx", "00112233445X"] {
            assert_eq!(text.parse::<MacTemplate>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "1:2:3:4:5",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:g",
            "0011223344",
            "00112233445566",
            "ä:2:3:4:5:6",
            "1:2:3:4:5:",
            "123:2:3:4:5:6",
        ] {
            assert!(text.parse::<MacTemplate>().is_err(), "{text}");
        }
    }

    #[test]
    fn filling() {
        let template: MacTemplate = "xx:66:6A:xX:0:1".parse().unwrap();
        assert_eq!(template.address(), None);
        let filled = template.fill(&mut || 0xff);
        assert_eq!(filled.as_str(), "fe:66:6A:ff:0:1");
        assert_eq!(filled.address(), Some([0xfe, 0x66, 0x6a, 0xff, 0, 1]));
    }
}

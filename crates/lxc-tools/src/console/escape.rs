//! The key that leaves the console, found in what is typed.

/// Looks for the escape key in what is typed: twice, it means itself; before `q`, the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escape {
    /// The letter and the control character of the key.
    key: Option<(char, u8)>,
    /// The key was typed, and nothing since.
    pending: bool,
}

/// What came of typed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// This goes to the container.
    Text(Vec<u8>),
    /// This goes to the container, and then the user leaves.
    Leave(Vec<u8>),
}

impl Escape {
    /// Reads `x` or `^x`, a letter of either case, or `-1` for none; the text of the complaint.
    pub fn parse(text: &str) -> Result<Escape, String> {
        if text == "-1" {
            return Ok(Escape { key: None, pending: false });
        }
        let letter = text.strip_prefix('^').unwrap_or(text);
        match letter.as_bytes() {
            [letter] if letter.is_ascii_alphabetic() => {
                let lower = letter.to_ascii_lowercase();
                Ok(Escape { key: Some((char::from(lower), lower - b'a' + 1)), pending: false })
            }
            _ => Err(format!("-e: \"{text}\" is no letter, like a or ^a")),
        }
    }

    /// The letter to press with Ctrl.
    pub fn key(&self) -> Option<char> {
        self.key.map(|(letter, _)| letter)
    }

    /// Takes the escape key out of `bytes`.
    pub fn filter(&mut self, bytes: &[u8]) -> Typed {
        let Some((_, control)) = self.key else { return Typed::Text(bytes.to_vec()) };
        let mut text = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if *byte == control && !self.pending {
                self.pending = true;
                continue;
            }
            if *byte == b'q' && self.pending {
                return Typed::Leave(text);
            }
            self.pending = false;
            text.push(*byte);
        }
        Typed::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for (text, letter) in [("a", 'a'), ("^a", 'a'), ("A", 'a'), ("^B", 'b')] {
            assert_eq!(Escape::parse(text).unwrap().key(), Some(letter), "{text}");
        }
        assert_eq!(Escape::parse("-1").unwrap().key(), None);
        for text in ["", "aa", "^", "1", "^^"] {
            assert!(Escape::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn typing() {
        let mut escape = Escape::parse("a").unwrap();
        assert_eq!(escape.filter(b"ls q\r"), Typed::Text(b"ls q\r".to_vec()));
        assert_eq!(escape.filter(b"x\x01\x01y"), Typed::Text(b"x\x01y".to_vec()));
        assert_eq!(escape.filter(b"x\x01zq"), Typed::Text(b"xzq".to_vec()));
        assert_eq!(escape.filter(b"x\x01"), Typed::Text(b"x".to_vec()));
        assert_eq!(escape.filter(b"q..."), Typed::Leave(Vec::new()), "over two reads");
        let mut none = Escape::parse("-1").unwrap();
        assert_eq!(none.filter(b"\x01q"), Typed::Text(b"\x01q".to_vec()));
    }
}

//! Words of a command line, as `lxc.init.cmd` and `lxc.execute.cmd` hold it.

/// Splits a command line into words.
///
/// Words are separated by white space. A word that *begins* with `"` or `'` reaches to the next such
/// quote; there are no escapes, and a quote inside of a word is an ordinary character. A quoted word
/// that is never closed is left out.
pub fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while let Some(first) = rest.chars().next() {
        let (word, after) = if matches!(first, '"' | '\'') {
            let Some((word, after)) = rest[1..].split_once(first) else { break };
            (word, after)
        } else {
            rest.split_at(rest.find(is_blank).unwrap_or(rest.len()))
        };
        words.push(word.to_owned());
        rest = after.trim_start_matches(is_blank);
    }
    words
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words() {
        for (text, words) in [
            ("/sbin/init", &["/sbin/init"][..]),
            ("  a \t b\n", &["a", "b"]),
            ("a \"b c\" 'd \" e'", &["a", "b c", "d \" e"]),
            ("a b\"c d\"", &["a", "b\"c", "d\""]),
            ("a\\ b", &["a\\", "b"]),
            ("a \"\" b", &["a", "", "b"]),
            ("a 'b c", &["a"]),
            ("'a'b", &["a", "b"]),
            ("", &[]),
            ("   ", &[]),
        ] {
            assert_eq!(split(text), words, "{text:?}");
        }
    }
}

//! Problems of a config, each with its place and a way out.

use std::fmt;

use crate::origin::Span;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The config is used, but not to the letter.
    Warning,
    /// The config must not be used.
    Error,
}

/// One problem.
///
/// `Display` is one line for logs, the culprit first: `FILE:LINE:COLUMN: KEY: cause (help)`. A
/// renderer with more room has all the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The key, if the problem is one key's.
    pub key: Option<String>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// Where; nothing for values set by a program.
    pub origin: Option<Span>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without place or key.
    pub fn error(message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Error, key: None, message: message.into(), origin: None, help: None }
    }

    /// A warning without place or key.
    pub fn warning(message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(message) }
    }

    /// Adds the key.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Diagnostic { key: Some(key.into()), ..self }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(self, span: Span) -> Self {
        Diagnostic { origin: Some(span), ..self }
    }

    /// Adds a way out.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Diagnostic { help: Some(help.into()), ..self }
    }

    /// Whether the config must not be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = &self.origin {
            write!(f, "{}:{}:{}: ", span.file.display(), span.line, span.column)?;
        }
        if let Some(key) = &self.key {
            write!(f, "{}: ", key.escape_debug())?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// The candidate that differs least from `word`, if it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 4).clamp(1, 3);
    candidates
        .map(|candidate| (distance(word, candidate, limit), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour to turn `a`
/// into `b`. Anything over `limit` may come out as any number over `limit`.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut current = before.clone();
    for (row, x) in a.iter().enumerate() {
        current[0] = row + 1;
        for (col, y) in b.iter().enumerate() {
            let replaced = above[col] + usize::from(x != y);
            let mut best = replaced.min(above[col + 1] + 1).min(current[col] + 1);
            if row > 0 && col > 0 && *x == b[col - 1] && a[row - 1] == *y {
                best = best.min(before[col - 1] + 1);
            }
            current[col + 1] = best;
        }
        // A swap reaches two rows back, so both must be beyond the limit.
        if current.iter().chain(&above).all(|distance| *distance > limit) {
            return limit + 1;
        }
        std::mem::swap(&mut before, &mut above);
        std::mem::swap(&mut above, &mut current);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn one_line() {
        let span = Span { file: Arc::from(Path::new("/c/config")), line: 4, column: 3, len: 7 };
        let full = Diagnostic::error("no such key").with_key("lxc.foo").at(span).with_help("look");
        assert_eq!(full.to_string(), "/c/config:4:3: lxc.foo: no such key (look)");
        assert_eq!(Diagnostic::warning("empty").to_string(), "empty");
    }

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting", 9), 3);
        assert_eq!(distance("ab", "ba", 9), 1);
        assert_eq!(distance("", "abc", 9), 3);
        let keys = ["lxc.uts.name", "lxc.tty.max", "lxc.pty.max"];
        assert_eq!(nearest("lxc.uts.nmae", keys.into_iter()), Some("lxc.uts.name"));
        assert_eq!(nearest("lxc.foo", keys.into_iter()), None);
    }
}

//! Where a value was written, so that a late error can still name its line.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A stretch of text in a config file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file, by the path under which it was read.
    pub file: Arc<Path>,
    /// Line number, from 1.
    pub line: u32,
    /// Byte within the line, from 1.
    pub column: u32,
    /// Length in bytes.
    pub len: u32,
}

impl fmt::Display for Span {
    /// `line 41 of /var/lib/lxc/c1/config`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of {}", self.line, self.file.display())
    }
}

/// Who set a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A program: through the API, or by `--define`.
    #[default]
    Program,
    /// A line of a config file.
    File(Span),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Program => f.write_str("set by a program"),
            Origin::File(span) => span.fmt(f),
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// A value that no file holds.
    pub fn by_program(value: T) -> Self {
        Sourced { value, origin: Origin::Program }
    }

    /// Another value with the same origin.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced { value: f(self.value), origin: self.origin }
    }
}

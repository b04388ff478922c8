//! What the files say, without loss: every line of the entry file and of all it includes.
//!
//! Reading never fails: what cannot be understood is kept and reported. The order of lines is the
//! order in which they take effect, an include's lines following the include.

mod change;
mod flat;
mod read;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::origin::{Origin, Span};

pub use change::EditError;

/// How a document gets the files it includes: the only way this crate reaches anything outside.
pub trait Reader {
    /// Reads a file, or lists a folder. Relative paths begin at the caller's working directory.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read(&mut self, path: &Path) -> Result<Content, ReadError>;
}

impl<F: FnMut(&Path) -> Result<Content, ReadError>> Reader for F {
    fn read(&mut self, path: &Path) -> Result<Content, ReadError> {
        self(path)
    }
}

/// What a path holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The bytes of a file.
    File(Vec<u8>),
    /// The names in a folder, in any order; the document picks and sorts them.
    Folder(Vec<OsString>),
}

/// Why a path could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is nothing.
    #[error("no such file")]
    Missing,
    /// Anything else, as a text.
    #[error("{0}")]
    Failed(String),
}

/// What the files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    path: Arc<Path>,
    lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// The bytes, with what ends the line. Empty for steps that are in no text.
    raw: Vec<u8>,
    place: Place,
    origin: Origin,
    item: Option<Item>,
}

/// Which text a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The document's own, which is saved.
    Own,
    /// An included file's.
    Included,
    /// None: a change to what included files say.
    Step,
}

/// A line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    key: String,
    /// Without quotes.
    value: String,
}

/// One `key = value` of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key as it is written.
    pub key: &'a str,
    /// The value without the blanks and quotes around it.
    pub value: &'a str,
    /// Where it is written.
    pub origin: &'a Origin,
}

/// Reads a config and all it includes.
///
/// Nothing is refused: problems are reported beside the document. If the entry file itself cannot be
/// read the document is empty.
pub fn parse(entry: &Path, reader: &mut dyn Reader) -> (Document, Vec<Diagnostic>) {
    read::parse(entry, reader)
}

/// Reads what [`Document::flatten`] wrote, in another process.
pub fn parse_flattened(text: &str) -> (Document, Vec<Diagnostic>) {
    flat::parse(text)
}

impl Document {
    /// A document without lines, to be saved at `path`.
    pub fn new(path: &Path) -> Self {
        Document { path: Arc::from(path), lines: Vec::new() }
    }

    /// A document with this text, whose includes are read with `reader`.
    pub fn from_text(path: &Path, text: &[u8], reader: &mut dyn Reader) -> (Self, Vec<Diagnostic>) {
        read::from_text(path, text, reader)
    }

    /// The entry file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of the entry file, with all changes.
    pub fn to_text(&self) -> Vec<u8> {
        let own = self.lines.iter().filter(|line| line.place == Place::Own);
        own.flat_map(|line| &line.raw).copied().collect()
    }

    /// All settings of the entry file and its includes, in the order in which they count. Includes
    /// themselves are left out: their lines are there.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.lines.iter().filter_map(|line| {
            let Item { key, value } = line.item.as_ref()?;
            (key != "lxc.include").then_some(Entry { key, value, origin: &line.origin })
        })
    }

    /// All settings as text without includes, for another process: [`parse_flattened`] gives a
    /// document with the same settings and origins.
    pub fn flatten(&self) -> String {
        flat::write(self)
    }

    /// Chooses the digits of hardware addresses that are left open by `x`, in the text too, so that
    /// a saved config keeps them. `random` gives random bytes.
    pub fn fill_hwaddrs(&mut self, random: &mut dyn FnMut() -> u8) {
        for line in &mut self.lines {
            let Some(item) = &mut line.item else { continue };
            if !is_hwaddr(&item.key) || !item.value.contains(['x', 'X']) {
                continue;
            }
            item.value = lxc_types::mac::fill_digits(&item.value, random);
            if let Some((start, end)) = value_range(&line.raw) {
                line.raw.splice(start..end, item.value.bytes());
            }
        }
    }

    /// Adds another document's lines at the end, as loading a second file into one config does.
    pub fn extend(&mut self, other: Document) {
        self.end_last_line();
        self.lines.extend(other.lines);
    }

    /// Puts a newline after the last line of the text, if it has none.
    fn end_last_line(&mut self) {
        let last = self.lines.iter_mut().rev().find(|line| line.place == Place::Own);
        if let Some(line) = last
            && !line.raw.ends_with(b"\n")
            && !line.raw.ends_with(b"\r")
        {
            line.raw.push(b'\n');
        }
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.key, self.value)
    }
}

/// Whether a key holds a hardware address.
fn is_hwaddr(key: &str) -> bool {
    key.starts_with("lxc.net.") && key.ends_with(".hwaddr")
}

/// Where in a line the value stands, without blanks and quotes.
fn value_range(raw: &[u8]) -> Option<(usize, usize)> {
    let text = std::str::from_utf8(raw).ok()?;
    let after = text.find('=')? + 1;
    let value = unquote(trim_value(&text[after..]));
    let start = value.as_ptr().addr() - text.as_ptr().addr();
    Some((start, start + value.len()))
}

/// A value without the blanks around it.
pub(crate) fn trim_value(text: &str) -> &str {
    text.trim_start_matches([' ', '\t']).trim_end_matches([' ', '\t', '\n', '\r'])
}

/// A value without one pair of quotes around it.
pub(crate) fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

/// Splits a line that says something into key and value (in quotes if it has some).
///
/// `None`: a comment, a blank line, a line for somebody else. `Some(Err(()))`: no `=`.
fn split_line(text: &str) -> Option<Result<(&str, &str), ()>> {
    let body = text.trim_start_matches([' ', '\t']);
    if !body.starts_with("lxc.") {
        return None;
    }
    Some(match body.split_once('=') {
        Some((key, value)) => Ok((key.trim_end_matches([' ', '\t']), trim_value(value))),
        None => Err(()),
    })
}

/// The place of a line's text, without blanks around it. `number` counts from 1.
fn span(file: &Arc<Path>, number: u32, line: &[u8]) -> Span {
    let start = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let text = line[start..].trim_ascii_end();
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Span { file: Arc::clone(file), line: number, column: small(start + 1), len: small(text.len()) }
}

/// What one include line brings: the included lines alone.
pub(crate) fn read_include(
    value: &str,
    place: &Span,
    reader: &mut dyn Reader,
) -> (Document, Vec<Diagnostic>) {
    read::included(value, place, reader)
}

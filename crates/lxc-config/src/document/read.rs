//! Reading: lines, includes, and what is wrong with them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Content, Document, Item, Line, Place, ReadError, Reader, span, split_line, unquote};
use crate::diagnostic::Diagnostic;
use crate::origin::{Origin, Span};

/// How deep includes may lie in each other. Links could otherwise hide a file that includes itself.
const DEPTH: usize = 64;
/// How many files a config may consist of: includes that include twice each would double for ever.
const FILES: usize = 4096;

pub(super) fn parse(entry: &Path, reader: &mut dyn Reader) -> (Document, Vec<Diagnostic>) {
    match reader.read(entry) {
        Ok(Content::File(text)) => from_text(entry, &text, reader),
        Ok(Content::Folder(_)) => (Document::new(entry), vec![unreadable(entry, "is a directory")]),
        Err(error) => (Document::new(entry), vec![unreadable(entry, &error.to_string())]),
    }
}

fn unreadable(entry: &Path, why: &str) -> Diagnostic {
    Diagnostic::error(format!("cannot read the config {}: {why}", entry.display()))
}

pub(super) fn from_text(path: &Path, text: &[u8], reader: &mut dyn Reader) -> (Document, Vec<Diagnostic>) {
    let mut loader = Loader::new(reader, Document::new(path));
    loader.file(Arc::from(path), text, Place::Own);
    (loader.document, loader.diagnostics)
}

/// What one include line brings: the included lines alone.
pub(super) fn included(value: &str, origin: &Span, reader: &mut dyn Reader) -> (Document, Vec<Diagnostic>) {
    let mut loader = Loader::new(reader, Document::new(&origin.file));
    loader.include(value, origin);
    (loader.document, loader.diagnostics)
}

struct Loader<'a> {
    reader: &'a mut dyn Reader,
    document: Document,
    diagnostics: Vec<Diagnostic>,
    /// The files that are being read now, the entry first.
    chain: Vec<PathBuf>,
    files: usize,
}

impl<'a> Loader<'a> {
    fn new(reader: &'a mut dyn Reader, document: Document) -> Self {
        Loader { reader, document, diagnostics: Vec::new(), chain: Vec::new(), files: 0 }
    }

    fn file(&mut self, path: Arc<Path>, text: &[u8], place: Place) {
        self.files += 1;
        self.chain.push(simple(&path));
        let mut rest = text;
        let mut number = 0_u32;
        while !rest.is_empty() {
            let (line, after) = rest.split_at(line_len(rest));
            number = number.saturating_add(1);
            rest = after;
            self.line(line, span(&path, number, line), place);
        }
        self.chain.pop();
    }

    fn line(&mut self, raw: &[u8], span: Span, place: Place) {
        let item = match item(raw) {
            Ok(item) => item,
            Err(problem) => {
                self.diagnostics.push(problem.at(span.clone()));
                None
            }
        };
        let include = item.as_ref().filter(|item| item.key == "lxc.include").map(|item| item.value.clone());
        self.document.lines.push(Line { raw: raw.to_vec(), place, origin: Origin::File(span.clone()), item });
        if let Some(value) = include {
            self.include(&value, &span);
        }
    }

    fn include(&mut self, value: &str, span: &Span) {
        if value.is_empty() {
            return;
        }
        let path = Path::new(value);
        let result = self.reader.read(path);
        match result {
            Ok(Content::File(text)) => self.included_file(path, &text, span),
            Ok(Content::Folder(names)) => self.included_folder(path, names, span),
            Err(ReadError::Missing) if value.ends_with('/') => {}
            Err(error) => self.refuse(span, format!("cannot read {value}: {error}"), None),
        }
    }

    fn included_folder(&mut self, folder: &Path, names: Vec<std::ffi::OsString>, span: &Span) {
        let mut names: Vec<_> = names.into_iter().filter(|name| is_config_name(name)).collect();
        names.sort_unstable();
        for name in names {
            let path = folder.join(name);
            match self.reader.read(&path) {
                Ok(Content::File(text)) => self.included_file(&path, &text, span),
                Ok(Content::Folder(_)) => {
                    self.refuse(span, format!("cannot read {}: is a directory", path.display()), None);
                }
                Err(error) => self.refuse(span, format!("cannot read {}: {error}", path.display()), None),
            }
        }
    }

    fn included_file(&mut self, path: &Path, text: &[u8], span: &Span) {
        let simple = simple(path);
        if let Some(at) = self.chain.iter().position(|open| *open == simple) {
            let chain: Vec<_> = self.chain[at..].iter().chain([&simple]).collect();
            let chain: Vec<_> = chain.iter().map(|path| path.display().to_string()).collect();
            let message = format!("the file includes itself: {}", chain.join(" -> "));
            self.refuse(span, message, Some("remove one of these includes"));
        } else if self.chain.len() >= DEPTH {
            self.refuse(span, format!("includes lie more than {DEPTH} deep in each other"), None);
        } else if self.files >= FILES {
            // Said once: a config that large has thousands of such lines.
            if self.files == FILES {
                self.refuse(span, format!("the config consists of more than {FILES} files"), None);
            }
            self.files = FILES + 1;
        } else {
            self.file(Arc::from(path), text, Place::Included);
        }
    }

    fn refuse(&mut self, span: &Span, message: String, help: Option<&str>) {
        let problem = Diagnostic::error(message).with_key("lxc.include").at(span.clone());
        self.diagnostics.push(match help {
            Some(help) => problem.with_help(help),
            None => problem,
        });
    }
}

/// What a line says, if it is one of ours.
fn item(raw: &[u8]) -> Result<Option<Item>, Diagnostic> {
    if !raw.trim_ascii_start().starts_with(b"lxc.") {
        return Ok(None);
    }
    let text = std::str::from_utf8(raw).map_err(|error| {
        let bad = raw.get(error.valid_up_to()).copied().unwrap_or_default();
        Diagnostic::error(format!("the line is no UTF-8 text (byte 0x{bad:02x})")).with_key(key_of(raw))
    })?;
    if text.contains('\0') {
        return Err(Diagnostic::error("the line holds a NUL byte").with_key(key_of(raw)));
    }
    match split_line(text) {
        None => Ok(None),
        Some(Ok((key, value))) => Ok(Some(Item { key: key.to_owned(), value: unquote(value).to_owned() })),
        Some(Err(())) => {
            let key = text.split_whitespace().next().unwrap_or_default();
            let value = text.trim().strip_prefix(key).unwrap_or_default().trim_matches([' ', '\t', ':']);
            Err(Diagnostic::error("there is no \"=\" after the key")
                .with_key(key)
                .with_help(format!("write \"{key} = {}\"", if value.is_empty() { "…" } else { value })))
        }
    }
}

/// The first word of a line, as far as it is text.
fn key_of(raw: &[u8]) -> String {
    let body = raw.trim_ascii_start();
    let end = body.iter().position(|b| matches!(b, b'=' | b' ' | b'\t' | 0) || !b.is_ascii());
    String::from_utf8_lossy(&body[..end.unwrap_or(body.len())]).into_owned()
}

/// The length of the first line with its end: `\n`, `\r` or both.
fn line_len(text: &[u8]) -> usize {
    match text.iter().position(|b| matches!(b, b'\n' | b'\r')) {
        None => text.len(),
        Some(at) if text[at..].starts_with(b"\r\n") => at + 2,
        Some(at) => at + 1,
    }
}

/// Whether a folder's entry is a config: `a.conf` and longer.
fn is_config_name(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.len() >= 6 && bytes.ends_with(b".conf")
}

/// A path without double slashes and `.` components, to tell whether two are the same.
fn simple(path: &Path) -> PathBuf {
    path.components().collect()
}

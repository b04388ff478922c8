//! Settings as text without includes, to be handed to another process.
//!
//! A marker line tells where the lines after it come from: `#@ LINE PATH`, or `#@ -` for values set by
//! a program. Lines that follow each other in their file need only one. Line 0 names the entry file. In the path a backslash and
//! what cannot stand in a line is written as `\` and three octal digits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Document, Item, Line, Place, span, split_line, unquote};
use crate::diagnostic::Diagnostic;
use crate::origin::{Origin, Span};

const MARKER: &str = "#@ ";

pub(super) fn write(document: &Document) -> String {
    let mut text = format!("{MARKER}0 {}\n", escape(&document.path));
    let mut next: Option<Origin> = None;
    for line in &document.lines {
        let Some(item) = line.item.as_ref().filter(|item| item.key != "lxc.include") else { continue };
        let here = start_of(&line.origin);
        if next.as_ref() != Some(&here) {
            text.push_str(&marker(&here));
        }
        next = Some(after(here));
        // The raw line keeps its column; a step has none and is written anew.
        match std::str::from_utf8(&line.raw) {
            Ok(raw) if !raw.is_empty() => text.push_str(raw.trim_end_matches(['\n', '\r'])),
            Ok(_) | Err(_) => text.push_str(&new_line(&item.key, &item.value)),
        }
        text.push('\n');
    }
    text
}

/// A line that says `key = value`, in quotes if the value needs some.
pub(super) fn new_line(key: &str, value: &str) -> String {
    let bare = unquote(super::trim_value(value)) == value;
    if bare { format!("{key} = {value}") } else { format!("{key} = \"{value}\"") }
}

/// The line alone: two lines of one file differ in nothing else that a marker holds.
fn start_of(origin: &Origin) -> Origin {
    match origin {
        Origin::Program => Origin::Program,
        Origin::File(span) => Origin::File(Span { column: 0, len: 0, ..span.clone() }),
    }
}

fn after(origin: Origin) -> Origin {
    match origin {
        Origin::Program => Origin::Program,
        Origin::File(span) => Origin::File(Span { line: span.line.saturating_add(1), ..span }),
    }
}

fn marker(origin: &Origin) -> String {
    match origin {
        Origin::Program => format!("{MARKER}-\n"),
        Origin::File(span) => format!("{MARKER}{} {}\n", span.line, escape(&span.file)),
    }
}

fn escape(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' || c.is_control() {
                let mut buffer = [0; 4];
                c.encode_utf8(&mut buffer).bytes().for_each(|byte| text.push_str(&format!("\\{byte:03o}")));
            } else {
                text.push(c);
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\{byte:03o}")));
    }
    text
}

fn unescape(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'\\' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = std::str::from_utf8(after.get(..3)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 8).ok()?);
        rest = &after[3..];
    }
    Some(path_from(bytes))
}

#[cfg(unix)]
fn path_from(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// A marker's origin; columns are found from the lines themselves.
fn read_marker(text: &str) -> Option<Origin> {
    if text == "-" {
        return Some(Origin::Program);
    }
    let (line, path) = text.split_once(' ')?;
    let file: Arc<Path> = Arc::from(unescape(path)?);
    Some(Origin::File(Span { file, line: line.parse().ok()?, column: 0, len: 0 }))
}

pub(super) fn parse(text: &str) -> (Document, Vec<Diagnostic>) {
    let mut document = Document::new(Path::new(""));
    let mut diagnostics = Vec::new();
    let mut here = Origin::Program;
    for line in text.split_terminator('\n') {
        if let Some(marker) = line.strip_prefix(MARKER) {
            match read_marker(marker) {
                Some(Origin::File(span)) if span.line == 0 => document.path = span.file,
                Some(origin) => here = origin,
                None => diagnostics.push(Diagnostic::error(format!("\"{line}\" marks no place"))),
            }
            continue;
        }
        let origin = match &here {
            Origin::Program => Origin::Program,
            Origin::File(at) => Origin::File(span(&at.file, at.line, line.as_bytes())),
        };
        here = after(here);
        match split_line(line) {
            Some(Ok((key, value))) if crate::config::unwritable(line).is_none() => {
                let item = Some(Item { key: key.to_owned(), value: unquote(value).to_owned() });
                let raw = format!("{line}\n").into_bytes();
                document.lines.push(Line { raw, place: Place::Own, origin, item });
            }
            Some(_) | None => {
                let problem = Diagnostic::error(format!("{line:?} is no setting"));
                diagnostics.push(match origin {
                    Origin::File(span) => problem.at(span),
                    Origin::Program => problem,
                });
            }
        }
    }
    (document, diagnostics)
}

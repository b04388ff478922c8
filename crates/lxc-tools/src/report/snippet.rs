//! A faulty line of a configuration file, shown with the fault marked.

use std::collections::HashMap;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use lxc_config::diagnostic::Diagnostic;

/// The most problems that are shown with their lines; more would scroll the first away.
const SHOWN: usize = 10;

/// `FILE:LINE:COLUMN: KEY: message`, and advice on a line of its own.
pub fn plain(diagnostic: &Diagnostic) -> String {
    let help = diagnostic.help.as_ref().map(|help| format!("  help: {help}\n")).unwrap_or_default();
    let mut bare = diagnostic.clone();
    bare.help = None;
    format!("{bare}\n{help}")
}

/// The lines that `diagnostics` speak of, as far as their files can still be read, for a terminal.
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let mut files: HashMap<PathBuf, Option<String>> = HashMap::new();
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(SHOWN) {
        let Some(span) = &diagnostic.origin else { continue };
        let file = span.file.to_path_buf();
        let text = files.entry(file).or_insert_with(|| std::fs::read_to_string(&span.file).ok());
        let Some(line) = text.as_ref().and_then(|text| text.lines().nth(span.line.checked_sub(1)? as usize))
        else {
            continue;
        };
        let start = line.floor_char_boundary((span.column as usize).saturating_sub(1).min(line.len()));
        let end = line.ceil_char_boundary((start + (span.len as usize).max(1)).min(line.len()));
        let path = span.file.display().to_string();
        let marked = Snippet::source(line)
            .line_start(span.line as usize)
            .path(path)
            .annotation(AnnotationKind::Primary.span(start..end.max(start)).label(&diagnostic.message));
        let title = match &diagnostic.key {
            Some(key) => format!("{}: {}", key.escape_debug(), diagnostic.message),
            None => diagnostic.message.clone(),
        };
        let level = if diagnostic.is_error() { Level::ERROR } else { Level::WARNING };
        let mut group = level.primary_title(title).element(marked);
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help));
        }
        out.push_str(&Renderer::styled().render(&[group]));
        out.push('\n');
    }
    out
}

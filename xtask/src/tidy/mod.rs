//! The rules that neither rustc nor clippy knows: who may depend on whom, sizes, where `unsafe` may be,
//! words that ask for a reference.
//!
//! Each check is a function from text to findings, so that it can be tried on text.

mod manifest;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One broken rule: where, and which.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, with a line number when one line is to blame.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// Checks the tree at `root`, prints the findings and the counts.
#[expect(clippy::print_stdout, reason = "the program's output")]
pub fn run(root: &Path) -> ExitCode {
    let (findings, counts) = match check(root) {
        Ok(checked) => checked,
        Err(e) => {
            println!("tidy: {e}");
            return ExitCode::FAILURE;
        }
    };
    for finding in &findings {
        println!("{}: {}", finding.place, finding.what);
    }
    let total: usize = counts.values().sum();
    let each: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("tidy: {} findings; uses of unsafe: {total} ({})", findings.len(), each.join(", "));
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All findings, and the uses of `unsafe` by crate.
fn check(root: &Path) -> io::Result<(Vec<Finding>, BTreeMap<String, usize>)> {
    let mut findings = Vec::new();
    let mut counts = BTreeMap::new();
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        if !root.join(name).is_file() {
            findings.push(Finding::new(name, "the licence is missing"));
        }
    }
    for package in packages(root)? {
        let path = package.join("Cargo.toml");
        let text = fs::read_to_string(&path)?;
        findings.extend(manifest::check(&shown(root, &path), &text));
    }
    for path in files(root)? {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let place = shown(root, &path);
        findings.extend(source::check_any(&place, &text, &root.to_string_lossy()));
        if path.extension().is_some_and(|end| end == "rs") {
            findings.extend(source::check_rust(&place, &text));
            let uses = source::uses_of_unsafe(&text);
            if uses > 0 {
                *counts.entry(source::package_of(&place).to_owned()).or_default() += uses;
            }
        }
    }
    Ok((findings, counts))
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// The directories with a `Cargo.toml` of the workspace.
fn packages(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![root.join("xtask"), root.join("tests/compliance")];
    for entry in fs::read_dir(root.join("crates"))? {
        let path = entry?.path();
        if path.join("Cargo.toml").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// All files but those that tools make.
fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            if kind.is_dir() && !["target", ".git", "artifacts", "corpus"].iter().any(|n| name == **n) {
                waiting.push(entry.path());
            } else if kind.is_file() && name != ".git" {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{check, packages};
    use std::path::Path;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    #[test]
    fn the_packages_are_found() {
        let names: Vec<String> =
            packages(root()).expect("the tree").iter().map(|p| p.display().to_string()).collect();
        for wanted in ["lxc-sys", "lxc-core", "xtask", "compliance"] {
            assert!(names.iter().any(|name| name.ends_with(wanted)), "{wanted}: {names:?}");
        }
    }

    #[test]
    fn unsafe_is_counted() {
        let (_, counts) = check(root()).expect("the tree");
        assert!(counts.get("lxc-sys").is_some_and(|count| *count > 10), "{counts:?}");
    }
}

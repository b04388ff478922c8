//! Checks and generators of this workspace: `cargo xtask`.

mod completion;
mod man;
mod tidy;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy | man DIR | completions DIR";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::run(&root()),
        ["man", dir] => written(dir, &man::pages(&lxc_tools::described::all())),
        ["completions", dir] => written(dir, &completion::files(&lxc_tools::described::all())),
        _ => {
            complain(USAGE);
            ExitCode::from(2)
        }
    }
}

/// Writes generated files, and says so when that fails.
fn written(dir: &str, files: &[(String, String)]) -> ExitCode {
    match write(Path::new(dir), files) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            complain(&format!("{dir}: {e}"));
            ExitCode::FAILURE
        }
    }
}

/// Makes the directory anew with these files: what is no longer generated must not be installed.
fn write(dir: &Path, files: &[(String, String)]) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    for (name, text) in files {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// The workspace's directory.
fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or_else(|| own.clone(), PathBuf::from)
}

#[expect(clippy::print_stderr, reason = "a program's own error")]
fn complain(text: &str) {
    eprintln!("{text}");
}

//! Checks and generators of this workspace: `cargo xtask`.

mod man;
mod tidy;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy | man DIR";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::run(&root()),
        ["man", dir] => match write_pages(Path::new(dir)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                complain(&format!("{dir}: {e}"));
                ExitCode::FAILURE
            }
        },
        _ => {
            complain(USAGE);
            ExitCode::from(2)
        }
    }
}

/// Writes the manual pages that are made from tables.
fn write_pages(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("lxc.container.conf.5"), man::container_conf())
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

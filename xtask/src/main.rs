//! Checks and generators of this workspace: `cargo xtask`.

mod man;
mod tidy;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy | man";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::run(&root()),
        ["man"] => match std::io::stdout().write_all(man::container_conf().as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        _ => {
            complain(USAGE);
            ExitCode::from(2)
        }
    }
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

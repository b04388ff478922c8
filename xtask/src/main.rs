//! Checks and generators of this workspace.

mod man;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let text = match arguments.next().as_deref() {
        Some("man") => man::container_conf(),
        _ => {
            writeln!(std::io::stderr(), "usage: cargo xtask man").ok();
            return ExitCode::FAILURE;
        }
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

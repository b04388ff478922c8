//! Runs a container's monitor. Executed by tools and libraries, never by hand (`lxc_core::supervise`).

use std::process::ExitCode;

fn main() -> ExitCode {
    match lxc_core::supervise::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[allow(
                clippy::print_stderr,
                reason = "it was started by hand: there is no other place to say so"
            )]
            {
                eprintln!("lxc-supervise: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

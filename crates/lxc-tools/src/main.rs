//! The program `lxc-rs`; all of it is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    lxc_tools::main()
}

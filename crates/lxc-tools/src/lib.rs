//! The tools of LXC in one multicall program.
//!
//! Called as `lxc-NAME` it is that tool; called as `lxc-rs NAME …` or `lxc NAME …` it is the tool named by
//! its first argument. Nothing is done before the tool is known, and only that tool's command line is
//! described to the parser: `lxc-info` is asked often.
//!
//! Each tool is one file: its options (a [`cli::Tool`]) and what it does with the public API of
//! `lxc-core`. Standard output is upstream's, byte for byte; standard error is ours (see [`report`]).
//!
//! A library besides the program, so that manual pages and completions are made from the same tables.
#![forbid(unsafe_code)]

mod applet;
mod attach;
mod autostart;
mod cgroup;
mod checkconfig;
mod cli;
mod config;
mod console;
mod copy;
mod create;
pub mod described;
mod destroy;
mod device;
mod execute;
mod freeze;
mod info;
mod json;
mod ls;
mod monitor;
mod output;
mod report;
mod session;
mod snapshot;
mod start;
mod stop;
mod top;
mod unshare;
mod update_config;
mod usernsexec;
mod wait;

use std::process::ExitCode;

/// The program: runs the tool that its name, or its first argument, asks for.
pub fn main() -> ExitCode {
    #[cfg(feature = "faults")]
    if std::env::var_os("LXC_RS_FAULT").is_some_and(|wanted| wanted == "list") {
        let points = lxc_core::fault::POINTS.join("\n") + "\n";
        return ExitCode::from(u8::from(output::write(points.as_bytes()).is_err()));
    }
    ExitCode::from(applet::run(std::env::args_os().collect()))
}

//! `lxc-console`: this terminal becomes a terminal of the container.

use std::path::Path;

use lxc_core::TtyChoice;

use crate::cli::{Common, Rcfile, Tool};
use crate::report::Failure;
use crate::session::Session;

/// Use a terminal of a running container
#[derive(Debug, clap::Parser)]
pub struct Console {
    /// The terminal's number (default: the first that is free; 0: the console)
    #[arg(short, long, value_name = "NUMBER")]
    tty: Option<i64>,
    /// The key to press with Ctrl before q to leave (default: a; -1: none)
    #[arg(short, long, value_name = "KEY", default_value = "a", hide_default_value = true)]
    escape: String,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

//! `--format json`: what a tool tells, for programs.
//!
//! Each answer is one line: an object with `version` and `kind`, and the fields of that kind. `doc/json.md`
//! describes every kind; the compliance tests read that file and hold the tools to it. What all kinds have in common:
//! every field is always there, `null` when there is nothing to say.

use std::time::SystemTime;

use clap::{Args, ValueEnum};
use lxc_core::{LinkStats, Pressure, Stall, Stats, Transfers};
use lxc_types::UtcTime;
use serde::Serialize;

use crate::output;
use crate::report::Failure;

/// The version of what `doc/json.md` describes. It is raised when a field goes or changes its meaning; new
/// fields and kinds come without.
const VERSION: u32 = 1;

/// How a tool prints what it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As upstream, for people.
    #[default]
    Text,
    /// As `doc/json.md` says, for programs.
    Json,
}

/// `--format` of the tools that can print JSON.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FormatOption {
    /// Print text for people or JSON for programs
    #[arg(long, value_enum, value_name = "text|json", default_value_t, hide_default_value = true)]
    #[arg(hide_possible_values = true, help_heading = crate::cli::OWN)]
    pub format: Format,
}

impl FormatOption {
    /// Whether JSON is asked for.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }
}

/// A line with the fields of `body`, which must become an object.
///
/// # Errors
/// A body that is no object.
pub fn line<T: Serialize>(kind: &'static str, body: &T) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        version: u32,
        kind: &'static str,
        #[serde(flatten)]
        body: &'a T,
    }
    let text = serde_json::to_string(&Envelope { version: VERSION, kind, body });
    Ok(text.map_err(|e| Failure::said(format!("cannot write \"{kind}\" as JSON: {e}")))? + "\n")
}

/// Prints such a line; the exit code.
///
/// # Errors
/// As [`line`]; when standard output cannot be written to.
pub fn print<T: Serialize>(kind: &'static str, body: &T) -> Result<u8, Failure> {
    output::write(line(kind, body)?.as_bytes())?;
    Ok(0)
}

/// A moment as all kinds write it.
pub fn time(time: SystemTime) -> String {
    UtcTime::from(time).to_string()
}

/// The object `usage`: what a running container has used.
#[derive(Clone, Debug, Serialize)]
pub struct Usage {
    time: String,
    cpu_ns: Option<u64>,
    cpu_user_ns: Option<u64>,
    cpu_system_ns: Option<u64>,
    memory_bytes: Option<u64>,
    memory_limit_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    kernel_memory_bytes: Option<u64>,
    io_read_bytes: Option<u64>,
    io_write_bytes: Option<u64>,
    io_reads: Option<u64>,
    io_writes: Option<u64>,
    pids: Option<u64>,
    cpu_pressure: Option<PressureObject>,
    memory_pressure: Option<PressureObject>,
    io_pressure: Option<PressureObject>,
}

/// The object `pressure`.
#[derive(Clone, Debug, Serialize)]
struct PressureObject {
    some: StallObject,
    full: StallObject,
}

/// The object `stall`.
#[derive(Clone, Debug, Serialize)]
struct StallObject {
    avg10_percent: f64,
    avg60_percent: f64,
    avg300_percent: f64,
    total_us: u64,
}

impl From<Pressure> for PressureObject {
    fn from(pressure: Pressure) -> PressureObject {
        let stall = |stall: Stall| StallObject {
            avg10_percent: f64::from(stall.avg10) / 100.0,
            avg60_percent: f64::from(stall.avg60) / 100.0,
            avg300_percent: f64::from(stall.avg300) / 100.0,
            total_us: stall.total,
        };
        PressureObject { some: stall(pressure.some), full: stall(pressure.full) }
    }
}

/// The object `link`: what went over a link.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    host_name: String,
    tx_bytes: u64,
    rx_bytes: u64,
}

impl From<&LinkStats> for Link {
    fn from(link: &LinkStats) -> Link {
        Link { host_name: link.host_name.clone(), tx_bytes: link.tx_bytes, rx_bytes: link.rx_bytes }
    }
}

impl Usage {
    /// From figures that were read at `at`.
    pub fn new(stats: &Stats, at: SystemTime) -> Usage {
        let read = |transfers: Option<Transfers>| transfers.map(|t| t.read);
        let write = |transfers: Option<Transfers>| transfers.map(|t| t.write);
        Usage {
            time: time(at),
            cpu_ns: stats.cpu,
            cpu_user_ns: stats.cpu_user,
            cpu_system_ns: stats.cpu_system,
            memory_bytes: stats.memory,
            memory_limit_bytes: stats.memory_limit.filter(|limit| *limit < NO_LIMIT),
            swap_bytes: stats.swap,
            kernel_memory_bytes: stats.kernel_memory,
            io_read_bytes: read(stats.io_bytes),
            io_write_bytes: write(stats.io_bytes),
            io_reads: read(stats.io_operations),
            io_writes: write(stats.io_operations),
            pids: stats.pids,
            cpu_pressure: stats.cpu_pressure.map(Into::into),
            memory_pressure: stats.memory_pressure.map(Into::into),
            io_pressure: stats.io_pressure.map(Into::into),
        }
    }
}

/// A limit from here on is none: v1 has the greatest number of whole pages instead of a word for that.
pub const NO_LIMIT: u64 = 1 << 62;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::from_words;

    #[derive(Serialize)]
    struct Body {
        name: &'static str,
        pid: Option<i32>,
    }

    #[test]
    fn a_line() {
        let body = Body { name: "c\"1\n", pid: None };
        assert_eq!(
            line("container", &body).unwrap(),
            "{\"version\":1,\"kind\":\"container\",\"name\":\"c\\\"1\\n\",\"pid\":null}\n"
        );
        assert!(line("container", &[1]).is_err(), "a list has no fields");
    }

    #[test]
    fn the_option() {
        let format = |words: &[&str]| from_words::<crate::info::Info>(words).map(|tool| tool.format.format);
        assert_eq!(format(&[]).unwrap(), Format::Text);
        assert_eq!(format(&["--format", "json"]).unwrap(), Format::Json);
        assert_eq!(format(&["--format=text"]).unwrap(), Format::Text);
        assert!(format(&["--format=xml"]).is_err());
    }

    #[test]
    fn no_limit_is_null() {
        for limit in [u64::MAX, 9_223_372_036_854_771_712] {
            let usage =
                Usage::new(&Stats { memory_limit: Some(limit), ..Stats::default() }, SystemTime::now());
            assert_eq!(usage.memory_limit_bytes, None);
        }
    }
}

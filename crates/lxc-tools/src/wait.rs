//! `lxc-wait`: wait until a container is in one of some states.

use std::path::Path;
use std::time::Duration;

use lxc_types::State;

use crate::cli::{Common, Rcfile, Tool};
use crate::report::Failure;
use crate::session::Session;

/// Wait until a container has reached one of some states
#[derive(Debug, clap::Parser)]
pub struct Wait {
    /// The states to wait for, joined by "|": STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING,
    /// FROZEN, THAWED
    #[arg(short, long, value_name = "STATE")]
    state: Option<String>,
    /// Give up after this many seconds (-1: never)
    #[arg(short, long, value_name = "SECONDS", default_value = "-1", hide_default_value = true)]
    timeout: String,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Wait {
    const PROGRAM: &'static str = "lxc-wait";
    const SYNOPSIS: &'static str = "--name=NAME --state=STATE";

    crate::cli::common!();

    fn check(&mut self) -> Result<(), String> {
        match &self.state {
            Some(_) => Ok(()),
            None => Err("missing option --state=STATE (-s): the states to wait for".to_owned()),
        }
    }

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let states = states(self.state.as_deref().unwrap_or_default())?;
        let reached = session.controllable()?.wait(&states, timeout(&self.timeout))?;
        Ok(u8::from(!reached))
    }
}

/// The states that `text` joins by `|`.
fn states(text: &str) -> Result<Vec<State>, Failure> {
    text.split('|')
        .filter(|word| !word.is_empty())
        .map(|word| word.parse::<State>().map_err(|e| Failure::said(e.to_string())))
        .collect()
}

/// Seconds as C's `atol` reads them (what is no number is 0); a negative number is no limit.
fn timeout(text: &str) -> Option<Duration> {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    match (digits[..end].parse::<u64>().unwrap_or(0), negative) {
        (1.., true) => None,
        (seconds, _) => Some(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_lists() {
        assert_eq!(states("RUNNING|STOPPED").unwrap(), [State::Running, State::Stopped]);
        assert!(states("running").is_err());
        assert!(states("RUNNING|BOGUS").is_err());
    }

    #[test]
    fn timeouts() {
        assert_eq!(timeout("-1"), None);
        assert_eq!(timeout("-30"), None);
        assert_eq!(timeout("5"), Some(Duration::from_secs(5)));
        assert_eq!(timeout("5s"), Some(Duration::from_secs(5)));
        assert_eq!(timeout("x"), Some(Duration::ZERO));
    }
}

//! `lxc-stop`: shut down, reboot or kill a container.

use std::path::Path;
use std::time::Duration;

use lxc_core::Stop as How;

use crate::cli::{Common, Rcfile, Tool};
use crate::report::{self, Failure};
use crate::session::Session;

/// How long a clean shutdown may take, in seconds.
const PATIENCE: i64 = 60;

/// The exit code when there is nothing to stop.
const NOT_RUNNING: u8 = 2;

/// Shut down, reboot or kill a container
#[derive(Debug, clap::Parser)]
pub struct Stop {
    /// Reboot the container
    #[arg(short, long)]
    reboot: bool,
    /// Do not wait for the end
    #[arg(short = 'W', long)]
    nowait: bool,
    /// Kill after this many seconds (default 60; 0: do not wait; -1: wait for ever)
    #[arg(short, long, value_name = "SECONDS")]
    timeout: Option<i64>,
    /// Kill at once instead of asking for a clean shutdown
    #[arg(short, long)]
    kill: bool,
    /// Never kill: only ask for a clean shutdown
    #[arg(long)]
    nokill: bool,
    /// Do not lock (with -k)
    #[arg(long)]
    nolock: bool,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Stop {
    /// The combination of options, checked; the text of the complaint.
    fn how(&self) -> Result<How, &'static str> {
        let seconds = if self.nowait { Some(0) } else { self.timeout };
        if !self.kill && seconds.is_some_and(|s| s < -1) {
            return Err("Invalid timeout");
        }
        if self.kill && self.nokill {
            return Err("-k can't be used with --nokill");
        }
        if self.kill && self.reboot {
            return Err("-k can't be used with -r");
        }
        if self.kill && seconds.is_some_and(|s| s != 0) {
            return Err("-k doesn't allow timeouts");
        }
        if self.nolock && !self.kill {
            return Err("--nolock may only be used with -k");
        }
        if self.kill {
            return Ok(How::Kill);
        }
        // A negative number is no limit.
        let timeout = u64::try_from(seconds.unwrap_or(PATIENCE)).ok().map(Duration::from_secs);
        if self.reboot {
            return Ok(How::Reboot { timeout });
        }
        Ok(How::Shutdown { timeout, kill_after: !self.nokill && timeout != Some(Duration::ZERO) })
    }
}

impl Tool for Stop {
    const PROGRAM: &'static str = "lxc-stop";
    const SYNOPSIS: &'static str = "--name=NAME";

    crate::cli::common!();

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let how = self.how().map_err(Failure::said)?;
        let container = session.controllable()?;
        if !container.is_running() {
            return Err(Failure::said("not running").with_code(NOT_RUNNING));
        }
        let name = container.name();
        container
            .stop_telling(&how, &mut |text| report::line(&format!("{}: {name}: {text}", Self::PROGRAM)))?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::from_words;

    fn how(words: &str) -> Result<How, &'static str> {
        from_words::<Stop>(&words.split_whitespace().collect::<Vec<_>>()).unwrap().how()
    }

    fn seconds(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    #[test]
    fn what_is_asked_for() {
        assert!(matches!(how(""), Ok(How::Shutdown { timeout, kill_after: true }) if timeout == seconds(60)));
        assert!(
            matches!(how("-t 5"), Ok(How::Shutdown { timeout, kill_after: true }) if timeout == seconds(5))
        );
        assert!(matches!(how("-t -1"), Ok(How::Shutdown { timeout: None, kill_after: true })));
        assert!(
            matches!(how("-W"), Ok(How::Shutdown { timeout, kill_after: false }) if timeout == seconds(0))
        );
        assert!(
            matches!(how("--nokill"), Ok(How::Shutdown { timeout, kill_after: false }) if timeout == seconds(60))
        );
        assert!(matches!(how("-r"), Ok(How::Reboot { timeout }) if timeout == seconds(60)));
        assert!(matches!(how("-r -W"), Ok(How::Reboot { timeout }) if timeout == seconds(0)));
        assert!(matches!(how("-k --nolock -t 0"), Ok(How::Kill)));
    }

    #[test]
    fn what_is_refused() {
        for words in ["-t -2", "-k --nokill", "-k -r", "-k -t 3", "--nolock"] {
            assert!(how(words).is_err(), "{words}");
        }
    }
}

//! `lxc-monitor`: the changes of state of many containers, as they happen.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lxc_core::monitord::{self, Event, Message, Watcher};
use lxc_types::State;
use regex_lite::Regex;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde::Serialize;

use crate::cli::{Common, NameRule, Rcfile, Tool};
use crate::json::{self, FormatOption};
use crate::output;
use crate::report::{self, Failure};
use crate::session::Session;

/// Show the changes of state of containers, as they happen
#[derive(Debug, clap::Parser)]
pub struct Monitor {
    /// End the daemon that serves the containers' messages (lxc-monitord)
    #[arg(short = 'Q', long)]
    quit: bool,
    #[command(flatten)]
    format: FormatOption,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Monitor {
    const PROGRAM: &'static str = "lxc-monitor";
    const SYNOPSIS: &'static str = "[--name=REGEX]";
    const NAME: NameRule = NameRule::Pattern;
    const MANY_LXCPATHS: bool = true;

    crate::cli::common!();

    fn run(self, session: &Session) -> Result<u8, Failure> {
        if self.quit {
            return Ok(quit(session));
        }
        let name = self.common.name.as_deref().unwrap_or(".*");
        // As upstream: the anchors belong to the first and the last of several alternatives.
        let wanted = Regex::new(&format!("^{name}$"))
            .map_err(|e| Failure::said(format!("\"{name}\" is no regular expression: {e}")))?;
        let sources = session.lxcpaths.iter().map(|lxcpath| Source::open(session, lxcpath));
        let sources = sources.collect::<Result<Vec<Source>, Failure>>()?;
        loop {
            for source in ready(&sources)? {
                let message = source.watcher.read().map_err(|e| source.lost(&e))?;
                let Some(message) = message else { continue };
                if wanted.is_match(&message.name)
                    && let Some(line) = self.line(&source.lxcpath, &message)?
                {
                    output::write(line.as_bytes())?;
                }
            }
        }
    }
}

/// Asks each daemon to end; 1 if one could not be asked.
fn quit(session: &Session) -> u8 {
    let mut code = 0;
    for lxcpath in &session.lxcpaths {
        if let Err(error) = monitord::quit(lxcpath) {
            if !session.quiet {
                report::line(&format!("lxc-monitor: no daemon serves {}: {error}", lxcpath.display()));
            }
            code = 1;
        }
    }
    code
}

/// A folder of containers that is watched.
struct Source {
    lxcpath: PathBuf,
    watcher: Watcher,
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watcher.as_fd()
    }
}

impl Source {
    fn open(session: &Session, lxcpath: &Path) -> Result<Source, Failure> {
        // There may be a daemon already: what counts is whether one answers.
        let spawned = match session.dirs.program(&["libexec/lxc/lxc-monitord"]) {
            Some(program) => monitord::spawn(&program, lxcpath).map_err(Failure::from),
            None => Err(Failure::said("libexec/lxc/lxc-monitord is not installed")),
        };
        match Watcher::connect(lxcpath) {
            Ok(watcher) => Ok(Source { lxcpath: lxcpath.to_owned(), watcher }),
            Err(error) => Err(spawned.err().unwrap_or_else(|| Failure::from(error))),
        }
    }
}

impl Source {
    /// The daemon has ended: somebody told it to, or killed it.
    fn lost(&self, error: &lxc_sys::Error) -> Failure {
        match error.errno() {
            Errno::CONNRESET => {
                Failure::said(format!("the monitor daemon of {} has ended", self.lxcpath.display()))
            }
            _ => Failure::said(error.to_string()),
        }
    }
}

/// Waits until there is a message; the folders that have one.
fn ready(sources: &[Source]) -> Result<Vec<&Source>, Failure> {
    let mut fds: Vec<PollFd<'_>> = sources.iter().map(|one| PollFd::new(one, PollFlags::IN)).collect();
    match poll(&mut fds, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(e) => return Err(Failure::said(format!("poll: {e}"))),
    }
    Ok(sources.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(one, _)| one).collect())
}

/// What `--format json` prints for each message.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    lxcpath: String,
    container: &'a str,
    state: Option<&'static str>,
    exit: Option<Exit>,
}

/// The object `exit`.
#[derive(Serialize)]
struct Exit {
    code: Option<i32>,
    signal: Option<i32>,
}

impl Exit {
    /// From a status of waitpid(2).
    fn of(status: i32) -> Exit {
        match status & 0x7f {
            0 => Exit { code: Some(exit_code(status)), signal: None },
            signal => Exit { code: None, signal: Some(signal) },
        }
    }
}

/// The exit code in a status of waitpid(2), 0 for one that a signal made.
fn exit_code(status: i32) -> i32 {
    status >> 8 & 0xff
}

impl Monitor {
    /// The line for a message; `None` when it says nothing.
    fn line(&self, lxcpath: &Path, message: &Message) -> Result<Option<String>, Failure> {
        let Message { name, event } = message;
        if !self.format.is_json() {
            return Ok(Some(match event {
                Event::State(state) => {
                    let state = state.map_or("INVALID STATE", State::as_str);
                    format!("'{name}' changed state to [{state}]\n")
                }
                Event::Exit(status) => format!("'{name}' exited with status [{}]\n", exit_code(*status)),
            }));
        }
        let (state, exit) = match event {
            Event::State(Some(state)) => (Some(state.as_str()), None),
            Event::State(None) => return Ok(None),
            Event::Exit(status) => (None, Some(Exit::of(*status))),
        };
        let lxcpath = lxcpath.to_string_lossy().into_owned();
        let time = json::time(SystemTime::now());
        json::line("event", &Line { time, lxcpath, container: name, state, exit }).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::from_words;

    fn line(words: &[&str], event: Event) -> Option<String> {
        let message = Message { name: "c1".into(), event };
        from_words::<Monitor>(words).unwrap().line(Path::new("/var/lib/lxc"), &message).unwrap()
    }

    #[test]
    fn texts() {
        let text = |event| line(&[], event).unwrap();
        assert_eq!(text(Event::State(Some(State::Frozen))), "'c1' changed state to [FROZEN]\n");
        assert_eq!(text(Event::State(None)), "'c1' changed state to [INVALID STATE]\n");
        assert_eq!(text(Event::Exit(0x0700)), "'c1' exited with status [7]\n");
        assert_eq!(text(Event::Exit(9)), "'c1' exited with status [0]\n");
    }

    #[test]
    fn objects() {
        let json = |event| {
            line(&["--format=json"], event).map(|text| text.split_once("\"lxcpath\"").unwrap().1.to_owned())
        };
        assert_eq!(
            json(Event::State(Some(State::Frozen))).unwrap(),
            ":\"/var/lib/lxc\",\"container\":\"c1\",\"state\":\"FROZEN\",\"exit\":null}\n"
        );
        assert_eq!(
            json(Event::Exit(0x0700)).unwrap(),
            ":\"/var/lib/lxc\",\"container\":\"c1\",\"state\":null,\"exit\":{\"code\":7,\"signal\":null}}\n"
        );
        // With a core dump.
        assert!(json(Event::Exit(0x8b)).unwrap().ends_with("\"exit\":{\"code\":null,\"signal\":11}}\n"));
        assert_eq!(json(Event::State(None)), None);
    }
}

//! `lxc-autostart`: start, reboot, shut down or kill many containers, in the order that their configurations ask for.

mod pool;
mod schedule;

use std::path::Path;
use std::time::Duration;

use lxc_config::{Diagnostic, Origin};
use lxc_core::{Client, ClientError, Container, ErrorKind, Mode, Run, StartOptions, Stop, list};
use lxc_types::number;
use serde::Serialize;

use crate::cli::{Common, NameRule, OWN, Rcfile, Tool};
use crate::json::{self, FormatOption};
use crate::output;
use crate::report::{self, Failure};
use crate::session::Session;
use schedule::{Cycle, Direction, Item, Step};

/// How long a shutdown may take, in seconds.
const PATIENCE: i64 = 60;

/// How long a monitor may take to open its log files.
const ANSWER: Duration = Duration::from_secs(5);

/// Start, reboot, shut down or kill the containers that start with the host
#[derive(Debug, clap::Parser)]
pub struct Autostart {
    /// Kill the containers instead of starting them
    #[arg(short, long)]
    kill: bool,
    /// Only list the containers, and how long each is waited for after its start
    #[arg(short = 'L', long)]
    list: bool,
    /// Reboot the containers that run instead of starting others
    #[arg(short, long)]
    reboot: bool,
    /// Shut the containers down instead of starting them
    #[arg(short, long)]
    shutdown: bool,
    /// Containers of all groups, and of none
    #[arg(short, long)]
    all: bool,
    /// Also containers without lxc.start.auto
    #[arg(short = 'A', long)]
    ignore_auto: bool,
    /// The containers in these groups, joined by commas, one group after the other; an empty word at the end: those
    /// without a group
    #[arg(short, long, value_name = "GROUPS", action = clap::ArgAction::Append)]
    groups: Vec<String>,
    /// With -s: kill what has not shut down after this many seconds (default 60; 0: do not wait; -1: wait for ever)
    #[arg(short, long, value_name = "SECONDS")]
    timeout: Option<String>,
    #[command(flatten)]
    rcfile: Rcfile,
    /// Start or stop so many containers of the same lxc.start.order at a time, 0 for no limit (default:
    /// lxc.autostart.jobs of lxc.conf, else 1; with -s and -k no limit)
    #[arg(long, value_name = "NUMBER", help_heading = OWN)]
    jobs: Option<u32>,
    /// Have the monitors of all containers that run open their log files anew, as logrotate(8) wants it; start nothing
    #[arg(long, help_heading = OWN)]
    reopen_logs: bool,
    #[command(flatten)]
    format: FormatOption,
    #[command(flatten)]
    common: Common,
}

/// What is done with each container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Start,
    Reboot,
    Shutdown { timeout: Option<Duration> },
    Kill,
}

impl Action {
    fn direction(self) -> Direction {
        match self {
            Action::Start | Action::Reboot => Direction::Up,
            Action::Shutdown { .. } | Action::Kill => Direction::Down,
        }
    }
}

impl Tool for Autostart {
    const PROGRAM: &'static str = "lxc-autostart";
    const SYNOPSIS: &'static str = "[OPTIONS]";
    const NAME: NameRule = NameRule::Unused;

    crate::cli::common!();

    fn check(&mut self) -> Result<(), String> {
        if self.format.is_json() && !self.list {
            return Err("--format json is for --list (-L)".to_owned());
        }
        match self.timeout.as_deref().map(number::signed64) {
            Some(Err(e)) => Err(format!("--timeout (-t): {e}")),
            _ => Ok(()),
        }
    }

    fn run(self, session: &Session) -> Result<u8, Failure> {
        if self.reopen_logs {
            return reopen_logs(session);
        }
        let action = self.action();
        let containers = self.containers(session)?;
        let items: Vec<Item> = containers.iter().map(item).collect();
        let passes = schedule::passes(&self.groups);
        let passes = (!self.all).then_some(&passes[..]);
        let steps = schedule::plan(&items, passes, action.direction())
            .map_err(|cycle| Failure::from(lxc_core::Error::Config(vec![diagnostic(&cycle, &containers)])))?;
        if self.list {
            let listed = steps.iter().filter_map(|step| Some((step, containers.get(step.item)?)));
            let listed: Vec<_> = listed.filter(|(_, container)| concerns(action, container)).collect();
            if self.format.is_json() {
                return print_json(session, action, &listed);
            }
            let text: String = listed.iter().map(|(_, container)| line(action, container)).collect();
            output::write(text.as_bytes())?;
            return Ok(0);
        }
        let jobs = self.jobs(session, action)?;
        let (mut all, mut failed) = (0, 0);
        pool::run(
            &steps,
            jobs,
            &mut |item| containers.get(item).map_or(1, |container| work(session, action, container)),
            &mut |_, status| {
                all += 1;
                failed += usize::from(status != 0);
            },
        )?;
        Ok(match failed {
            0 => 0,
            some if some == all => 1,
            _ => 2,
        })
    }
}

impl Autostart {
    /// The options may name several: the order in which they count is upstream's.
    fn action(&self) -> Action {
        if self.shutdown {
            let seconds = self.timeout.as_deref().and_then(|text| number::signed64(text).ok());
            // A negative number is no limit.
            let timeout = u64::try_from(seconds.unwrap_or(PATIENCE)).ok().map(Duration::from_secs);
            Action::Shutdown { timeout }
        } else if self.kill {
            Action::Kill
        } else if self.reboot {
            Action::Reboot
        } else {
            Action::Start
        }
    }

    /// How many at a time; `None` for no limit.
    fn jobs(&self, session: &Session, action: Action) -> Result<Option<usize>, Failure> {
        let configured = || match session.dirs.global.autostart_jobs.as_deref() {
            None => Ok(1),
            Some(text) => {
                number::unsigned(text.trim()).map_err(|e| Failure::said(format!("lxc.autostart.jobs: {e}")))
            }
        };
        let jobs = match (self.jobs, action.direction()) {
            (Some(jobs), _) => jobs,
            (None, Direction::Up) => configured()?,
            (None, Direction::Down) => 0,
        };
        Ok((jobs > 0).then(|| usize::try_from(jobs).unwrap_or(usize::MAX)))
    }

    /// The containers that may be meant, sorted by name. One with a faulty configuration is told of and left out.
    fn containers(&self, session: &Session) -> Result<Vec<Container>, Failure> {
        let names = list::defined(&session.lxcpath)?;
        let mut containers = Vec::new();
        for name in &names {
            match Container::open(&session.dirs, &session.lxcpath, name.clone()) {
                Ok(container) => containers.push(container),
                Err(error) => report::print(Self::PROGRAM, Some(name), &error.into()),
            }
        }
        if containers.is_empty() {
            // Upstream fails then, too, though without a word.
            return Err(Failure::said(format!("there are no containers in {}", session.lxcpath.display())));
        }
        for container in &containers {
            for after in
                container.config().autostart.after.iter().filter(|after| !names.contains(&after.value))
            {
                let text = format!("lxc.start.after: there is no container {}", after.value);
                report::line(&format!("{}: {}: {text}", Self::PROGRAM, container.name()));
            }
        }
        containers.retain(|c| (self.ignore_auto || c.config().autostart.auto) && c.may_control());
        Ok(containers)
    }
}

/// Asks all monitors; the exit code.
fn reopen_logs(session: &Session) -> Result<u8, Failure> {
    let mut code = 0;
    for name in list::active(&session.lxcpath)? {
        match Client::new(&session.lxcpath, &name).with_timeout(ANSWER).reopen_logs() {
            // It has ended meanwhile.
            Ok(()) | Err(ClientError::NotRunning) => {}
            Err(error) => {
                if !session.quiet {
                    report::print(Autostart::PROGRAM, Some(&name), &lxc_core::Error::from(error).into());
                }
                code = 1;
            }
        }
    }
    Ok(code)
}

fn item(container: &Container) -> Item {
    let autostart = &container.config().autostart;
    Item {
        name: container.name().to_string(),
        order: autostart.order,
        groups: autostart.groups.clone(),
        after: autostart.after.iter().map(|after| after.value.to_string()).collect(),
    }
}

/// Whether there is something to do for a container in its state.
fn concerns(action: Action, container: &Container) -> bool {
    container.is_running() == (action != Action::Start)
}

/// A container in the list.
fn line(action: Action, container: &Container) -> String {
    match action.direction() {
        Direction::Up => format!("{} {}\n", container.name(), container.config().autostart.delay),
        Direction::Down => format!("{}\n", container.name()),
    }
}

/// The list for programs.
fn print_json(session: &Session, action: Action, listed: &[(&Step, &Container)]) -> Result<u8, Failure> {
    #[derive(Serialize)]
    struct Answer<'a> {
        lxcpath: String,
        action: &'static str,
        containers: Vec<Planned<'a>>,
    }
    #[derive(Serialize)]
    struct Planned<'a> {
        name: &'a str,
        stage: usize,
        order: i32,
        delay_seconds: u32,
        groups: &'a [String],
        after: Vec<&'a str>,
    }
    let containers = listed.iter().map(|(step, container)| {
        let autostart = &container.config().autostart;
        Planned {
            name: container.name(),
            stage: step.stage,
            order: autostart.order,
            delay_seconds: autostart.delay,
            groups: &autostart.groups,
            after: autostart.after.iter().map(|after| after.value.as_str()).collect(),
        }
    });
    json::print(
        "autostart",
        &Answer {
            lxcpath: session.lxcpath.display().to_string(),
            action: match action {
                Action::Start => "start",
                Action::Reboot => "reboot",
                Action::Shutdown { .. } => "shutdown",
                Action::Kill => "kill",
            },
            containers: containers.collect(),
        },
    )
}

/// What a child does; its exit status.
fn work(session: &Session, action: Action, container: &Container) -> u8 {
    if !concerns(action, container) {
        return 0;
    }
    match act(session, action, container.clone()) {
        Ok(()) => 0,
        Err(error) => {
            let failure = Failure::from(error);
            session.record(&format!("{}: {}", container.name(), report::line_of(&failure)));
            if !session.quiet {
                report::print(Autostart::PROGRAM, Some(container.name()), &failure);
            }
            failure.code()
        }
    }
}

fn act(session: &Session, action: Action, mut container: Container) -> Result<(), lxc_core::Error> {
    match action {
        Action::Start => {
            let options = StartOptions {
                mode: Mode::Start,
                argv: Vec::new(),
                run: Run::Daemon,
                pidfile: None,
                close_fds: false,
                log: session.log.clone(),
            };
            match container.start(&options) {
                // Somebody else was faster.
                Err(e) if e.kind() == ErrorKind::AlreadyRunning => return Ok(()),
                other => other.map(drop)?,
            }
        }
        Action::Reboot => container.stop(&Stop::Reboot { timeout: Some(Duration::ZERO) })?,
        Action::Shutdown { timeout } => {
            let kill_after = timeout != Some(Duration::ZERO);
            return container.stop(&Stop::Shutdown { timeout, kill_after });
        }
        Action::Kill => return container.stop(&Stop::Kill),
    }
    std::thread::sleep(Duration::from_secs(container.config().autostart.delay.into()));
    Ok(())
}

/// The cycle, at the line that closes it.
fn diagnostic(cycle: &Cycle, containers: &[Container]) -> Diagnostic {
    let members: Vec<&Container> = cycle.0.iter().filter_map(|at| containers.get(*at)).collect();
    let names: Vec<&str> = members.iter().map(|container| container.name().as_str()).collect();
    let problem = Diagnostic::error(format!("containers wait for each other: {}", names.join(", ")))
        .with_key("lxc.start.after")
        .with_help("remove one of the names");
    let line = members.first().and_then(|first| {
        first.config().autostart.after.iter().find(|after| names.contains(&after.value.as_str()))
    });
    match line.map(|line| &line.origin) {
        Some(Origin::File(span)) => problem.at(span.clone()),
        _ => problem,
    }
}

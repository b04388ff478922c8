//! Ending a container, and saying what holds it up.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use lxc_host::cgroup::dir::Dir;
use lxc_sys::procfs::Procfs;
use lxc_sys::{proc, process, socket};
use lxc_types::State;

use super::{Container, Error, Result};
use crate::command::client::{Waiting, read_state};
use crate::command::{Client, ClientError};
use crate::meanwhile;
use crate::stuck;

/// How a container is stopped. A `timeout` of `None` waits for ever, of zero not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At once.
    Kill,
    /// By asking its init.
    Shutdown {
        /// How long init may take.
        timeout: Option<Duration>,
        /// Kill when it took longer.
        kill_after: bool,
    },
    /// By asking its init to reboot.
    Reboot {
        /// How long it may take.
        timeout: Option<Duration>,
    },
}

const SIGINT: i32 = 2;
const SIGPWR: i32 = 30;
/// `SIGRTMIN+3`, by which systemd is asked to halt.
const SYSTEMD_HALT: i32 = 37;

/// How long somebody waits for the end before being told what for.
const FIRST_NOTICE: Duration = Duration::from_secs(5);
/// How long processes may take that were killed.
const DEATH: Duration = Duration::from_secs(30);
/// How long hooks and the clearing away may take after that.
const HOOKS: Duration = Duration::from_secs(600);

impl Container {
    /// Stops or reboots it.
    ///
    /// # Errors
    /// When it does not run, does not end in time, or cannot be asked.
    pub fn stop(&self, how: &Stop) -> Result<()> {
        self.stop_telling(how, &mut |text| log::warn!("{text}"))
    }

    /// As [`Container::stop`]; `notice` is told what is waited for when it takes long.
    ///
    /// # Errors
    /// As [`Container::stop`]; an end that does not come names what does not die.
    pub fn stop_telling(&self, how: &Stop, notice: &mut dyn FnMut(&str)) -> Result<()> {
        match how {
            Stop::Kill => self.kill(notice),
            Stop::Shutdown { timeout, kill_after } => match self.shut_down(*timeout)? {
                None => Ok(()),
                Some(_) if *kill_after => match self.kill(notice) {
                    // It was on its way.
                    Err(Error::Client(ClientError::NotRunning)) => Ok(()),
                    other => other,
                },
                Some(why) => Err(Error::TimedOut(format!("the container did not shut down in time{why}"))),
            },
            Stop::Reboot { timeout } => self.reboot(*timeout),
        }
    }

    fn kill(&self, notice: &mut dyn FnMut(&str)) -> Result<()> {
        let connection = match self.client().begin_stop()? {
            Some(connection) => connection,
            None => return Ok(()),
        };
        let begin = Instant::now();
        let mut told = String::new();
        let mut next = begin + FIRST_NOTICE;
        loop {
            let ended = meanwhile::ready(&[connection.as_fd()], Some(next));
            if ended.is_ok_and(|ready| ready.contains(&true)) {
                return Ok(Client::end_of_stop(&connection)?);
            }
            next = Instant::now() + FIRST_NOTICE;
            let (what, limit) = self.what_holds_up();
            if begin.elapsed() >= limit {
                return Err(Error::TimedOut(format!("the container does not end: {what}")));
            }
            if what != told {
                notice(&format!("waiting for the end: {what}"));
                told = what;
            }
        }
    }

    /// What a container that was killed waits for, and how long that is worth waiting for.
    fn what_holds_up(&self) -> (String, Duration) {
        let monitor = stuck::monitor(&self.lxcpath, &self.name);
        let own =
            |pid: Option<i32>| pid.and_then(stuck::one).unwrap_or_else(|| "it is not to be found".into());
        match self.client().with_timeout(Duration::from_secs(2)).state() {
            Ok(State::Starting) => {
                let what = monitor.and_then(stuck::children);
                (format!("it is still starting{}", named(what)), DEATH)
            }
            Ok(State::Stopping | State::Stopped | State::Aborting) => {
                let what = monitor.and_then(stuck::children);
                (format!("its processes are dead, hooks are running{}", named(what)), HOOKS)
            }
            Ok(_) => match self.living() {
                Some(what) => (format!("killed, and not dead: {what}"), DEATH),
                None => (format!("no process is left; its monitor: {}", own(monitor)), DEATH),
            },
            Err(_) => (format!("its monitor does not answer: {}", own(monitor)), DEATH),
        }
    }

    /// The container's processes.
    fn living(&self) -> Option<String> {
        let client = self.client().with_timeout(Duration::from_secs(2));
        let groups = client.cgroup_context().map(|context| context.dirs).unwrap_or_default();
        let groups = groups.into_iter().map(|fd| Dir::from_fd(fd, "container's cgroup"));
        let all = groups.filter_map(|dir| stuck::in_group(&dir)).next();
        all.or_else(|| stuck::one(client.init_pid().ok()?))
    }

    fn init(&self) -> Result<(i32, Option<OwnedFd>)> {
        let client = self.client();
        let pidfd = client.init_pidfd().ok();
        match client.init_pid()? {
            pid if pid > 0 => Ok((pid, pidfd)),
            _ => Err(Error::Client(ClientError::NotRunning)),
        }
    }

    fn signal(&self, pid: i32, pidfd: Option<&OwnedFd>, signal: i32) -> Result<()> {
        match pidfd {
            Some(pidfd) => Ok(process::pidfd_kill(pidfd, signal)?),
            None => Ok(process::kill_raw(pid, signal)?),
        }
    }

    /// `None` when it ended in time, or when nobody wanted to wait; else what it is doing.
    fn shut_down(&self, timeout: Option<Duration>) -> Result<Option<String>> {
        let (pid, pidfd) = self.init()?;
        let signal = match self.config.signals.halt.map(lxc_types::SignalSpec::number) {
            Some(configured) if configured > 0 => configured,
            _ if is_blocked(pid, SYSTEMD_HALT) => SYSTEMD_HALT,
            _ => SIGPWR,
        };
        // Before it is asked: the connection ends when the last hook has run, and later nobody would listen.
        let waiting = match timeout {
            Some(Duration::ZERO) => None,
            _ => Some(self.client().add_state_client(flag(State::Stopped, 1))?),
        };
        self.signal(pid, pidfd.as_ref(), signal)?;
        let Some(Waiting::Registered(connection)) = waiting else { return Ok(None) };
        let end = timeout.and_then(|t| Instant::now().checked_add(t));
        for fd in pidfd.iter().chain([&connection]) {
            let ready = meanwhile::ready(&[fd.as_fd()], end);
            if !ready.is_ok_and(|ready| ready.contains(&true)) {
                return Ok(Some(named(stuck::one(pid))));
            }
        }
        read_state(connection.as_fd())?;
        Ok(None)
    }

    fn reboot(&self, timeout: Option<Duration>) -> Result<()> {
        let (pid, pidfd) = self.init()?;
        let signal = self.config.signals.reboot.map_or(0, lxc_types::SignalSpec::number);
        // Flag 2: the state that it is in now does not count, and a reboot of the monitor's does not end the wait.
        let waiting = match timeout {
            Some(Duration::ZERO) => None,
            _ => Some(self.client().add_state_client(flag(State::Running, 2))?),
        };
        self.signal(pid, pidfd.as_ref(), if signal > 0 { signal } else { SIGINT })?;
        let Some(Waiting::Registered(connection)) = waiting else { return Ok(()) };
        socket::set_receive_timeout(&connection, timeout)?;
        match read_state(connection.as_fd()) {
            Ok(Some(State::Running)) => Ok(()),
            Ok(_) => Err(Error::State("the container stopped instead of rebooting".to_owned())),
            Err(e) if e.errno() == rustix::io::Errno::AGAIN => {
                let what = named(stuck::one(pid));
                Err(Error::TimedOut(format!("the container did not reboot in time{what}")))
            }
            Err(e) => Err(e.into()),
        }
    }
}

fn named(what: Option<String>) -> String {
    what.map(|what| format!(": {what}")).unwrap_or_default()
}

/// The flags that register for one state.
fn flag(state: State, value: i32) -> [i32; 8] {
    let mut flags = [0; 8];
    if let Some(flag) = usize::try_from(state.number()).ok().and_then(|at| flags.get_mut(at)) {
        *flag = value;
    }
    flags
}

/// Whether a process blocks a signal: systemd takes its signals from a descriptor.
fn is_blocked(pid: i32, signal: i32) -> bool {
    let Ok(status) = Procfs::mounted().and_then(|p| p.read(&format!("{pid}/status"))) else { return false };
    let mask = proc::status_field(&status, "SigBlk").and_then(|v| std::str::from_utf8(v).ok());
    let mask = mask.and_then(|v| u64::from_str_radix(v.trim(), 16).ok()).unwrap_or(0);
    Pid::from_raw(pid).is_some() && mask & (1 << (signal - 1)) != 0
}

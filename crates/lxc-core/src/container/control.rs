//! Changing a container that runs: stop, freeze, terminals, control files.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

use lxc_host::cgroup::dir::Dir;
use lxc_host::cgroup::{Base, Hierarchies, Relative, devices, freezer, item, spec};
use lxc_sys::procfs::Procfs;
use lxc_sys::{proc, process};
use lxc_types::State;
use lxc_types::device_rule::{DeviceInput, DeviceKind};

use super::{Container, Error, Result};
use crate::command::wire::{self, Which};
use crate::command::{Client, ClientError};

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

/// Which terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtyChoice {
    /// The first that is free.
    Any,
    /// The console.
    Console,
    /// `/dev/ttyN`.
    Number(u32),
}

/// A terminal of the container, held until this is dropped.
#[derive(Debug)]
pub struct ConsoleSession {
    /// The controlling end.
    pub fd: OwnedFd,
    /// Its number; 0 is the console.
    pub number: i32,
    _held: OwnedFd,
}

const SIGINT: i32 = 2;
const SIGPWR: i32 = 30;
/// `SIGRTMIN+3`, by which systemd is asked to halt.
const SYSTEMD_HALT: i32 = 37;

impl Container {
    /// Stops or reboots it.
    ///
    /// # Errors
    /// When it does not run, does not end in time, or cannot be asked.
    pub fn stop(&self, how: &Stop) -> Result<()> {
        match how {
            Stop::Kill => Ok(self.client().stop()?),
            Stop::Shutdown { timeout, kill_after } => {
                if self.shut_down(*timeout)? {
                    return Ok(());
                }
                if *kill_after {
                    return Ok(self.client().stop()?);
                }
                Err(Error::TimedOut("the container did not shut down in time".to_owned()))
            }
            Stop::Reboot { timeout } => self.reboot(*timeout),
        }
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

    /// True when it ended in time, or when nobody wanted to wait.
    fn shut_down(&self, timeout: Option<Duration>) -> Result<bool> {
        let (pid, pidfd) = self.init()?;
        let signal = match self.config.signals.halt.map(lxc_types::SignalSpec::number) {
            Some(configured) if configured > 0 => configured,
            _ if is_blocked(pid, SYSTEMD_HALT) => SYSTEMD_HALT,
            _ => SIGPWR,
        };
        self.signal(pid, pidfd.as_ref(), signal)?;
        if timeout == Some(Duration::ZERO) {
            return Ok(true);
        }
        let begin = Instant::now();
        if let Some(pidfd) = &pidfd
            && !wait_readable(pidfd, timeout)
        {
            return Ok(false);
        }
        self.wait(
            &[State::Stopped],
            timeout.map(|t| t.saturating_sub(begin.elapsed()).max(Duration::from_millis(1))),
        )
    }

    fn reboot(&self, timeout: Option<Duration>) -> Result<()> {
        let (pid, pidfd) = self.init()?;
        let signal = self.config.signals.reboot.map_or(0, lxc_types::SignalSpec::number);
        // Flag 2: the state that it is in now does not count, and a reboot of the monitor's does not end the wait.
        let mut flags = [0; 8];
        if let Some(flag) = usize::try_from(State::Running.number()).ok().and_then(|at| flags.get_mut(at)) {
            *flag = 2;
        }
        let waiting = match timeout {
            Some(Duration::ZERO) => None,
            _ => Some(self.client().add_state_client(flags)?),
        };
        self.signal(pid, pidfd.as_ref(), if signal > 0 { signal } else { SIGINT })?;
        let Some(crate::command::client::Waiting::Registered(connection)) = waiting else { return Ok(()) };
        lxc_sys::socket::set_receive_timeout(&connection, timeout)?;
        match crate::command::client::read_state(std::os::fd::AsFd::as_fd(&connection)) {
            Ok(Some(State::Running)) => Ok(()),
            Ok(_) => Err(Error::State("the container stopped instead of rebooting".to_owned())),
            Err(e) if e.errno() == rustix::io::Errno::AGAIN => {
                Err(Error::TimedOut("the container did not reboot in time".to_owned()))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Freezes all of its processes and waits until they are.
    ///
    /// # Errors
    /// When it does not run, has no freezer, or processes do not freeze within ten seconds.
    pub fn freeze(&self) -> Result<()> {
        self.change_freezer(State::Freezing, State::Frozen, State::Running, |dir| {
            freezer::freeze(dir, Some(FREEZE_PATIENCE))
        })
    }

    /// Thaws it.
    ///
    /// # Errors
    /// As [`Container::freeze`].
    pub fn unfreeze(&self) -> Result<()> {
        self.change_freezer(State::Thawed, State::Running, State::Frozen, |dir| {
            freezer::thaw(dir, Some(FREEZE_PATIENCE))
        })
    }

    fn change_freezer(
        &self,
        begin: State,
        done: State,
        undone: State,
        change: impl Fn(&Dir) -> Result<(), lxc_host::cgroup::Error>,
    ) -> Result<()> {
        let client = self.client();
        let dir = self.freezer_dir()?;
        client.serve_state(begin)?;
        let changed = change(&dir);
        client.serve_state(if changed.is_ok() { done } else { undone })?;
        Ok(changed?)
    }

    /// The freezer's directory: of the unified hierarchy where the monitor is on one, else of v1's.
    fn freezer_dir(&self) -> Result<Dir> {
        let client = self.client();
        if let Ok(fd) = client.cgroup_fd(Which::Limit, "freezer") {
            return Ok(Dir::from_fd(fd, "container's freezer"));
        }
        if let Ok(fd) = client.cgroup2_fd(Which::Limit) {
            return Ok(Dir::from_fd(fd, "container's cgroup"));
        }
        let path = client.cgroup(Which::Limit, Some("freezer"))?;
        self.open_cgroup("freezer", &path)
    }

    /// A cgroup by its path in the hierarchy, for monitors that give no descriptor.
    pub(super) fn open_cgroup(&self, controller: &str, path: &str) -> Result<Dir> {
        let hierarchies = Hierarchies::discover(Base::of(Relative::No), &[])?;
        let hierarchy = hierarchies.by_controller(Some(controller)).ok_or_else(|| {
            Error::State(format!("there is no cgroup hierarchy with the controller {controller}"))
        })?;
        Ok(hierarchy.open(std::path::Path::new(path))?)
    }

    fn item_dir(&self, file: &str) -> Result<Dir> {
        self.group_dir(&self.client(), spec::controller_of(file))
    }

    /// The directory of the container's cgroup of a controller; of the unified hierarchy for `cgroup`.
    pub(super) fn group_dir(&self, client: &Client, controller: &str) -> Result<Dir> {
        match client.cgroup_fd(Which::Limit, controller) {
            Ok(fd) => Ok(Dir::from_fd(fd, format!("container's {controller} cgroup"))),
            Err(ClientError::NotRunning) => Err(Error::Client(ClientError::NotRunning)),
            Err(_) => {
                // Monitors of LXC know no controller of this name: they hand out the directory where cgroup2 is
                // alone, and tell its path elsewhere.
                let named = (controller != "cgroup").then_some(controller);
                if named.is_none()
                    && let Ok(fd) =
                        client.cgroup2_fd(Which::Limit).or_else(|_| client.cgroup2_fd(Which::Process))
                {
                    return Ok(Dir::from_fd(fd, "container's cgroup"));
                }
                let path = client.cgroup(Which::Limit, named)?;
                self.open_cgroup(controller, &path)
            }
        }
    }

    /// Reads a control file of the container's cgroup.
    ///
    /// # Errors
    /// When it does not run, or there is no such file.
    pub fn cgroup_get(&self, file: &str) -> Result<Vec<u8>> {
        Ok(item::get(&self.item_dir(file)?, file)?)
    }

    /// Writes a control file of the container's cgroup. Device rules go where they bind: to the v1 controller, or
    /// to the monitor, which changes its program.
    ///
    /// # Errors
    /// When it does not run, there is no such file, or the kernel refuses the value.
    pub fn cgroup_set(&self, file: &str, value: &str) -> Result<()> {
        if let Some(verdict) = spec::Verdict::of_file(file) {
            return self.set_device(verdict, file, value);
        }
        Ok(item::set(&self.item_dir(file)?, file, value)?)
    }

    fn set_device(&self, verdict: spec::Verdict, file: &str, value: &str) -> Result<()> {
        match self.item_dir(file) {
            Ok(dir) if !dir.is_v2()? => {
                let text = lxc_host::cgroup::devices::v1_text(value)
                    .map_err(|e| Error::Key(format!("{file}: {e}")))?;
                Ok(item::set(&dir, file, &text)?)
            }
            Ok(_) | Err(Error::Client(ClientError::NoAnswer(_) | ClientError::Refused(..))) => {
                let rule = device_rule(value, verdict).map_err(|e| Error::Key(format!("{file}: {e}")))?;
                Ok(self.client().add_device_rule(&rule)?)
            }
            Err(e) => Err(e),
        }
    }

    /// A terminal of the container.
    ///
    /// # Errors
    /// When it does not run, or the terminal is taken or does not exist.
    pub fn console(&self, which: TtyChoice) -> Result<ConsoleSession> {
        let number = match which {
            TtyChoice::Any => -1,
            TtyChoice::Console => 0,
            TtyChoice::Number(n) => i32::try_from(n).unwrap_or(i32::MAX),
        };
        let (fd, number, held) = self.client().tty(number)?;
        Ok(ConsoleSession { fd, number, _held: held })
    }
}

/// A rule as the monitor takes it: paths are looked up here, with the caller's rights.
fn device_rule(
    value: &str,
    verdict: spec::Verdict,
) -> Result<wire::DeviceRule, lxc_host::cgroup::SettingError> {
    let allow = verdict == spec::Verdict::Allow;
    let rule = match value.parse()? {
        DeviceInput::All => {
            return Ok(wire::DeviceRule { kind: b'a', major: -1, minor: -1, access: Vec::new(), allow });
        }
        DeviceInput::Rule(rule) => rule,
        DeviceInput::Path { path, access } => devices::node(&path, access)?,
    };
    let number = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok()).unwrap_or(-1);
    let kind = match rule.kind {
        DeviceKind::Any => b'a',
        DeviceKind::Block => b'b',
        DeviceKind::Char => b'c',
    };
    let access = rule.access.to_string().into_bytes();
    Ok(wire::DeviceRule { kind, major: number(rule.major), minor: number(rule.minor), access, allow })
}

const FREEZE_PATIENCE: Duration = Duration::from_secs(10);

fn wait_readable(fd: &OwnedFd, timeout: Option<Duration>) -> bool {
    let end = timeout.map(|t| Instant::now() + t);
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.and_then(|l| Timespec::try_from(l).ok());
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        match poll(&mut fds, left.as_ref()) {
            Ok(n) => return n > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Whether a process blocks a signal: systemd takes its signals from a descriptor.
fn is_blocked(pid: i32, signal: i32) -> bool {
    let Ok(status) = Procfs::mounted().and_then(|p| p.read(&format!("{pid}/status"))) else { return false };
    let mask = proc::status_field(&status, "SigBlk").and_then(|v| std::str::from_utf8(v).ok());
    let mask = mask.and_then(|v| u64::from_str_radix(v.trim(), 16).ok()).unwrap_or(0);
    Pid::from_raw(pid).is_some() && mask & (1 << (signal - 1)) != 0
}

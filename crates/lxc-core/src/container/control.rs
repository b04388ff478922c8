//! Changing a container that runs: freeze, terminals, control files.

use std::os::fd::OwnedFd;
use std::time::Duration;

use lxc_host::cgroup::dir::Dir;
use lxc_host::cgroup::{Base, Hierarchies, Relative, devices, freezer, item, spec};
use lxc_types::State;
use lxc_types::device_rule::{DeviceInput, DeviceKind};

use super::{Container, Error, Result};
use crate::command::wire::{self, Which};
use crate::command::{Client, ClientError};

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

impl Container {
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

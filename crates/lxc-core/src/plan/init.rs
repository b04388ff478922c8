//! What runs first in the container: program, ids, environment.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;

use lxc_config::Config;
use lxc_sys::process;

use super::PlanError;
use crate::hooks::Env;
use crate::supervise::Mode;

/// The first program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitPlan {
    /// The program and its arguments.
    pub argv: Vec<CString>,
    /// Run under an init of ours that reaps, rather than as the init.
    pub mode: Mode,
    /// Its environment, without the terminals, which are known later.
    pub env: Env,
    /// Its user id inside.
    pub uid: u32,
    /// Its group id inside.
    pub gid: u32,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
    /// Its working directory.
    pub cwd: Option<String>,
    /// Its execution domain (`PER_LINUX32` is 8); `None` leaves the caller's.
    pub personality: Option<u32>,
    /// The signal it gets when the monitor dies; 0 for none.
    pub death_signal: i32,
    /// A core scheduling cookie of its own.
    pub core_scheduling: bool,
}

impl InitPlan {
    /// The program and its arguments in one line, for people.
    pub fn command(&self) -> String {
        self.argv.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

const PER_LINUX: u32 = 0;
const PER_LINUX32: u32 = 8;

/// Decides.
///
/// # Errors
/// No program to execute, or a NUL byte in an argument.
pub fn plan(config: &Config, mode: Mode, argv: &[OsString]) -> Result<InitPlan, PlanError> {
    let configured = |cmd: &Option<lxc_config::Sourced<String>>| {
        cmd.as_ref().map(|c| lxc_config::words::split(&c.value)).filter(|words| !words.is_empty())
    };
    let from_config = match mode {
        Mode::Start => configured(&config.init.cmd),
        Mode::Execute => configured(&config.init.execute_cmd).or_else(|| configured(&config.init.cmd)),
    };
    let words: Vec<OsString> = match (argv.is_empty(), from_config, mode) {
        (false, ..) => argv.to_vec(),
        (true, Some(words), _) => words.into_iter().map(OsString::from).collect(),
        (true, None, Mode::Start) => vec!["/sbin/init".into()],
        (true, None, Mode::Execute) => return Err(PlanError::NoProgram),
    };
    let argv = words.iter().map(|w| process::c_string(w.as_bytes())).collect::<Result<_, _>>();
    Ok(InitPlan {
        argv: argv.map_err(PlanError::System)?,
        mode,
        env: environment(config),
        uid: config.init.uid,
        gid: config.init.gid,
        groups: config.init.groups.clone(),
        cwd: config.init.cwd.as_ref().map(|c| c.value.clone()),
        personality: personality(config),
        death_signal: config.monitor.parent_death.number(),
        core_scheduling: config.sched_core,
    })
}

/// The execution domain of `lxc.arch`.
pub fn personality(config: &Config) -> Option<u32> {
    config.arch.map(|arch| match arch.domain() {
        lxc_types::personality::Domain::Linux => PER_LINUX,
        lxc_types::personality::Domain::Linux32 => PER_LINUX32,
    })
}

/// Init's environment: `container=lxc` and what the configuration says.
fn environment(config: &Config) -> Env {
    let mut env = Env::default();
    for var in config.environment.all.iter().chain(&config.environment.runtime) {
        env.set(&var.value.name, &var.value.value);
    }
    env.set("container", "lxc");
    env
}

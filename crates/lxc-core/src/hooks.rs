//! Hooks: programs that the configuration names, run at points of a container's life.
//!
//! Runs in the monitor (host namespaces) and in the guest, according to the hook.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags};

use lxc_config::config::HookKind as Kind;
pub use lxc_config::config::HookVersion as Version;
use lxc_sys::{Error as SysError, Op, process};

use crate::meanwhile::{Meanwhile, Nobody};

/// A hook and where the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// When it runs.
    pub kind: Kind,
    /// The shell text.
    pub command: String,
    /// Its place in the configuration, for errors.
    pub origin: String,
}

/// Environment variables: names and values, the later one wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env(pub Vec<(OsString, OsString)>);

impl Env {
    /// The environment of this process.
    pub fn of_this_process() -> Self {
        Env(std::env::vars_os().collect())
    }

    /// Sets a variable.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        let name = name.into();
        self.0.retain(|(n, _)| *n != name);
        self.0.push((name, value.into()));
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_os_str())
    }

    /// As exec wants it.
    ///
    /// # Errors
    /// `EINVAL` for a name or value with a NUL byte.
    pub fn to_c_strings(&self) -> Result<Vec<std::ffi::CString>, SysError> {
        let text = |(n, v): &(OsString, OsString)| [n.as_bytes(), b"=", v.as_bytes()].concat();
        self.0.iter().map(|pair| process::c_string(text(pair))).collect()
    }
}

/// A failed hook.
#[derive(Debug)]
pub struct HookError {
    hook: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Spawn(SysError),
    Ended(process::Exit, String),
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hook)?;
        match &self.why {
            Why::Spawn(_) => write!(f, " cannot be run"),
            Why::Ended(process::Exit::Exited(code), last) => write!(f, " exited with status {code}{last}"),
            Why::Ended(process::Exit::Killed(signal), last) => {
                write!(f, " was killed by signal {signal}{last}")
            }
        }
    }
}

impl std::error::Error for HookError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Spawn(e) => Some(e),
            Why::Ended(..) => None,
        }
    }
}

/// What the hooks of one start share.
#[derive(Clone, Debug)]
pub struct Context {
    /// The container's name.
    pub name: String,
    /// How hooks are told what they are for.
    pub version: Version,
}

/// Runs all hooks of `kind` in order; the first failure ends the list.
///
/// # Errors
/// The hook that failed, with the last line that it printed.
pub fn run(
    hooks: &[Hook],
    kind: Kind,
    context: &Context,
    env: &Env,
    more: &[String],
) -> Result<(), HookError> {
    run_while(hooks, kind, context, (env, more), &mut Nobody)
}

/// As [`run`], and others are served meanwhile.
///
/// # Errors
/// As [`run`].
pub fn run_while(
    hooks: &[Hook],
    kind: Kind,
    context: &Context,
    (env, more): (&Env, &[String]),
    meanwhile: &mut dyn Meanwhile,
) -> Result<(), HookError> {
    for hook in hooks.iter().filter(|h| h.kind == kind) {
        let what = format!("hook {} \"{}\" ({})", kind.as_str(), hook.command, hook.origin);
        let call = Call { section: "lxc", kind: kind.as_str(), more };
        run_script(&what, &hook.command, &call, (context, env), meanwhile)?;
    }
    Ok(())
}

/// What a script is called for.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `lxc` or `net`.
    pub section: &'a str,
    /// The hook's name, or `up` and `down`.
    pub kind: &'a str,
    /// Further arguments.
    pub more: &'a [String],
}

/// Runs one script as hooks are run; `what` names it in errors.
///
/// # Errors
/// When it cannot be run, ends with another status than 0, or is killed.
pub fn run_script(
    what: &str,
    command: &str,
    call: &Call<'_>,
    (context, env): (&Context, &Env),
    meanwhile: &mut dyn Meanwhile,
) -> Result<(), HookError> {
    let fail = |why| HookError { hook: what.to_owned(), why };
    let mut line = format!("exec {command}");
    if context.version == Version::Arguments {
        for word in [context.name.as_str(), call.section, call.kind] {
            line.push_str(&format!(" '{}'", word.replace('\'', "'\\''")));
        }
    }
    for word in call.more {
        line.push(' ');
        line.push_str(word);
    }
    let (read, write) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).op("pipe", "hook").map_err(|e| fail(Why::Spawn(e)))?;
    let mut shell = Command::new(shell());
    shell.arg("-c").arg(&line).env_clear();
    for (name, value) in &env.0 {
        shell.env(name, value);
    }
    if context.version == Version::Environment {
        shell.env("LXC_HOOK_TYPE", call.kind).env("LXC_HOOK_SECTION", call.section);
    }
    let out = write.try_clone().op("dup", "hook").map_err(|e| fail(Why::Spawn(e)))?;
    let child = shell.stdout(Stdio::from(out)).stderr(Stdio::from(write)).spawn();
    drop(shell);
    let child = child.op("execve", super::hooks::shell()).map_err(|e| fail(Why::Spawn(e)))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else { return Ok(()) };
    let output = collect(read, pid, meanwhile);
    for line in output.lines() {
        log::debug!("{what}: {line}");
    }
    match process::wait(pid).map_err(|e| fail(Why::Spawn(e)))? {
        process::Exit::Exited(0) => Ok(()),
        exit => {
            let last = output.lines().rev().find(|l| !l.trim().is_empty());
            let last = last.map(|l| format!(" after saying \"{}\"", l.trim())).unwrap_or_default();
            Err(fail(Why::Ended(exit, last)))
        }
    }
}

fn shell() -> &'static str {
    const ANDROID: &str = "/system/bin/sh";
    match rustix::fs::access("/bin/sh", rustix::fs::Access::EXISTS) {
        Err(Errno::NOENT) if rustix::fs::access(ANDROID, rustix::fs::Access::EXISTS).is_ok() => ANDROID,
        _ => "/bin/sh",
    }
}

const KEPT: usize = 16 * 1024;

/// Reads what the process prints until it ends, and serves others meanwhile. What it leaves running in the
/// background may hold the pipe for ever: that is not waited for.
fn collect(read: OwnedFd, pid: Pid, meanwhile: &mut dyn Meanwhile) -> String {
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok();
    let mut file = std::fs::File::from(read);
    let mut kept = Vec::new();
    let mut buffer = [0u8; 4096];
    let mut open = true;
    loop {
        let mut ended = false;
        if let Some(pidfd) = &pidfd {
            let fds = [pidfd.as_fd(), file.as_fd()];
            let fds = if open { &fds[..] } else { &fds[..1] };
            let Ok(ready) = meanwhile.until_ready(fds) else { break };
            ended = ready.first() == Some(&true);
            if ready.get(1) != Some(&true) {
                if ended {
                    break;
                }
                continue;
            }
        }
        match file.read(&mut buffer) {
            // It may have closed the pipe and go on working.
            Ok(0) => {
                open = false;
                if ended || pidfd.is_none() {
                    break;
                }
            }
            Ok(n) => kept.extend_from_slice(&buffer[..n.min(KEPT.saturating_sub(kept.len()))]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if ended && kept.len() >= KEPT {
            break;
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(command: &str) -> Vec<Hook> {
        vec![Hook { kind: Kind::PreStart, command: command.into(), origin: "config line 7".into() }]
    }

    fn context(version: Version) -> Context {
        Context { name: "c1".into(), version }
    }

    #[test]
    fn arguments_and_variables() {
        let mut env = Env::default();
        env.set("OUT", "x");
        let v0 = "sh -c 'test \"$0 $1 $2 $3\" = \"c1 lxc pre-start more\"'";
        run(&hook(v0), Kind::PreStart, &context(Version::Arguments), &env, &["more".into()]).unwrap();
        let v1 = "sh -c 'test \"$LXC_HOOK_TYPE $LXC_HOOK_SECTION $OUT\" = \"pre-start lxc x\"'";
        run(&hook(v1), Kind::PreStart, &context(Version::Environment), &env, &[]).unwrap();
    }

    #[test]
    fn a_failure_names_hook_line_and_last_words() {
        let failed = run(
            &hook("sh -c 'echo no disk; exit 3'"),
            Kind::PreStart,
            &context(Version::Environment),
            &Env::default(),
            &[],
        );
        assert_eq!(
            failed.unwrap_err().to_string(),
            "hook pre-start \"sh -c 'echo no disk; exit 3'\" (config line 7) exited with status 3 after saying \"no disk\""
        );
    }

    #[test]
    fn a_background_child_is_not_waited_for() {
        let before = std::time::Instant::now();
        run(
            &hook("sh -c 'sleep 30 & exit 0'"),
            Kind::PreStart,
            &context(Version::Environment),
            &Env::of_this_process(),
            &[],
        )
        .unwrap();
        assert!(before.elapsed().as_secs() < 20);
    }
}

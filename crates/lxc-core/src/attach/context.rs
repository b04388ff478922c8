//! What a running container is, as far as entering it needs: read before anything is forked.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::Pid;

use lxc_config::Config;
use lxc_host::seccomp::Program;
use lxc_sys::ns::NsFlags;
use lxc_sys::procfs::Procfs;
use lxc_sys::pty::Pair;
use lxc_sys::{Error as SysError, ns, proc};

use super::AttachError;
use crate::command::{Client, ClientError};

/// A running container.
#[derive(Debug)]
pub struct Context {
    pub(super) client: Client,
    /// Its namespaces that differ from the caller's: kind and file.
    pub(super) namespaces: Vec<(NsFlags, OwnedFd)>,
    /// The bounding set of init.
    pub(super) bounding: u64,
    /// Whether init may not gain privileges.
    pub(super) no_new_privs: bool,
    /// The ids that stand for the container's root: user and group.
    pub(super) root: (u32, u32),
    /// The execution domain of the container.
    pub(super) personality: Option<u32>,
    /// Its seccomp program.
    pub(super) seccomp: Option<Program>,
    /// Its label and who enforces it.
    pub(super) label: Option<lxc_host::lsm::Label>,
    /// `lxc.environment` and `lxc.environment.runtime`.
    pub(super) environment: Vec<(OsString, OsString)>,
}

impl Context {
    /// Looks at a running container.
    ///
    /// # Errors
    /// When it does not run, or its init cannot be looked at.
    pub fn of(lxcpath: &Path, name: &str, config: &Config) -> Result<Self, AttachError> {
        let client = Client::new(lxcpath, name);
        let raw = client.init_pid()?;
        let pid = Pid::from_raw(raw).ok_or(AttachError::Client(ClientError::NotRunning))?;
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok();
        let procfs = Procfs::mounted()?;
        let read = |what: &'static str, file: &str| {
            procfs.read(&format!("{raw}/{file}")).map_err(|source| AttachError::Context { what, source })
        };
        let status = read("status", "status")?;
        let hex = |field: &str| {
            proc::status_field(&status, field)
                .and_then(|v| u64::from_str_radix(std::str::from_utf8(v).ok()?, 16).ok())
        };
        let namespaces = foreign_namespaces(pid)?;
        let root = root_ids(&read("user map", "uid_map")?, &read("group map", "gid_map")?, config);
        // Whether a policy is loaded depends on who attaches: init is confined by it already.
        let seccomp = crate::plan::security::seccomp(config, &own_status(&procfs)?)
            .map_err(|e| AttachError::Config(e.to_string()))?;
        let context = Context {
            namespaces,
            bounding: hex("CapBnd").unwrap_or(u64::MAX),
            no_new_privs: proc::status_field(&status, "NoNewPrivs").is_some_and(|v| v == b"1"),
            root,
            personality: crate::plan::init::personality(config),
            seccomp,
            label: lxc_host::lsm::detect()
                .label_of(&procfs, pid)
                .map_err(|e| AttachError::Config(e.to_string()))?,
            environment: config
                .environment
                .all
                .iter()
                .chain(&config.environment.runtime)
                .map(|v| (v.value.name.clone().into(), v.value.value.clone().into()))
                .collect(),
            client,
        };
        // All that was read belongs to this process only if it still lives.
        if has_ended(pidfd.as_ref()) {
            return Err(AttachError::Client(ClientError::NotRunning));
        }
        Ok(context)
    }

    /// Whether the container has mounts of its own and they are among the `entered` namespaces.
    pub(super) fn mounts_entered(&self, entered: NsFlags) -> bool {
        entered.contains(NsFlags::MNT) && self.namespaces.iter().any(|(kind, _)| *kind == NsFlags::MNT)
    }

    /// A terminal for the program, from the container's own devpts where it has one.
    pub(super) fn open_pty(&self) -> Result<Pair, SysError> {
        use std::os::fd::AsFd;
        match self.client.devpts_fd() {
            Ok(devpts) => Pair::open_in(devpts.as_fd()).or_else(|_| Pair::open()),
            Err(_) => Pair::open(),
        }
    }
}

fn own_status(procfs: &Procfs) -> Result<Vec<u8>, AttachError> {
    let path = procfs.this_process()? + "/status";
    procfs.read(&path).map_err(|source| AttachError::Context { what: "caller", source })
}

/// Whether the process has ended, by its pidfd; without one (before Linux 5.3) it is taken to live.
fn has_ended(pidfd: Option<&OwnedFd>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let Some(pidfd) = pidfd else { return false };
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now)).is_ok_and(|n| n > 0)
}

/// The namespaces of a process that are not the caller's.
pub fn foreign_namespaces(pid: Pid) -> Result<Vec<(NsFlags, OwnedFd)>, AttachError> {
    let mut found = Vec::new();
    for (kind, name) in NsFlags::all().named() {
        let unreadable = |source| AttachError::Context { what: "namespaces", source };
        let theirs = match ns::id_of(pid, name) {
            Ok(id) => id,
            // The kernel lacks the kind.
            Err(e) if e.errno() == rustix::io::Errno::NOENT => continue,
            Err(source) => return Err(unreadable(source)),
        };
        if theirs != ns::own_id(name)? {
            found.push((kind, ns::open_of(pid, name).map_err(unreadable)?));
        }
    }
    Ok(found)
}

/// The ids inside that the container's set-up ran as: 0 where that is mapped, else `lxc.init.*`.
fn root_ids(uid_map: &[u8], gid_map: &[u8], config: &Config) -> (u32, u32) {
    let mapped = |text: &[u8]| proc::id_ranges(text).any(|range| range.inside == 0);
    let uid = if mapped(uid_map) { 0 } else { config.init.uid };
    let gid = if mapped(gid_map) { 0 } else { config.init.gid };
    (uid, gid)
}

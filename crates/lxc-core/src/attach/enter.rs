//! The way into a container: a helper enters its cgroups and namespaces and forks the program there.
//!
//! Runs in forked children of the caller. What fails there is reported over a socket that closes when the
//! program is executed.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::process::{DumpableBehavior, Pid, set_dumpable_behavior};

use lxc_host::cgroup::attach::Entry;
use lxc_host::cgroup::dir::Dir;
use lxc_host::idmap::guest as identity;
use lxc_host::idmap::{Groups, Identity};
use lxc_host::lsm::{Label, Lsm, When};
use lxc_sys::clone::{Child, Cloned, InGuest, Request, clone};
use lxc_sys::ns::NsFlags;
use lxc_sys::procfs::{Attributes, Procfs};
use lxc_sys::{Error as SysError, Op, ns, process, socket, users};

use super::{AttachError, AttachOptions, Context, Program};
use crate::command::Client;
use crate::hooks::Env;
use crate::plan::namespaces;
use crate::start::link::{self, LinkError, Parcel, Report};

/// All that the children need.
#[derive(Clone, Copy, Debug)]
pub struct Inside<'a> {
    pub context: &'a Context,
    pub program: &'a Program,
    pub options: &'a AttachOptions,
    pub env: &'a Env,
    pub terminal: Option<&'a OwnedFd>,
    pub is_tty: [bool; 3],
}

/// The status for a program that cannot be executed, and for one that is not there, as shells have them.
const CANNOT_EXECUTE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// A failed step in a child.
#[derive(Debug)]
struct Failed {
    step: &'static str,
    why: Box<dyn std::error::Error>,
}

impl Failed {
    fn report(&self) -> Report {
        Report::of(self.step, &*self.why)
    }
}

fn step<T, E: std::error::Error + 'static>(step: &'static str, result: Result<T, E>) -> Result<T, Failed> {
    result.map_err(|e| Failed { step, why: Box::new(e) })
}

/// Starts the program; returns when it was executed, or with what failed.
pub fn spawn(inside: &Inside<'_>) -> Result<Child, AttachError> {
    let (ours, theirs) = socket::seqpacket_pair()?;
    let entry = if inside.options.elevated.cgroup { None } else { Some(cgroups(inside.context)?) };
    let into = entry.as_ref().and_then(Entry::clone_into);
    let (cloned, birth) = clone(&Request { into_cgroup: into, ..Request::default() })?;
    let helper = match cloned {
        Cloned::Guest(_) => {
            drop(ours);
            let born = birth == lxc_sys::clone::Birth::Requested;
            let Err(failed) = enter(inside, entry.as_ref(), born, &theirs);
            // The caller may have gone: then there is nobody to tell.
            link::send_report(theirs.as_fd(), &failed.report()).ok();
            process::leave(1);
        }
        Cloned::Monitor(helper) => helper,
    };
    drop(theirs);
    let child = receive_child(&ours);
    helper.wait()?;
    let child = child?;
    match outcome(&ours, &inside.context.client) {
        Ok(()) => Ok(child),
        // The program could not be executed: it ends with the status that shells use, after saying why.
        Err(AttachError::Exec(e)) => {
            log::error!("{e}");
            Ok(child)
        }
        Err(e) => {
            child.wait().ok();
            Err(e)
        }
    }
}

fn cgroups(context: &Context) -> Result<Entry, AttachError> {
    let dirs = context.client.cgroup_context()?.dirs;
    let dirs = dirs.into_iter().map(|fd| Dir::from_fd(fd, "container's cgroup")).collect();
    Entry::prepare(dirs).map_err(|e| AttachError::Config(e.to_string()))
}

/// First message: the program's process id. Then nothing, or a report.
fn receive_child(sock: &OwnedFd) -> Result<Child, AttachError> {
    let parcel = link::receive(sock.as_fd()).map_err(failure)?;
    let number = parcel.bytes.try_into().ok().map(i32::from_ne_bytes);
    number
        .and_then(Pid::from_raw)
        .map(Child::of_pid)
        .ok_or(AttachError::Link(LinkError::Garbled("process id")))
}

/// Then the seccomp listener, if there is one for the monitor; why the program cannot be executed, as number and
/// name; the end of the stream when it runs.
fn outcome(sock: &OwnedFd, client: &Client) -> Result<(), AttachError> {
    match link::receive(sock.as_fd()) {
        Err(LinkError::Gone) => Ok(()),
        Err(e) => Err(failure(e)),
        Ok(Parcel { fds, .. }) if !fds.is_empty() => {
            for listener in fds {
                // Without a proxy nobody answers: the calls that ask fail, as they do in upstream.
                if let Err(e) = client.add_listener(listener.as_fd()) {
                    log::warn!("seccomp notify: {e}");
                }
            }
            outcome(sock, client)
        }
        Ok(parcel) => {
            let (errno, text) = parcel.bytes.split_at(parcel.bytes.len().min(4));
            let errno = errno.try_into().map_or(0, i32::from_ne_bytes);
            let on = String::from_utf8_lossy(text).into_owned();
            Err(AttachError::Exec(SysError::new("execve", on, rustix::io::Errno::from_raw_os_error(errno))))
        }
    }
}

fn failure(error: LinkError) -> AttachError {
    match error {
        LinkError::Reported(report) => {
            AttachError::Inside { step: report.stage.clone(), source: report.into_error() }
        }
        other => AttachError::Link(other),
    }
}

fn tell(sock: &OwnedFd, bytes: Vec<u8>) -> Result<(), LinkError> {
    link::send_data(sock.as_fd(), &Parcel { bytes, fds: Vec::new() })
}

/// The helper: enters everything and forks the program as the caller's child.
fn enter(
    inside: &Inside<'_>,
    entry: Option<&Entry>,
    born: bool,
    sock: &OwnedFd,
) -> Result<std::convert::Infallible, Failed> {
    // Nobody in the container may look into this process or the one it makes before the program is executed.
    step("process", set_dumpable_behavior(DumpableBehavior::NotDumpable).op("prctl", "PR_SET_DUMPABLE"))?;
    if let Some(entry) = entry {
        step("cgroups", entry.birth().and_then(lxc_host::cgroup::guest::Birth::enter))?;
        if !born {
            step("cgroups", entry.enter_unified(rustix::process::getpid()))?;
        }
    }
    let wanted = inside.options.namespaces.map_or(NsFlags::all(), namespaces::flags);
    let here = std::env::current_dir();
    for (kind, fd) in inside.context.namespaces.iter().filter(|(kind, _)| wanted.contains(*kind)) {
        step("namespaces", ns::enter(fd, *kind))?;
    }
    if inside.context.mounts_entered(wanted) {
        // The same directory by name if there is one; entering the mounts has led to their root.
        if let Err(e) = here.op("getcwd", "").and_then(|dir| rustix::process::chdir(&dir).op("chdir", &dir)) {
            log::debug!("{e}");
            step("directory", rustix::process::chdir("/").op("chdir", "/"))?;
        }
    }
    // The next process is seen in the container, whose root may be allowed to look into any process there: a
    // directory of the host among its descriptors would be a way out (CVE-2016-8649).
    log::set_max_level(log::LevelFilter::Off);
    let kept = std::iter::once(sock).chain(inside.terminal).map(AsFd::as_fd).collect::<Vec<_>>();
    step("descriptors", process::close_all_but(&kept))?;
    let (cloned, _) = step("fork", clone(&Request { sibling: true, ..Request::default() }))?;
    match cloned {
        Cloned::Monitor(child) => {
            let number = child.pid().as_raw_nonzero().get().to_ne_bytes();
            step("fork", tell(sock, number.to_vec()))?;
            process::leave(0);
        }
        Cloned::Guest(guest) => {
            let Err(failed) = become_program(inside, &guest, wanted, sock);
            link::send_report(sock.as_fd(), &failed.report()).ok();
            process::leave(1);
        }
    }
}

/// The program's process: takes on what the container's processes are, and executes.
fn become_program(
    inside: &Inside<'_>,
    guest: &InGuest,
    entered: NsFlags,
    sock: &OwnedFd,
) -> Result<std::convert::Infallible, Failed> {
    let Inside { context, options, .. } = *inside;
    if options.remount_sys_proc && !context.mounts_entered(entered) {
        step("remount", remount())?;
    }
    let label = label(context, options);
    // What the container mounted on /proc is not trusted: labels are written through a procfs of our own.
    let attributes = match &label {
        Some(_) => Some(step("proc", Procfs::private().and_then(|proc| Attributes::of_this_thread(&proc)))?),
        None => None,
    };
    step("session", terminal(inside))?;
    if let Some(persona) = options.personality.or(context.personality) {
        step("personality", process::personality(persona))?;
    }
    if !options.elevated.capabilities {
        step("capabilities", drop_capabilities(context.bounding))?;
    }
    // Shell and home are the container's, read before the identity changes.
    let user_entered =
        context.namespaces.iter().any(|(kind, _)| *kind == NsFlags::USER && entered.contains(*kind));
    let uid = options.uid.unwrap_or(if user_entered { context.root.0 } else { 0 });
    let gid = options.gid.unwrap_or(if user_entered { context.root.1 } else { 0 });
    let argv = step("program", program(inside.program, uid))?;
    if context.no_new_privs && !options.elevated.lsm {
        step("no_new_privs", identity::no_new_privs(guest))?;
    }
    if let (Some(label), Some(attributes)) = (&label, &attributes) {
        step("label", lxc_host::lsm::guest::label(guest, attributes, label, When::Now))?;
    }
    if !options.elevated.lsm
        && let Some(seccomp) = &context.seccomp
    {
        let listener = step("seccomp", lxc_host::seccomp::guest::install(guest, seccomp))?;
        if let Some(listener) = listener {
            let parcel = Parcel { bytes: Vec::new(), fds: vec![listener] };
            step("seccomp", link::send_data(sock.as_fd(), &parcel))?;
        }
    }
    let change = user_entered || options.uid.is_some() || options.gid.is_some();
    if change {
        step("identity", identity::become_identity(guest, Identity { uid, gid }, &Groups::ClearIfAllowed))?;
    }
    drop(attributes);
    let env = step("environment", inside.env.to_c_strings())?;
    let path = inside.env.get("PATH").and_then(|p| p.to_str()).unwrap_or("/bin:/usr/bin").to_owned();
    step("descriptors", process::close_on_exec_from(3))?;
    process::default_signal_actions();
    step("signals", process::set_signal_mask(&process::SignalSet::empty()))?;
    let mut error = process::exec(&argv, &env, &path);
    if *inside.program == Program::Shell {
        // The user's shell is not there: as upstream, the plainest one.
        error = process::exec(&[c"/bin/sh".to_owned()], &env, &path);
    }
    let status = if error.errno() == rustix::io::Errno::NOENT { NOT_FOUND } else { CANNOT_EXECUTE };
    let errno = error.errno().raw_os_error().to_ne_bytes();
    tell(sock, [&errno[..], error.on().as_bytes()].concat()).ok();
    process::leave(status);
}

/// The label that was asked for, else that of the container's init.
fn label(context: &Context, options: &AttachOptions) -> Option<Label> {
    match (&options.context, lxc_host::lsm::detect()) {
        (Some(text), Lsm::AppArmor) => Some(Label::AppArmor(text.clone())),
        (Some(text), Lsm::Selinux) => Some(Label::Selinux(text.clone())),
        (Some(_), Lsm::None) => None,
        (None, _) if options.elevated.lsm => None,
        (None, _) => context.label.clone(),
    }
}

fn drop_capabilities(bounding: u64) -> Result<(), SysError> {
    let last = lxc_sys::caps::last()?;
    let kept = lxc_sys::caps::CapsSpec::Keep(rustix::thread::CapabilitySet::from_bits_retain(bounding));
    lxc_sys::caps::apply(&kept, last)?;
    lxc_sys::caps::clear_inheritable()?;
    lxc_sys::caps::clear_ambient()
}

/// A session of its own, on the new terminal if there is one: a program on the caller's terminal could type
/// into it.
fn terminal(inside: &Inside<'_>) -> Result<(), SysError> {
    rustix::process::setsid().op("setsid", "")?;
    if let Some(terminal) = inside.terminal {
        rustix::process::ioctl_tiocsctty(terminal).op("ioctl(TIOCSCTTY)", "terminal")?;
    }
    for (number, fd) in super::standard_fds(inside.is_tty, inside.terminal) {
        match number {
            0 => rustix::stdio::dup2_stdin(fd),
            1 => rustix::stdio::dup2_stdout(fd),
            _ => rustix::stdio::dup2_stderr(fd),
        }
        .op("dup2", "terminal")?;
    }
    Ok(())
}

fn program(program: &Program, uid: u32) -> Result<Vec<CString>, SysError> {
    match program {
        Program::Command(words) => words.iter().map(|w| process::c_string(w.as_bytes())).collect(),
        Program::Shell => {
            let passwd = passwd().unwrap_or_default();
            let shell = users::user_by_uid(&passwd, uid).map(|u| u.shell.to_vec()).filter(|s| !s.is_empty());
            Ok(vec![process::c_string(shell.unwrap_or_else(|| b"/bin/sh".to_vec()))?])
        }
    }
}

/// The container's `/etc/passwd`, which may be anything: a pipe must not block, nor an endless file fill memory.
fn passwd() -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    const MOST: u64 = 4 << 20;
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::File::options().read(true).custom_flags(nonblock).open("/etc/passwd")?;
    let mut text = Vec::new();
    if file.metadata()?.is_file() {
        file.take(MOST).read_to_end(&mut text)?;
    }
    Ok(text)
}

/// `/proc` and `/sys` of the entered namespaces, in a mount namespace of the program's own.
fn remount() -> Result<(), SysError> {
    use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
    ns::unshare(NsFlags::MNT)?;
    let private = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).op("mount", "/")?;
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys")] {
        rustix::mount::unmount(target, UnmountFlags::DETACH).op("umount", target)?;
        rustix::mount::mount(kind, target, kind, MountFlags::empty(), None::<&std::ffi::CStr>)
            .op("mount", target)?;
    }
    Ok(())
}

//! Looking at a container from inside: work that is done where the container's files and sockets are.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Gid, Pid, Signal, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

use lxc_sys::clone::{Cloned, Request, clone};
use lxc_sys::ns::{self, NsFlags};
use lxc_sys::{Op, process};
use lxc_types::StorageKind;

use super::{Container, Error, Result};
use crate::attach::context::foreign_namespaces;

/// The most that is taken from inside: whoever answers there may be anybody.
const MOST: usize = 16 << 20;

/// Where the work is done.
enum Place {
    /// In the namespaces of its init.
    Namespaces(Vec<(NsFlags, OwnedFd)>),
    /// In the directory that is its root, with a network of its own: no socket of the host is mistaken for one inside.
    Root(String),
}

impl Container {
    /// Runs `work` in a child that sees what the container sees, and hands back what it returned. A container that does
    /// not run is seen by its root directory; `None` if that is no plain directory.
    ///
    /// # Errors
    /// When it cannot be entered, or takes longer than `patience`.
    pub fn look_inside(&self, patience: Duration, work: &dyn Fn() -> Vec<u8>) -> Result<Option<Vec<u8>>> {
        let place = match self.init_pid().and_then(Pid::from_raw) {
            Some(pid) => Place::Namespaces(foreign_namespaces(pid)?),
            None => match self.root_directory() {
                Some(path) => Place::Root(path),
                None => return Ok(None),
            },
        };
        let (from, to) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).op("pipe", "")?;
        let child = match clone(&Request::default())?.0 {
            Cloned::Monitor(child) => child,
            Cloned::Guest(_) => {
                drop(from);
                process::leave(i32::from(look(&place, &to, work).is_err()))
            }
        };
        drop(to);
        let said = take(&from, Instant::now() + patience);
        if said.is_err() {
            // Its child dies with it.
            child.signal(Signal::KILL.as_raw()).ok();
        }
        let status = child.wait()?.shell_status();
        let said = said?;
        if status != 0 {
            return Err(Error::State("the container could not be looked into".to_owned()));
        }
        Ok(Some(said))
    }

    /// Its root, where that is a directory of the host.
    fn root_directory(&self) -> Option<String> {
        let source = &self.config.rootfs.source.as_ref()?.value;
        matches!(source.kind, None | Some(StorageKind::Dir)).then(|| source.path.clone())
    }
}

/// What comes from inside, up to its end.
fn take(from: &OwnedFd, end: Instant) -> Result<Vec<u8>> {
    let mut said = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let wait = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(from, PollFlags::IN)], wait.as_ref()) {
            Ok(0) => {
                return Err(Error::TimedOut("the container could not be looked into in time".to_owned()));
            }
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e).op("poll", "pipe").map_err(Into::into),
        }
        match rustix::io::read(from, &mut buffer) {
            Ok(0) => return Ok(said),
            Ok(got) => said.extend(buffer.iter().take(got)),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e).op("read", "pipe").map_err(Into::into),
        }
        if said.len() > MOST {
            return Err(Error::State("too much was said inside".to_owned()));
        }
    }
}

/// In the child: goes inside, does the work, tells.
fn look(place: &Place, to: &OwnedFd, work: &dyn Fn() -> Vec<u8>) -> Result<()> {
    match place {
        Place::Root(path) => {
            ns::unshare(NsFlags::NET)?;
            rustix::process::chroot(path.as_str()).op("chroot", path)?;
            rustix::process::chdir("/").op("chdir", "/")?;
            tell(to, work)
        }
        Place::Namespaces(namespaces) => {
            let Some((kind, pids)) = namespaces.iter().find(|(kind, _)| *kind == NsFlags::PID) else {
                return enter(namespaces).and_then(|()| tell(to, work));
            };
            // Only children are in the new pid namespace, and only they have a /proc/self there.
            ns::enter(pids, *kind)?;
            match clone(&Request::default())?.0 {
                Cloned::Monitor(child) => match child.wait()?.shell_status() {
                    0 => Ok(()),
                    _ => Err(Error::State("the child failed".to_owned())),
                },
                Cloned::Guest(_) => {
                    let done = enter(namespaces).and_then(|()| tell(to, work));
                    process::leave(i32::from(done.is_err()))
                }
            }
        }
    }
}

fn enter(namespaces: &[(NsFlags, OwnedFd)]) -> Result<()> {
    // The user namespace gives the rights to the others; mounts last, while /proc is still the host's.
    let rank = |kind: NsFlags| match kind {
        NsFlags::USER => 0,
        NsFlags::MNT => 2,
        _ => 1,
    };
    let mut order: Vec<_> = namespaces.iter().collect();
    order.sort_by_key(|(kind, _)| rank(*kind));
    for (kind, fd) in order {
        // Time begins with the next program.
        if *kind == NsFlags::PID || *kind == NsFlags::TIME {
            continue;
        }
        ns::enter(fd, *kind)?;
        if *kind == NsFlags::USER {
            set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).op("setresgid", "0")?;
            set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).op("setresuid", "0")?;
        }
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).op("prctl(PR_SET_PDEATHSIG)", "")?;
    Ok(rustix::process::chdir("/").op("chdir", "/")?)
}

fn tell(to: &OwnedFd, work: &dyn Fn() -> Vec<u8>) -> Result<()> {
    // Nothing of the host stays open where the container may look.
    process::close_all_but(&[std::os::fd::AsFd::as_fd(to)])?;
    let said = work();
    let mut rest = &said[..];
    while !rest.is_empty() {
        let written = rustix::io::write(to, rest).op("write", "pipe")?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

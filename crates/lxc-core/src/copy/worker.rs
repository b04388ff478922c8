//! A child process for work on a root file system: it has mounts of its own, and ends with its parent.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use rustix::mount::MountPropagationFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{Signal, set_parent_process_death_signal};

use lxc_sys::clone::{Cloned, Request};
use lxc_sys::ns::NsFlags;
use lxc_sys::process::{self, Exit, SignalSet};
use lxc_sys::{Error as SysError, Op};

use super::Error;
use crate::start::link::Report;

/// Runs `work` in a child and hands back its error.
///
/// # Errors
/// That of `work`, or the child cannot be made, or is killed.
pub fn run(stage: &'static str, work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let (answer, says) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).op("pipe", stage)?;
    let parent = rustix::process::getpid();
    let private = rustix::process::geteuid().is_root();
    let namespaces = if private { NsFlags::MNT } else { NsFlags::empty() };
    let (cloned, _) = lxc_sys::clone::clone(&Request { namespaces, ..Request::default() })?;
    match cloned {
        Cloned::Guest(_) => {
            drop(answer);
            let done = set_up(private).map_err(Error::from).and_then(|()| {
                // The parent may have gone before its end would be told.
                if rustix::process::getppid() == Some(parent) { work() } else { process::leave(1) }
            });
            let status = match done {
                Ok(()) => 0,
                Err(error) => {
                    // The parent sees the status, too.
                    drop(File::from(says).write_all(&Report::of(stage, &error).to_bytes()));
                    1
                }
            };
            process::leave(status)
        }
        Cloned::Monitor(child) => {
            drop(says);
            let told = read_all(answer);
            match child.wait()? {
                Exit::Exited(0) => Ok(()),
                exit => Err(match Report::from_bytes(&told) {
                    Some(report) => Error::Reported(report.into_error()),
                    None => Error::Value(format!("the process for \"{stage}\" {exit}")),
                }),
            }
        }
    }
}

/// What is mounted from now on stays here; what the host unmounts goes here, too.
fn set_up(private: bool) -> Result<(), SysError> {
    set_parent_process_death_signal(Some(Signal::KILL)).op("prctl", "PR_SET_PDEATHSIG")?;
    process::default_signal_actions();
    process::set_signal_mask(&SignalSet::empty())?;
    if private {
        rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
            .op("mount", "/")?;
    }
    Ok(())
}

fn read_all(answer: OwnedFd) -> Vec<u8> {
    let mut told = Vec::new();
    if let Err(e) = File::from(answer).read_to_end(&mut told) {
        log::debug!("the answer of a working process: {e}");
    }
    told
}

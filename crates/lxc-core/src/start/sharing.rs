//! A guest in namespaces of others: a helper enters them and clones the guest from there, as the monitor's child.

use std::os::fd::{AsFd, OwnedFd};

use rustix::process::Pid;

use lxc_sys::clone::{Birth, Child, Cloned, Request, clone};
use lxc_sys::{ns, process, socket};

use super::link::{self, LinkError, Parcel, Report};
use super::{Cause, InStage, StartError};
use crate::plan::namespaces::Shared;

/// Clones the guest; returns twice, as [`clone`] does.
///
/// # Errors
/// A namespace that cannot be entered, by its key; those of clone3(2).
pub fn clone_in(shared: &[Shared], request: &Request<'_>) -> Result<(Cloned, Birth), StartError> {
    let mut files = Vec::with_capacity(shared.len());
    for one in shared {
        let file = ns::open(&one.path).map_err(|source| Cause::Share { origin: one.origin.clone(), source });
        files.push(file.stage("namespaces")?);
    }
    let (ours, theirs) = socket::seqpacket_pair().stage("namespaces")?;
    let (cloned, _) = clone(&Request::default()).stage("clone")?;
    let helper = match cloned {
        Cloned::Monitor(helper) => helper,
        Cloned::Guest(_) => {
            drop(ours);
            for (one, file) in shared.iter().zip(&files) {
                if let Err(source) = ns::enter(file, one.kind) {
                    let cause = Cause::Share { origin: one.origin.clone(), source };
                    tell(&theirs, &Report::of("namespaces", &cause));
                }
            }
            drop(files);
            match clone(&Request { sibling: true, ..*request }) {
                Ok((Cloned::Guest(proof), birth)) => return Ok((Cloned::Guest(proof), birth)),
                Ok((Cloned::Monitor(guest), birth)) => {
                    let born = u8::from(birth == Birth::Requested);
                    let pid = guest.pid().as_raw_nonzero().get().to_ne_bytes();
                    // The monitor's death is noticed by the guest itself.
                    let bytes = [&[born][..], &pid].concat();
                    link::send_data(theirs.as_fd(), &Parcel { bytes, fds: Vec::new() }).ok();
                    process::leave(0)
                }
                Err(e) => tell(&theirs, &Report::of("clone", &e)),
            }
        }
    };
    drop(theirs);
    let answer = link::receive(ours.as_fd());
    helper.wait().stage("namespaces")?;
    match answer {
        Ok(Parcel { bytes, .. }) => {
            let (born, pid) = bytes.split_first().unwrap_or((&0, &[]));
            let pid = pid.try_into().ok().map(i32::from_ne_bytes).and_then(Pid::from_raw);
            let pid = pid.ok_or(LinkError::Garbled("process id"))?;
            let birth = if *born == 1 { Birth::Requested } else { Birth::Inherited };
            Ok((Cloned::Monitor(Child::of_pid(pid)), birth))
        }
        Err(LinkError::Gone) => {
            Err(StartError::Died { how: " (while it entered shared namespaces)".to_owned() })
        }
        Err(e) => Err(e.into()),
    }
}

fn tell(sock: &OwnedFd, report: &Report) -> ! {
    link::send_report(sock.as_fd(), report).ok();
    process::leave(1)
}

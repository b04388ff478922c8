//! A guest in namespaces of others: a helper enters them and clones the guest from there, as the monitor's child.

use rustix::net::RecvFlags;
use rustix::process::Pid;

use lxc_sys::clone::{Birth, Child, Cloned, Request, clone};
use lxc_sys::{Error as SysError, ns, process, socket};

use super::link::Report;
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
                    socket::send(&theirs, &[&[b'p', born][..], &pid].concat(), &[]).ok();
                    process::leave(0)
                }
                Err(e) => tell(&theirs, &Report::of("clone", &e)),
            }
        }
    };
    drop(theirs);
    let mut bytes = vec![0; 16 * 1024];
    let got = socket::receive(&ours, &mut bytes, RecvFlags::empty()).stage("namespaces")?;
    helper.wait().stage("namespaces")?;
    match bytes.get(..got.len) {
        Some([b'p', born, pid @ ..]) => {
            let pid = pid.try_into().ok().map(i32::from_ne_bytes).and_then(Pid::from_raw);
            let pid = pid
                .ok_or_else(|| SysError::new("clone", "no process id", rustix::io::Errno::IO))
                .stage("clone")?;
            let birth = if *born == 1 { Birth::Requested } else { Birth::Inherited };
            Ok((Cloned::Monitor(Child::of_pid(pid)), birth))
        }
        Some([b'r', text @ ..]) => {
            let mut texts = text.split(|b| *b == 0).map(|t| String::from_utf8_lossy(t).into_owned());
            let stage = texts.next().unwrap_or_default();
            let source = Report { stage: stage.clone(), chain: texts.collect() }.into_error();
            Err(StartError::Guest { stage, source })
        }
        _ => Err(StartError::Died { how: " (while it entered shared namespaces)".to_owned() }),
    }
}

fn tell(sock: &std::os::fd::OwnedFd, report: &Report) -> ! {
    let mut bytes = vec![b'r'];
    bytes.extend_from_slice(report.stage.as_bytes());
    for text in &report.chain {
        bytes.push(0);
        bytes.extend_from_slice(text.replace('\0', " ").as_bytes());
    }
    socket::send(sock, &bytes, &[]).ok();
    process::leave(1)
}

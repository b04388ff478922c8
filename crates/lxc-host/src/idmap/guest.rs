//! Becoming a user of the container. Runs in the container's first process, or in one that entered
//! the container; both have one thread.

use lxc_sys::clone::InGuest;
use lxc_sys::{Op, Result};
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::{Groups, Identity};

/// Takes groups, then the group id, then the user id, real, effective and saved. Afterwards the
/// process is dumpable: its files in `/proc` belong to the user it became.
///
/// # Errors
/// `EINVAL` for an id that is not mapped or not an id, `EPERM` without the capabilities for the
/// change.
pub fn become_identity(_: &InGuest, who: Identity, groups: &Groups) -> Result<()> {
    set_groups(groups)?;
    let Identity { uid, gid } = who;
    // To the kernel this number means "leave it".
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Errno::INVAL).op("setresuid", format!("{uid}:{gid}"));
    }
    let group = Gid::from_raw(gid);
    set_thread_res_gid(group, group, group).op("setresgid", gid.to_string())?;
    let user = Uid::from_raw(uid);
    set_thread_res_uid(user, user, user).op("setresuid", uid.to_string())?;
    set_dumpable_behavior(DumpableBehavior::Dumpable).op("prctl", "PR_SET_DUMPABLE")
}

fn set_groups(groups: &Groups) -> Result<()> {
    match groups {
        Groups::Keep => Ok(()),
        Groups::Clear => set_thread_groups(&[]).op("setgroups", ""),
        Groups::ClearIfAllowed => match set_thread_groups(&[]) {
            Err(Errno::PERM) => Ok(()),
            answer => answer.op("setgroups", ""),
        },
        Groups::Set(ids) => {
            let list: Vec<Gid> = ids.iter().map(|id| Gid::from_raw(*id)).collect();
            set_thread_groups(&list).op("setgroups", format!("{ids:?}"))
        }
    }
}

/// `lxc.no_new_privs`: no program executed from now on gains privileges by its file.
///
/// # Errors
/// None is known.
pub fn no_new_privs(_: &InGuest) -> Result<()> {
    rustix::thread::set_no_new_privs(true).op("prctl", "PR_SET_NO_NEW_PRIVS")
}

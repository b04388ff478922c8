//! `bpf(2)`: loading programs for cgroups, attaching, replacing and detaching them.
//!
//! All of it needs `CAP_BPF` and `CAP_NET_ADMIN` (or `CAP_SYS_ADMIN`) in the first user namespace:
//! without, the calls fail with `EPERM`; a kernel without `CONFIG_BPF_SYSCALL` says `ENOSYS`, one
//! without `CONFIG_CGROUP_BPF` says `EINVAL`. [`unsupported`] tells these from real errors.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

use crate::{Error, Result};

/// One instruction of a program, the kernel's `struct bpf_insn` as a number.
///
/// From the low end: 8 bits opcode, 4 bits destination, 4 bits source register, 16 bits offset,
/// 32 bits immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Instruction(pub u64);

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Decides about opening and making device nodes (`BPF_PROG_TYPE_CGROUP_DEVICE`, Linux 4.15).
    Device,
    /// Decides about reading and writing sysctls (`BPF_PROG_TYPE_CGROUP_SYSCTL`, Linux 5.2).
    Sysctl,
}

impl Program {
    fn program_type(self) -> u32 {
        match self {
            Program::Device => 15,
            Program::Sysctl => 23,
        }
    }

    fn attach_type(self) -> u32 {
        match self {
            Program::Device => 6,
            Program::Sysctl => 18,
        }
    }
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_QUERY: libc::c_int = 16;
const ALLOW_MULTI: u32 = 1 << 1;
const REPLACE: u32 = 1 << 2;
const LICENSE: &core::ffi::CStr = c"GPL";

/// `union bpf_attr` as far as `BPF_PROG_LOAD` needs it.
#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// `union bpf_attr` as far as attaching and detaching need it.
#[repr(C)]
#[derive(Default)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

/// `union bpf_attr` as far as `BPF_PROG_QUERY` needs it.
#[repr(C)]
#[derive(Default)]
struct QueryAttr {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    pad: u32,
}

/// Calls `bpf(2)` with an attribute structure that begins as the kernel's union does.
fn bpf<T>(command: libc::c_int, attr: &mut T) -> Result<libc::c_long, Errno> {
    let attr: *mut T = attr;
    // SAFETY: `attr` points to a structure of the given size that lives through the call; what it
    // refers to (instructions, licence, id buffer) is kept alive by our callers.
    let got = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<T>()) };
    if got < 0 { Err(last_errno()) } else { Ok(got) }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    // A borrowed descriptor is never negative.
    u32::try_from(fd.as_raw_fd()).unwrap_or_default()
}

/// Loads a program. The kernel's verifier refuses bad ones with `EINVAL` or `EACCES`.
///
/// # Errors
/// See the module; a program of more than 4096 instructions fails with `E2BIG` before Linux 5.2.
pub fn load(kind: Program, program: &[Instruction]) -> Result<OwnedFd> {
    let mut attr = LoadAttr {
        prog_type: kind.program_type(),
        insn_cnt: u32::try_from(program.len()).unwrap_or(u32::MAX),
        insns: program.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        ..LoadAttr::default()
    };
    let fd = bpf(PROG_LOAD, &mut attr).map_err(|errno| Error::new("bpf", "load program", errno))?;
    let fd = RawFd::try_from(fd).map_err(|_| Error::new("bpf", "load program", Errno::BADF))?;
    // SAFETY: the kernel has just given us this descriptor (close-on-exec) and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches a program to a cgroup2 directory beside those of others: all must agree to allow.
///
/// # Errors
/// See the module; `EBADF` for a directory that is not in a cgroup2 file system.
pub fn attach(kind: Program, cgroup: impl AsFd, program: impl AsFd) -> Result<()> {
    let mut attr = AttachAttr {
        target_fd: number(cgroup.as_fd()),
        attach_bpf_fd: number(program.as_fd()),
        attach_type: kind.attach_type(),
        attach_flags: ALLOW_MULTI,
        ..AttachAttr::default()
    };
    bpf(PROG_ATTACH, &mut attr).map(drop).map_err(|errno| Error::new("bpf", "attach program", errno))
}

/// Puts a program in the place of one that is attached, without a moment in which neither is.
///
/// # Errors
/// `ENOENT` if `old` is not attached there. Before Linux 5.6 there is no replacing; then the new one
/// is attached and the old one detached (delete this when 5.6 is the floor).
pub fn replace(kind: Program, cgroup: impl AsFd, old: impl AsFd, new: impl AsFd) -> Result<()> {
    let mut attr = AttachAttr {
        target_fd: number(cgroup.as_fd()),
        attach_bpf_fd: number(new.as_fd()),
        attach_type: kind.attach_type(),
        attach_flags: ALLOW_MULTI | REPLACE,
        replace_bpf_fd: number(old.as_fd()),
    };
    match bpf(PROG_ATTACH, &mut attr) {
        Ok(_) => Ok(()),
        Err(Errno::INVAL) => {
            attach(kind, &cgroup, new)?;
            detach(kind, cgroup, old)
        }
        Err(errno) => Err(Error::new("bpf", "replace program", errno)),
    }
}

/// Takes a program off a cgroup.
///
/// # Errors
/// `ENOENT` if it is not attached there.
pub fn detach(kind: Program, cgroup: impl AsFd, program: impl AsFd) -> Result<()> {
    let mut attr = AttachAttr {
        target_fd: number(cgroup.as_fd()),
        attach_bpf_fd: number(program.as_fd()),
        attach_type: kind.attach_type(),
        ..AttachAttr::default()
    };
    bpf(PROG_DETACH, &mut attr).map(drop).map_err(|errno| Error::new("bpf", "detach program", errno))
}

/// The ids of the programs of this kind that are attached to a cgroup itself, at most 64.
///
/// # Errors
/// See the module.
pub fn query(kind: Program, cgroup: impl AsFd) -> Result<Vec<u32>> {
    let mut ids = vec![0u32; 64];
    let mut attr = QueryAttr {
        target_fd: number(cgroup.as_fd()),
        attach_type: kind.attach_type(),
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: 64,
        ..QueryAttr::default()
    };
    bpf(PROG_QUERY, &mut attr).map_err(|errno| Error::new("bpf", "query programs", errno))?;
    ids.truncate(usize::try_from(attr.prog_cnt).unwrap_or_default());
    Ok(ids)
}

/// Whether an error of [`load`] says that this kernel or this user cannot use programs at all.
pub fn unsupported(error: &Error) -> bool {
    matches!(error.errno(), Errno::NOSYS | Errno::PERM)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r0 = 1; exit`
    const ALLOW: [Instruction; 2] = [Instruction(0x0000_0001_0000_00b7), Instruction(0x95)];

    #[test]
    fn a_trivial_program_loads_or_the_kernel_cannot() {
        match load(Program::Device, &ALLOW) {
            Ok(_) => {}
            Err(error) => assert!(unsupported(&error) || error.errno() == Errno::INVAL, "{error}"),
        }
    }

    #[test]
    fn a_program_without_end_is_refused() {
        let error = load(Program::Device, &ALLOW[..1]).unwrap_err();
        assert!(matches!(error.errno(), Errno::INVAL | Errno::PERM | Errno::NOSYS), "{error}");
        assert!(error.to_string().starts_with("bpf(load program): "));
    }

    #[test]
    fn a_plain_directory_is_no_target() {
        let dir = tempfile::tempdir().unwrap();
        let dir = std::fs::File::open(dir.path()).unwrap();
        assert!(query(Program::Device, &dir).is_err());
    }
}

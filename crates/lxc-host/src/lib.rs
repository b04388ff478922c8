//! The subsystems of a host: each with a resolved spec, a part that runs in the monitor (`host`) and
//! a part that runs in the container's first process (`guest`).
//!
//! A module here must never name a configuration or a start plan, and does not know its siblings
//! except through `lxc-sys` and `lxc-types`.

pub mod cgroup;
pub mod devpts;
pub mod idmap;
pub mod keyring;
pub mod limits;
pub mod lsm;
pub mod mount_flags;
pub mod net;
pub mod rootfs;
pub mod seccomp;
pub mod storage;
pub mod sysctl;

//! The kernel interface: what rustix lacks, in rustix's manner, and nearly all `unsafe` of the project.
//!
//! Knows Linux, not LXC. A function takes borrowed descriptors and typed flags, returns owned
//! descriptors, and fails with an [`Error`] that names the operation and its object.

pub mod bpf;
pub mod caps;
pub mod clone;
pub mod dir;
pub mod error;
pub mod filelock;
pub mod keyring;
pub mod memfd;
pub mod mount;
pub mod netlink;
pub mod ns;
pub mod proc;
pub mod process;
pub mod procfs;
pub mod pty;
pub mod seccomp;
pub mod socket;
pub mod time;
pub mod users;

pub use error::{Error, Op, Result};

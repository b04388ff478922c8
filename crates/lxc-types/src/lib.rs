//! Values of LXC's language: names, ids, sizes, mount entries, rules.
//!
//! Each type here parses from text (`FromStr`), prints itself (`Display`) and has a round-trip test.
//! This crate must never do I/O or make a syscall. Begin with [`Name`] and [`State`].

pub mod device_rule;
pub mod idmap;
pub mod mount;
pub mod name;
pub mod namespace;
pub mod personality;
pub mod seccomp;
pub mod signal;
pub mod size;
pub mod state;

pub use idmap::{IdKind, IdMap};

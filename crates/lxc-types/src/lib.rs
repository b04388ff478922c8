//! Values of LXC's language: names, ids, sizes, mount entries, rules.
//!
//! Each type here parses from text (`FromStr`), prints itself (`Display`) and has a round-trip test.
//! This crate must never do I/O or make a syscall. Begin with [`Name`] and [`State`].

#![forbid(unsafe_code)]

pub mod capability;
pub mod device_rule;
pub mod getopt;
pub mod idmap;
pub mod limit;
pub mod log;
pub mod mac;
pub mod mount;
pub mod name;
pub mod namespace;
pub mod net;
pub mod number;
pub mod personality;
pub mod seccomp;
pub mod signal;
pub mod size;
pub mod state;
pub mod storage;
pub mod time;
pub mod utc;

pub use capability::Capability;
pub use idmap::{IdKind, IdMap};
pub use limit::{Limit, Limits, Resource};
pub use log::{Facility, LogLevel};
pub use mac::MacTemplate;
pub use name::{IfName, Name};
pub use namespace::{NamespaceKind, Namespaces};
pub use net::{Gateway, Ipv4Interface, Ipv6Interface, Route};
pub use personality::Personality;
pub use signal::SignalSpec;
pub use size::Size;
pub use state::State;
pub use storage::StorageKind;
pub use time::TimeOffset;
pub use utc::UtcTime;

/// The LXC release whose behaviour is followed, and what `--version` prints: programs read its first digits to
/// know what options and config keys there are.
pub const LXC_VERSION: &str = "7.0.0";

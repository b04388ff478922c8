//! The engine: plan, start, monitor, commands, attach.
//!
//! It alone sees both the configuration and the subsystems of the host. It must never contain `unsafe`, never
//! start a thread, and never parse a command line. Begin with [`Container`], then follow [`plan`], [`start`],
//! [`lifecycle`] and [`monitor`].
#![forbid(unsafe_code)]

pub mod attach;
pub mod command;
pub mod config_file;
pub mod container;
pub mod copy;
pub mod create;
mod depends;
pub mod destroy;
pub mod dirs;
pub mod ephemeral;
mod error;
pub mod facts;
pub mod fault;
mod folder;
pub mod hooks;
pub mod lifecycle;
pub mod list;
pub mod lock;
pub mod log;
pub mod meanwhile;
pub mod monitor;
pub mod monitord;
pub mod notify;
pub mod plan;
mod rename;
pub mod snapshot;
pub mod start;
pub mod stuck;
pub mod supervise;
mod unfinished;
pub mod unshare;

pub use attach::{AttachOptions, Attached, Elevated, EnvPolicy, Program};
pub use command::{Client, ClientError};
pub use container::{
    Address, CgroupHost, ConsoleSession, Container, DestroyOptions, Error, ErrorKind, Gauges, LinkStats,
    Links, Pressure, Run, Stall, StartOptions, Started, Stats, Stop, Transfers, TtyChoice,
};
pub use copy::CopyOptions;
pub use create::{CreateOptions, Template};
pub use dirs::Dirs;
pub use ephemeral::EphemeralOptions;
pub use monitor::Outcome;
pub use snapshot::Snapshot;
pub use supervise::Mode;

//! Network links of a container: made on the host, set up in the guest, given back at the end.
//!
//! A start goes: [`host::resolve_gateways`] before the clone; [`host::create`] for each link once the
//! guest's network namespace exists (the up script runs after each); [`guest::setup`] in the guest with the
//! [`Wired`] of every link. The [`Lease`] of a link undoes it. Begin reading at [`spec`].

mod batch;
mod error;
mod message;
mod veth;

pub mod bridge;
pub mod guest;
pub mod host;
pub mod moving;
pub mod name;
pub mod query;
pub mod script;
pub mod spec;
pub mod sysctl;
pub mod wired;

pub use error::Error;
pub use host::{Lease, Retired};
pub use lxc_sys::netlink::Netlink;
pub use spec::LinkSpec;
pub use wired::Wired;

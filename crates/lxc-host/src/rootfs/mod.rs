//! The root file system: mount it, fill it, make it the root.
//!
//! [`spec`] says what is to be mounted; making one from text decides everything and touches nothing.
//! [`host`] runs in the monitor, [`guest`] in the container's first process, in this order: [`guest::isolate`],
//! [`guest::prepare`], the storage's own mount (or [`guest::attach_root`]), [`guest::mounted`],
//! [`guest::autodev`], [`guest::auto_mounts`], [`guest::mount_entries`], [`guest::attach_idmapped`], the
//! mount hooks, [`guest::check_root`], [`guest::device_nodes`], the terminals (`devpts`),
//! [`guest::standard_links`], [`guest::pivot`], [`guest::slave_shared_mounts`], [`guest::private_boot_id`].
//!
//! Nothing below the root is reached by a path string, only through [`Dir`].

mod error;
pub mod guest;
pub mod host;
pub mod spec;

pub use error::{Cause, Error};
pub use lxc_sys::dir::Dir;
pub use spec::{
    AutoSpec, MountSource, MountSpec, NetAdmin, Place, Resolution, RootKind, RootfsSpec, SpecError,
};

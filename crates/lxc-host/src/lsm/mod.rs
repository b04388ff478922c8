//! Security modules: AppArmor with generated profiles, SELinux, none.
//!
//! The monitor finds the module and loads a generated profile ([`host`]), the guest puts itself under
//! the label ([`guest`]). Where a kernel has no such module, the configuration's labels do nothing.

pub mod guest;
pub mod host;
mod profile;
mod spec;

pub use guest::When;
pub use host::{Error, Lease, Lsm, detect};
pub use spec::{GeneratedSpec, Incomplete, Label, LabelSpec, Nesting, Privilege, Profile};

//! Writing id maps, and living by them.

pub mod guest;
pub mod host;
mod spec;

pub use spec::{Caller, Groups, IdMapSpec, Identity, Tools, Writer, outside, root_outside};

//! Policy tree to compiled program; installing it; the notify proxy.
//!
//! The monitor compiles ([`host`]), the guest only hands the finished program to the kernel
//! ([`guest`]), so no C code runs in the container.

pub mod guest;
pub mod host;
pub mod notify;
mod spec;

pub use host::{Compiled, Error, compile, runs_here};
pub use spec::{Nesting, Program, Supervision, is_wanted};

#[cfg(test)]
mod tests;

//! The configuration language: text to typed values and back.

#![forbid(unsafe_code)]

pub mod config;
pub mod origin;
pub mod seccomp_policy;
pub mod system;
pub mod words;

pub use config::Config;
pub use origin::{Origin, Sourced, Span};

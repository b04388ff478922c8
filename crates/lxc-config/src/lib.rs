//! The configuration language: text to typed values and back.
//!
//! A config is read in two steps. [`parse`] turns text into a [`Document`], which keeps every byte and
//! never fails; [`interpret`] turns a document into a [`Config`], plain typed data, through the table of
//! [`keys`]. Both report problems as [`Diagnostic`]s with their place. [`edit`] changes both together.
//!
//! This crate must never do I/O, make a syscall or look at the host: included files come from a
//! callback ([`document::Reader`]), the environment and random digits too. It sees `lxc-types` alone.
//!
//! Begin with [`Config`], then read one family of keys, like `keys/tty.rs`.

#![forbid(unsafe_code)]

pub mod config;
pub mod diagnostic;
pub mod document;
pub mod edit;
mod interpret;
pub mod keys;
pub mod lint;
pub mod origin;
pub mod seccomp_policy;
pub mod system;
pub mod words;

pub use config::Config;
pub use diagnostic::{Diagnostic, Severity};
pub use document::{Document, parse, parse_flattened};
pub use interpret::interpret;
pub use keys::Context;
pub use origin::{Origin, Sourced, Span};

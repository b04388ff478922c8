//! The configuration language: text to typed values and back.

pub mod seccomp_policy;

//! Seccomp policies compiled to programs.

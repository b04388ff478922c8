//! Installing a seccomp program and its listener.

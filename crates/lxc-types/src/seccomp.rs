//! Seccomp policies as data: rules, actions, architectures.

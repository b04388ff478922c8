//! The container's own devpts, its console and its ttys.

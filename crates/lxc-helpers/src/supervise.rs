//! Runs a container's monitor.

fn main() {}

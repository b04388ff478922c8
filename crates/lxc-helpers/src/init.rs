//! The init of application containers.

fn main() {}

//! The tools of LXC in one multicall program.

fn main() {}

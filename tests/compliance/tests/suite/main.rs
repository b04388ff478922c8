//! What holds for Debian's LXC and for ours.

mod exit_codes;

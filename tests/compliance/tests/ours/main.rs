//! What holds for ours alone: what Debian's LXC does not have, or gets wrong.
//! Each fault of Debian's that a test here shows is in `doc/differences.md`.

mod autostart;
mod broken_configs;
mod config_check;
mod copies;
mod device;
mod differences;
mod faults;
mod fuzz;
mod host_template;
mod json;
mod many;
mod mixed;
mod monitor;
mod nesting;
mod notify;
mod plan;
mod quiet;
mod services;
mod strangers;
mod stuck;
mod top;
mod unshare;
mod wire;

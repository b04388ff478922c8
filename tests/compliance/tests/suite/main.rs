//! What holds for Debian's LXC and for ours.

mod attach;
mod autostart;
mod boot;
mod cgroup;
mod config_tool;
mod console;
mod create;
mod devices;
mod execute;
mod exit_codes;
mod hooks;
mod idmap;
mod info;
mod lifecycle;
mod list;
mod monitor;
mod mounts;
mod namespaces;
mod network;
mod options;
mod process;
mod protocol;
mod seccomp;
mod states;
mod unshare;
mod views;

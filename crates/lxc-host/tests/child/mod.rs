//! A child process that confines itself and tells what it sees.
#![allow(unsafe_code, dead_code, clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use lxc_sys::clone::InGuest;
use rustix::process::{Pid, WaitOptions};
pub use rustix::thread::UnshareFlags;

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What it returned, or the message of its panic.
    Said(String),
    /// The signal that killed it.
    Killed(i32),
}

impl Outcome {
    /// What it said.
    #[track_caller]
    pub fn said(self) -> String {
        match self {
            Outcome::Said(text) => text,
            Outcome::Killed(signal) => panic!("the child was killed by signal {signal}"),
        }
    }
}

/// Runs `work` in a child.
pub fn run(work: impl FnOnce(&InGuest) -> String) -> Outcome {
    run_with(work, |_| ())
}

/// Runs `work` in a child that waits in new namespaces until `prepare` has seen its pid.
pub fn run_with(work: impl FnOnce(&InGuest) -> String, prepare: impl FnOnce(Pid)) -> Outcome {
    run_in(UnshareFlags::empty(), work, prepare)
}

/// Runs `work` in a child in new namespaces, after `prepare` has seen its pid.
pub fn run_in(
    namespaces: UnshareFlags,
    work: impl FnOnce(&InGuest) -> String,
    prepare: impl FnOnce(Pid),
) -> Outcome {
    let (mut result, mut tell) = std::io::pipe().unwrap();
    let (mut ready, mut is_ready) = std::io::pipe().unwrap();
    let (mut go, mut give_go) = std::io::pipe().unwrap();
    // SAFETY: the child only runs `work`, which the tests write for this, and leaves by _exit.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let answer = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: this process has one thread.
            unsafe { rustix::thread::unshare_unsafe(namespaces) }.unwrap();
            is_ready.write_all(b".").unwrap();
            go.read_exact(&mut [0]).unwrap();
            work(&InGuest::for_tests())
        }));
        let text = answer.unwrap_or_else(|panic| match panic.downcast::<String>() {
            Ok(text) => format!("panic: {text}"),
            Err(_) => "panic".to_owned(),
        });
        let status = i32::from(tell.write_all(text.as_bytes()).is_err());
        // SAFETY: ends this process without running the parent's destructors.
        unsafe { libc::_exit(status) };
    }
    drop((tell, is_ready));
    let pid = Pid::from_raw(pid).unwrap();
    if ready.read_exact(&mut [0]).is_ok() {
        prepare(pid);
    }
    give_go.write_all(b".").unwrap();
    let mut text = String::new();
    result.read_to_string(&mut text).unwrap();
    let (_, status) = rustix::process::waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
    match status.terminating_signal() {
        Some(signal) => Outcome::Killed(signal),
        None => Outcome::Said(text),
    }
}

/// What a program prints; the child's confinement holds for it.
pub fn output(program: &str, args: &[&str]) -> String {
    match Command::new(program).args(args).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&text).into_owned()
        }
        Err(e) => format!("{program}: {e}"),
    }
}

/// A field of `/proc/self/status`.
pub fn status(text: &str, field: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {text}")).trim().to_owned()
}

/// This process' status.
pub fn own_status() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap()
}

/// The serial number of the session keyring.
pub fn session_keyring() -> i64 {
    const GET_KEYRING_ID: i64 = 0;
    const SESSION: i64 = -3;
    // SAFETY: this operation takes numbers only.
    unsafe { libc::syscall(libc::SYS_keyctl, GET_KEYRING_ID, SESSION, 1_i64) }
}

/// `delete_module(2)` of a module that does not exist: its errno.
pub fn delete_module() -> i32 {
    // SAFETY: the name is a string that ends with a zero byte.
    let answer = unsafe { libc::syscall(libc::SYS_delete_module, c"lxc_no_such_module".as_ptr(), 0) };
    if answer == 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap() }
}

/// Makes all mounts of this mount namespace private.
pub fn private_mounts() {
    use rustix::mount::{MountPropagationFlags, mount_change};
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE).unwrap();
}

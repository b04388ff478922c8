//! Small looks at the machine.

use std::fs;
use std::time::{Duration, Instant};

/// Waits until something holds, looking every few milliseconds.
///
/// # Panics
/// When it does not within `limit`.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The parent of a process, by the `/proc` of the test's bed.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn process_parent(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process that runs");
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .and_then(|word| word.trim().parse().ok())
        .expect("PPid in /proc/PID/status")
}

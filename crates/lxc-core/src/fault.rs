//! Points at which a test makes a start fail or kills the monitor. Empty functions without the feature `faults`.

/// The points of a start, in its order; first those of a starter that makes the network.
pub const POINTS: &[&str] = &[
    "starter-namespace",
    "starter-links",
    "plan",
    "pre-start",
    "payload-cgroup",
    "clone",
    "identity",
    "settle",
    "monitor-cgroup",
    "network",
    "limits",
    "guest-identity",
    "guest-rootfs",
    "guest-mounts",
    "idmapped",
    "guest-network",
    "guest-hooks",
    "guest-terminals",
    "guest-pivot",
    "guest-confine",
    "terminals",
    "devices",
    "start-host",
    "guest-exec",
    "running",
];

/// An error that a test asked for.
#[derive(Debug, thiserror::Error)]
#[error("fault at point \"{0}\"")]
pub struct Fault(&'static str);

#[cfg(feature = "faults")]
mod asked {
    //! What `LXC_RS_FAULT` asks for: `POINT`, or `POINT:kill`.

    use std::io::Write;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::sync::Mutex;

    use super::Fault;

    /// The monitor's killer waits at the other end.
    static KILLER: Mutex<Option<std::process::ChildStdin>> = Mutex::new(None);

    fn wanted() -> Option<String> {
        std::env::var("LXC_RS_FAULT").ok()
    }

    /// Seen from a new pid namespace the monitor has no number. A process on the monitor's side kills it for the
    /// guest.
    pub fn arm() {
        let wanted = wanted();
        if !wanted.is_some_and(|w| w.starts_with("guest-") && w.ends_with(":kill")) {
            return;
        }
        let script = format!("read x && kill -9 {}", std::process::id());
        let killer = Command::new("/bin/sh")
            .args(["-c", &script])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match killer {
            Ok(mut child) => *KILLER.lock().unwrap_or_else(|e| e.into_inner()) = child.stdin.take(),
            Err(e) => log::error!("the killer of the monitor: {e}"),
        }
    }

    pub fn at(point: &'static str) -> Result<(), Fault> {
        debug_assert!(super::POINTS.contains(&point), "{point} is not listed");
        let Some(wanted) = wanted() else { return Ok(()) };
        if wanted == point {
            return Err(Fault(point));
        }
        if wanted.strip_suffix(":kill") != Some(point) {
            return Ok(());
        }
        if point.starts_with("guest-") {
            kill_from_the_guest();
        } else if let Ok(own) = i32::try_from(std::process::id()) {
            lxc_sys::process::kill_raw(own, 9).map_err(|_| Fault(point))?;
        }
        Err(Fault(point))
    }

    /// Asks the killer, and waits to be killed by the death of the monitor.
    fn kill_from_the_guest() {
        let mut killer = KILLER.lock().unwrap_or_else(|e| e.into_inner());
        if killer.as_mut().is_some_and(|pipe| pipe.write_all(b"now\n").is_ok()) {
            std::thread::sleep(std::time::Duration::from_secs(10));
        }
    }
}

/// Called once in the monitor before it clones: makes `:kill` work at the points of the guest.
pub fn arm() {
    #[cfg(feature = "faults")]
    asked::arm();
}

/// Fails, or kills the monitor, when `LXC_RS_FAULT` names this point (`POINT` or `POINT:kill`).
///
/// # Errors
/// The fault that was asked for; never without the feature `faults`.
#[cfg(feature = "faults")]
pub fn at(point: &'static str) -> Result<(), Fault> {
    asked::at(point)
}

/// Does nothing: the feature `faults` is off.
///
/// # Errors
/// None.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn at(_point: &'static str) -> Result<(), Fault> {
    Ok(())
}

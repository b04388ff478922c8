//! Points at which a test makes a start fail or kills the monitor. Empty functions without the feature `faults`.

/// The points of a start, in its order.
pub const POINTS: &[&str] = &[
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

/// Fails, or kills this process, when `LXC_RS_FAULT` names this point (`POINT` or `POINT:kill`).
///
/// # Errors
/// The fault that was asked for; never without the feature `faults`.
#[cfg(feature = "faults")]
pub fn at(point: &'static str) -> Result<(), Fault> {
    debug_assert!(POINTS.contains(&point), "{point} is not listed");
    let Some(wanted) = std::env::var_os("LXC_RS_FAULT") else { return Ok(()) };
    if wanted == point {
        return Err(Fault(point));
    }
    if wanted.to_str().and_then(|w| w.strip_suffix(":kill")) == Some(point) {
        let victim = if point.starts_with("guest-") {
            // Seen from a new pid namespace the monitor has no number: the guest dies instead, and the monitor
            // is killed by its own point before or after.
            0
        } else {
            i32::try_from(std::process::id()).unwrap_or(0)
        };
        if victim > 0 {
            lxc_sys::process::kill_raw(victim, 9).map_err(|_| Fault(point))?;
        }
        return Err(Fault(point));
    }
    Ok(())
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

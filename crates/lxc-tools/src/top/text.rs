//! The columns of batch mode, as upstream prints them.

use std::fmt::Write;

use super::milliseconds;
use super::sample::Round;

/// The first line.
pub const HEADER: &str = "time_ms,container,cpu_nanos,cpu_sys_userhz,cpu_user_userhz,blkio_bytes,blkio_iops,\
                          mem_used_bytes,memsw_used_bytes,kernel_mem_used_bytes\n";

/// Nanoseconds in a tick of processor time (`USER_HZ` is 100).
const TICK: u64 = 10_000_000;

/// A line for each container. What the host does not count is 0.
pub fn rows(round: &Round) -> String {
    let time = milliseconds(round.time);
    let mut out = String::new();
    for one in &round.containers {
        let stats = &one.stats;
        let ticks = |nanoseconds: Option<u64>| nanoseconds.unwrap_or(0) / TICK;
        let done = writeln!(
            out,
            "{time},{},{},{},{},{},{},{},{},{}",
            one.name,
            stats.cpu.unwrap_or(0),
            ticks(stats.cpu_system),
            ticks(stats.cpu_user),
            stats.io_bytes.map_or(0, |io| io.total),
            stats.io_operations.map_or(0, |io| io.total),
            stats.memory.unwrap_or(0),
            stats.memory_swap.unwrap_or(0),
            stats.kernel_memory.unwrap_or(0),
        );
        // Text takes whatever is written to it.
        done.ok();
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use lxc_core::{Stats, Transfers};

    use super::super::sample::Sample;
    use super::*;

    #[test]
    fn a_line_of_upstream() {
        // A capture of upstream's 5.0.2.
        let io = Transfers { read: 4096, write: 0, total: 4096 };
        let stats = Stats {
            cpu: Some(32_717_252),
            cpu_user: Some(30_000_000),
            cpu_system: Some(0),
            io_bytes: Some(io),
            io_operations: Some(Transfers { read: 1, write: 0, total: 1 }),
            memory: Some(286_720),
            memory_swap: Some(286_720),
            kernel_memory: Some(172_032),
            ..Stats::default()
        };
        let containers = vec![Sample { name: "wtch2".parse().unwrap(), stats, links: Vec::new() }];
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_328_192_937);
        assert_eq!(
            rows(&Round { time, at: Instant::now(), containers }),
            "1795328192937,wtch2,32717252,0,3,4096,1,286720,286720,172032\n"
        );
    }
}

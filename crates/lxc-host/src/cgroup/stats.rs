//! What a container has used, for `lxc-info`, `lxc-ls` and `lxc-top`, from v1 or v2.

use super::dir::Dir;

/// Figures of a running container. `None` where the host has no source for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Processor time in nanoseconds.
    pub cpu: Option<u64>,
    /// The part of it outside of the kernel, in nanoseconds.
    pub cpu_user: Option<u64>,
    /// The part of it in the kernel, in nanoseconds.
    pub cpu_system: Option<u64>,
    /// Memory in use, in bytes: v1 `memory.usage_in_bytes`, v2 `memory.current`.
    pub memory: Option<u64>,
    /// Its limit; `u64::MAX` on v2 and some 2^63 on v1 if there is none.
    pub memory_limit: Option<u64>,
    /// What `lxc-info` calls memory use: as [`Self::memory`] on v1, anonymous and file pages on v2.
    pub memory_user: Option<u64>,
    /// Memory and swap in use, in bytes.
    pub memory_swap: Option<u64>,
    /// Its limit.
    pub memory_swap_limit: Option<u64>,
    /// Swap in use, in bytes.
    pub swap: Option<u64>,
    /// Kernel memory in use, in bytes.
    pub kernel_memory: Option<u64>,
    /// Bytes read from and written to block devices.
    pub io_bytes: Option<Transfers>,
    /// Reads from and writes to block devices.
    pub io_operations: Option<Transfers>,
    /// Number of tasks.
    pub pids: Option<u64>,
    /// How long tasks had to wait for a processor. Only v2 groups have this and the next two.
    pub cpu_pressure: Option<Pressure>,
    /// How long tasks had to wait for memory.
    pub memory_pressure: Option<Pressure>,
    /// How long tasks had to wait for block devices.
    pub io_pressure: Option<Pressure>,
}

/// Waiting for a resource (PSI, Linux 4.20).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Some tasks waited.
    pub some: Stall,
    /// All tasks that were not idle waited.
    pub full: Stall,
}

/// How much time went by with waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    /// Hundredths of a percent of the last ten seconds.
    pub avg10: u32,
    /// Of the last minute.
    pub avg60: u32,
    /// Of the last five minutes.
    pub avg300: u32,
    /// Microseconds since the group was made.
    pub total: u64,
}

/// Reads and writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// From the devices.
    pub read: u64,
    /// To the devices.
    pub write: u64,
    /// All; more than the sum on v1, which counts discards too.
    pub total: u64,
}

/// Processor ticks a second in v1's `cpuacct.stat`: fixed for programs on all Linux systems we build for.
const USER_HZ: u64 = 100;

impl Stats {
    /// Reads all figures. `group` opens the container's limit group in the hierarchy with a controller;
    /// it is asked once each for `cpuacct`, `memory`, `blkio`, `io`, `pids` and, for what every v2 group has,
    /// `cgroup`.
    pub fn read(group: &mut dyn FnMut(&str) -> Option<Dir>) -> Stats {
        let mut stats = Stats::default();
        let unified = group("cgroup");
        match group("cpuacct") {
            Some(dir) => stats.cpu_v1(&dir),
            None => stats.cpu_v2(unified.as_ref()),
        }
        let pressure = |file| Some(pressure(&text(unified.as_ref()?, file)?));
        stats.cpu_pressure = pressure("cpu.pressure");
        stats.memory_pressure = pressure("memory.pressure");
        stats.io_pressure = pressure("io.pressure");
        if let Some(dir) = group("memory") {
            match number(&dir, "memory.usage_in_bytes") {
                Some(usage) => stats.memory_v1(&dir, usage),
                None => stats.memory_v2(&dir),
            }
        }
        match group("blkio") {
            Some(dir) => {
                stats.io_bytes = text(&dir, "blkio.throttle.io_service_bytes").map(|t| blkio(&t));
                stats.io_operations = text(&dir, "blkio.throttle.io_serviced").map(|t| blkio(&t));
            }
            None => {
                let text = group("io").and_then(|dir| text(&dir, "io.stat"));
                stats.io_bytes = text.as_deref().map(|text| io_stat(text, "rbytes", "wbytes"));
                stats.io_operations = text.as_deref().map(|text| io_stat(text, "rios", "wios"));
            }
        }
        stats.pids = group("pids").and_then(|dir| number(&dir, "pids.current"));
        stats
    }

    fn cpu_v1(&mut self, dir: &Dir) {
        self.cpu = number(dir, "cpuacct.usage");
        let ticks = text(dir, "cpuacct.stat").unwrap_or_default();
        let nanoseconds = |name| Some(field(&ticks, name)?.saturating_mul(1_000_000_000 / USER_HZ));
        self.cpu_user = nanoseconds("user");
        self.cpu_system = nanoseconds("system");
    }

    fn cpu_v2(&mut self, dir: Option<&Dir>) {
        let text = dir.and_then(|dir| text(dir, "cpu.stat")).unwrap_or_default();
        let nanoseconds = |name| Some(field(&text, name)?.saturating_mul(1000));
        self.cpu = nanoseconds("usage_usec");
        self.cpu_user = nanoseconds("user_usec");
        self.cpu_system = nanoseconds("system_usec");
    }

    fn memory_v1(&mut self, dir: &Dir, usage: u64) {
        self.memory = Some(usage);
        self.memory_user = Some(usage);
        self.memory_limit = number(dir, "memory.limit_in_bytes");
        self.memory_swap = number(dir, "memory.memsw.usage_in_bytes");
        self.memory_swap_limit = number(dir, "memory.memsw.limit_in_bytes");
        self.kernel_memory = number(dir, "memory.kmem.usage_in_bytes");
        self.swap = text(dir, "memory.stat").and_then(|text| field(&text, "swap"));
    }

    fn memory_v2(&mut self, dir: &Dir) {
        self.memory = number(dir, "memory.current");
        self.memory_limit = number(dir, "memory.max");
        self.swap = number(dir, "memory.swap.current");
        let both = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
        self.memory_swap = both(self.memory, self.swap);
        self.memory_swap_limit = both(self.memory_limit, number(dir, "memory.swap.max"));
        let Some(text) = text(dir, "memory.stat") else { return };
        self.memory_user = both(field(&text, "anon"), field(&text, "file"));
        let parts = ["kernel_stack", "pagetables", "sock", "slab"];
        let sum = || parts.iter().filter_map(|name| field(&text, name)).reduce(u64::saturating_add);
        // One figure since Linux 5.18, before that its greatest parts.
        self.kernel_memory = field(&text, "kernel").or_else(sum);
    }
}

fn text(dir: &Dir, file: &str) -> Option<String> {
    String::from_utf8(dir.read(file).ok()?).ok()
}

/// A file with one number; `max` is the greatest.
fn number(dir: &Dir, file: &str) -> Option<u64> {
    match text(dir, file)?.trim() {
        "max" => Some(u64::MAX),
        digits => digits.parse().ok(),
    }
}

/// The number after a name, in a file with one such pair a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// v1: `8:0 Read 4096` for each device, at last `Total 4096` for all.
fn blkio(text: &str) -> Transfers {
    let mut all = Transfers::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().rev();
        let Some(number) = words.next().and_then(|word| word.parse::<u64>().ok()) else { continue };
        match (words.next(), words.next()) {
            (Some("Read"), Some(_)) => all.read = all.read.saturating_add(number),
            (Some("Write"), Some(_)) => all.write = all.write.saturating_add(number),
            (Some("Total"), None) => all.total = number,
            _ => {}
        }
    }
    all
}

/// v2: `8:0 rbytes=1 wbytes=2 rios=3 …` for each device.
fn io_stat(text: &str, read: &str, write: &str) -> Transfers {
    let sum = |name: &str| {
        let value = |word: &str| word.split_once('=').filter(|(n, _)| *n == name)?.1.parse::<u64>().ok();
        text.split_ascii_whitespace().filter_map(value).fold(0, u64::saturating_add)
    };
    let (read, write) = (sum(read), sum(write));
    Transfers { read, write, total: read.saturating_add(write) }
}

/// `some avg10=1.25 avg60=0.00 avg300=0.00 total=4711`, and the same for `full`.
fn pressure(text: &str) -> Pressure {
    let stall = |which: &str| {
        let mut stall = Stall::default();
        let line = text.lines().find_map(|line| line.strip_prefix(which)).unwrap_or_default();
        for (name, value) in line.split_ascii_whitespace().filter_map(|word| word.split_once('=')) {
            let hundredths = || value.replace('.', "").parse().unwrap_or(0);
            match name {
                "avg10" => stall.avg10 = hundredths(),
                "avg60" => stall.avg60 = hundredths(),
                "avg300" => stall.avg300 = hundredths(),
                "total" => stall.total = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        stall
    };
    Pressure { some: stall("some "), full: stall("full ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let text = "8:0 Read 10\n8:0 Write 5\n8:0 Total 15\n8:16 Read 1\nTotal 17\n";
        assert_eq!(blkio(text), Transfers { read: 11, write: 5, total: 17 });
        let text = "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n8:16 rbytes=10 wbytes=20 rios=30 wios=40 dbytes=0\n";
        assert_eq!(io_stat(text, "rbytes", "wbytes"), Transfers { read: 11, write: 22, total: 33 });
        assert_eq!(io_stat(text, "rios", "wios").total, 77);
        assert_eq!(field("anon_thp 3\nanon 5\n", "anon"), Some(5));
        assert_eq!(field("anon\n", "anon"), None);
        let text = "some avg10=1.25 avg60=0.00 avg300=12.07 total=4711\nfull avg10=100.00 avg60=0.00 avg300=0.00 total=3\n";
        let some = Stall { avg10: 125, avg60: 0, avg300: 1207, total: 4711 };
        let full = Stall { avg10: 10_000, total: 3, ..Stall::default() };
        assert_eq!(pressure(text), Pressure { some, full });
        assert_eq!(pressure("garbage"), Pressure::default());
    }

    fn directory(files: &[(&str, &str)]) -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(temp.path().join(name), text).unwrap();
        }
        let dir = Dir::open(temp.path()).unwrap();
        (temp, dir)
    }

    #[test]
    fn version_2() {
        let (_temp, dir) = directory(&[
            ("cpu.stat", "usage_usec 7\nuser_usec 4\nsystem_usec 3\n"),
            ("memory.current", "100\n"),
            ("memory.max", "max\n"),
            ("memory.swap.current", "11\n"),
            ("memory.stat", "anon 1\nfile 2\nkernel_stack 4\nslab 8\n"),
            ("pids.current", "3\n"),
        ]);
        let mut group = |name: &str| match name {
            "cpuacct" | "blkio" => None,
            _ => dir.try_clone().ok(),
        };
        let stats = Stats::read(&mut group);
        assert_eq!((stats.cpu, stats.cpu_user, stats.cpu_system), (Some(7000), Some(4000), Some(3000)));
        assert_eq!((stats.memory, stats.memory_limit), (Some(100), Some(u64::MAX)));
        assert_eq!((stats.memory_swap, stats.memory_swap_limit), (Some(111), None));
        assert_eq!((stats.memory_user, stats.kernel_memory), (Some(3), Some(12)));
        assert_eq!((stats.pids, stats.io_bytes), (Some(3), None));
    }

    #[test]
    fn version_1() {
        let (_temp, dir) = directory(&[
            ("cpuacct.usage", "123\n"),
            ("cpuacct.stat", "user 2\nsystem 3\n"),
            ("memory.usage_in_bytes", "5\n"),
            ("memory.kmem.usage_in_bytes", "2\n"),
            ("memory.stat", "cache 1\nswap 9\n"),
            ("blkio.throttle.io_service_bytes", "Total 0\n"),
        ]);
        let stats = Stats::read(&mut |_| dir.try_clone().ok());
        assert_eq!((stats.cpu, stats.cpu_user), (Some(123), Some(20_000_000)));
        assert_eq!((stats.memory, stats.memory_user, stats.kernel_memory), (Some(5), Some(5), Some(2)));
        assert_eq!((stats.swap, stats.memory_swap), (Some(9), None));
        assert_eq!((stats.io_bytes, stats.io_operations), (Some(Transfers::default()), None));
    }
}

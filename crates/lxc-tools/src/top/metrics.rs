//! OpenMetrics 1.0: the figures of all running containers for a monitoring system.

use std::fmt::Write;

use lxc_core::{Pressure, Stall, Stats};

use super::sample::{Round, Sample};
use crate::json::NO_LIMIT;
use crate::session::Session;

/// One family of metrics.
struct Family {
    name: &'static str,
    kind: &'static str,
    unit: &'static str,
    help: &'static str,
    /// Labels (with a comma before each) and values of one container.
    values: fn(&Sample) -> Vec<(String, String)>,
}

const FAMILIES: &[Family] = &[
    Family {
        name: "lxc_container_cpu_seconds",
        kind: "counter",
        unit: "seconds",
        help: "Processor time used.",
        values: |one| plain(one.stats.cpu.map(nanoseconds)),
    },
    Family {
        name: "lxc_container_cpu_mode_seconds",
        kind: "counter",
        unit: "seconds",
        help: "Processor time used in the kernel and outside of it.",
        values: |one| {
            let mode = |mode: &str, value: Option<u64>| Some((label("mode", mode), nanoseconds(value?)));
            [mode("user", one.stats.cpu_user), mode("system", one.stats.cpu_system)]
                .into_iter()
                .flatten()
                .collect()
        },
    },
    Family {
        name: "lxc_container_memory_bytes",
        kind: "gauge",
        unit: "bytes",
        help: "Memory in use, with the page cache.",
        values: |one| plain(one.stats.memory.map(|bytes| bytes.to_string())),
    },
    Family {
        name: "lxc_container_memory_limit_bytes",
        kind: "gauge",
        unit: "bytes",
        help: "Limit of the memory in use, where there is one.",
        values: |one| {
            plain(one.stats.memory_limit.filter(|limit| *limit < NO_LIMIT).map(|bytes| bytes.to_string()))
        },
    },
    Family {
        name: "lxc_container_swap_bytes",
        kind: "gauge",
        unit: "bytes",
        help: "Swap in use.",
        values: |one| plain(one.stats.swap.map(|bytes| bytes.to_string())),
    },
    Family {
        name: "lxc_container_kernel_memory_bytes",
        kind: "gauge",
        unit: "bytes",
        help: "Memory of the kernel for the container.",
        values: |one| plain(one.stats.kernel_memory.map(|bytes| bytes.to_string())),
    },
    Family {
        name: "lxc_container_io_bytes",
        kind: "counter",
        unit: "bytes",
        help: "Bytes read from and written to block devices.",
        values: |one| {
            one.stats.io_bytes.map(|io| directions("read", io.read, "write", io.write)).unwrap_or_default()
        },
    },
    Family {
        name: "lxc_container_io_operations",
        kind: "counter",
        unit: "",
        help: "Reads from and writes to block devices.",
        values: |one| {
            one.stats
                .io_operations
                .map(|io| directions("read", io.read, "write", io.write))
                .unwrap_or_default()
        },
    },
    Family {
        name: "lxc_container_pids",
        kind: "gauge",
        unit: "",
        help: "Tasks.",
        values: |one| plain(one.stats.pids.map(|pids| pids.to_string())),
    },
    Family {
        name: "lxc_container_pressure_seconds",
        kind: "counter",
        unit: "seconds",
        help: "Time in which some or all tasks waited for a resource.",
        values: |one| stalls(&one.stats, |stall| vec![(String::new(), microseconds(stall.total))]),
    },
    Family {
        name: "lxc_container_pressure_ratio",
        kind: "gauge",
        unit: "ratio",
        help: "Part of the time in which some or all tasks waited for a resource.",
        values: |one| {
            stalls(&one.stats, |stall| {
                [("10s", stall.avg10), ("60s", stall.avg60), ("300s", stall.avg300)]
                    .map(|(window, part)| (label("window", window), decimal(part.into(), 4)))
                    .to_vec()
            })
        },
    },
    Family {
        name: "lxc_container_network_bytes",
        kind: "counter",
        unit: "bytes",
        help: "Bytes that the container sent and received, by the host's end of each link.",
        values: |one| {
            let of = |link: &lxc_core::LinkStats| {
                let name = label("link", &link.host_name);
                directions("transmit", link.tx_bytes, "receive", link.rx_bytes)
                    .into_iter()
                    .map(move |(labels, value)| (format!("{name}{labels}"), value))
            };
            one.links.iter().flat_map(of).collect()
        },
    },
];

/// The whole exposition, up to its end mark.
pub fn text(session: &Session, round: &Round) -> String {
    let path = escape(&session.lxcpath.to_string_lossy());
    let mut out = String::from("# TYPE lxc_containers gauge\n# HELP lxc_containers Containers that run.\n");
    add(&mut out, format_args!("lxc_containers{{lxcpath=\"{path}\"}} {}\n", round.containers.len()));
    for Family { name, kind, unit, help, values } in FAMILIES {
        add(&mut out, format_args!("# TYPE {name} {kind}\n"));
        if !unit.is_empty() {
            add(&mut out, format_args!("# UNIT {name} {unit}\n"));
        }
        add(&mut out, format_args!("# HELP {name} {help}\n"));
        let suffix = if *kind == "counter" { "_total" } else { "" };
        for one in &round.containers {
            let container = escape(&one.name);
            for (labels, value) in values(one) {
                add(
                    &mut out,
                    format_args!(
                        "{name}{suffix}{{lxcpath=\"{path}\",container=\"{container}\"{labels}}} {value}\n"
                    ),
                );
            }
        }
    }
    out.push_str("# EOF\n");
    out
}

fn add(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Text takes whatever is written to it.
    out.write_fmt(text).ok();
}

/// A value without labels of its own.
fn plain(value: Option<String>) -> Vec<(String, String)> {
    value.map(|value| (String::new(), value)).into_iter().collect()
}

fn directions(one: &str, value: u64, other: &str, other_value: u64) -> Vec<(String, String)> {
    vec![(label("direction", one), value.to_string()), (label("direction", other), other_value.to_string())]
}

/// The values of each resource's waiting, of some and of all tasks.
fn stalls(stats: &Stats, values: impl Fn(&Stall) -> Vec<(String, String)>) -> Vec<(String, String)> {
    let resources =
        [("cpu", stats.cpu_pressure), ("memory", stats.memory_pressure), ("io", stats.io_pressure)];
    let mut all = Vec::new();
    for (resource, pressure) in resources {
        let Some(Pressure { some, full }) = pressure else { continue };
        for (tasks, stall) in [("some", some), ("full", full)] {
            let labels = label("resource", resource) + &label("tasks", tasks);
            all.extend(values(&stall).into_iter().map(|(more, value)| (format!("{labels}{more}"), value)));
        }
    }
    all
}

fn label(name: &str, value: &str) -> String {
    format!(",{name}=\"{}\"", escape(value))
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Nanoseconds as seconds, with all digits.
fn nanoseconds(value: u64) -> String {
    decimal(value, 9)
}

/// Microseconds as seconds, with all digits.
fn microseconds(value: u64) -> String {
    decimal(value, 6)
}

/// A number with so many digits behind the point.
fn decimal(value: u64, digits: u32) -> String {
    let one = 10u64.saturating_pow(digits);
    format!("{}.{:0width$}", value / one, value % one, width = usize::try_from(digits).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(nanoseconds(1_234_567_890), "1.234567890");
        assert_eq!(nanoseconds(5), "0.000000005");
        assert_eq!(microseconds(2_000_001), "2.000001");
        assert_eq!(decimal(10_000, 4), "1.0000");
        assert_eq!(decimal(125, 4), "0.0125");
        assert!(nanoseconds(u64::MAX).starts_with("18446744073.7"));
    }

    #[test]
    fn labels() {
        assert_eq!(label("a", "x\"y\\z\n"), ",a=\"x\\\"y\\\\z\\n\"");
    }

    #[test]
    fn families_are_sound() {
        for family in FAMILIES {
            assert!(
                family.unit.is_empty() || family.name.ends_with(&format!("_{}", family.unit)),
                "{}",
                family.name
            );
            assert!(["counter", "gauge"].contains(&family.kind));
            assert!(!family.name.ends_with("_total") && family.help.ends_with('.'));
        }
    }
}

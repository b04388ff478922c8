//! `bpf(2)`: load, attach to a cgroup, query, detach.

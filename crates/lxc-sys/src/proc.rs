//! Parsers of `/proc`: mountinfo, cgroup, status.

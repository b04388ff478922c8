//! Resource limits and files of `/proc/PID`.

//! Sysctls of the container.

//! Sealed files in memory.

//! Capability names and sets over rustix.

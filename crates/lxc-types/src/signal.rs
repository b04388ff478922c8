//! Signals by number or name.

//! Sizes in bytes with units.

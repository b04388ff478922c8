//! The root file system: mount, populate, pivot.

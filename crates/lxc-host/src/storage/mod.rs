//! Storage backends of a root file system.

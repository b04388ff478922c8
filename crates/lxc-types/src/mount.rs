//! Mount options and fstab entries.

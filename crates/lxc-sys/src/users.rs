//! The passwd, group, subuid and subgid files.

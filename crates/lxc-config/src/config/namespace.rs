//! Which namespaces the container gets, shares or keeps.

use std::collections::BTreeMap;

use lxc_types::{NamespaceKind, Namespaces, TimeOffset};

use crate::origin::Sourced;

/// `lxc.namespace.*` and `lxc.time.offset.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceRules {
    /// `lxc.namespace.clone` or `lxc.namespace.keep`.
    pub choice: NamespaceChoice,
    /// `lxc.namespace.share.KIND`: a process id, a container (with or without its lxcpath) or a path.
    pub share: BTreeMap<NamespaceKind, Sourced<String>>,
    /// `lxc.time.offset.*`.
    pub time: TimeOffsets,
}

/// Which namespaces are new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamespaceChoice {
    /// What the rest of the config calls for.
    #[default]
    Default,
    /// Exactly these.
    Clone(Namespaces),
    /// All but these.
    Keep(Namespaces),
}

/// How far the container's clocks are ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeOffsets {
    /// `lxc.time.offset.boot`, for `CLOCK_BOOTTIME`.
    pub boot: TimeOffset,
    /// `lxc.time.offset.monotonic`, for `CLOCK_MONOTONIC`.
    pub monotonic: TimeOffset,
}

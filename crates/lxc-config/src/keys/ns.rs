//! `lxc.namespace` and `lxc.time`: namespaces.

use lxc_types::{NamespaceKind, Namespaces, TimeOffset};

use super::values::*;
use super::{Family, Key, Outcome, Write};
use crate::config::{Config, NamespaceChoice};

pub(super) const FAMILY: Family = Family {
    title: "NAMESPACES",
    doc: "Which namespaces the container gets. Without any of these keys it gets its own mnt, pid, uts, ipc, net \
          and cgroup namespaces, a user namespace if ids are mapped, and a time namespace if clocks are shifted.",
    keys: &[CLONE, KEEP, SHARE, BOOT, MONOTONIC],
};

const CLONE: Key = Key {
    name: "lxc.namespace.clone",
    values: "KIND [KIND]...",
    doc: "The container gets new namespaces of exactly these kinds: user, mnt, pid, uts, ipc, net, cgroup, time. \
          Lines add up. Excludes lxc.namespace.keep.",
    set: |c, s| {
        let before = match c.namespaces.choice {
            NamespaceChoice::Default => Namespaces::NONE,
            NamespaceChoice::Clone(set) => set,
            NamespaceChoice::Keep(_) => return Err(ValueError::Conflict("lxc.namespace.keep")),
        };
        c.namespaces.choice = NamespaceChoice::Clone(before.union(parse(s.value)?));
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(lines(cloned(c).iter())),
    clear: |c, _| {
        if let NamespaceChoice::Clone(_) = c.namespaces.choice {
            c.namespaces.choice = NamespaceChoice::Default;
        }
        Ok(())
    },
    ..Key::LIST
};

const KEEP: Key = Key {
    name: "lxc.namespace.keep",
    values: "KIND [KIND]...",
    doc: "The container stays in the starter's namespaces of these kinds and gets new ones of all others, also \
          user and time. Lines add up. Excludes lxc.namespace.clone.",
    set: |c, s| {
        let before = match c.namespaces.choice {
            NamespaceChoice::Default => Namespaces::NONE,
            NamespaceChoice::Keep(set) => set,
            NamespaceChoice::Clone(_) => return Err(ValueError::Conflict("lxc.namespace.clone")),
        };
        c.namespaces.choice = NamespaceChoice::Keep(before.union(parse(s.value)?));
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(lines(kept(c).iter())),
    clear: |c, _| {
        if let NamespaceChoice::Keep(_) = c.namespaces.choice {
            c.namespaces.choice = NamespaceChoice::Default;
        }
        Ok(())
    },
    ..Key::LIST
};

const fn cloned(config: &Config) -> Namespaces {
    match config.namespaces.choice {
        NamespaceChoice::Clone(set) => set,
        NamespaceChoice::Default | NamespaceChoice::Keep(_) => Namespaces::NONE,
    }
}

const fn kept(config: &Config) -> Namespaces {
    match config.namespaces.choice {
        NamespaceChoice::Keep(set) => set,
        NamespaceChoice::Default | NamespaceChoice::Clone(_) => Namespaces::NONE,
    }
}

const SHARE: Key = Key {
    name: "lxc.namespace.share.<kind>",
    values: "PID | NAME | PATH",
    doc: "The container joins a namespace that exists: that of a process, that of a running container, or the \
          one at an absolute path. KIND is user, mnt, pid, uts, ipc, net, cgroup or time.",
    set: |c, s| {
        let kind = kind(s.index.name())?;
        c.namespaces.share.insert(kind, sourced(s.value.to_owned(), s));
        Ok(Outcome::Exact)
    },
    get: |c, index| Ok(show_sourced(c.namespaces.share.get(&kind(index.name())?))),
    clear: |c, index| {
        c.namespaces.share.remove(&kind(index.name())?);
        Ok(())
    },
    write: Write::Named(|c| {
        c.namespaces.share.iter().map(|(kind, value)| (kind.to_string(), value.value.clone())).collect()
    }),
    ..Key::SINGLE
};

fn kind(word: &str) -> Result<NamespaceKind, ValueError> {
    let kinds: Vec<_> = NamespaceKind::ALL.into_iter().map(|kind| (kind.as_str(), kind)).collect();
    choice(&kinds, word)
}

const BOOT: Key = Key {
    name: "lxc.time.offset.boot",
    values: "NUMBER h|m|s|ms|us|ns",
    doc: "How far the container's boot time clock is ahead of the host's. May be negative.",
    set: |c, s| parsed(&mut c.namespaces.time.boot, s),
    get: |c, _| Ok(shown(c.namespaces.time.boot)),
    clear: |c, _| reset(&mut c.namespaces.time.boot),
    ..Key::SINGLE
};

const MONOTONIC: Key = Key {
    name: "lxc.time.offset.monotonic",
    values: "NUMBER h|m|s|ms|us|ns",
    doc: "How far the container's monotonic clock is ahead of the host's. May be negative.",
    set: |c, s| parsed(&mut c.namespaces.time.monotonic, s),
    get: |c, _| Ok(shown(c.namespaces.time.monotonic)),
    clear: |c, _| reset(&mut c.namespaces.time.monotonic),
    ..Key::SINGLE
};

/// `5s` and a newline, as upstream shows it.
fn shown(offset: TimeOffset) -> String {
    format!("{offset}\n")
}

//! `lxc.mount` and `lxc.autodev`: what is mounted besides the root.

use super::values::*;
use super::{Empty, Family, Key, Outcome, Setting, Write};
use lxc_types::mount::{AutoMountError, AutoMounts};

use crate::config::{Config, Mounts};

pub(super) const FAMILY: Family = Family {
    title: "MOUNTS AND /DEV",
    doc: "What is mounted in the container besides its root filesystem.",
    keys: &[AUTO, FSTAB, ENTRY, AUTODEV, AUTODEV_SIZE],
};

const AUTO: Key = Key {
    name: "lxc.mount.auto",
    values: "WORD [WORD]...",
    doc: "Kernel filesystems to mount. proc or proc:mixed mounts /proc with /proc/sys and /proc/sysrq-trigger \
          read-only, proc:rw without that. sys or sys:mixed mounts /sys read-only except \
          /sys/devices/virtual/net, sys:ro wholly read-only, sys:rw writable. cgroup:mixed mounts \
          /sys/fs/cgroup with only the container's own groups writable, cgroup:ro none, cgroup:rw all; cgroup \
          alone picks rw if init keeps the capability sys_admin, else mixed. cgroup-full:mixed, :ro, :rw show the \
          hierarchies from their roots. With :force at the end this also happens in a cgroup namespace, where \
          the container could do it itself. cgroup2, cgroup2:ro mount the unified hierarchy, always. \
          shmounts:HOST[:CONTAINER] shares the directory HOST of the host, so that mounts can reach the running \
          container at CONTAINER (/dev/.lxc-mounts). Of the words that begin alike the last one counts, over \
          all lines; an empty value takes all back.",
    set: |c, s| {
        let mut auto = c.mounts.auto.clone();
        auto_words(&mut auto, s.value)?;
        c.mounts.auto = auto;
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(c.mounts.auto.to_string()),
    clear: |c, _| reset(&mut c.mounts.auto),
    ..Key::SINGLE
};

fn auto_words(auto: &mut AutoMounts, words: &str) -> Result<(), ValueError> {
    auto.merge(words).map_err(|error| match error {
        AutoMountError::Unknown(word) => unknown(&word),
        AutoMountError::NoDirectory => ValueError::Invalid(error.to_string()),
    })?;
    match &auto.shared {
        Some(shared) if !shared.container.starts_with('/') => Err(ValueError::Invalid(format!(
            "\"{}\" is no absolute path, shmounts needs one in the container",
            shared.container
        ))),
        Some(_) | None => Ok(()),
    }
}

fn unknown(word: &str) -> ValueError {
    let known = [
        "proc",
        "proc:mixed",
        "proc:rw",
        "sys",
        "sys:mixed",
        "sys:ro",
        "sys:rw",
        "cgroup",
        "cgroup:mixed",
        "cgroup:ro",
        "cgroup:rw",
        "cgroup:force",
        "cgroup:mixed:force",
        "cgroup:ro:force",
        "cgroup:rw:force",
        "cgroup-full",
        "cgroup-full:mixed",
        "cgroup-full:ro",
        "cgroup-full:rw",
        "cgroup-full:rw:force",
        "cgroup2",
        "cgroup2:ro",
        "shmounts:PATH",
    ];
    ValueError::Choice {
        value: word.to_owned(),
        known: "proc, sys, cgroup, cgroup-full, cgroup2, shmounts:PATH and their variants".into(),
        nearest: crate::diagnostic::nearest(word, known.into_iter()).map(str::to_owned),
    }
}

const FSTAB: Key = Key {
    name: "lxc.mount.fstab",
    values: "PATH",
    doc: "File with mounts for the container in the format of fstab(5). They come before those of \
          lxc.mount.entry.",
    set: |c, s| set_path(&mut c.mounts.fstab, s),
    get: |c, _| Ok(show_sourced(c.mounts.fstab.as_ref())),
    clear: |c, _| reset(&mut c.mounts.fstab),
    ..Key::SINGLE
};

const ENTRY: Key = Key {
    name: "lxc.mount.entry",
    values: "SOURCE TARGET TYPE OPTIONS [0 0]",
    doc: "One mount in the format of fstab(5), in which \\040 stands for a blank. A relative TARGET lies below \
          the container's root. Besides the usual options there are create=dir and create=file (make a missing \
          target), optional (go on if it fails), relative (SOURCE lies below the container's root too), and \
          idmap=container or idmap=PATH (shift the owners of files). Entries are mounted in the order in which \
          they are written.",
    set: entry,
    get: |c, _| Ok(lines(plain(&c.mounts.entries))),
    clear: |c, _| reset(&mut c.mounts.entries),
    ..Key::LIST
};

fn entry(config: &mut Config, s: &Setting<'_>) -> Set {
    config.mounts.entries.push(sourced(s.value.to_owned(), s));
    if s.value.trim_start().starts_with('#') || split(s.value).count() >= 3 {
        return Ok(Outcome::Exact);
    }
    Ok(Outcome::Adjusted("this is no mount: it needs a source, a target and a type".into()))
}

const AUTODEV: Key = Key {
    name: "lxc.autodev",
    values: "0 | 1",
    doc: "1: /dev is a small tmpfs with the nodes every program needs (full, null, random, tty, urandom, zero), \
          terminals and links. 0: /dev is what the root filesystem holds. Default 1, but an empty value means 0.",
    set: |c, s| flag(&mut c.mounts.autodev, s),
    get: |c, _| Ok(show_flag(c.mounts.autodev)),
    clear: |c, _| {
        c.mounts.autodev = Mounts::default().autodev;
        Ok(())
    },
    empty: Empty::Means("0"),
    ..Key::SINGLE
};

const AUTODEV_SIZE: Key = Key {
    name: "lxc.autodev.tmpfs.size",
    values: "BYTES",
    doc: "Size of that tmpfs, without a unit. Default 500000, which is also taken for a text that is no number.",
    set: |c, s| {
        let size = lxc_types::number::signed(s.value).ok().and_then(|size| u64::try_from(size).ok());
        c.mounts.autodev_size = size.filter(|size| *size > 0).unwrap_or(Mounts::AUTODEV_SIZE);
        Ok(match size {
            Some(_) => Outcome::Exact,
            None => Outcome::Adjusted(format!("\"{}\" is no number of bytes, 500000 is taken", s.value)),
        })
    },
    get: |c, _| Ok(c.mounts.autodev_size.to_string()),
    clear: |c, _| {
        c.mounts.autodev_size = Mounts::AUTODEV_SIZE;
        Ok(())
    },
    write: Write::Shown,
    ..Key::SINGLE
};

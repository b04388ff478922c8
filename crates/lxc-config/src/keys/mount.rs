//! `lxc.mount` and `lxc.autodev`: what is mounted besides the root.

use super::values::*;
use super::{Empty, Family, Key, Outcome, Setting, Write};
use crate::config::{
    AutoMounts, CgroupAccess, CgroupMount, Config, Mounts, ProcMount, SharedMounts, SysMount,
};

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
        split(s.value).try_for_each(|word| auto_word(&mut auto, word))?;
        c.mounts.auto = auto;
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(shown_auto(&c.mounts.auto).join(" ")),
    clear: |c, _| reset(&mut c.mounts.auto),
    ..Key::SINGLE
};

const PROC: [(&str, ProcMount); 3] =
    [("proc:mixed", ProcMount::Mixed), ("proc", ProcMount::Mixed), ("proc:rw", ProcMount::ReadWrite)];

const SYS: [(&str, SysMount); 4] = [
    ("sys:mixed", SysMount::Mixed),
    ("sys", SysMount::Mixed),
    ("sys:ro", SysMount::ReadOnly),
    ("sys:rw", SysMount::ReadWrite),
];

const ACCESS: [(&str, CgroupAccess); 4] = [
    ("", CgroupAccess::Unspecified),
    (":mixed", CgroupAccess::Mixed),
    (":ro", CgroupAccess::ReadOnly),
    (":rw", CgroupAccess::ReadWrite),
];

fn auto_word(auto: &mut AutoMounts, word: &str) -> Result<(), ValueError> {
    let of = |kind: &str| word == kind || word.strip_prefix(kind).is_some_and(|rest| rest.starts_with(':'));
    if of("proc") {
        auto.proc = Some(choice(&PROC, word)?);
    } else if of("sys") {
        auto.sys = Some(choice(&SYS, word)?);
    } else if of("cgroup") || of("cgroup-full") || of("cgroup2") {
        auto.cgroup = Some(cgroup(word).ok_or_else(|| unknown(word))?);
    } else if let Some(paths) = word.strip_prefix("shmounts:") {
        auto.shared = Some(shared(paths)?);
    } else {
        return Err(unknown(word));
    }
    Ok(())
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

fn cgroup(word: &str) -> Option<CgroupMount> {
    let (rest, force) = match word.strip_suffix(":force") {
        Some(rest) => (rest, true),
        None => (word, false),
    };
    match rest {
        "cgroup2" => return Some(CgroupMount::Unified { access: CgroupAccess::ReadWrite }),
        "cgroup2:ro" => return Some(CgroupMount::Unified { access: CgroupAccess::ReadOnly }),
        _ => {}
    }
    if let Some(access) = rest.strip_prefix("cgroup-full") {
        return Some(CgroupMount::Full { access: choice(&ACCESS, access).ok()?, force });
    }
    Some(CgroupMount::Own { access: choice(&ACCESS, rest.strip_prefix("cgroup")?).ok()?, force })
}

fn shared(paths: &str) -> Result<SharedMounts, ValueError> {
    let (host, container) = match paths.split_once(':') {
        Some((host, container)) if !container.is_empty() => (host, container),
        Some((host, _)) => (host, SharedMounts::CONTAINER),
        None => (paths, SharedMounts::CONTAINER),
    };
    if host.is_empty() || !container.starts_with('/') {
        return Err(ValueError::Invalid(format!("\"shmounts:{paths}\" is not shmounts:HOST[:/CONTAINER]")));
    }
    Ok(SharedMounts { host: host.to_owned(), container: container.to_owned() })
}

fn shown_auto(auto: &AutoMounts) -> Vec<String> {
    let cgroup = |mount: CgroupMount| match mount {
        CgroupMount::Own { access, force } => {
            format!("cgroup{}{}", word(&ACCESS, &access), if force { ":force" } else { "" })
        }
        CgroupMount::Full { access, force } => {
            format!("cgroup-full{}{}", word(&ACCESS, &access), if force { ":force" } else { "" })
        }
        CgroupMount::Unified { access: CgroupAccess::ReadOnly } => "cgroup2:ro".to_owned(),
        CgroupMount::Unified { .. } => "cgroup2".to_owned(),
    };
    let proc = auto.proc.map(|proc| word(&PROC, &proc));
    let sys = auto.sys.map(|sys| word(&SYS, &sys));
    let shared = auto.shared.as_ref().map(|paths| {
        if paths.container == SharedMounts::CONTAINER {
            format!("shmounts:{}", paths.host)
        } else {
            format!("shmounts:{}:{}", paths.host, paths.container)
        }
    });
    [proc, sys, auto.cgroup.map(cgroup), shared].into_iter().flatten().collect()
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

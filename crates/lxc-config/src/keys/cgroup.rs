//! `lxc.cgroup` and `lxc.cgroup2`: control groups.

use super::values::*;
use super::{Family, Index, Key, Outcome, Setting, Write};
use crate::config::{CgroupSetting, Config, Sourced};

pub(super) const FAMILY: Family = Family {
    title: "CONTROL GROUPS",
    doc: "Limits of the container and the place of its control groups. lxc.cgroup2 keys count on hosts with only \
          the unified hierarchy, lxc.cgroup keys on all others; the other kind is ignored, so that one config can \
          serve both.",
    keys: &[
        UNIFIED_FILE,
        UNIFIED,
        LEGACY_FILE,
        LEGACY,
        DIR,
        DIR_MONITOR,
        DIR_PIVOT,
        DIR_CONTAINER,
        DIR_INNER,
        RELATIVE,
    ],
};

const UNIFIED_FILE: Key = Key {
    name: "lxc.cgroup2.<file>",
    values: "TEXT",
    doc: "Text for a control file of the container's group, like lxc.cgroup2.memory.max, written before the \
          container runs, in the order of the lines. devices.allow and devices.deny take rules: a for all, or a \
          type (a, b, c), numbers (MAJOR:MINOR, * for any) and what is allowed (some of r, w, m); allow also \
          takes the path of a device and what is allowed. A later line adds to earlier ones; an empty value takes \
          those of this file back.",
    set: |c, s| append_setting(&mut c.cgroup.unified, s),
    get: |c, index| Ok(values_of(&c.cgroup.unified, index)),
    clear: |c, index| {
        c.cgroup.unified.retain(|setting| setting.value.file != index.name());
        Ok(())
    },
    write: Write::Named(|c| written(&c.cgroup.unified)),
    ..Key::LIST
};

const UNIFIED: Key = Key {
    name: "lxc.cgroup2",
    doc: "An empty value takes all lxc.cgroup2 settings back.",
    get: |c, _| Ok(all_of("lxc.cgroup2", &c.cgroup.unified)),
    clear: |c, _| reset(&mut c.cgroup.unified),
    ..Key::GROUP
};

const LEGACY_FILE: Key = Key {
    name: "lxc.cgroup.<file>",
    values: "TEXT",
    doc: "The same for the hierarchies of version 1, like lxc.cgroup.memory.limit_in_bytes.",
    set: |c, s| append_setting(&mut c.cgroup.legacy, s),
    get: |c, index| Ok(values_of(&c.cgroup.legacy, index)),
    clear: |c, index| {
        c.cgroup.legacy.retain(|setting| setting.value.file != index.name());
        Ok(())
    },
    write: Write::Named(|c| written(&c.cgroup.legacy)),
    ..Key::LIST
};

const LEGACY: Key = Key {
    name: "lxc.cgroup",
    doc: "An empty value takes all lxc.cgroup settings of control files back.",
    get: |c, _| Ok(all_of("lxc.cgroup", &c.cgroup.legacy)),
    clear: |c, _| reset(&mut c.cgroup.legacy),
    ..Key::GROUP
};

fn append_setting(list: &mut Vec<Sourced<CgroupSetting>>, s: &Setting<'_>) -> Set {
    let file = s.index.name();
    if file.contains('/') {
        return Err(ValueError::Invalid(format!("\"{file}\" is a path, not the name of a control file")));
    }
    list.push(sourced(CgroupSetting { file: file.to_owned(), value: s.value.to_owned() }, s));
    Ok(Outcome::Exact)
}

fn values_of(list: &[Sourced<CgroupSetting>], index: &Index<'_>) -> String {
    lines(plain(list).filter(|setting| setting.file == index.name()).map(|setting| &setting.value))
}

fn all_of(prefix: &str, list: &[Sourced<CgroupSetting>]) -> String {
    lines(plain(list).map(|setting| format!("{prefix}.{} = {}", setting.file, setting.value)))
}

fn written(list: &[Sourced<CgroupSetting>]) -> Vec<(String, String)> {
    plain(list).map(|setting| (setting.file.clone(), setting.value.clone())).collect()
}

const DIR: Key = Key {
    name: "lxc.cgroup.dir",
    values: "PATH",
    doc: "Group below which the container's groups are made, a relative path. Excludes the other lxc.cgroup.dir \
          keys.",
    set: |c, s| directory(&mut c.cgroup.dirs.both, s),
    get: |c, _| Ok(show(c.cgroup.dirs.both.as_ref())),
    clear: |c, _| reset(&mut c.cgroup.dirs.both),
    ..Key::SINGLE
};

const DIR_MONITOR: Key = Key {
    name: "lxc.cgroup.dir.monitor",
    values: "PATH",
    doc: "The group of the container's monitor, a relative path. Needs lxc.cgroup.dir.container too.",
    set: |c, s| directory(&mut c.cgroup.dirs.monitor, s),
    get: |c, _| Ok(show(c.cgroup.dirs.monitor.as_ref())),
    clear: |c, _| reset(&mut c.cgroup.dirs.monitor),
    ..Key::SINGLE
};

const DIR_PIVOT: Key = Key {
    name: "lxc.cgroup.dir.monitor.pivot",
    values: "PATH",
    doc: "Group below which the monitor waits while it removes its own, a relative path.",
    set: |c, s| directory(&mut c.cgroup.dirs.monitor_pivot, s),
    get: |c, _| Ok(show(c.cgroup.dirs.monitor_pivot.as_ref())),
    clear: |c, _| reset(&mut c.cgroup.dirs.monitor_pivot),
    ..Key::SINGLE
};

const DIR_CONTAINER: Key = Key {
    name: "lxc.cgroup.dir.container",
    values: "PATH",
    doc: "The group that carries the container's limits, a relative path. Needs lxc.cgroup.dir.monitor too.",
    set: |c, s| directory(&mut c.cgroup.dirs.container, s),
    get: |c, _| Ok(show(c.cgroup.dirs.container.as_ref())),
    clear: |c, _| reset(&mut c.cgroup.dirs.container),
    ..Key::SINGLE
};

const DIR_INNER: Key = Key {
    name: "lxc.cgroup.dir.container.inner",
    values: "NAME",
    doc: "Name of a group below lxc.cgroup.dir.container in which the container lives, so that it cannot change \
          its own limits.",
    set: inner,
    get: |c, _| Ok(show(c.cgroup.dirs.container_inner.as_ref())),
    clear: |c, _| reset(&mut c.cgroup.dirs.container_inner),
    ..Key::SINGLE
};

const RELATIVE: Key = Key {
    name: "lxc.cgroup.relative",
    values: "0 | 1",
    doc: "1: the groups are made below the starter's own. 0: root's lie below those of the host's init. Default 0.",
    set: |c, s| flag(&mut c.cgroup.relative, s),
    get: |c, _| Ok(show_flag(c.cgroup.relative)),
    clear: |c, _| reset(&mut c.cgroup.relative),
    ..Key::SINGLE
};

fn directory(to: &mut Option<String>, s: &Setting<'_>) -> Set {
    if s.value.starts_with('/') {
        return Err(ValueError::Invalid(format!("\"{}\" is absolute, the path must be relative", s.value)));
    }
    if s.value.split('/').any(|part| part == "..") {
        return Err(ValueError::Invalid(format!("\"{}\" leaves the hierarchy by \"..\"", s.value)));
    }
    *to = Some(path(s.value)?);
    Ok(Outcome::Exact)
}

fn inner(config: &mut Config, s: &Setting<'_>) -> Set {
    if s.value.contains('/') || matches!(s.value, "." | "..") {
        return Err(ValueError::Invalid(format!("\"{}\" is not the name of one directory", s.value)));
    }
    config.cgroup.dirs.container_inner = Some(s.value.to_owned());
    Ok(Outcome::Exact)
}

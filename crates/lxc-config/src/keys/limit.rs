//! `lxc.prlimit`, `lxc.sysctl`, `lxc.proc`, `lxc.sched`: values the kernel keeps for init.

use lxc_types::Resource;

use super::values::*;
use super::{Family, Key, Outcome, Setting, Write};
use crate::config::{Assignment, Limit, Sourced};

pub(super) const FAMILY: Family = Family {
    title: "LIMITS AND KERNEL SETTINGS",
    doc: "Values that the kernel keeps for the container's first process or for its namespaces.",
    keys: &[PRLIMIT_RESOURCE, PRLIMIT, SYSCTL_KEY, SYSCTL, PROC_FILE, PROC, SCHED_CORE],
};

const PRLIMIT_RESOURCE: Key = Key {
    name: "lxc.prlimit.<resource>",
    values: "LIMIT | SOFT:HARD",
    doc: "Resource limit of the first process, see getrlimit(2). The resource is as, core, cpu, data, fsize, \
          locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack or a number; a \
          limit is a number or unlimited.",
    set: |c, s| {
        let limit = Limit { resource: parse(s.index.name())?, limits: parse(s.value)? };
        match c.limits.iter_mut().find(|known| known.value.resource == limit.resource) {
            Some(known) => *known = sourced(limit, s),
            None => c.limits.push(sourced(limit, s)),
        }
        Ok(Outcome::Exact)
    },
    get: |c, index| {
        let resource: Resource = parse(index.name())?;
        Ok(show(plain(&c.limits).find(|limit| limit.resource == resource).map(|limit| &limit.limits)))
    },
    clear: |c, index| {
        let resource: Resource = parse(index.name())?;
        c.limits.retain(|limit| limit.value.resource != resource);
        Ok(())
    },
    write: Write::Named(|c| {
        plain(&c.limits).map(|limit| (limit.resource.to_string(), limit.limits.to_string())).collect()
    }),
    ..Key::SINGLE
};

const PRLIMIT: Key = Key {
    name: "lxc.prlimit",
    doc: "An empty value takes all resource limits back.",
    get: |c, _| {
        let line = |limit: &Limit| format!("lxc.prlimit.{} = {}", limit.resource, limit.limits);
        Ok(lines(plain(&c.limits).map(line)))
    },
    clear: |c, _| reset(&mut c.limits),
    ..Key::GROUP
};

const SYSCTL_KEY: Key = Key {
    name: "lxc.sysctl.<key>",
    values: "TEXT",
    doc: "Kernel parameter for the container, like lxc.sysctl.net.ipv4.ip_forward: text for the file below \
          /proc/sys, written in the container. Only parameters of the container's own namespaces are possible.",
    set: |c, s| {
        let new = assignment(s)?;
        match c.sysctls.iter_mut().find(|known| known.value.name == new.value.name) {
            Some(known) => *known = new,
            None => c.sysctls.push(new),
        }
        Ok(Outcome::Exact)
    },
    get: |c, index| Ok(joined(values_of(&c.sysctls, index.name()))),
    clear: |c, index| {
        c.sysctls.retain(|known| known.value.name != index.name());
        Ok(())
    },
    write: Write::Named(|c| written(&c.sysctls)),
    ..Key::SINGLE
};

const SYSCTL: Key = Key {
    name: "lxc.sysctl",
    doc: "An empty value takes all kernel parameters back.",
    get: |c, _| Ok(all_of("lxc.sysctl", &c.sysctls)),
    clear: |c, _| reset(&mut c.sysctls),
    ..Key::GROUP
};

const PROC_FILE: Key = Key {
    name: "lxc.proc.<file>",
    values: "TEXT",
    doc: "Text for a file below /proc/PID of the first process, like lxc.proc.oom_score_adj, written from \
          outside. A dot in the name stands for a slash.",
    set: |c, s| {
        c.proc.push(assignment(s)?);
        Ok(Outcome::Exact)
    },
    get: |c, index| Ok(joined(values_of(&c.proc, index.name()))),
    clear: |c, index| {
        c.proc.retain(|known| known.value.name != index.name());
        Ok(())
    },
    write: Write::Named(|c| written(&c.proc)),
    ..Key::LIST
};

const PROC: Key = Key {
    name: "lxc.proc",
    doc: "An empty value takes all lxc.proc settings back.",
    get: |c, _| Ok(all_of("lxc.proc", &c.proc)),
    clear: |c, _| reset(&mut c.proc),
    ..Key::GROUP
};

const SCHED_CORE: Key = Key {
    name: "lxc.sched.core",
    values: "0 | 1",
    doc: "1: the container gets a core scheduling cookie, so that its programs never share a processor core with \
          programs outside. Needs a new pid namespace. Default 0.",
    set: |c, s| flag(&mut c.sched_core, s),
    get: |c, _| Ok(show_flag(c.sched_core)),
    clear: |c, _| reset(&mut c.sched_core),
    ..Key::SINGLE
};

fn assignment(s: &Setting<'_>) -> Result<Sourced<Assignment>, ValueError> {
    let name = s.index.name();
    if name.split(['.', '/']).any(str::is_empty) {
        return Err(ValueError::Invalid(format!("\"{name}\" has an empty part")));
    }
    Ok(sourced(Assignment { name: name.to_owned(), value: s.value.to_owned() }, s))
}

fn values_of<'a>(list: &'a [Sourced<Assignment>], name: &'a str) -> impl Iterator<Item = &'a String> {
    plain(list).filter(move |known| known.name == name).map(|known| &known.value)
}

fn all_of(prefix: &str, list: &[Sourced<Assignment>]) -> String {
    lines(plain(list).map(|known| format!("{prefix}.{} = {}", known.name, known.value)))
}

fn written(list: &[Sourced<Assignment>]) -> Vec<(String, String)> {
    plain(list).map(|known| (known.name.clone(), known.value.clone())).collect()
}

//! `lxc.idmap`, `lxc.init.uid`, `lxc.cap`, `lxc.environment`: as whom init runs and with what.

use lxc_types::{Capability, IdMap};

use super::values::*;
use super::{Family, Key, Outcome, Setting, Write};
use crate::config::{Capabilities, Config, EnvVar, Sourced};
use crate::diagnostic::nearest;

pub(super) const FAMILY: Family = Family {
    title: "USERS AND CAPABILITIES",
    doc: "As whom the container runs. With lxc.idmap it has a user namespace: its root is an ordinary user of the \
          host.",
    keys: &[IDMAP, UID, GID, GROUPS, DROP, KEEP],
};

pub(super) const ENVIRONMENT: Family = Family {
    title: "ENVIRONMENT",
    doc: "Variables for the programs of the container. Nothing of the starting user's environment reaches it \
          unless it is named here.",
    keys: &[ENV, ENV_RUNTIME, ENV_HOOKS],
};

const IDMAP: Key = Key {
    name: "lxc.idmap",
    values: "u|g INSIDE OUTSIDE COUNT",
    doc: "Maps COUNT user ids (u) or group ids (g), beginning with INSIDE in the container, to those beginning \
          with OUTSIDE on the host. May be repeated; ids that are not mapped do not exist in the container.",
    set: |c, s| append::<IdMap>(&mut c.idmaps, s),
    get: |c, _| Ok(joined(plain(&c.idmaps))),
    clear: |c, _| reset(&mut c.idmaps),
    ..Key::LIST
};

const UID: Key = Key {
    name: "lxc.init.uid",
    values: "ID",
    doc: "User id of the first program, as the container sees it. Default 0.",
    set: |c, s| number(&mut c.init.uid, s),
    get: |c, _| Ok(c.init.uid.to_string()),
    clear: |c, _| reset(&mut c.init.uid),
    ..Key::SINGLE
};

const GID: Key = Key {
    name: "lxc.init.gid",
    values: "ID",
    doc: "Group id of the first program, as the container sees it. Default 0.",
    set: |c, s| number(&mut c.init.gid, s),
    get: |c, _| Ok(c.init.gid.to_string()),
    clear: |c, _| reset(&mut c.init.gid),
    ..Key::SINGLE
};

const GROUPS: Key = Key {
    name: "lxc.init.groups",
    values: "ID[,ID]...",
    doc: "Supplementary group ids of the first program.",
    set: |c, s| {
        let ids = s.value.split(',').map(str::trim).filter(|id| !id.is_empty());
        let ids: Vec<u32> =
            ids.map(lxc_types::number::unsigned).collect::<Result<_, _>>().map_err(invalid)?;
        if ids.is_empty() {
            return Err(ValueError::Invalid("there is no group id between the commas".into()));
        }
        c.init.groups.extend(ids);
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(joined(&c.init.groups).replace('\n', ",")),
    clear: |c, _| reset(&mut c.init.groups),
    ..Key::LIST
};

const DROP: Key = Key {
    name: "lxc.cap.drop",
    values: "NAME [NAME]...",
    doc: "Capabilities the container must not have: names as in capabilities(7), lower case and without CAP_, or \
          numbers. Excludes lxc.cap.keep.",
    set: drop,
    get: |c, _| match &c.caps {
        Capabilities::Drop(list) => Ok(lines(plain(list))),
        Capabilities::All | Capabilities::Keep(_) => Ok(String::new()),
    },
    clear: |c, _| reset(&mut c.caps),
    ..Key::LIST
};

const KEEP: Key = Key {
    name: "lxc.cap.keep",
    values: "none | NAME [NAME]...",
    doc: "The only capabilities the container may have, written as in lxc.cap.drop. none takes back what was \
          listed before; alone it keeps no capability. Excludes lxc.cap.drop.",
    set: keep,
    get: |c, _| match &c.caps {
        Capabilities::Keep(list) => Ok(lines(plain(list))),
        Capabilities::All | Capabilities::Drop(_) => Ok(String::new()),
    },
    clear: |c, _| reset(&mut c.caps),
    write: Write::Values(|c| match &c.caps {
        Capabilities::Keep(list) if list.is_empty() => vec!["none".to_owned()],
        Capabilities::Keep(list) => plain(list).map(Capability::to_string).collect(),
        Capabilities::All | Capabilities::Drop(_) => Vec::new(),
    }),
    ..Key::LIST
};

fn capability(word: &str, s: &Setting<'_>) -> Result<Sourced<Capability>, ValueError> {
    let capability = word.parse().map_err(|_| ValueError::Choice {
        value: word.to_owned(),
        known: "the capabilities (lower case, without \"cap_\")".into(),
        nearest: nearest(word.to_ascii_lowercase().trim_start_matches("cap_"), Capability::names())
            .map(str::to_owned),
    })?;
    Ok(sourced(capability, s))
}

fn drop(config: &mut Config, s: &Setting<'_>) -> Set {
    let mut list = match &config.caps {
        Capabilities::All => Vec::new(),
        Capabilities::Drop(list) => list.clone(),
        Capabilities::Keep(_) => return Err(ValueError::Conflict("lxc.cap.keep")),
    };
    for word in split(s.value) {
        if word == "none" {
            return Err(ValueError::Invalid("\"none\" is only for lxc.cap.keep".into()));
        }
        list.push(capability(word, s)?);
    }
    config.caps = Capabilities::Drop(list);
    Ok(Outcome::Exact)
}

fn keep(config: &mut Config, s: &Setting<'_>) -> Set {
    let mut list = match &config.caps {
        Capabilities::All => Vec::new(),
        Capabilities::Keep(list) => list.clone(),
        Capabilities::Drop(_) => return Err(ValueError::Conflict("lxc.cap.drop")),
    };
    for word in split(s.value) {
        match word {
            "none" => list.clear(),
            name => list.push(capability(name, s)?),
        }
    }
    config.caps = Capabilities::Keep(list);
    Ok(Outcome::Exact)
}

const ENV: Key = Key {
    name: "lxc.environment",
    values: "NAME=VALUE | NAME",
    doc: "A variable for the container's first program and for hooks that run in the container. NAME alone takes \
          the value it has when the config is read. A later line wins.",
    set: |c, s| variable(&mut c.environment.all, s),
    get: |c, _| Ok(shown(&c.environment.all)),
    clear: |c, _| reset(&mut c.environment.all),
    ..Key::LIST
};

const ENV_RUNTIME: Key = Key {
    name: "lxc.environment.runtime",
    values: "NAME=VALUE | NAME",
    doc: "The same, for the container's first program only.",
    set: |c, s| variable(&mut c.environment.runtime, s),
    get: |c, _| Ok(shown(&c.environment.runtime)),
    clear: |c, _| reset(&mut c.environment.runtime),
    ..Key::LIST
};

const ENV_HOOKS: Key = Key {
    name: "lxc.environment.hooks",
    values: "NAME=VALUE | NAME",
    doc: "The same, for hooks that run in the container only.",
    set: |c, s| variable(&mut c.environment.hooks, s),
    get: |c, _| Ok(shown(&c.environment.hooks)),
    clear: |c, _| reset(&mut c.environment.hooks),
    ..Key::LIST
};

fn variable(list: &mut Vec<Sourced<EnvVar>>, s: &Setting<'_>) -> Set {
    let (name, value) = match s.value.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => (s.value, inherited(s)?),
    };
    if name.is_empty() {
        return Err(ValueError::Invalid("the variable has no name".into()));
    }
    list.push(sourced(EnvVar { name: name.to_owned(), value }, s));
    Ok(Outcome::Exact)
}

fn inherited(s: &Setting<'_>) -> Result<String, ValueError> {
    let value = (s.context.environment)(s.value).ok_or_else(|| {
        ValueError::Invalid(format!("the variable \"{}\" is not set where the config is read", s.value))
    })?;
    match value.chars().find(|c| matches!(c, '\n' | '\r' | '\0')) {
        Some(c) => Err(ValueError::Character(c)),
        None => Ok(value),
    }
}

fn shown(list: &[Sourced<EnvVar>]) -> String {
    lines(plain(list).map(|var| format!("{}={}", var.name, var.value)))
}

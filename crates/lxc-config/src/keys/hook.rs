//! `lxc.hook`: programs that run at set points of a container's life.

use super::values::*;
use super::{Family, Key, Outcome};
use crate::config::{HookKind, HookVersion, Sourced};

pub(super) const FAMILY: Family = Family {
    title: "HOOKS",
    doc: "Shell commands that run at set points of the container's life, several for one point in the order of \
          their lines. A hook that fails before the container runs stops the start.",
    keys: &[
        PRE_START, PRE_MOUNT, MOUNT, AUTODEV, START_HOST, START, STOP, POST_STOP, CLONE, DESTROY, VERSION,
        ALL,
    ],
};

const PRE_START: Key = Key {
    name: "lxc.hook.pre-start",
    values: "COMMAND",
    doc: "Runs on the host before anything is made.",
    set: |c, s| append(&mut c.hooks.pre_start, s),
    get: |c, _| Ok(shown(&c.hooks.pre_start)),
    clear: |c, _| reset(&mut c.hooks.pre_start),
    ..Key::LIST
};

const PRE_MOUNT: Key = Key {
    name: "lxc.hook.pre-mount",
    values: "COMMAND",
    doc: "Runs in the container's mount namespace before its root filesystem is mounted.",
    set: |c, s| append(&mut c.hooks.pre_mount, s),
    get: |c, _| Ok(shown(&c.hooks.pre_mount)),
    clear: |c, _| reset(&mut c.hooks.pre_mount),
    ..Key::LIST
};

const MOUNT: Key = Key {
    name: "lxc.hook.mount",
    values: "COMMAND",
    doc: "Runs in the container's mount namespace after all mounts, still with the host's root.",
    set: |c, s| append(&mut c.hooks.mount, s),
    get: |c, _| Ok(shown(&c.hooks.mount)),
    clear: |c, _| reset(&mut c.hooks.mount),
    ..Key::LIST
};

const AUTODEV: Key = Key {
    name: "lxc.hook.autodev",
    values: "COMMAND",
    doc: "Runs after lxc.hook.mount if lxc.autodev is 1, to make more devices.",
    set: |c, s| append(&mut c.hooks.autodev, s),
    get: |c, _| Ok(shown(&c.hooks.autodev)),
    clear: |c, _| reset(&mut c.hooks.autodev),
    ..Key::LIST
};

const START_HOST: Key = Key {
    name: "lxc.hook.start-host",
    values: "COMMAND",
    doc: "Runs on the host right before the container's first program is executed.",
    set: |c, s| append(&mut c.hooks.start_host, s),
    get: |c, _| Ok(shown(&c.hooks.start_host)),
    clear: |c, _| reset(&mut c.hooks.start_host),
    ..Key::LIST
};

const START: Key = Key {
    name: "lxc.hook.start",
    values: "COMMAND",
    doc: "Runs in the container, confined as its programs will be, right before the first of them.",
    set: |c, s| append(&mut c.hooks.start, s),
    get: |c, _| Ok(shown(&c.hooks.start)),
    clear: |c, _| reset(&mut c.hooks.start),
    ..Key::LIST
};

const STOP: Key = Key {
    name: "lxc.hook.stop",
    values: "COMMAND",
    doc: "Runs on the host after the container's last program ended, with references to its namespaces.",
    set: |c, s| append(&mut c.hooks.stop, s),
    get: |c, _| Ok(shown(&c.hooks.stop)),
    clear: |c, _| reset(&mut c.hooks.stop),
    ..Key::LIST
};

const POST_STOP: Key = Key {
    name: "lxc.hook.post-stop",
    values: "COMMAND",
    doc: "Runs on the host when everything is cleaned up. If it fails a reboot becomes a stop.",
    set: |c, s| append(&mut c.hooks.post_stop, s),
    get: |c, _| Ok(shown(&c.hooks.post_stop)),
    clear: |c, _| reset(&mut c.hooks.post_stop),
    ..Key::LIST
};

const CLONE: Key = Key {
    name: "lxc.hook.clone",
    values: "COMMAND",
    doc: "Runs when the container was copied, with the copy's root filesystem mounted.",
    set: |c, s| append(&mut c.hooks.clone, s),
    get: |c, _| Ok(shown(&c.hooks.clone)),
    clear: |c, _| reset(&mut c.hooks.clone),
    ..Key::LIST
};

const DESTROY: Key = Key {
    name: "lxc.hook.destroy",
    values: "COMMAND",
    doc: "Runs on the host when the container is destroyed.",
    set: |c, s| append(&mut c.hooks.destroy, s),
    get: |c, _| Ok(shown(&c.hooks.destroy)),
    clear: |c, _| reset(&mut c.hooks.destroy),
    ..Key::LIST
};

const VERSION: Key = Key {
    name: "lxc.hook.version",
    values: "0 | 1",
    doc: "How hooks are told about the container: 0 by arguments (its name, lxc, the point, more), 1 by variables \
          that begin with LXC_. Default 0.",
    set: |c, s| {
        let mut variables = false;
        flag(&mut variables, s)?;
        c.hooks.version = if variables { HookVersion::Environment } else { HookVersion::Arguments };
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(show_flag(c.hooks.version == HookVersion::Environment)),
    clear: |c, _| reset(&mut c.hooks.version),
    ..Key::SINGLE
};

const ALL: Key = Key {
    name: "lxc.hook",
    doc: "An empty value takes the hooks of all points back.",
    get: |_, _| Err(ValueError::GroupOnly),
    clear: |c, _| {
        HookKind::ALL.into_iter().for_each(|kind| c.hooks.list_mut(kind).clear());
        Ok(())
    },
    ..Key::GROUP
};

fn shown(list: &[Sourced<String>]) -> String {
    lines(plain(list))
}

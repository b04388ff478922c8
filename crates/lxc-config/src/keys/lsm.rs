//! `lxc.apparmor`, `lxc.selinux`, `lxc.seccomp`, `lxc.no_new_privs`, `lxc.keyring`: what init may do.

use super::values::*;
use super::{Family, Key, Outcome, Setting};
use crate::config::{ProxyAddress, SessionKeyring};

pub(super) const FAMILY: Family = Family {
    title: "CONFINEMENT",
    doc: "What the kernel lets the container's programs do.",
    keys: &[
        PROFILE,
        INCOMPLETE,
        NESTING,
        RAW,
        CONTEXT,
        KEYRING_CONTEXT,
        SECCOMP,
        SECCOMP_NESTING,
        COOKIE,
        PROXY,
        NO_NEW_PRIVS,
        KEYRING,
    ],
};

const PROFILE: Key = Key {
    name: "lxc.apparmor.profile",
    values: "generated | unconfined | unchanged | PROFILE",
    doc: "AppArmor profile of the container: generated makes one for this container, unconfined uses none, \
          unchanged keeps the starter's; anything else is a loaded profile. Without it LXC's default profile is \
          used.",
    set: |c, s| optional_sourced(&mut c.lsm.apparmor.profile, s),
    get: |c, _| Ok(show_sourced(c.lsm.apparmor.profile.as_ref())),
    clear: |c, _| reset(&mut c.lsm.apparmor.profile),
    ..Key::SINGLE
};

const INCOMPLETE: Key = Key {
    name: "lxc.apparmor.allow_incomplete",
    values: "0 | 1",
    doc: "1: the container starts although the kernel's AppArmor cannot control mounts, and is thus not safe. \
          Default 0.",
    set: |c, s| flag(&mut c.lsm.apparmor.allow_incomplete, s),
    get: |c, _| Ok(show_flag(c.lsm.apparmor.allow_incomplete)),
    clear: |c, _| reset(&mut c.lsm.apparmor.allow_incomplete),
    ..Key::SINGLE
};

const NESTING: Key = Key {
    name: "lxc.apparmor.allow_nesting",
    values: "0 | 1",
    doc: "1: the generated profile lets containers run in this container, and fresh proc and sys filesystems are \
          mounted below /dev/.lxc. Default 0.",
    set: |c, s| flag(&mut c.lsm.apparmor.allow_nesting, s),
    get: |c, _| Ok(show_flag(c.lsm.apparmor.allow_nesting)),
    clear: |c, _| reset(&mut c.lsm.apparmor.allow_nesting),
    ..Key::SINGLE
};

const RAW: Key = Key {
    name: "lxc.apparmor.raw",
    values: "RULE",
    doc: "One line for the generated profile.",
    set: |c, s| append(&mut c.lsm.apparmor.raw, s),
    get: |c, _| Ok(lines(plain(&c.lsm.apparmor.raw))),
    clear: |c, _| reset(&mut c.lsm.apparmor.raw),
    ..Key::LIST
};

const CONTEXT: Key = Key {
    name: "lxc.selinux.context",
    values: "CONTEXT",
    doc: "SELinux context of the container's first program.",
    set: |c, s| optional_sourced(&mut c.lsm.selinux.context, s),
    get: |c, _| Ok(show_sourced(c.lsm.selinux.context.as_ref())),
    clear: |c, _| reset(&mut c.lsm.selinux.context),
    ..Key::SINGLE
};

const KEYRING_CONTEXT: Key = Key {
    name: "lxc.selinux.context.keyring",
    values: "CONTEXT",
    doc: "SELinux context of the container's session keyring; lxc.selinux.context if unset.",
    set: |c, s| optional_sourced(&mut c.lsm.selinux.keyring, s),
    get: |c, _| Ok(show_sourced(c.lsm.selinux.keyring.as_ref())),
    clear: |c, _| reset(&mut c.lsm.selinux.keyring),
    ..Key::SINGLE
};

const SECCOMP: Key = Key {
    name: "lxc.seccomp.profile",
    values: "PATH",
    doc: "File with the policy for system calls.",
    set: |c, s| set_path(&mut c.seccomp.profile, s),
    get: |c, _| Ok(show_sourced(c.seccomp.profile.as_ref())),
    clear: |c, _| reset(&mut c.seccomp.profile),
    ..Key::SINGLE
};

const SECCOMP_NESTING: Key = Key {
    name: "lxc.seccomp.allow_nesting",
    values: "0 | 1",
    doc: "1: the policy is loaded although the starter is already under one. Default 0.",
    set: |c, s| flag(&mut c.seccomp.allow_nesting, s),
    get: |c, _| Ok(show_flag(c.seccomp.allow_nesting)),
    clear: |c, _| reset(&mut c.seccomp.allow_nesting),
    ..Key::SINGLE
};

const COOKIE: Key = Key {
    name: "lxc.seccomp.notify.cookie",
    values: "TEXT",
    doc: "Text that goes with every message to the program at lxc.seccomp.notify.proxy.",
    set: |c, s| optional(&mut c.seccomp.notify.cookie, s),
    get: |c, _| Ok(show(c.seccomp.notify.cookie.as_ref())),
    clear: |c, _| reset(&mut c.seccomp.notify.cookie),
    ..Key::SINGLE
};

const PROXY: Key = Key {
    name: "lxc.seccomp.notify.proxy",
    values: "unix:PATH | unix:@NAME",
    doc: "Socket (SOCK_SEQPACKET) of a program that decides about system calls with the action notify; PATH is \
          absolute, NAME is an abstract address.",
    set: |c, s| {
        c.seccomp.notify.proxy = Some(sourced(proxy(s)?, s));
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(show_sourced(c.seccomp.notify.proxy.as_ref())),
    clear: |c, _| reset(&mut c.seccomp.notify.proxy),
    ..Key::SINGLE
};

/// The longest socket address in bytes, without its closing NUL (`sun_path`).
const ADDRESS_LEN: usize = 107;

fn proxy(s: &Setting<'_>) -> Result<ProxyAddress, ValueError> {
    let form = || ValueError::Invalid(format!("\"{}\" is neither unix:/PATH nor unix:@NAME", s.value));
    let address = s.value.strip_prefix("unix:").ok_or_else(form)?;
    if address.len() > ADDRESS_LEN {
        return Err(ValueError::Invalid(format!(
            "the address has {} bytes, {ADDRESS_LEN} fit",
            address.len()
        )));
    }
    match address.strip_prefix('@') {
        Some(name) if !name.is_empty() => Ok(ProxyAddress::Abstract(name.to_owned())),
        None if address.starts_with('/') => Ok(ProxyAddress::Path(address.to_owned())),
        Some(_) | None => Err(form()),
    }
}

const NO_NEW_PRIVS: Key = Key {
    name: "lxc.no_new_privs",
    values: "0 | 1",
    doc: "1: no program of the container gains rights by being executed, so setuid has no effect. Default 0.",
    set: |c, s| flag(&mut c.lsm.no_new_privs, s),
    get: |c, _| Ok(show_flag(c.lsm.no_new_privs)),
    clear: |c, _| reset(&mut c.lsm.no_new_privs),
    ..Key::SINGLE
};

const KEYRING: Key = Key {
    name: "lxc.keyring.session",
    values: "0 | 1",
    doc: "0: the container gets a session keyring of its own. 1: it keeps the starter's. Default 0.",
    set: |c, s| {
        let mut inherit = false;
        flag(&mut inherit, s)?;
        c.lsm.session_keyring = if inherit { SessionKeyring::Inherit } else { SessionKeyring::New };
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(show_flag(c.lsm.session_keyring == SessionKeyring::Inherit)),
    clear: |c, _| reset(&mut c.lsm.session_keyring),
    ..Key::SINGLE
};

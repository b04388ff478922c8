//! `lxc.uts`, `lxc.arch`, `lxc.init`, `lxc.execute`, `lxc.signal`, `lxc.start`, `lxc.group`,
//! `lxc.ephemeral`, `lxc.monitor`, `lxc.include`: what a container is and how it begins and ends.

use lxc_types::{Name, Personality, SignalSpec};

use super::values::*;
use super::{Family, Key, Outcome, Setting, Shape, Standing, Write};
use crate::config::Monitor;
use crate::diagnostic::nearest;

pub(super) const FAMILY: Family = Family {
    title: "THE CONTAINER",
    doc: "What the container is called, which program it runs, and how it starts and stops.",
    keys: &[
        INCLUDE,
        UTS_NAME,
        ARCH,
        INIT_CMD,
        EXECUTE_CMD,
        INIT_CWD,
        HALT,
        REBOOT,
        STOP,
        AUTO,
        DELAY,
        ORDER,
        AFTER,
        GROUP,
        EPHEMERAL,
        UNSHARE,
        PDEATH,
    ],
};

const INCLUDE: Key = Key {
    name: "lxc.include",
    values: "PATH",
    doc: "Reads another file at this place, or every file in a directory whose name ends in .conf, sorted by \
          name. A relative path begins at the reader's working directory. A missing file is an error; a \
          missing directory is not, if PATH ends in a slash. A file that includes itself is an error.",
    shape: Shape::Action,
    set: |_, _| Err(ValueError::Invalid("an include is read with the file, not set as a value".into())),
    get: |_, _| Err(ValueError::NoValue),
    write: Write::Elsewhere,
    ..Key::SINGLE
};

const UTS_NAME: Key = Key {
    name: "lxc.uts.name",
    values: "NAME",
    doc: "Host name of the container, at most 64 bytes. Without it the container keeps the name the host has \
          when it starts.",
    set: |c, s| {
        if s.value.len() > 64 {
            return Err(ValueError::Invalid(format!(
                "the host name has {} bytes, 64 are allowed",
                s.value.len()
            )));
        }
        c.uts.name = Some(sourced(s.value.to_owned(), s));
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(show_sourced(c.uts.name.as_ref())),
    clear: |c, _| reset(&mut c.uts.name),
    ..Key::SINGLE
};

const ARCH: Key = Key {
    name: "lxc.arch",
    values: "ARCHITECTURE",
    doc: "Architecture the container sees, like x86_64, i686, aarch64, armhf, riscv64, s390x, ppc64le, or \
          linux32 and linux64 for either width. Names of 32-bit architectures make uname(2) show a 32-bit \
          machine. Without it the container sees the host's. Reading the key gives i686 or x86_64 for the two \
          widths.",
    set: |c, s| {
        let arch = s.value.parse::<Personality>().map_err(|_| ValueError::Choice {
            value: s.value.to_owned(),
            known: "the known architectures, like x86_64, i686, aarch64, armhf".into(),
            nearest: nearest(s.value, Personality::names()).map(str::to_owned),
        })?;
        c.arch = Some(arch);
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(c.arch.map(|arch| arch.shown().to_owned()).unwrap_or_default()),
    clear: |c, _| reset(&mut c.arch),
    write: Write::Values(|c| c.arch.map(|arch| arch.to_string()).into_iter().collect()),
    ..Key::SINGLE
};

const INIT_CMD: Key = Key {
    name: "lxc.init.cmd",
    values: "COMMAND",
    doc: "The first program of the container and its arguments, /sbin/init if unset. Words are separated by \
          white space; a word that begins with a quote reaches to the next such quote. There are no escapes.",
    set: |c, s| optional_sourced(&mut c.init.cmd, s),
    get: |c, _| Ok(show_sourced(c.init.cmd.as_ref())),
    clear: |c, _| reset(&mut c.init.cmd),
    ..Key::SINGLE
};

const EXECUTE_CMD: Key = Key {
    name: "lxc.execute.cmd",
    values: "COMMAND",
    doc: "What lxc-execute(1) runs if it is given no command. It goes before lxc.init.cmd and is split in the \
          same way.",
    set: |c, s| optional_sourced(&mut c.init.execute_cmd, s),
    get: |c, _| Ok(show_sourced(c.init.execute_cmd.as_ref())),
    clear: |c, _| reset(&mut c.init.execute_cmd),
    ..Key::SINGLE
};

const INIT_CWD: Key = Key {
    name: "lxc.init.cwd",
    values: "PATH",
    doc: "Working directory of the first program, a path in the container. It is created if it is missing.",
    set: |c, s| set_path(&mut c.init.cwd, s),
    get: |c, _| Ok(show_sourced(c.init.cwd.as_ref())),
    clear: |c, _| reset(&mut c.init.cwd),
    ..Key::SINGLE
};

const HALT: Key = Key {
    name: "lxc.signal.halt",
    values: "SIGNAL",
    doc: "Signal that asks init to shut down: a number, a name like SIGPWR, or SIGRTMIN+N or SIGRTMAX-N. \
          Without it init gets SIGPWR, or SIGRTMIN+3 if it is systemd.",
    set: |c, s| signal(&mut c.signals.halt, s),
    get: |c, _| Ok(shown_signal(c.signals.halt)),
    clear: |c, _| reset(&mut c.signals.halt),
    ..Key::SINGLE
};

const REBOOT: Key = Key {
    name: "lxc.signal.reboot",
    values: "SIGNAL",
    doc: "Signal that asks init to reboot, SIGINT if unset. Written as in lxc.signal.halt.",
    set: |c, s| signal(&mut c.signals.reboot, s),
    get: |c, _| Ok(shown_signal(c.signals.reboot)),
    clear: |c, _| reset(&mut c.signals.reboot),
    ..Key::SINGLE
};

const STOP: Key = Key {
    name: "lxc.signal.stop",
    values: "SIGNAL",
    doc: "Signal that ends init, SIGKILL if unset. Written as in lxc.signal.halt.",
    set: |c, s| signal(&mut c.signals.stop, s),
    get: |c, _| Ok(shown_signal(c.signals.stop)),
    clear: |c, _| reset(&mut c.signals.stop),
    ..Key::SINGLE
};

/// 0 is kept as "unset", as upstream keeps both.
fn signal(to: &mut Option<SignalSpec>, s: &Setting<'_>) -> Set {
    let signal: SignalSpec = parse(s.value)?;
    *to = (signal.number() != 0).then_some(signal);
    Ok(Outcome::Exact)
}

fn shown_signal(signal: Option<SignalSpec>) -> String {
    signal.map_or(0, SignalSpec::number).to_string()
}

const AUTO: Key = Key {
    name: "lxc.start.auto",
    values: "0 | 1",
    doc: "1: lxc-autostart(1) starts the container, and so does the host when it boots. Default 0.",
    set: |c, s| flag(&mut c.autostart.auto, s),
    get: |c, _| Ok(show_flag(c.autostart.auto)),
    clear: |c, _| reset(&mut c.autostart.auto),
    ..Key::SINGLE
};

const DELAY: Key = Key {
    name: "lxc.start.delay",
    values: "SECONDS",
    doc: "How long lxc-autostart(1) waits after it started the container. Default 0.",
    set: |c, s| number(&mut c.autostart.delay, s),
    get: |c, _| Ok(c.autostart.delay.to_string()),
    clear: |c, _| reset(&mut c.autostart.delay),
    ..Key::SINGLE
};

const ORDER: Key = Key {
    name: "lxc.start.order",
    values: "NUMBER",
    doc: "Containers with lower numbers start first and stop last, those with the same number by name. \
          Default 0.",
    set: |c, s| {
        c.autostart.order = lxc_types::number::signed(s.value).map_err(invalid)?;
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(c.autostart.order.to_string()),
    clear: |c, _| reset(&mut c.autostart.order),
    ..Key::SINGLE
};

const AFTER: Key = Key {
    name: "lxc.start.after",
    values: "NAME [NAME]...",
    doc: "Containers that lxc-autostart(1) starts before this one, whatever their lxc.start.order, and stops after \
          it. It orders what is started anyway: it starts no container by itself, and a container that fails to \
          start holds nobody up. A cycle is an error.",
    standing: Standing::Own,
    set: |c, s| {
        let names: Vec<Name> = split(s.value).map(parse).collect::<Result<_, _>>()?;
        c.autostart.after.extend(names.into_iter().map(|name| sourced(name, s)));
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(lines(plain(&c.autostart.after))),
    clear: |c, _| reset(&mut c.autostart.after),
    ..Key::LIST
};

const GROUP: Key = Key {
    name: "lxc.group",
    values: "NAME [NAME]...",
    doc: "Groups the container is in, for lxc-autostart(1) -g. The group onboot is started before all others \
          when the host boots.",
    set: |c, s| {
        c.autostart.groups.extend(split(s.value).map(str::to_owned));
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(lines(&c.autostart.groups)),
    clear: |c, _| reset(&mut c.autostart.groups),
    ..Key::LIST
};

const EPHEMERAL: Key = Key {
    name: "lxc.ephemeral",
    values: "0 | 1",
    doc: "1: the container is destroyed when it stops (not when it reboots). Default 0.",
    set: |c, s| flag(&mut c.ephemeral, s),
    get: |c, _| Ok(show_flag(c.ephemeral)),
    clear: |c, _| reset(&mut c.ephemeral),
    ..Key::SINGLE
};

const UNSHARE: Key = Key {
    name: "lxc.monitor.unshare",
    values: "NUMBER",
    doc: "Not 0: the container's monitor gets a mount namespace of its own before anything is mounted. \
          Default 0.",
    set: |c, s| number(&mut c.monitor.unshare, s),
    get: |c, _| Ok(c.monitor.unshare.to_string()),
    clear: |c, _| reset(&mut c.monitor.unshare),
    ..Key::SINGLE
};

const PDEATH: Key = Key {
    name: "lxc.monitor.signal.pdeath",
    values: "SIGNAL",
    doc: "Signal init gets when its monitor dies, 0 for none. Default SIGKILL.",
    set: |c, s| parsed(&mut c.monitor.parent_death, s),
    get: |c, _| Ok(c.monitor.parent_death.to_string()),
    clear: |c, _| {
        c.monitor.parent_death = Monitor::default().parent_death;
        Ok(())
    },
    ..Key::SINGLE
};

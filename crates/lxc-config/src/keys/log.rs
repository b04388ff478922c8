//! `lxc.log`: where messages go.

use lxc_types::LogLevel;

use super::values::*;
use super::{Family, Key};

pub(super) const FAMILY: Family = Family {
    title: "LOGGING",
    doc: "Where the messages of programs that work on this container go. Options of the command line go before \
          these keys.",
    keys: &[FILE, LEVEL, SYSLOG],
};

const FILE: Key = Key {
    name: "lxc.log.file",
    values: "PATH",
    doc: "File of the host that gets the messages. The word journal sends them to systemd's journal, with the \
          container's name as LXC_CONTAINER, and the word none keeps none.",
    set: |c, s| set_path(&mut c.log.file, s),
    get: |c, _| Ok(show_sourced(c.log.file.as_ref())),
    clear: |c, _| reset(&mut c.log.file),
    ..Key::SINGLE
};

const LEVEL: Key = Key {
    name: "lxc.log.level",
    values: "LEVEL",
    doc: "From which level on messages are kept: TRACE, DEBUG, INFO, NOTICE, WARN, ERROR, CRIT, ALERT, FATAL, or \
          0 to 8. Reading the key gives NOTSET if it is not set.",
    set: |c, s| optional(&mut c.log.level, s),
    get: |c, _| Ok(c.log.level.map_or("NOTSET", LogLevel::as_str).to_owned()),
    clear: |c, _| reset(&mut c.log.level),
    ..Key::SINGLE
};

const SYSLOG: Key = Key {
    name: "lxc.log.syslog",
    values: "FACILITY",
    doc: "Messages also go to syslog(3) with this facility: daemon, or local0 to local7.",
    set: |c, s| optional(&mut c.log.syslog, s),
    get: |c, _| Ok(show(c.log.syslog.as_ref())),
    clear: |c, _| reset(&mut c.log.syslog),
    ..Key::SINGLE
};

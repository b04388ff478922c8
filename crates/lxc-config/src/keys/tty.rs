//! `lxc.tty`, `lxc.pty`, `lxc.console`: terminals.

use lxc_types::Size;

use super::values::*;
use super::{Family, Key, Outcome, Setting, Write};
use crate::config::ConsolePath;

pub(super) const FAMILY: Family = Family {
    title: "TERMINALS",
    doc: "The container's console, its virtual terminals and its pseudo-terminals.",
    keys: &[TTYS, DIR, PTYS, PATH, LOGFILE, ROTATE, SIZE, BUFFER],
};

const TTYS: Key = Key {
    name: "lxc.tty.max",
    values: "NUMBER",
    doc: "How many terminals /dev/tty1, /dev/tty2, ... the container gets; lxc-console(1) connects to them. \
          Default 0.",
    set: |c, s| number(&mut c.terminal.ttys, s),
    get: |c, _| Ok(c.terminal.ttys.to_string()),
    clear: |c, _| reset(&mut c.terminal.ttys),
    ..Key::SINGLE
};

const DIR: Key = Key {
    name: "lxc.tty.dir",
    values: "NAME",
    doc: "Directory below /dev for console and terminals, which then become links to it, so that programs in \
          the container may replace them.",
    set: |c, s| {
        if s.value.len() > 255 {
            return Err(ValueError::Invalid(format!(
                "the name has {} bytes, 255 are allowed",
                s.value.len()
            )));
        }
        if s.value.split('/').any(|part| part == "..") {
            return Err(ValueError::Invalid(format!("\"{}\" leaves /dev", s.value)));
        }
        c.terminal.dir = Some(s.value.to_owned());
        Ok(Outcome::Exact)
    },
    get: |c, _| Ok(show(c.terminal.dir.as_ref())),
    clear: |c, _| reset(&mut c.terminal.dir),
    ..Key::SINGLE
};

const PTYS: Key = Key {
    name: "lxc.pty.max",
    values: "NUMBER",
    doc: "How many pseudo-terminals the container may open in its own /dev/pts. 0: it gets none of its own. \
          Default 0.",
    set: |c, s| number(&mut c.terminal.ptys, s),
    get: |c, _| Ok(c.terminal.ptys.to_string()),
    clear: |c, _| reset(&mut c.terminal.ptys),
    ..Key::SINGLE
};

const PATH: Key = Key {
    name: "lxc.console.path",
    values: "PATH | none",
    doc: "Terminal device that shows the container's console. none: there is no console. Without it the \
          terminal of whoever starts the container is taken, if there is one.",
    set: |c, s| {
        let path = path(s.value)?;
        c.terminal.console.path = match path.as_str() {
            "none" => ConsolePath::Disabled,
            _ => ConsolePath::Device(sourced(path, s)),
        };
        Ok(Outcome::Exact)
    },
    get: |c, _| {
        Ok(match &c.terminal.console.path {
            ConsolePath::Auto => String::new(),
            ConsolePath::Disabled => "none".into(),
            ConsolePath::Device(path) => path.value.clone(),
        })
    },
    clear: |c, _| reset(&mut c.terminal.console.path),
    ..Key::SINGLE
};

const LOGFILE: Key = Key {
    name: "lxc.console.logfile",
    values: "PATH",
    doc: "File of the host to which the console's output is also written.",
    set: |c, s| set_path(&mut c.terminal.console.logfile, s),
    get: |c, _| Ok(show_sourced(c.terminal.console.logfile.as_ref())),
    clear: |c, _| reset(&mut c.terminal.console.logfile),
    ..Key::SINGLE
};

const ROTATE: Key = Key {
    name: "lxc.console.rotate",
    values: "0 | 1",
    doc: "1: a log file that has reached lxc.console.size is renamed to FILE.1. 0: it is emptied. Default 0.",
    set: |c, s| flag(&mut c.terminal.console.rotate, s),
    get: |c, _| Ok(show_flag(c.terminal.console.rotate)),
    clear: |c, _| reset(&mut c.terminal.console.rotate),
    ..Key::SINGLE
};

const SIZE: Key = Key {
    name: "lxc.console.size",
    values: "SIZE | auto",
    doc: "Largest size of the log file: bytes, or a number with KB, MB or GB; auto is 128 KB. It is rounded up \
          to a power of two, at least a page. 0, the default, sets no limit.",
    set: |c, s| size(&mut c.terminal.console.size, s),
    get: |c, _| Ok(c.terminal.console.size.to_string()),
    clear: |c, _| reset(&mut c.terminal.console.size),
    write: Write::Shown,
    ..Key::SINGLE
};

const BUFFER: Key = Key {
    name: "lxc.console.buffer.size",
    values: "SIZE | auto",
    doc: "Size of the ring buffer in memory that keeps the console's last output. Written and rounded as in \
          lxc.console.size. 0, the default, keeps none.",
    set: |c, s| size(&mut c.terminal.console.buffer, s),
    get: |c, _| Ok(c.terminal.console.buffer.to_string()),
    clear: |c, _| reset(&mut c.terminal.console.buffer),
    ..Key::SINGLE
};

/// What `auto` stands for.
const AUTO_SIZE: Size = Size(128 << 10);

fn size(to: &mut Size, s: &Setting<'_>) -> Set {
    let wish = if s.value == "auto" { AUTO_SIZE } else { parse(s.value)? };
    *to = wish.ring(s.context.page_size);
    if *to == wish {
        return Ok(Outcome::Exact);
    }
    Ok(Outcome::Adjusted(format!("the size is rounded up from {wish} to {to} bytes")))
}

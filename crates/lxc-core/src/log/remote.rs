//! Lines for the journal and for syslog: a datagram each.
//!
//! The sockets are connected when the log is set up. So a container's first process, which sees other files at these
//! paths, still reaches the host's.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use lxc_sys::{Error as SysError, Op};
use lxc_types::Facility;

/// Where the journal listens.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Where syslog listens.
const SYSLOG: &str = "/dev/log";

/// One line of a log, in its parts.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The program.
    pub prefix: &'a str,
    /// The container, if the line is about one.
    pub name: &'a str,
    /// How severe it is, as syslog counts.
    pub priority: u32,
    /// The module that says it.
    pub module: &'a str,
    /// The source file.
    pub file: &'a str,
    /// Its line.
    pub line: u32,
    /// The text.
    pub text: &'a str,
}

/// A connection to the journal.
#[derive(Debug)]
pub struct Journal(UnixDatagram);

/// A connection to syslog.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    facility: Facility,
}

/// Nobody waits for a log that does not read.
fn connect(path: &str) -> Result<UnixDatagram, SysError> {
    let socket = UnixDatagram::unbound().op("socket", "log")?;
    socket.connect(Path::new(path)).op("connect", path)?;
    socket.set_nonblocking(true).op("fcntl", path)?;
    Ok(socket)
}

impl Journal {
    /// Connects.
    ///
    /// # Errors
    /// When there is no journal.
    pub fn connect() -> Result<Self, SysError> {
        connect(JOURNAL).map(Journal)
    }

    /// Sends a line. What cannot be sent is lost: a log must not stop a container.
    pub fn send(&self, entry: &Entry<'_>) {
        self.0.send(&fields(entry)).ok();
    }
}

/// An entry in the journal's own form.
fn fields(entry: &Entry<'_>) -> Vec<u8> {
    let (priority, line) = (entry.priority.to_string(), entry.line.to_string());
    let mut out = Vec::new();
    for (name, value) in [
        ("MESSAGE", entry.text),
        ("PRIORITY", &priority),
        ("SYSLOG_IDENTIFIER", entry.prefix),
        ("LXC_CONTAINER", entry.name),
        ("CODE_FILE", entry.file),
        ("CODE_LINE", &line),
        ("CODE_FUNC", entry.module),
    ] {
        if value.is_empty() {
            continue;
        }
        out.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            out.push(b'\n');
            out.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            out.push(b'=');
        }
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    }
    out
}

impl Syslog {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(facility: Facility) -> Result<Self, SysError> {
        Ok(Syslog { socket: connect(SYSLOG)?, facility })
    }

    /// Sends a line.
    pub fn send(&self, entry: &Entry<'_>) {
        self.socket.send(line(self.facility, std::process::id(), entry).as_bytes()).ok();
    }
}

/// An entry as upstream writes it, but without a time: syslog knows when it came, and what the local time is.
fn line(facility: Facility, pid: u32, entry: &Entry<'_>) -> String {
    let Entry { prefix, name, module, file, line, text, .. } = entry;
    let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
    let priority = facility.code() | entry.priority;
    format!("<{priority}>{prefix}[{pid}]: {name}{module} - {file}:{module}:{line} - {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry<'_> = Entry {
        prefix: "lxc-start",
        name: "c1",
        priority: 3,
        module: "net",
        file: "net/host.rs",
        line: 7,
        text: "no link",
    };

    #[test]
    fn the_journals_form() {
        let text = "MESSAGE=no link\nPRIORITY=3\nSYSLOG_IDENTIFIER=lxc-start\nLXC_CONTAINER=c1\nCODE_FILE=net/host.rs\n\
                    CODE_LINE=7\nCODE_FUNC=net\n";
        assert_eq!(fields(&ENTRY), text.as_bytes());
        let two = fields(&Entry { text: "a\nPRIORITY=0", name: "", ..ENTRY });
        assert!(two.starts_with(b"MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\nPRIORITY=3\nSYSLOG_IDENTIFIER"));
    }

    #[test]
    fn syslogs_form() {
        let line = line(Facility::Local(3), 42, &ENTRY);
        assert_eq!(line, "<155>lxc-start[42]: c1: net - net/host.rs:net:7 - no link");
    }
}

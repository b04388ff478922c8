//! The daemon that tells of every container's changes: upstream's `lxc-monitord`.
//!
//! Each container's monitor writes its messages to a fifo ([`crate::monitor::Announcer`]); one daemon a folder of
//! containers reads them and hands each to all who are connected to its socket. Names and messages are upstream's:
//! daemon, tool and containers may be theirs or ours in any mixture.

mod serve;
mod watch;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lxc_types::State;

use crate::command::fnv1a;
use crate::command::wire::{self, STATE_MESSAGE};

pub use serve::{Lifetime, serve};
pub use watch::{Watcher, quit, spawn};

/// What a client sends to end the daemon.
const QUIT: &[u8] = b"quit";

/// Where the containers of a folder write, given the run-time folder.
pub fn fifo_path(run: &Path, lxcpath: &Path) -> PathBuf {
    run.join("lxc").join(lxcpath.strip_prefix("/").unwrap_or(lxcpath)).join("monitor-fifo")
}

/// The name of the daemon's abstract socket, without the leading NUL; `None` when the folder's path is too long for one.
pub fn socket_name(lxcpath: &Path) -> Option<Vec<u8>> {
    const LONGEST: usize = 105;
    let path = lxcpath.as_os_str().as_bytes();
    let hash = fnv1a(&[b"lxc/", path, b"/monitor-sock"].concat());
    let name = [format!("lxc/{hash:016x}/").as_bytes(), path].concat();
    (name.len() <= LONGEST).then_some(name)
}

/// What a container's monitor tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The container's name.
    pub name: String,
    /// What happened.
    pub event: Event,
}

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is in this state now; `None` for a number that is no state.
    State(Option<State>),
    /// Its init ended, with this status of waitpid(2).
    Exit(i32),
}

impl Message {
    /// Reads a message; `None` for one of another kind.
    pub fn decode(bytes: &[u8; STATE_MESSAGE]) -> Option<Message> {
        let (kind, name, value) = wire::decode_message(bytes);
        let event = match kind {
            wire::MESSAGE_STATE => Event::State(State::try_from(value).ok()),
            wire::MESSAGE_EXIT => Event::Exit(value),
            _ => return None,
        };
        Some(Message { name, event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = socket_name(Path::new("/var/lib/lxc")).unwrap();
        assert_eq!(name, b"lxc/ad055575fe28ddd5//var/lib/lxc");
        assert_eq!(socket_name(Path::new(&format!("/{}", "x".repeat(83)))).map(|name| name.len()), Some(105));
        assert_eq!(socket_name(Path::new(&format!("/{}", "x".repeat(84)))), None);
        let fifo = fifo_path(Path::new("/run"), Path::new("/var/lib/lxc"));
        assert_eq!(fifo, Path::new("/run/lxc/var/lib/lxc/monitor-fifo"));
    }

    #[test]
    fn messages() {
        let decode = |kind, value| Message::decode(&wire::encode_message(kind, "c1", value)).map(|m| m.event);
        assert_eq!(decode(0, 2), Some(Event::State(Some(State::Running))));
        assert_eq!(decode(0, 77), Some(Event::State(None)));
        assert_eq!(decode(2, 0x0300), Some(Event::Exit(0x0300)));
        assert_eq!(decode(1, 0), None);
        let mut bytes = wire::encode_message(0, &"n".repeat(300), 2);
        assert_eq!(Message::decode(&bytes).unwrap().name.len(), 255);
        bytes[4..260].fill(b'x');
        assert_eq!(Message::decode(&bytes).unwrap().name.len(), 256, "without a NUL it ends with the field");
    }
}

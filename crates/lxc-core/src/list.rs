//! Which containers there are: by their configuration files, by their command sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Access, AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;

use lxc_sys::{Op, Result};
use lxc_types::name::Name;

use crate::command::{Client, socket_name};

/// How long sockets are asked whose names say nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// The containers defined in `lxcpath`: its folders with a file `config`. Sorted.
///
/// # Errors
/// When `lxcpath` cannot be read. One that does not exist holds no containers.
pub fn defined(lxcpath: &Path) -> Result<Vec<Name>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = match rustix::fs::open(lxcpath, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Vec::new()),
        other => other.op("open", lxcpath)?,
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(&dir).op("opendir", lxcpath)? {
        let entry = entry.op("readdir", lxcpath)?;
        let Some(name) = entry.file_name().to_str().ok().and_then(|text| text.parse::<Name>().ok()) else {
            continue;
        };
        let config = format!("{name}/config");
        if rustix::fs::accessat(&dir, config.as_str(), Access::EXISTS, AtFlags::empty()).is_ok() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The containers in `lxcpath` whose monitor listens. Sorted.
///
/// # Errors
/// When `/proc/net/unix` cannot be read.
pub fn active(lxcpath: &Path) -> Result<Vec<Name>> {
    let sockets = std::fs::read("/proc/net/unix").op("read", "/proc/net/unix")?;
    let mut defined: BTreeMap<Vec<u8>, Name> = defined(lxcpath)
        .unwrap_or_default()
        .into_iter()
        .map(|name| (socket_name(lxcpath, &name), name))
        .collect();
    let end = Instant::now() + PATIENCE;
    let mut ask = |hashed: &str| match defined.remove(hashed.as_bytes()) {
        Some(name) => Some(name.to_string()),
        None if Instant::now() < end => Client::name_at(hashed.as_bytes(), lxcpath, PATIENCE).ok(),
        None => None,
    };
    let names: BTreeSet<Name> = names(&sockets, lxcpath.to_str().unwrap_or_default(), &mut ask);
    Ok(names.into_iter().collect())
}

/// The names in the text of `/proc/net/unix`. A command socket is `@LXCPATH/NAME/command` or, if that is too
/// long, `@lxc/HASH/command`: then `resolve` says whose it is.
fn names(sockets: &[u8], lxcpath: &str, resolve: &mut dyn FnMut(&str) -> Option<String>) -> BTreeSet<Name> {
    sockets
        .split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .filter_map(listening)
        .filter_map(|socket| {
            let path = socket.strip_suffix("/command")?;
            let plain = path.strip_prefix(lxcpath).and_then(|rest| rest.strip_prefix('/'));
            match plain {
                Some(name) => name.parse().ok(),
                None if is_hashed(path) => resolve(socket)?.parse().ok(),
                None => None,
            }
        })
        .collect()
}

/// The abstract name in a line of `/proc/net/unix`, if the socket waits for connections: those that were
/// accepted carry the same name.
fn listening(line: &str) -> Option<&str> {
    /// `__SO_ACCEPTCON`: listen(2) was called.
    const LISTENS: u32 = 0x10000;
    let (fields, name) = line.split_once(" @")?;
    let flags = fields.split_ascii_whitespace().nth(3)?;
    (u32::from_str_radix(flags, 16).ok()? & LISTENS != 0).then_some(name)
}

/// Whether a socket's name, without `/command`, is `lxc/` and 16 hexadecimal digits.
fn is_hashed(path: &str) -> bool {
    path.strip_prefix("lxc/")
        .is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKETS: &str = "\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 20000 @/var/lib/lxc/c1/command
0000000000000000: 00000003 00000000 00000000 0001 03 20001 @/var/lib/lxc/c1/command
0000000000000000: 00000003 00000000 00000000 0001 03 20009 @/var/lib/lxc/gone/command
0000000000000000: 00000002 00000000 00010000 0001 01 20002 @/var/lib/lxc/a b/command
0000000000000000: 00000002 00000000 00010000 0001 01 20003 @/srv/lxc/other/command
0000000000000000: 00000002 00000000 00010000 0001 01 20004 @/var/lib/lxc/c1/sub/command
0000000000000000: 00000002 00000000 00010000 0001 01 20005 @lxc/0123456789abcdef/command
0000000000000000: 00000002 00000000 00010000 0001 01 20006 @lxc/ad055575fe28ddd5//var/lib/lxc
0000000000000000: 00000002 00000000 00010000 0001 01 20007 /run/systemd/private
0000000000000000: 00000002 00000000 00010000 0001 01 20008
";

    #[test]
    fn command_sockets() {
        let mut asked = |hashed: &str| {
            assert_eq!(hashed, "lxc/0123456789abcdef/command");
            Some("long-one".to_owned())
        };
        let found: Vec<String> =
            names(SOCKETS.as_bytes(), "/var/lib/lxc", &mut asked).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["a b", "c1", "long-one"]);
        let found = names(SOCKETS.as_bytes(), "/srv/lxc", &mut |_| None);
        assert_eq!(found.iter().map(Name::as_str).collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn folders_with_a_config() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a", "no-config"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        for name in ["a", "b"] {
            std::fs::write(dir.path().join(name).join("config"), "").unwrap();
        }
        std::fs::write(dir.path().join("file"), "").unwrap();
        let found = defined(dir.path()).unwrap();
        assert_eq!(found.iter().map(Name::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert!(defined(&dir.path().join("missing")).unwrap().is_empty());
        assert!(defined(&dir.path().join("file")).is_err());
    }
}

//! Parsers of four short formats of `/proc`: `mountinfo`, `cgroup`, `status` and `uid_map`.
//!
//! They work on bytes, for paths are bytes, and borrow from the text. A line that does not parse is
//! left out: the kernel wrote it, and a newer kernel may add what we do not know.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::{Op, Result};

/// Reads a whole file of `/proc` or a similar file system, whose size is not known beforehand.
///
/// # Errors
/// Open and read errors, naming the path.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).op("open", path)?;
    read_fd(&fd, path)
}

/// Reads the rest of an open file; `name` is for the error only.
///
/// # Errors
/// Read errors.
pub fn read_fd(fd: impl std::os::fd::AsFd, name: impl AsRef<Path>) -> Result<Vec<u8>> {
    const STEP: usize = 8192;
    let mut text = Vec::new();
    loop {
        text.reserve(STEP);
        let got =
            rustix::io::retry_on_intr(|| rustix::io::read(&fd, rustix::buffer::spare_capacity(&mut text)))
                .op("read", name.as_ref())?;
        if got == 0 {
            text.shrink_to_fit();
            return Ok(text);
        }
    }
}

/// One line of `mountinfo` (proc(5), "/proc/pid/mountinfo").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// The mount's id.
    pub id: u32,
    /// The id of the mount it is mounted on; its own for the root of the tree.
    pub parent: u32,
    /// Device number of the file system.
    pub device: (u32, u32),
    /// Which directory of the file system is seen.
    pub root: Cow<'a, [u8]>,
    /// Where it is seen, relative to the process' root.
    pub mount_point: Cow<'a, [u8]>,
    /// Options of this mount, comma separated.
    pub options: &'a [u8],
    /// File system type.
    pub fs_type: Cow<'a, [u8]>,
    /// What was mounted.
    pub source: Cow<'a, [u8]>,
    /// Options of the file system, comma separated, still escaped.
    pub super_options: &'a [u8],
}

impl<'a> Mount<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|&b| b == b' ');
        let id = number(fields.next()?)?;
        let parent = number(fields.next()?)?;
        let device = fields.next()?;
        let colon = device.iter().position(|&b| b == b':')?;
        let device = (number(device.get(..colon)?)?, number(device.get(colon + 1..)?)?);
        let root = unescape(fields.next()?);
        let mount_point = unescape(fields.next()?);
        let options = fields.next()?;
        // Optional fields ("shared:1 master:2 …") up to a single dash.
        fields.by_ref().find(|field| *field == b"-")?;
        let fs_type = unescape(fields.next()?);
        let source = unescape(fields.next()?);
        let super_options = fields.next().unwrap_or_default();
        Some(Mount { id, parent, device, root, mount_point, options, fs_type, source, super_options })
    }

    /// Where it is mounted, as a path.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.mount_point))
    }

    /// The options of the file system, one by one.
    pub fn super_options(&self) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.super_options.split(|&b| b == b',').map(unescape)
    }

    /// Whether this mount is read-only (the file system may be so besides).
    pub fn read_only(&self) -> bool {
        self.options.split(|&b| b == b',').any(|option| option == b"ro")
    }
}

/// The lines of a `mountinfo` file in their order.
pub fn mounts(text: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    lines(text).filter_map(Mount::parse)
}

/// One line of `/proc/PID/cgroup`: `4:cpu,cpuacct:/path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgroupLine<'a> {
    /// The hierarchy's number; 0 is the unified one.
    pub id: u32,
    /// Its controllers, comma separated, `name=X` for a named one; empty for the unified one.
    pub controllers: &'a [u8],
    /// The process' place in it.
    pub path: &'a [u8],
}

/// The lines of a `/proc/PID/cgroup` file in their order.
pub fn cgroups(text: &[u8]) -> impl Iterator<Item = CgroupLine<'_>> {
    lines(text).filter_map(|line| {
        let mut parts = line.splitn(3, |&b| b == b':');
        let id = number(parts.next()?)?;
        let controllers = parts.next()?;
        let path = parts.next()?;
        path.starts_with(b"/").then_some(CgroupLine { id, controllers, path })
    })
}

/// The value of a field of `/proc/PID/status`, blanks around it removed.
pub fn status_field<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    lines(text).find_map(|line| {
        let rest = line.strip_prefix(name.as_bytes())?;
        Some(rest.strip_prefix(b":")?.trim_ascii())
    })
}

/// One line of `uid_map` or `gid_map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// First id inside the user namespace.
    pub inside: u32,
    /// First id in the reader's user namespace.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The lines of a `uid_map` or `gid_map` file in their order.
pub fn id_ranges(text: &[u8]) -> impl Iterator<Item = IdRange> + '_ {
    lines(text).filter_map(|line| {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let mut next = || number(fields.next()?);
        Some(IdRange { inside: next()?, outside: next()?, count: next()? })
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').filter(|line| !line.is_empty())
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Undoes the kernel's escaping: `\040` is a blank. A backslash without three octal digits stays.
fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&b'\\') {
        return Cow::Borrowed(field);
    }
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        if let (b'\\', Some(byte)) = (first, tail.get(..3).and_then(octal)) {
            plain.push(byte);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            plain.push(first);
            rest = tail;
        }
    }
    Cow::Owned(plain)
}

fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0u8, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(digit - b'0'),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_lines() {
        let text = b"31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 master:1 - tmpfs tmpfs rw,mode=755\n\
            garbage\n\
            32 31 0:29 /a\\040b /mnt/x\\134\\011y ro - cgroup my\\040src rw,cpu,name=a\\040b\n\
            33 31 0:30 / /m rw - cgroup2 none\n";
        let all: Vec<_> = mounts(text).collect();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].id, all[0].parent, all[0].device), (31, 23, (0, 28)));
        assert_eq!(all[0].path(), Path::new("/sys/fs/cgroup"));
        assert_eq!(&*all[1].root, b"/a b");
        assert_eq!(&*all[1].mount_point, b"/mnt/x\\\ty");
        assert_eq!(&*all[1].source, b"my src");
        assert!(all[1].read_only() && !all[0].read_only());
        let options: Vec<_> = all[1].super_options().collect();
        assert_eq!(options, [&b"rw"[..], b"cpu", b"name=a b"]);
        assert_eq!(&*all[2].fs_type, b"cgroup2");
        assert_eq!(all[2].super_options, b"");
    }

    #[test]
    fn escapes_that_are_none_stay() {
        assert_eq!(&*unescape(b"a\\"), b"a\\");
        assert_eq!(&*unescape(b"a\\04"), b"a\\04");
        assert_eq!(&*unescape(b"\\777"), b"\\777");
        assert_eq!(&*unescape(b"\\089"), b"\\089");
        assert_eq!(&*unescape(b"\\134040"), b"\\040");
    }

    #[test]
    fn cgroup_lines() {
        let text = b"9:name=systemd:/a:b\n2:cpu,cpuacct:/\nx:y:/\n3:memory\n0::/init.scope\n";
        let all: Vec<_> = cgroups(text).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0], CgroupLine { id: 9, controllers: b"name=systemd", path: b"/a:b" });
        assert_eq!(all[1].controllers, b"cpu,cpuacct");
        assert_eq!(all[2], CgroupLine { id: 0, controllers: b"", path: b"/init.scope" });
    }

    #[test]
    fn status_fields() {
        let text = b"Name:\tPid: x\nPid:\t12\nNSpid:\t12\t1\nSigBlk:\t0000\n";
        assert_eq!(status_field(text, "Pid"), Some(&b"12"[..]));
        assert_eq!(status_field(text, "NSpid"), Some(&b"12\t1"[..]));
        assert_eq!(status_field(text, "PPid"), None);
    }

    #[test]
    fn id_map_lines() {
        let text = b"         0     100000      65536\n  65536 1 4294967295\nbad\n";
        let all: Vec<_> = id_ranges(text).collect();
        assert_eq!(all[0], IdRange { inside: 0, outside: 100_000, count: 65536 });
        assert_eq!(all[1].count, u32::MAX);
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn our_own_files_parse() {
        let text = read("/proc/self/mountinfo").unwrap();
        assert!(mounts(&text).any(|mount| &*mount.mount_point == b"/"));
        assert_eq!(mounts(&text).count(), text.iter().filter(|&&b| b == b'\n').count());
        let status = read("/proc/self/status").unwrap();
        let pid = std::process::id().to_string();
        assert_eq!(status_field(&status, "Pid"), Some(pid.as_bytes()));
        assert!(id_ranges(&read("/proc/self/uid_map").unwrap()).count() > 0);
        assert!(read("/proc/self/none").unwrap_err().to_string().starts_with("open(/proc/self/none)"));
    }
}

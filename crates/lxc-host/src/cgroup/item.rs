//! Reading and writing single control files of a running container (`lxc-cgroup`).

use std::borrow::Cow;

use rustix::io::Errno;

use super::dir::Dir;
use super::spec::Verdict;
use super::{Error, SettingError, devices};

/// Reads a control file of a group, for example `memory.limit_in_bytes`.
///
/// # Errors
/// Not a file's name; open and read errors.
pub fn get(dir: &Dir, file: &str) -> Result<Vec<u8>, Error> {
    check(file)?;
    match dir.read(file) {
        Err(error) if error.errno() == Errno::NOENT => Ok(dir.read(bare(file).ok_or(error)?)?),
        other => Ok(other?),
    }
}

/// Writes a control file of a group. The path of a device is looked up.
///
/// # Errors
/// Not a file's name; the kernel's opinion about the value.
pub fn set(dir: &Dir, file: &str, value: &str) -> Result<(), Error> {
    check(file)?;
    let value =
        match Verdict::of_file(file) {
            Some(_) => Cow::Owned(devices::v1_text(value).map_err(|source: SettingError| {
                Error::Setting { origin: format!("{file} {value}"), source }
            })?),
            None => Cow::Borrowed(value),
        };
    match dir.write(file, value.as_bytes()) {
        Err(error) if error.errno() == Errno::NOENT => {
            Ok(dir.write(bare(file).ok_or(error)?, value.as_bytes())?)
        }
        other => Ok(other?),
    }
}

/// The name without prefix that cpuset files have on Android (mount option `noprefix`).
fn bare(file: &str) -> Option<&str> {
    file.strip_prefix("cpuset.")
}

fn check(file: &str) -> Result<(), Error> {
    if file.is_empty() || file.starts_with('.') || file.contains(['/', '\0']) {
        return Err(Error::Item(file.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        (temp, dir)
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let (_temp, dir) = fake();
        for file in ["", "..", "a/b", "../x", "/etc/passwd", ".hidden", "a\0b"] {
            assert!(matches!(get(&dir, file), Err(Error::Item(_))), "{file:?}");
            assert!(matches!(set(&dir, file, "1"), Err(Error::Item(_))), "{file:?}");
        }
    }

    #[test]
    fn cpuset_files_without_prefix() {
        let (temp, dir) = fake();
        std::fs::write(temp.path().join("cpus"), "0-1\n").unwrap();
        assert_eq!(get(&dir, "cpuset.cpus").unwrap(), b"0-1\n");
        set(&dir, "cpuset.cpus", "0").unwrap();
        assert!(std::fs::read(temp.path().join("cpus")).unwrap().starts_with(b"0"));
        assert!(get(&dir, "memory.max").unwrap_err().to_string().ends_with("No such file or directory"));
    }

    #[test]
    fn device_paths_are_looked_up() {
        let (temp, dir) = fake();
        std::fs::write(temp.path().join("devices.deny"), "").unwrap();
        set(&dir, "devices.deny", "/dev/null rw").unwrap();
        assert_eq!(std::fs::read(temp.path().join("devices.deny")).unwrap(), b"c 1:3 rw");
    }
}

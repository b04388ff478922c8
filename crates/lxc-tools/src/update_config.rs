//! `lxc-update-config`: a configuration from before LXC 2.1, made one of today.

mod convert;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use lxc_sys::Op;

use crate::output;
use crate::report::{self, Failure};

const PROGRAM: &str = "lxc-update-config";

/// Runs the tool; the exit code.
pub fn run(_program: &OsStr, args: Vec<OsString>) -> u8 {
    let outcome = asked(args).and_then(|asked| match asked {
        None => Ok(output::write(HELP.as_bytes())?),
        Some(file) => update(&file),
    });
    match outcome {
        Ok(()) => 0,
        Err(failure) => {
            report::print(PROGRAM, None, &failure);
            failure.code()
        }
    }
}

const HELP: &str = "\
Usage: lxc-update-config -c FILE

Give the keys of a configuration from before LXC 2.1 the names that they have now

  -c, --config=FILE  The configuration; what it was before is kept in FILE.backup
  -h, --help         Show this text
";

/// The file that is meant; `None` when help is wanted, as without arguments. Several: the last one, as upstream.
fn asked(args: Vec<OsString>) -> Result<Option<PathBuf>, Failure> {
    if args.is_empty() {
        return Ok(None);
    }
    let mut file = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
            Some(at) if bytes.starts_with(b"--") => (&bytes[..at], Some(&bytes[at + 1..])),
            _ => (bytes, None),
        };
        let is = |long: &[u8]| name.len() > 2 && long.starts_with(name);
        if name == b"-h" || (is(b"--help") && value.is_none()) {
            return Ok(None);
        } else if name == b"-c" || is(b"--config") {
            let next = value.map(|value| OsString::from_vec(value.to_vec())).or_else(|| args.next());
            file = Some(next.ok_or_else(|| Failure::said(format!("option {} needs a file", arg.display())))?);
        } else if let Some(attached) = bytes.strip_prefix(b"-c") {
            file = Some(OsString::from_vec(attached.to_vec()));
        } else if bytes.len() > 1 && bytes.starts_with(b"-") && bytes != b"--" {
            return Err(Failure::said(format!("{}: there is no such option", arg.display())));
        }
    }
    match file {
        Some(file) => Ok(Some(PathBuf::from(file))),
        None => Err(Failure::said("no file is given").help("lxc-update-config -c FILE")),
    }
}

/// Keeps the file as it is in `FILE.backup`, and puts a new one in its place.
fn update(file: &Path) -> Result<(), Failure> {
    let with_end = |end: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let bytes = std::fs::read(file).op("read", file)?;
    let text = String::from_utf8(bytes)
        .map_err(|e| Failure::said(format!("{}: {}", file.display(), e.utf8_error())))?;
    let (backup, new) = (with_end(".backup"), with_end(".new"));
    std::fs::copy(file, &backup).op("copy", &backup)?;
    let before = std::fs::metadata(file).op("stat", file)?;
    std::fs::write(&new, convert::convert(&text)).op("write", &new)?;
    std::fs::set_permissions(&new, before.permissions()).op("chmod", &new)?;
    chown(&new, Some(before.uid()), Some(before.gid())).op("chown", &new)?;
    Ok(std::fs::rename(&new, file).op("rename", file)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let asked = |words: &[&str]| asked(words.iter().map(OsString::from).collect());
        let file = |name: &str| Some(PathBuf::from(name));
        for words in [&[][..], &["-h"], &["--help"], &["--he"], &["-c", "f", "-h"]] {
            assert_eq!(asked(words).unwrap(), None, "{words:?}");
        }
        for words in [&["-c", "f"][..], &["-cf"], &["--config=f"], &["--config", "f"], &["--co", "f", "x"]] {
            assert_eq!(asked(words).unwrap(), file("f"), "{words:?}");
        }
        assert_eq!(asked(&["-c", "a", "-c", "b"]).unwrap(), file("b"));
        for words in [&["f"][..], &["-c"], &["-x"], &["--nosuch=1"], &["-x", "-c", "f"]] {
            assert!(asked(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(&file, "lxc.utsname = a\n").unwrap();
        update(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "lxc.uts.name = a\n");
        assert_eq!(std::fs::read_to_string(dir.path().join("config.backup")).unwrap(), "lxc.utsname = a\n");
        assert!(!dir.path().join("config.new").exists());
        assert!(update(&dir.path().join("nosuch")).is_err());
        assert!(update(dir.path()).is_err());
    }
}

//! Lines of an fstab file, as `getmntent(3)` reads them.

use std::fmt;
use std::str::FromStr;

use super::options::{MountOptions, OptionsError};

/// One mount: a line of `lxc.mount.fstab` or a value of `lxc.mount.entry`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MountEntry {
    /// What is mounted: a device, a directory, or a word the file system does not use.
    pub source: String,
    /// Where, as written.
    pub target: String,
    /// The file system type; empty or `none` for bind mounts.
    pub fstype: String,
    /// How.
    pub options: MountOptions,
    /// `dump(8)`'s field; no meaning for a container.
    pub freq: u32,
    /// `fsck(8)`'s field; no meaning for a container.
    pub passno: u32,
}

/// Why a line is no mount entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// There is only one field, or none.
    #[error("a mount entry needs at least a source and a target")]
    Fields,
    /// A field holds a NUL byte or, in a single entry, a line break.
    #[error("a mount entry cannot contain NUL or a line break (write \\012 for one in a name)")]
    Control,
    /// The fourth field is refused.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

impl FromStr for MountEntry {
    type Err = EntryError;

    /// Fields are separated by blanks; freq and passno may be missing, and so may type and options.
    fn from_str(text: &str) -> Result<Self, EntryError> {
        if text.contains(['\0', '\n']) {
            return Err(EntryError::Control);
        }
        let mut fields = text.split([' ', '\t']).filter(|f| !f.is_empty()).map(unescape);
        let (Some(source), Some(target)) = (fields.next(), fields.next()) else {
            return Err(EntryError::Fields);
        };
        let fstype = fields.next().unwrap_or_default();
        let options = fields.next().unwrap_or_default().parse()?;
        let mut number = || fields.next().and_then(|f| f.parse().ok()).unwrap_or(0);
        let (freq, passno) = (number(), number());
        Ok(MountEntry { source, target, fstype, options, freq, passno })
    }
}

impl fmt::Display for MountEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fstype = if self.fstype.is_empty() { "none".into() } else { escape(&self.fstype) };
        let options = escape(&self.options.to_string());
        write!(f, "{} {} {fstype} {options}", escape(&self.source), escape(&self.target))?;
        if self.freq != 0 || self.passno != 0 {
            write!(f, " {} {}", self.freq, self.passno)?;
        }
        Ok(())
    }
}

/// The entries of an fstab file with their line numbers (from 1). Blank lines and `#` lines are
/// skipped.
pub fn parse_fstab(text: &str) -> impl Iterator<Item = (usize, Result<MountEntry, EntryError>)> {
    text.lines().enumerate().filter_map(|(i, line)| {
        let line = line.trim_matches([' ', '\t', '\r']);
        (!line.is_empty() && !line.starts_with('#')).then(|| (i + 1, line.parse()))
    })
}

/// The four characters that fields cannot hold plainly, and how they are written.
const ESCAPES: [(&str, char); 5] =
    [("\\040", ' '), ("\\011", '\t'), ("\\012", '\n'), ("\\134", '\\'), ("\\\\", '\\')];

fn unescape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((code, c)) = ESCAPES.iter().find(|(code, _)| rest.starts_with(code)) {
            out.push(*c);
            rest = &rest[code.len()..];
        } else {
            out.push('\\');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn escape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    for c in field.chars() {
        match ESCAPES.iter().find(|(_, plain)| *plain == c) {
            Some((code, _)) => out.push_str(code),
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let e: MountEntry = "  /srv/data \t srv/data none bind,ro 1 2".parse().unwrap();
        assert_eq!(
            (e.source.as_str(), e.target.as_str(), e.fstype.as_str()),
            ("/srv/data", "srv/data", "none")
        );
        assert_eq!((e.freq, e.passno), (1, 2));
        assert_eq!(e.to_string(), "/srv/data srv/data none bind,ro 1 2");
        let short: MountEntry = "proc proc".parse().unwrap();
        assert_eq!((short.fstype.as_str(), &short.options), ("", &MountOptions::default()));
    }

    #[test]
    fn escapes() {
        let e: MountEntry = r"/a\040b c\011d\012e none bind,x=\134\\y\043 0 0".parse().unwrap();
        assert_eq!(e.source, "/a b");
        assert_eq!(e.target, "c\td\ne");
        assert_eq!(e.options.data, "x=\\\\y\\043");
        assert_eq!(e.to_string().parse::<MountEntry>().as_ref(), Ok(&e));
    }

    #[test]
    fn refusals() {
        assert_eq!("".parse::<MountEntry>(), Err(EntryError::Fields));
        assert_eq!("/only".parse::<MountEntry>(), Err(EntryError::Fields));
        assert_eq!("a b c d\nlxc.hook.start = x".parse::<MountEntry>(), Err(EntryError::Control));
        assert_eq!("a b c idmap=".parse::<MountEntry>(), Err(EntryError::Options(OptionsError::EmptyIdmap)));
    }

    #[test]
    fn files() {
        let text = "# comment\n\n proc proc proc nodev 0 0\r\n\t#x\nbad\n";
        let all: Vec<_> = parse_fstab(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].0, 3);
        assert_eq!(all[0].1.as_ref().map(|e| e.target.as_str()), Ok("proc"));
        assert_eq!(all[1], (5, Err(EntryError::Fields)));
    }

    proptest::proptest! {
        #[test]
        fn round_trip(source in "[!-~ \t]{1,20}", target in "[!-~ \t]{1,20}", options in "[!-~]{0,20}") {
            let text = format!("{} {} none {}", escape(&source), escape(&target), escape(&options));
            if let Ok(e) = text.parse::<MountEntry>() {
                proptest::prop_assert_eq!(&e.source, &source);
                proptest::prop_assert_eq!(&e.target, &target);
                proptest::prop_assert_eq!(e.to_string().parse::<MountEntry>(), Ok(e));
            }
        }
    }
}

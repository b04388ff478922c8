//! Changes to a loaded config: its text and its meaning together, or neither.

use std::fmt;

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::document::{Document, EditError, Reader, read_include};
use crate::interpret::interpret_into;
use crate::keys::{self, Context, Empty, KeyError, Outcome};
use crate::origin::{Origin, Span};

/// What a change may need from outside.
pub struct Surroundings<'a> {
    /// Reads the files of an `lxc.include`.
    pub reader: &'a mut dyn Reader,
    /// Gives random bytes for the open digits of hardware addresses.
    pub random: &'a mut dyn FnMut() -> u8,
    /// What values may depend on.
    pub context: Context<'a>,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("context", &self.context).finish_non_exhaustive()
    }
}

/// Sets or adds a value, as `set_config_item` does: the text gets a line at its end. An empty value
/// clears as [`clear`] does. Open digits of a hardware address are chosen, the same in both.
///
/// Gives warnings about values that were not taken to the letter.
///
/// # Errors
/// An unknown key, a refused value, or an include with errors. Nothing is changed then.
pub fn set(
    document: &mut Document,
    config: &mut Config,
    key: &str,
    value: &str,
    around: &mut Surroundings<'_>,
) -> Result<Vec<Diagnostic>, EditError> {
    let (row, _) = keys::find(key)?;
    if key == "lxc.include" {
        return include(document, config, value, around);
    }
    let value = match row.empty {
        Empty::Means(meaning) if value.is_empty() => meaning.to_owned(),
        Empty::Means(_) | Empty::Clears if row.name.ends_with(".hwaddr") => {
            lxc_types::mac::fill_digits(value, around.random)
        }
        Empty::Means(_) | Empty::Clears => value.to_owned(),
    };
    let outcome = config.set_from(key, &value, &Origin::Program, &around.context)?;
    if value.is_empty() {
        document.remove(key)?;
    } else {
        document.append(key, &value)?;
    }
    Ok(match outcome {
        Outcome::Exact => Vec::new(),
        Outcome::Adjusted(why) => vec![Diagnostic::warning(why).with_key(key)],
    })
}

/// Takes a key back to its default, as `clear_config_item` does: its lines leave the text.
///
/// # Errors
/// An unknown key.
pub fn clear(document: &mut Document, config: &mut Config, key: &str) -> Result<(), EditError> {
    config.clear(key)?;
    document.remove(key)
}

fn include(
    document: &mut Document,
    config: &mut Config,
    value: &str,
    around: &mut Surroundings<'_>,
) -> Result<Vec<Diagnostic>, EditError> {
    if let Some(c) = crate::config::unwritable(value) {
        let error = keys::ValueError::Character(c);
        return Err(KeyError::Value { key: "lxc.include".into(), error }.into());
    }
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let place = Span { file: document.path().into(), line: 0, column: 0, len: 0 };
    let (mut included, mut problems) = read_include(value, &place, around.reader);
    // The line that would hold the include does not exist yet.
    problems.iter_mut().filter(|p| p.origin.as_ref() == Some(&place)).for_each(|p| p.origin = None);
    included.fill_hwaddrs(around.random);
    let mut changed = config.clone();
    interpret_into(&mut changed, &included, &around.context, &mut problems);
    if let Some(error) = problems.iter().find(|problem| problem.is_error()) {
        return Err(EditError::Include(error.to_string()));
    }
    document.append_include(value, included)?;
    *config = changed;
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::document::{Content, ReadError};

    fn read(path: &Path) -> Result<Content, ReadError> {
        match path.to_str() {
            Some("/i") => Ok(Content::File(b"lxc.group = i\n".to_vec())),
            Some("/bad") => Ok(Content::File(b"lxc.group = j\nlxc.tty.max = x\n".to_vec())),
            _ => Err(ReadError::Missing),
        }
    }

    /// Sets keys one after the other; gives the text and what was refused.
    fn edited(changes: &[(&str, &str)]) -> (String, Config, Vec<String>) {
        let (mut document, mut config) = (Document::new(Path::new("/c/config")), Config::default());
        let mut byte = 0;
        let mut random = || {
            byte += 1;
            byte
        };
        let mut around = Surroundings { reader: &mut read, random: &mut random, context: Context::default() };
        let mut refused = Vec::new();
        for (key, value) in changes {
            if let Err(error) = set(&mut document, &mut config, key, value, &mut around) {
                refused.push(error.to_string());
            }
        }
        (String::from_utf8(document.to_text()).unwrap(), config, refused)
    }

    #[test]
    fn text_and_value_have_the_same_digits() {
        let (text, config, _) =
            edited(&[("lxc.net.0.type", "veth"), ("lxc.net.0.hwaddr", "10:66:6a:xx:xx:xx")]);
        assert_eq!(text, "lxc.net.0.type = veth\nlxc.net.0.hwaddr = 10:66:6a:12:34:56\n");
        assert_eq!(config.get("lxc.net.0.hwaddr").unwrap(), "10:66:6a:12:34:56");
    }

    #[test]
    fn includes_are_read_at_once() {
        let (text, config, refused) =
            edited(&[("lxc.include", "/i"), ("lxc.include", "/bad"), ("lxc.include", "/no")]);
        assert_eq!(text, "lxc.include = /i\n");
        assert_eq!(config.autostart.groups, ["i"]);
        assert_eq!(
            refused,
            ["/bad:2:1: lxc.tty.max: \"x\" is no whole number", "lxc.include: cannot read /no: no such file",]
        );
    }

    #[test]
    fn refused_values_leave_no_line() {
        let (text, config, refused) =
            edited(&[("lxc.tty.max", "x"), ("lxc.foo", "1"), ("lxc.uts.name", "a\nb")]);
        assert_eq!((text.as_str(), config), ("", Config::default()));
        assert_eq!(refused.len(), 3);
        assert!(refused[2].starts_with("lxc.uts.name: the value holds '\\n'"), "{}", refused[2]);
    }

    #[test]
    fn an_empty_autodev_is_written_as_what_it_means() {
        let (text, config, _) = edited(&[("lxc.autodev", "")]);
        assert_eq!((text.as_str(), config.mounts.autodev), ("lxc.autodev = 0\n", false));
    }
}

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

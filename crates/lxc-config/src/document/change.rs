//! Changes to the text, as programs make them through the API.

use super::flat::new_line;
use super::{Document, Item, Line, Place, trim_value, unquote, value_range};
use crate::config::unwritable;
use crate::keys::{self, Index, Key, KeyError, Shape, ValueError};
use crate::origin::Origin;

/// Why a change is refused. The document is then as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The key or its value is refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An included file has errors; the first of them.
    #[error("{0}")]
    Include(String),
}

impl Document {
    /// Adds a line `key = value` at the end of the text. Earlier lines of the key stay. A value that
    /// needs them gets quotes.
    ///
    /// # Errors
    /// An unknown key, or a value that no line can hold. Whether the key takes the value is not
    /// looked at here: see [`crate::edit`].
    pub fn append(&mut self, key: &str, value: &str) -> Result<(), EditError> {
        keys::find(key)?;
        if let Some(c) = unwritable(value) {
            let error = ValueError::Character(c);
            return Err(KeyError::Value { key: key.to_owned(), error }.into());
        }
        self.end_last_line();
        let raw = format!("{}\n", new_line(key, value)).into_bytes();
        let item = Some(Item { key: key.to_owned(), value: value.to_owned() });
        self.lines.push(Line { raw, place: Place::Own, origin: Origin::Program, item });
        Ok(())
    }

    /// Removes a key's lines from the text; for `lxc.net`, `lxc.net.N`, `lxc.hook`, `lxc.cgroup` and
    /// the like those of all keys that it clears.
    ///
    /// What included files say stays there, but no longer counts for this document. (It counts again
    /// when the saved text is loaded: only a line in the file itself could say otherwise.)
    ///
    /// Lines of `lxc.include` stay: what they brought cannot be taken back.
    ///
    /// # Errors
    /// An unknown key.
    pub fn remove(&mut self, key: &str) -> Result<(), EditError> {
        let (row, index) = keys::find(key)?;
        if row.shape == Shape::Action {
            return Ok(());
        }
        let covered = |line: &Line| line.item.as_ref().is_some_and(|item| covers(row, index, &item.key));
        self.lines.retain(|line| line.place == Place::Included || !covered(line));
        if self.lines.iter().any(covered) {
            let value = match row.empty {
                keys::Empty::Clears => String::new(),
                keys::Empty::Means(_) => (row.get)(&crate::Config::default(), &index).unwrap_or_default(),
            };
            let item = Some(Item { key: key.to_owned(), value });
            self.lines.push(Line { raw: Vec::new(), place: Place::Step, origin: Origin::Program, item });
        }
        Ok(())
    }

    /// Changes values where they stand in the text; what is around them on their lines stays. `change` gets key
    /// and value of each line of the entry file, and gives the new value if there is to be one.
    ///
    /// # Errors
    /// A new value that no line can hold. Whether the key takes it is not looked at here.
    pub fn rewrite(&mut self, change: &mut dyn FnMut(&str, &str) -> Option<String>) -> Result<(), EditError> {
        for line in self.lines.iter_mut().filter(|line| line.place == Place::Own) {
            let Some(item) = &mut line.item else { continue };
            let Some(value) = change(&item.key, &item.value) else { continue };
            if let Some(c) = unwritable(&value) {
                let error = ValueError::Character(c);
                return Err(KeyError::Value { key: item.key.clone(), error }.into());
            }
            match value_range(&line.raw) {
                Some((start, end)) if unquote(trim_value(&value)) == value => {
                    line.raw.splice(start..end, value.bytes());
                }
                _ => line.raw = format!("{}\n", new_line(&item.key, &value)).into_bytes(),
            }
            item.value = value;
        }
        Ok(())
    }

    /// Takes blank lines out of the text.
    pub fn drop_blank_lines(&mut self) {
        self.lines.retain(|line| line.place != Place::Own || !line.raw.trim_ascii().is_empty());
    }

    /// Puts an include line at the end, and what it brought.
    pub(crate) fn append_include(&mut self, value: &str, included: Document) -> Result<(), EditError> {
        self.append("lxc.include", value)?;
        self.lines.extend(included.lines);
        Ok(())
    }
}

/// Whether clearing `row` takes back what `line` sets.
fn covers(row: &Key, index: Index<'_>, line: &str) -> bool {
    let Ok((other, other_index)) = keys::find(line) else { return false };
    let caps = ["lxc.cap.drop", "lxc.cap.keep"];
    match (row.shape, row.name) {
        (Shape::Group, "lxc.net") => other.name.starts_with("lxc.net"),
        // A device without type is none.
        (_, "lxc.net.[i]" | "lxc.net.[i].type") => {
            other_index == index && other.name.starts_with("lxc.net.[i]")
        }
        (Shape::Group, "lxc.hook") => other.name.starts_with("lxc.hook") && other.name != "lxc.hook.version",
        (Shape::Group, group) => {
            other.name == group || other.name.strip_prefix(group).is_some_and(|rest| rest.starts_with(".<"))
        }
        // Clearing either of the two clears whichever is in use.
        (_, name) if caps.contains(&name) => caps.contains(&other.name),
        (_, name) => other.name == name && other_index == index,
    }
}

//! The table of keys: one row a key, with how it is set, shown and cleared, and its manual.
//!
//! A row never looks at the host: a value is judged by its text alone. Setting is all or nothing: a
//! refused value leaves the config as it was.

#![deny(clippy::wildcard_enum_match_arm)]

mod cgroup;
mod hook;
mod id;
mod limit;
mod log;
mod lsm;
mod mount;
mod net;
mod net_kind;
mod ns;
mod renamed;
mod rootfs;
mod start;
#[cfg(test)]
mod tests;
mod tty;
mod values;

use std::fmt;

use crate::config::Config;
use crate::diagnostic::nearest;
use crate::origin::Origin;

pub use values::ValueError;

/// A group of keys under one heading of the manual.
#[derive(Debug)]
pub struct Family {
    /// Heading in the manual.
    pub title: &'static str,
    /// What the keys have in common, for the manual.
    pub doc: &'static str,
    /// The rows, in the order in which they are listed and written.
    pub keys: &'static [Key],
}

/// One row a key: parsing, printing, clearing and the manual live together.
pub struct Key {
    /// The name; `[i]` stands for a number, `<word>` for any text.
    pub name: &'static str,
    /// What values look like, for the manual.
    pub values: &'static str,
    /// What the key does, for the manual: sentences, in plain text.
    pub doc: &'static str,
    /// How often it may be given.
    pub shape: Shape,
    /// Whether upstream knows it.
    pub standing: Standing,
    /// Sets or adds a value. The value is never empty, unless the key is [`Shape::Group`].
    pub set: fn(&mut Config, &Setting<'_>) -> Result<Outcome, ValueError>,
    /// Shows the value as upstream's `get_config_item` does.
    pub get: fn(&Config, &Index<'_>) -> Result<String, ValueError>,
    /// Takes the value back to its default, a list to nothing.
    pub clear: fn(&mut Config, &Index<'_>) -> Result<(), ValueError>,
    /// What an empty value does.
    pub empty: Empty,
    /// How the value gets into a written config.
    pub write: Write,
}

impl Key {
    /// What rows of single values have in common.
    const SINGLE: Key = Key {
        name: "",
        values: "",
        doc: "",
        shape: Shape::Single,
        standing: Standing::Upstream,
        set: |_, _| Ok(Outcome::Exact),
        get: |_, _| Ok(String::new()),
        clear: |_, _| Ok(()),
        empty: Empty::Clears,
        write: Write::Shown,
    };
    /// What rows of lists have in common.
    const LIST: Key = Key { shape: Shape::List, write: Write::Lines, ..Key::SINGLE };
    /// What rows without a value of their own have in common.
    const GROUP: Key = Key {
        shape: Shape::Group,
        set: |_, _| Err(ValueError::GroupOnly),
        write: Write::Elsewhere,
        ..Key::SINGLE
    };
    /// What rows of network devices have in common: devices write themselves.
    const NET: Key = Key { write: Write::Elsewhere, ..Key::SINGLE };
    /// The same for lists.
    const NET_LIST: Key = Key { shape: Shape::List, ..Key::NET };
}

/// What an empty value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// The same as clearing.
    Clears,
    /// The same as this value.
    Means(&'static str),
}

/// How often a key may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A later value replaces an earlier one.
    Single,
    /// Each value adds to the list; an empty one clears it.
    List,
    /// No value of its own: only an empty value is allowed, which clears all keys below.
    Group,
    /// Does something at its place.
    Action,
}

/// Whether upstream knows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Upstream knows it.
    Upstream,
    /// It is ours.
    Own,
}

/// How a value gets into a written config.
#[derive(Clone, Copy, Debug)]
pub enum Write {
    /// As [`Key::get`] shows it, if it is not the default.
    Shown,
    /// One line for each line of [`Key::get`].
    Lines,
    /// By a function of its own, which gives the values.
    Values(fn(&Config) -> Vec<String>),
    /// By a function that also gives what stands at `<word>`.
    Named(fn(&Config) -> Vec<(String, String)>),
    /// By another row, or not at all.
    Elsewhere,
}

/// What stands at the variable place of a key's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index<'a> {
    /// The name has no such place.
    None,
    /// `[i]`.
    Number(u32),
    /// `<word>`.
    Name(&'a str),
}

impl<'a> Index<'a> {
    /// The text at `<word>`.
    const fn name(&self) -> &'a str {
        match self {
            Index::Name(name) => name,
            Index::None | Index::Number(_) => "",
        }
    }

    /// The number at `[i]`.
    const fn number(&self) -> u32 {
        match self {
            Index::Number(number) => *number,
            Index::None | Index::Name(_) => 0,
        }
    }
}

/// What the caller's world says where the config leaves it open.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Size of a memory page in bytes: ring buffers are made of whole pages.
    pub page_size: u64,
    /// Looks up a variable for `lxc.environment = NAME`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Default for Context<'_> {
    /// Pages of 4096 bytes and no variables.
    fn default() -> Self {
        Context { page_size: 4096, environment: &|_| None }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("page_size", &self.page_size).finish_non_exhaustive()
    }
}

/// One value on its way into a config.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The variable part of the key.
    pub index: Index<'a>,
    /// The value, quotes already removed.
    pub value: &'a str,
    /// Where it was written.
    pub origin: &'a Origin,
    /// What the config leaves open.
    pub context: &'a Context<'a>,
}

/// How a value was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it was written.
    Exact,
    /// Not to the letter, for this reason.
    Adjusted(String),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// All families, in the order of the manual.
pub const FAMILIES: [&Family; 13] = [
    &start::FAMILY,
    &rootfs::FAMILY,
    &mount::FAMILY,
    &net::FAMILY,
    &tty::FAMILY,
    &id::FAMILY,
    &ns::FAMILY,
    &cgroup::FAMILY,
    &lsm::FAMILY,
    &limit::FAMILY,
    &hook::FAMILY,
    &log::FAMILY,
    &id::ENVIRONMENT,
];

/// All rows.
pub fn all() -> impl Iterator<Item = &'static Key> + Clone {
    FAMILIES.iter().flat_map(|family| family.keys)
}

/// Why a key or its value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nobody knows this key.
    #[error("{}: {}", key.escape_debug(), self.cause())]
    Unknown {
        /// The refused key.
        key: String,
        /// A known one that looks much like it.
        nearest: Option<String>,
    },
    /// The key's name until LXC 2.1.
    #[error("{}: {}", key.escape_debug(), self.cause())]
    Renamed {
        /// The refused key.
        key: String,
        /// Its name today, if it has one.
        to: Option<String>,
    },
    /// The key is known, but not with this value.
    #[error("{key}: {error}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong with the value.
        error: ValueError,
    },
}

impl KeyError {
    /// The key in question.
    pub fn key(&self) -> &str {
        match self {
            KeyError::Unknown { key, .. } | KeyError::Renamed { key, .. } | KeyError::Value { key, .. } => {
                key
            }
        }
    }

    /// What is wrong, without the key.
    pub fn cause(&self) -> String {
        match self {
            KeyError::Unknown { .. } => "unknown key".to_owned(),
            KeyError::Renamed { to: Some(_), .. } => "this key was renamed in LXC 2.1".to_owned(),
            KeyError::Renamed { to: None, .. } => "this key was dropped in LXC 2.1".to_owned(),
            KeyError::Value { error, .. } => error.to_string(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            KeyError::Unknown { nearest, .. } => {
                nearest.as_ref().map(|near| format!("did you mean \"{near}\"?"))
            }
            KeyError::Renamed { to: Some(to), .. } => Some(format!("it is \"{to}\" now")),
            KeyError::Renamed { to: None, .. } => Some("remove the line".into()),
            KeyError::Value { error, .. } => error.help(),
        }
    }
}

/// Finds a key's row and what stands at its variable place.
///
/// # Errors
/// [`KeyError::Unknown`] with the nearest known key, or [`KeyError::Renamed`].
pub fn find(name: &str) -> Result<(&'static Key, Index<'_>), KeyError> {
    lookup(name).ok_or_else(|| {
        let key = name.to_owned();
        match renamed::today(name) {
            Some(to) => KeyError::Renamed { key, to },
            None => KeyError::Unknown { key, nearest: suggestion(name) },
        }
    })
}

fn lookup(name: &str) -> Option<(&'static Key, Index<'_>)> {
    if let Some((number, rest)) = net_index(name) {
        let row = |key: &&Key| key.name.strip_prefix("lxc.net.[i]") == Some(rest);
        return net::FAMILY.keys.iter().find(row).map(|key| (key, Index::Number(number)));
    }
    if let Some(key) = all().find(|key| key.name == name && !name.contains(['[', '<'])) {
        return Some((key, Index::None));
    }
    let row = |key: &'static Key| {
        let word = name.strip_prefix(prefix(key.name)?)?;
        (!word.is_empty()).then_some((key, Index::Name(word)))
    };
    all().find_map(row).filter(|(key, index)| is_word(key, index.name()))
}

/// The part before `<word>`, for names that have one.
fn prefix(name: &str) -> Option<&str> {
    if name.ends_with('>') { name.split_once('<').map(|(prefix, _)| prefix) } else { None }
}

/// Whether `word` may stand at a key's `<word>`: nothing that could not be read back from a line.
/// `lxc.cgroup.dir` and `lxc.cgroup.relative` are no control files, so what begins like them is a slip.
fn is_word(key: &Key, word: &str) -> bool {
    let slip = word.starts_with("dir.") || word.starts_with("relative.");
    let readable = !word.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control());
    readable && !(slip && key.name.starts_with("lxc.cgroup."))
}

/// Splits `lxc.net.7.link` into 7 and `.link`.
fn net_index(name: &str) -> Option<(u32, &str)> {
    let rest = name.strip_prefix("lxc.net.")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(digits);
    let number = number.parse().ok().filter(|n| *n < i32::MAX.unsigned_abs())?;
    Some((number, rest))
}

/// The known key that looks most like `name`, with `name`'s own index.
fn suggestion(name: &str) -> Option<String> {
    if let Some((number, rest)) = net_index(name) {
        let subkeys = net::FAMILY.keys.iter().filter_map(|key| key.name.strip_prefix("lxc.net.[i]."));
        let near = nearest_or_below(rest.strip_prefix('.')?, subkeys)?;
        return Some(format!("lxc.net.{number}.{near}"));
    }
    let mut words = all().filter_map(|key| prefix(key.name));
    let plain = all().map(|key| key.name).filter(|known| !known.contains('<'));
    nearest(name, plain.clone())
        .map(str::to_owned)
        .or_else(|| words.find_map(|known| mended(name, known)))
        .or_else(|| nearest_or_below(name, plain).map(str::to_owned))
}

/// The candidate that looks most like `word`, or the first that continues it.
fn nearest_or_below<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let below = |name: &&str| name.strip_prefix(word).is_some_and(|rest| rest.starts_with('.'));
    nearest(word, candidates.clone()).or_else(|| candidates.into_iter().find(below))
}

/// `lxc.cgruop2.memory.max` with the beginning put right, if that is all that is wrong with it.
fn mended(name: &str, known: &str) -> Option<String> {
    let dots = known.matches('.').count();
    let (at, _) = name.match_indices('.').nth(dots - 1)?;
    let (start, word) = name.split_at(at + 1);
    nearest(start, [known].into_iter())?;
    Some(format!("{known}{word}")).filter(|found| found != name && lookup(found).is_some())
}

//! Kinds of values that many keys share: flags, numbers, texts, lists.

use std::fmt::Display;
use std::str::FromStr;

use crate::keys::{Outcome, Setting};
use crate::origin::Sourced;

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// It does not parse.
    #[error("{0}")]
    Invalid(String),
    /// It is one of few words, but not one of these.
    #[error("\"{value}\" is not one of {known}")]
    Choice {
        /// The refused text.
        value: String,
        /// The known words, separated by commas.
        known: String,
        /// The known word that looks most like it.
        nearest: Option<String>,
    },
    /// A carriage return, newline or NUL, which would end the line in a file.
    #[error("the value holds {0:?}, which no line of a config can hold")]
    Character(char),
    /// The key clears others and has no value of its own.
    #[error("only an empty value is allowed, which clears all keys below this one")]
    GroupOnly,
    /// The key only acts where it stands.
    #[error("an include has no value to show")]
    NoValue,
    /// There is no network device of this number.
    #[error("there is no network device {0}")]
    NoDevice(u32),
    /// Another kind of network device is needed.
    #[error("the network device {index} is no {needed}")]
    Kind {
        /// Its number.
        index: u32,
        /// The kind that has this key.
        needed: &'static str,
    },
    /// Another key stands in the way.
    #[error("cannot be combined with {0}")]
    Conflict(&'static str),
}

impl ValueError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            ValueError::Choice { nearest: Some(near), .. } => Some(format!("did you mean \"{near}\"?")),
            ValueError::NoDevice(index) => Some(format!("begin with \"lxc.net.{index}.type = …\"")),
            ValueError::Kind { index, needed } => {
                Some(format!("\"lxc.net.{index}.type = {needed}\" must come first"))
            }
            ValueError::Conflict(_) => Some("clear one of them first".into()),
            ValueError::Choice { nearest: None, .. }
            | ValueError::Invalid(_)
            | ValueError::Character(_)
            | ValueError::GroupOnly
            | ValueError::NoValue => None,
        }
    }
}

pub(super) type Set = Result<Outcome, ValueError>;

/// Any parse error as a refused value.
pub(super) fn invalid(error: impl Display) -> ValueError {
    ValueError::Invalid(error.to_string())
}

/// Parses a value by its type.
pub(super) fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, ValueError> {
    text.parse().map_err(invalid)
}

/// Sets what parses by its type.
pub(super) fn parsed<T: FromStr<Err: Display>>(to: &mut T, s: &Setting<'_>) -> Set {
    *to = parse(s.value)?;
    Ok(Outcome::Exact)
}

/// Sets an optional value that parses by its type.
pub(super) fn optional<T: FromStr<Err: Display>>(to: &mut Option<T>, s: &Setting<'_>) -> Set {
    *to = Some(parse(s.value)?);
    Ok(Outcome::Exact)
}

/// The same with its origin.
pub(super) fn optional_sourced<T: FromStr<Err: Display>>(
    to: &mut Option<Sourced<T>>,
    s: &Setting<'_>,
) -> Set {
    *to = Some(sourced(parse(s.value)?, s));
    Ok(Outcome::Exact)
}

/// Adds to a list what parses by its type.
pub(super) fn append<T: FromStr<Err: Display>>(to: &mut Vec<Sourced<T>>, s: &Setting<'_>) -> Set {
    to.push(sourced(parse(s.value)?, s));
    Ok(Outcome::Exact)
}

/// A value with the origin of its setting.
pub(super) fn sourced<T>(value: T, s: &Setting<'_>) -> Sourced<T> {
    Sourced { value, origin: s.origin.clone() }
}

/// `0` or `1`, in any base C knows.
pub(super) fn flag(to: &mut bool, s: &Setting<'_>) -> Set {
    *to = match lxc_types::number::unsigned(s.value) {
        Ok(0) => false,
        Ok(1) => true,
        Ok(_) | Err(_) => return Err(ValueError::Invalid(format!("\"{}\" is neither 0 nor 1", s.value))),
    };
    Ok(Outcome::Exact)
}

/// An unsigned number, in any base C knows.
pub(super) fn number(to: &mut u32, s: &Setting<'_>) -> Set {
    *to = lxc_types::number::unsigned(s.value).map_err(invalid)?;
    Ok(Outcome::Exact)
}

/// One of few words.
pub(super) fn choice<T: Copy>(words: &[(&'static str, T)], text: &str) -> Result<T, ValueError> {
    let names = || words.iter().map(|(name, _)| *name);
    words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| ValueError::Choice {
        value: text.to_owned(),
        known: names().collect::<Vec<_>>().join(", "),
        nearest: crate::diagnostic::nearest(text, names()).map(str::to_owned),
    })
}

/// The word of a value.
pub(super) fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> String {
    words.iter().find(|(_, known)| known == value).map_or("", |(name, _)| *name).to_owned()
}

/// The longest path in bytes, without its closing NUL (`PATH_MAX`).
const PATH_LEN: usize = 4095;

/// A path without double slashes, `.` components and trailing slashes; `..` stays.
pub(super) fn path(text: &str) -> Result<String, ValueError> {
    if text.len() > PATH_LEN {
        return Err(ValueError::Invalid(format!(
            "the path has {} bytes, {PATH_LEN} are allowed",
            text.len()
        )));
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let root = if text.starts_with('/') { "/" } else { "" };
    let simple = format!("{root}{}", parts.join("/"));
    Ok(if simple.is_empty() { ".".to_owned() } else { simple })
}

/// Sets a path.
pub(super) fn set_path(to: &mut Option<Sourced<String>>, s: &Setting<'_>) -> Set {
    *to = Some(sourced(path(s.value)?, s));
    Ok(Outcome::Exact)
}

/// Words separated by spaces or tabs.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t']).filter(|word| !word.is_empty())
}

/// `1` or `0`.
pub(super) fn show_flag(value: bool) -> String {
    u8::from(value).to_string()
}

/// The value, or nothing.
pub(super) fn show<T: Display>(value: Option<&T>) -> String {
    value.map(T::to_string).unwrap_or_default()
}

/// The value without its origin, or nothing.
pub(super) fn show_sourced<T: Display>(value: Option<&Sourced<T>>) -> String {
    show(value.map(|sourced| &sourced.value))
}

/// Each value and a newline.
pub(super) fn lines<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| format!("{value}\n")).collect()
}

/// Values with newlines between them, none at the end.
pub(super) fn joined<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join("\n")
}

/// The values of a list, without their origins.
pub(super) fn plain<T>(list: &[Sourced<T>]) -> impl Iterator<Item = &T> {
    list.iter().map(|sourced| &sourced.value)
}

/// Takes a value back to its type's default.
pub(super) fn reset<T: Default>(to: &mut T) -> Result<(), ValueError> {
    *to = T::default();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (text, simple) in [
            ("/a//b/./c/", "/a/b/c"),
            ("a/../b", "a/../b"),
            ("/", "/"),
            ("./", "."),
            ("none", "none"),
            ("..", ".."),
        ] {
            assert_eq!(path(text).unwrap(), simple, "{text}");
        }
        assert!(path(&"a".repeat(4095)).is_ok());
        assert!(path(&"a".repeat(4096)).is_err());
    }
}

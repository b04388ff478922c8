//! The name filter of `lxc-ls`: POSIX extended regular expressions.
//!
//! They are matched by `regex-lite`, which reads them the same but for what hardly anybody writes in a name:
//! `[[.x.]]`, `[[=x=]]` and back references are not known, `\d` and the like are, and of several ways to match
//! another may be taken, which does not matter when one only asks whether there is any.

use regex_lite::Regex;

/// A filter of names.
pub struct Filter(Option<Regex>);

impl Filter {
    /// What is no regular expression matches nothing, as upstream has it.
    pub fn new(text: &str) -> Filter {
        Filter(Regex::new(text).ok())
    }

    /// Whether a name matches anywhere.
    pub fn matches(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn extended_expressions() {
        for (filter, name, matches) in [
            ("d2$", "rs-d2", true),
            ("d(1|9)", "rs-d1", true),
            ("^d", "rs-d1", false),
            ("a|c+", "xccx", true),
            ("^A", "a", false),
            ("[[:digit:]]{2}", "c10", true),
            ("[", "a[b", false),
            ("", "a", true),
        ] {
            assert_eq!(Filter::new(filter).matches(name), matches, "{filter} {name}");
        }
    }
}

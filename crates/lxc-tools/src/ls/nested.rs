//! Containers in containers: what is told of each, from inside and to the reader.

use std::time::Duration;

use lxc_types::State;
use serde::{Deserialize, Serialize};

use super::{Found, table};

/// How long a look into one container may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A container that is listed: the object `container` of `doc/json.md`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Listed {
    name: String,
    state: Option<String>,
    defined: bool,
    pid: Option<i32>,
    memory_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    autostart: bool,
    groups: Vec<String>,
    interfaces: Vec<String>,
    ipv4: Vec<String>,
    ipv6: Vec<String>,
    unprivileged: bool,
    /// Those inside.
    pub nested: Vec<Listed>,
}

impl Listed {
    /// One of which only the name is asked.
    pub fn named(found: &Found) -> Listed {
        Listed { name: found.name.to_string(), defined: found.defined, ..Listed::default() }
    }

    /// One with all that is known of it.
    pub fn of(found: &Found, row: table::Row) -> Listed {
        Listed {
            name: row.name,
            state: row.state.map(|state| state.as_str().to_owned()),
            defined: found.defined,
            pid: row.pid,
            memory_bytes: row.ram,
            swap_bytes: row.swap,
            autostart: row.autostart,
            groups: row.groups,
            interfaces: row.interfaces,
            ipv4: row.ipv4,
            ipv6: row.ipv6,
            unprivileged: row.unprivileged,
            nested: Vec::new(),
        }
    }
}

/// Text from inside, which may be anybody's, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The rows of a table, each container followed by those inside. The deeper, the further right is the mark of a name.
pub fn rows(containers: &[Listed], level: usize, out: &mut Vec<table::Row>) {
    for one in containers {
        let mark = if level == 0 { String::new() } else { format!("{:>level$}", "\\") };
        let all = |texts: &[String]| texts.iter().map(|text| plain(text)).collect();
        out.push(table::Row {
            name: format!("{mark}{}", plain(&one.name)),
            state: one.state.as_deref().and_then(|text| text.parse::<State>().ok()),
            pid: one.pid,
            ram: one.memory_bytes,
            swap: one.swap_bytes,
            autostart: one.autostart,
            groups: all(&one.groups),
            interfaces: all(&one.interfaces),
            ipv4: all(&one.ipv4),
            ipv6: all(&one.ipv6),
            unprivileged: one.unprivileged,
        });
        rows(&one.nested, level + 1, out);
    }
}

/// The names, each container followed by those inside: `outer/inner`.
pub fn names(containers: &[Listed], above: &str, out: &mut Vec<String>) {
    for one in containers {
        let name = format!("{above}{}", plain(&one.name));
        out.push(name.clone());
        names(&one.nested, &format!("{name}/"), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_marks() {
        let leaf = |name: &str| Listed { name: name.into(), ..Listed::default() };
        let inner = Listed { nested: vec![leaf("third")], ..leaf("inner1") };
        let all = [Listed { nested: vec![inner, leaf("in\u{1b}er2")], ..leaf("c1") }, leaf("c2")];
        let mut found = Vec::new();
        names(&all, "", &mut found);
        assert_eq!(found, ["c1", "c1/inner1", "c1/inner1/third", "c1/in?er2", "c2"]);
        let mut found = Vec::new();
        rows(&all, 0, &mut found);
        let found: Vec<&str> = found.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(found, ["c1", "\\inner1", " \\third", "\\in?er2", "c2"]);
    }
}

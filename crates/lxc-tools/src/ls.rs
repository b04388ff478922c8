//! `lxc-ls`: which containers there are.

mod filter;
mod table;

use std::collections::BTreeSet;
use std::path::Path;

use lxc_core::{Container, list};
use lxc_types::{Name, State};
use serde::Serialize;

use crate::cli::{Common, NameRule, Rcfile, Tool};
use crate::json::{self, FormatOption};
use crate::output;
use crate::report::{self, Failure};
use crate::session::Session;
use filter::Filter;
use table::Column;

/// List containers
#[derive(Debug, clap::Parser)]
pub struct Ls {
    /// One name a line
    #[arg(short = '1', long)]
    line: bool,
    /// A table
    #[arg(short, long)]
    fancy: bool,
    /// The columns of the table, joined by commas: NAME, STATE, PID, RAM, SWAP, AUTOSTART, GROUPS,
    /// INTERFACE, IPV4, IPV6, UNPRIVILEGED
    #[arg(short = 'F', long, value_name = "COLUMNS")]
    fancy_format: Option<String>,
    /// Only containers that are active
    #[arg(long)]
    active: bool,
    /// Only containers that run (frozen ones do)
    #[arg(long)]
    running: bool,
    /// Only frozen containers
    #[arg(long)]
    frozen: bool,
    /// Only stopped containers
    #[arg(long)]
    stopped: bool,
    /// Only containers that have a configuration
    #[arg(long)]
    defined: bool,
    /// Also containers in containers, so many levels down (default 5)
    #[arg(long, value_name = "LEVELS", num_args = 0..=1, require_equals = true, default_missing_value = "5")]
    nesting: Option<String>,
    /// Only containers in all of these groups, joined by commas
    #[arg(short, long, value_name = "GROUPS")]
    groups: Option<String>,
    /// Only names that match this extended regular expression
    #[arg(long, value_name = "REGEX")]
    filter: Option<String>,
    #[command(flatten)]
    format: FormatOption,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Ls {
    const PROGRAM: &'static str = "lxc-ls";
    const SYNOPSIS: &'static str = "[OPTIONS] [REGEX]";
    const NAME: NameRule = NameRule::Unused;

    crate::cli::common!();

    fn run(self, session: &Session) -> Result<u8, Failure> {
        if self.nesting.as_deref().is_some_and(|levels| levels != "0") {
            return Err(Failure::said("--nesting: containers in containers cannot be listed yet"));
        }
        let columns = match self.fancy_format.as_deref().filter(|_| self.fancy) {
            None => table::DEFAULT.to_vec(),
            Some(text) => match table::columns(text) {
                Ok(columns) => columns,
                Err(unknown) => {
                    // As upstream: it is said, and that is no failure.
                    report::line(&format!("Invalid key: {unknown}"));
                    return Ok(0);
                }
            },
        };
        let names = self.names(session)?;
        if self.format.is_json() {
            let containers = names.iter().map(|found| DocumentRow::of(session, found)).collect();
            let lxcpath = session.lxcpath.to_string_lossy().into_owned();
            return json::print("containers", &Document { lxcpath, containers });
        }
        if names.is_empty() {
            return Ok(0);
        }
        let text = if self.fancy {
            let rows: Vec<table::Row> = names.iter().map(|found| row(session, found, &columns)).collect();
            table::render(&columns, &rows)
        } else if self.line {
            names.iter().map(|found| format!("{}\n", found.name)).collect()
        } else {
            let names: Vec<&str> = names.iter().map(|found| found.name.as_str()).collect();
            table::columns_of_names(&names, output::width())
        };
        output::write(text.as_bytes())?;
        Ok(0)
    }
}

/// A container that is listed. Its configuration is read and its monitor asked only when that is needed.
struct Found {
    name: Name,
    container: Option<Container>,
}

impl Found {
    fn open(&mut self, session: &Session) -> Option<&Container> {
        if self.container.is_none() {
            match Container::open(&session.dirs, &session.lxcpath, self.name.clone()) {
                Ok(container) => self.container = Some(container),
                Err(error) => report::line(&format!("lxc-ls: {}: {error}", self.name)),
            }
        }
        self.container.as_ref()
    }
}

impl Ls {
    /// The containers to list, sorted by name.
    fn names(&self, session: &Session) -> Result<Vec<Found>, Failure> {
        let mut names: BTreeSet<Name> = BTreeSet::new();
        // Asking which are active costs a look at all sockets of the host, but a name need not be defined.
        names.extend(list::active(&session.lxcpath)?);
        let active = names.clone();
        let mut defined = BTreeSet::new();
        if !(self.active || self.frozen) || self.defined {
            defined.extend(list::defined(&session.lxcpath)?);
        }
        if !(self.active || self.frozen) {
            names.extend(defined.iter().cloned());
        }
        let positional = match &self.common.rest[..] {
            [one] => one.to_str(),
            _ => None,
        };
        let filter = self.filter.as_deref().or(positional).map(Filter::new);
        let mut found = Vec::new();
        for name in names {
            let is_active = active.contains(&name);
            if filter.as_ref().is_some_and(|filter| !filter.matches(&name))
                || (self.running && !is_active)
                || (self.stopped && is_active)
                || (self.defined && !defined.contains(&name))
            {
                continue;
            }
            let mut one = Found { name, container: None };
            if self.keeps(session, &mut one) {
                found.push(one);
            }
        }
        Ok(found)
    }

    /// The conditions for which the container must be opened.
    fn keeps(&self, session: &Session, one: &mut Found) -> bool {
        if let Some(wanted) = &self.groups {
            let Some(container) = one.open(session) else { return false };
            if !has_groups(&container.config().autostart.groups, wanted) {
                return false;
            }
        }
        if self.frozen {
            return one.open(session).is_some_and(|container| container.state() == State::Frozen);
        }
        true
    }
}

/// Whether a container is in all groups of `wanted` (joined by commas). One without any group never is.
fn has_groups(groups: &[String], wanted: &str) -> bool {
    let own = || groups.iter().flat_map(|group| group.split(','));
    !groups.is_empty() && wanted.split(',').filter(|w| !w.is_empty()).all(|w| own().any(|group| group == w))
}

/// The cells of a container, as far as they are shown.
fn row(session: &Session, found: &Found, columns: &[Column]) -> table::Row {
    let mut row = table::Row { name: found.name.to_string(), ..table::Row::default() };
    let opened;
    let container = match &found.container {
        Some(container) => container,
        None => match Container::open(&session.dirs, &session.lxcpath, found.name.clone()) {
            Ok(container) => {
                opened = container;
                &opened
            }
            Err(error) => {
                report::line(&format!("lxc-ls: {}: {error}", found.name));
                return row;
            }
        },
    };
    if !container.may_control() {
        return row;
    }
    let shows = |column: Column| columns.contains(&column);
    let state = match container.told_state() {
        Ok(state) => state,
        Err(error) => {
            report::line(&format!("lxc-ls: {}: {error}", found.name));
            return row;
        }
    };
    row.state = Some(state);
    row.autostart = container.config().autostart.auto;
    row.groups = container.config().autostart.groups.clone();
    row.unprivileged = !container.config().idmaps.is_empty();
    if state == State::Stopped {
        return row;
    }
    if shows(Column::Unprivileged) {
        // What runs may have been started from another text than the file now holds.
        row.unprivileged =
            matches!(container.running_config_item("lxc.idmap"), Ok(Some(maps)) if !maps.is_empty());
    }
    if shows(Column::Pid) {
        row.pid = container.init_pid();
    }
    if shows(Column::Ram) || shows(Column::Swap) {
        let stats = container.stats().unwrap_or_default();
        row.ram = stats.memory;
        row.swap = stats.swap;
    }
    if shows(Column::Interface) {
        row.interfaces = container.interfaces();
    }
    if shows(Column::Ipv4) || shows(Column::Ipv6) {
        for found in container.addresses() {
            match found.address {
                std::net::IpAddr::V4(address) => row.ipv4.push(address.to_string()),
                std::net::IpAddr::V6(address) => row.ipv6.push(address.to_string()),
            }
        }
    }
    row
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Document {
    lxcpath: String,
    containers: Vec<DocumentRow>,
}

/// The object `container`.
#[derive(Serialize)]
struct DocumentRow {
    name: String,
    state: Option<&'static str>,
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
}

impl DocumentRow {
    fn of(session: &Session, found: &Found) -> DocumentRow {
        let defined = session.lxcpath.join(found.name.as_str()).join("config").is_file();
        let row = row(session, found, &table::EVERY);
        DocumentRow {
            name: row.name,
            state: row.state.map(State::as_str),
            defined,
            pid: row.pid,
            memory_bytes: row.ram,
            swap_bytes: row.swap,
            autostart: row.autostart,
            groups: row.groups,
            interfaces: row.interfaces,
            ipv4: row.ipv4,
            ipv6: row.ipv6,
            unprivileged: row.unprivileged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        let groups = ["x,y".to_owned(), "z".to_owned()];
        for (wanted, is_in) in [("x", true), ("x,z", true), ("x,q", false), ("", true), ("x,,y", true)] {
            assert_eq!(has_groups(&groups, wanted), is_in, "{wanted}");
        }
        assert!(!has_groups(&[], "x") && !has_groups(&[], ""));
    }
}

//! `lxc-ls`: which containers there are.

mod filter;
mod nested;
mod table;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::Path;

use lxc_core::{CgroupHost, Container, list};
use lxc_types::{Name, State};
use serde::Serialize;

use crate::cli::{Common, NameRule, Rcfile, Tool};
use crate::json::{self, FormatOption};
use crate::output;
use crate::report::{self, Failure};
use crate::session::Session;
use filter::Filter;
use nested::Listed;
use rustix::io::Errno;
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
        let shows = match (self.format.is_json(), self.fancy) {
            (true, _) => Shows::Columns(table::EVERY.to_vec()),
            (false, true) => Shows::Columns(columns.clone()),
            (false, false) => Shows::Names,
        };
        let containers = self.list(session, &shows, self.levels())?;
        if self.format.is_json() {
            let lxcpath = session.lxcpath.to_string_lossy().into_owned();
            return json::print("containers", &Document { lxcpath, containers });
        }
        if containers.is_empty() {
            return Ok(0);
        }
        let text = if self.fancy {
            let mut rows = Vec::new();
            nested::rows(&containers, 0, &mut rows);
            table::render(&columns, &rows)
        } else {
            let mut names = Vec::new();
            nested::names(&containers, "", &mut names);
            if self.line {
                names.iter().map(|name| format!("{name}\n")).collect()
            } else {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                table::columns_of_names(&names, output::width())
            }
        };
        output::write(text.as_bytes())?;
        Ok(0)
    }
}

/// A container that is listed. Its configuration is read and its monitor asked only when that is needed.
struct Found {
    name: Name,
    active: bool,
    defined: bool,
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

/// What is asked of each container.
#[derive(Debug)]
enum Shows {
    /// Its name.
    Names,
    /// What these columns need.
    Columns(Vec<Column>),
}

fn is_defined(session: &Session, name: &Name) -> bool {
    session.lxcpath.join(name.as_str()).join("config").is_file()
}

impl Ls {
    /// How many levels down containers in containers are listed. As upstream, what is no number is five.
    fn levels(&self) -> u32 {
        const USUAL: u32 = 5;
        self.nesting.as_deref().map_or(0, |levels| levels.parse().unwrap_or(USUAL))
    }

    /// The containers to list, with those inside of them.
    fn list(&self, session: &Session, shows: &Shows, levels: u32) -> Result<Vec<Listed>, Failure> {
        let found = self.names(session)?;
        // Found once for all; inside of a container it is another.
        let host = OnceCell::new();
        let one = |found: &Found| {
            let mut listed = match shows {
                Shows::Names => Listed::named(found),
                Shows::Columns(columns) => Listed::of(found, row(session, &host, found, columns)),
            };
            if levels > 0 {
                listed.nested = self.inside(session, shows, levels - 1, found);
            }
            listed
        };
        Ok(found.iter().map(one).collect())
    }

    /// The containers inside of one. What cannot be looked into is said, and has none.
    fn inside(&self, session: &Session, shows: &Shows, levels: u32, found: &Found) -> Vec<Listed> {
        let open = || -> Result<Vec<Listed>, Failure> {
            let container = match found.active {
                true => Container::unread(&session.dirs, &session.lxcpath, found.name.clone()),
                false => Container::open(&session.dirs, &session.lxcpath, found.name.clone())?,
            };
            let work = || {
                let listed = self.list(session, shows, levels).unwrap_or_default();
                serde_json::to_vec(&listed).unwrap_or_default()
            };
            let said = container.look_inside(nested::PATIENCE, &work)?.unwrap_or_else(|| b"[]".to_vec());
            serde_json::from_slice(&said).map_err(|e| Failure::said(format!("what was said inside: {e}")))
        };
        open().unwrap_or_else(|failure| {
            report::line(&format!("lxc-ls: {}: {}", found.name, report::line_of(&failure)));
            Vec::new()
        })
    }

    /// The containers to list, sorted by name.
    fn names(&self, session: &Session) -> Result<Vec<Found>, Failure> {
        let mut names: BTreeSet<Name> = BTreeSet::new();
        // Asking which are active costs a look at all sockets of the host, but a name need not be defined.
        // Where there is no /proc, in a root directory that is looked into, none is.
        names.extend(list::active(&session.lxcpath).or_else(|e| match e.errno() {
            Errno::NOENT => Ok(Vec::new()),
            _ => Err(e),
        })?);
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
            let defined = defined.contains(&name) || is_defined(session, &name);
            let mut one = Found { name, active: is_active, defined, container: None };
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
fn row(session: &Session, host: &OnceCell<CgroupHost>, found: &Found, columns: &[Column]) -> table::Row {
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
        let gauges = container.gauges(host.get_or_init(CgroupHost::find));
        let stats = gauges.map(|gauges| gauges.read_memory()).unwrap_or_default();
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
    containers: Vec<Listed>,
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

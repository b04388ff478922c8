//! The layouts of `lxc-ls`: names in columns, and the table. Both are upstream's to the byte.

use lxc_types::State;

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The container's name.
    Name,
    /// Its state.
    State,
    /// The process id of its init.
    Pid,
    /// Memory in use.
    Ram,
    /// Swap in use.
    Swap,
    /// Whether it starts with the host.
    Autostart,
    /// Its groups.
    Groups,
    /// Its network interfaces.
    Interface,
    /// Its IPv4 addresses.
    Ipv4,
    /// Its IPv6 addresses.
    Ipv6,
    /// Whether it has ids of its own.
    Unprivileged,
}

/// The columns when none are asked for.
pub const DEFAULT: [Column; 7] = [
    Column::Name,
    Column::State,
    Column::Autostart,
    Column::Groups,
    Column::Ipv4,
    Column::Ipv6,
    Column::Unprivileged,
];

/// All columns.
pub const EVERY: [Column; 11] = {
    let mut every = [Column::Name; 11];
    let mut at = 0;
    while at < every.len() {
        every[at] = ALL[at].1;
        at += 1;
    }
    every
};

const ALL: [(&str, Column); 11] = [
    ("NAME", Column::Name),
    ("STATE", Column::State),
    ("PID", Column::Pid),
    ("RAM", Column::Ram),
    ("SWAP", Column::Swap),
    ("AUTOSTART", Column::Autostart),
    ("GROUPS", Column::Groups),
    ("INTERFACE", Column::Interface),
    ("IPV4", Column::Ipv4),
    ("IPV6", Column::Ipv6),
    ("UNPRIVILEGED", Column::Unprivileged),
];

/// The columns that `text` names, or the first name that is none.
pub fn columns(text: &str) -> Result<Vec<Column>, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let known = ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
            known.map(|(_, column)| *column).ok_or_else(|| word.to_owned())
        })
        .collect()
}

/// What is shown of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its state; `None` when its monitor does not tell.
    pub state: Option<State>,
    /// The process id of its init.
    pub pid: Option<i32>,
    /// Bytes of memory in use.
    pub ram: Option<u64>,
    /// Bytes of swap in use.
    pub swap: Option<u64>,
    /// Whether it starts with the host.
    pub autostart: bool,
    /// Its groups.
    pub groups: Vec<String>,
    /// Its network interfaces.
    pub interfaces: Vec<String>,
    /// Its IPv4 addresses.
    pub ipv4: Vec<String>,
    /// Its IPv6 addresses.
    pub ipv6: Vec<String>,
    /// Whether it has ids of its own.
    pub unprivileged: bool,
}

impl Row {
    fn cell(&self, column: Column) -> String {
        let list = |items: &[String]| if items.is_empty() { "-".to_owned() } else { items.join(", ") };
        let is_stopped = matches!(self.state, None | Some(State::Stopped));
        let megabytes = |bytes: Option<u64>| match bytes {
            _ if is_stopped => "-".to_owned(),
            bytes => format!("{:.2}MB", in_mebibytes(bytes.unwrap_or(0))),
        };
        match column {
            Column::Name => self.name.clone(),
            Column::State => self.state.map_or("-", State::as_str).to_owned(),
            Column::Pid => self.pid.map_or("-".to_owned(), |pid| pid.to_string()),
            Column::Ram => megabytes(self.ram),
            Column::Swap => megabytes(self.swap),
            Column::Autostart => u8::from(self.autostart).to_string(),
            Column::Groups => list(&self.groups),
            Column::Interface => list(&self.interfaces),
            Column::Ipv4 => list(&self.ipv4),
            Column::Ipv6 => list(&self.ipv6),
            Column::Unprivileged => self.unprivileged.to_string(),
        }
    }
}

fn in_mebibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let bytes = bytes as f64;
    bytes / 1024.0 / 1024.0
}

/// The table: a line of titles and a line a container, each cell as wide as its column and followed by a
/// blank.
pub fn render(columns: &[Column], rows: &[Row]) -> String {
    let titles = columns.iter().map(|column| title(*column).to_owned()).collect();
    let cells = rows.iter().map(|row| columns.iter().map(|column| row.cell(*column)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(titles).chain(cells).collect();
    let width = |n: usize| lines.iter().map(|line| line[n].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            out.push_str(&format!("{cell:<width$} "));
        }
        out.push('\n');
    }
    out
}

fn title(column: Column) -> &'static str {
    ALL.iter().find(|(_, other)| *other == column).map_or("", |(name, _)| name)
}

/// How wide a column of names is at least: as its title in the table.
const NARROWEST: usize = 4;

/// Names in columns of the same width, as many as fit in `width` (0: one a line). As upstream, each is followed
/// by a blank but for the last of a full line.
pub fn columns_of_names(names: &[&str], width: usize) -> String {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(NARROWEST);
    let a_line = ((width + 1) / (longest + 1)).max(1);
    let mut out = String::new();
    for line in names.chunks(a_line) {
        for (at, name) in line.iter().enumerate() {
            let blank = if at + 1 < a_line { " " } else { "" };
            out.push_str(&format!("{name:<longest$}{blank}"));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 7] = ["a", "bb", "ccc", "dddddd", "e5", "f6", "g7"];

    #[test]
    fn names_in_columns() {
        // Captures of upstream's 5.0.2 on terminals of these widths.
        let first = |width| columns_of_names(&NAMES, width).lines().next().unwrap().to_owned();
        assert_eq!(columns_of_names(&NAMES, 40), "a      bb     ccc    dddddd e5    \nf6     g7     \n");
        assert_eq!(columns_of_names(&NAMES, 25), "a      bb     ccc   \ndddddd e5     f6    \ng7     \n");
        assert_eq!(first(27), "a      bb     ccc    dddddd");
        assert_eq!(first(26), "a      bb     ccc   ");
        assert_eq!(first(41), "a      bb     ccc    dddddd e5     f6    ");
        assert_eq!(first(80), "a      bb     ccc    dddddd e5     f6     g7     ");
        assert_eq!(first(13), "a      bb    ");
        for width in [0, 3, 10] {
            assert_eq!(
                columns_of_names(&NAMES, width),
                "a     \nbb    \nccc   \ndddddd\ne5    \nf6    \ng7    \n"
            );
        }
    }

    #[test]
    fn short_names_have_wide_columns() {
        assert_eq!(columns_of_names(&["x"], 0), "x   \n");
        assert_eq!(columns_of_names(&["a", "bb"], 20), "a    bb   \n");
    }

    fn stopped(name: &str) -> Row {
        Row { name: name.into(), state: Some(State::Stopped), ..Row::default() }
    }

    #[test]
    fn the_table() {
        let running = Row {
            name: "h2-a".into(),
            state: Some(State::Running),
            ipv4: vec!["10.0.3.24".into()],
            ..Row::default()
        };
        let grouped = Row { autostart: true, groups: vec!["grpa".into(), "grpb".into()], ..stopped("p1") };
        assert_eq!(
            render(&DEFAULT, &[running, grouped]),
            "NAME STATE   AUTOSTART GROUPS     IPV4      IPV6 UNPRIVILEGED \n\
             h2-a RUNNING 0         -          10.0.3.24 -    false        \n\
             p1   STOPPED 1         grpa, grpb -         -    false        \n"
        );
    }

    #[test]
    fn chosen_columns() {
        let running = Row {
            name: "rs-tools-d1".into(),
            state: Some(State::Running),
            pid: Some(767),
            ram: Some(671_744),
            swap: Some(0),
            interfaces: vec!["lo".into()],
            ..Row::default()
        };
        assert_eq!(
            render(
                &columns("name,pid,ram,swap,interface,state").unwrap(),
                &[running, stopped("rs-tools-d2")]
            ),
            "NAME        PID RAM    SWAP   INTERFACE STATE   \n\
             rs-tools-d1 767 0.64MB 0.00MB lo        RUNNING \n\
             rs-tools-d2 -   -      -      -         STOPPED \n"
        );
    }

    #[test]
    fn column_names() {
        assert_eq!(columns("name , PID"), Ok(vec![Column::Name, Column::Pid]));
        assert_eq!(columns(",name"), Ok(vec![Column::Name]));
        assert_eq!(columns("name,foo,bar"), Err("foo".to_owned()));
        assert_eq!(render(&columns("").unwrap(), &[stopped("a")]), "\n\n");
    }

    #[test]
    fn a_container_of_another_user() {
        let row = Row { name: "x".into(), ..Row::default() };
        assert_eq!(
            render(&DEFAULT, &[row]),
            "NAME STATE AUTOSTART GROUPS IPV4 IPV6 UNPRIVILEGED \nx    -     0         -      -    -    false        \n"
        );
    }
}

//! The live page: containers, rates, history, waiting.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use lxc_core::{LinkStats, Pressure, Stats};
use lxc_types::Name;
use ratatui_core::buffer::Buffer;
use ratatui_core::style::{Color, Modifier, Style};

use super::sample::{Round, directed};
use super::{Order, SortKey};

/// How many looks are remembered of each container.
const MEMORY: usize = 400;

/// The rows of the page that hold no container: two above, one below.
const FRAME: u16 = 3;

/// A figure a second. What was not seen twice has none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Rates {
    /// Percent of one processor.
    cpu: Option<f64>,
    user: Option<f64>,
    system: Option<f64>,
    read: Option<f64>,
    write: Option<f64>,
    receive: Option<f64>,
    transmit: Option<f64>,
}

/// What is known of a container.
#[derive(Clone, Debug)]
struct Row {
    name: Name,
    at: Instant,
    stats: Stats,
    links: Option<(u64, u64)>,
    rates: Rates,
    /// Percent of one processor, the newest last.
    history: VecDeque<f64>,
}

/// The page and what was seen so far.
#[derive(Debug)]
pub struct View {
    order: Order,
    rows: Vec<Row>,
    offset: usize,
    unicode: bool,
    color: bool,
}

impl View {
    /// An empty page, sorted as `order` says.
    pub fn new(order: Order) -> View {
        View { order, rows: Vec::new(), offset: 0, unicode: speaks_unicode(), color: shows_color() }
    }

    /// Takes in what was seen now.
    pub fn take(&mut self, round: Round) {
        let mut before: BTreeMap<Name, Row> =
            std::mem::take(&mut self.rows).into_iter().map(|row| (row.name.clone(), row)).collect();
        for one in round.containers {
            let links = traffic(&one.links);
            let old = before.remove(&one.name);
            let rates = old.as_ref().map(|old| old.rates_until(round.at, &one.stats, links));
            let rates = rates.unwrap_or_default();
            let mut history = old.map(|old| old.history).unwrap_or_default();
            history.extend(rates.cpu);
            while history.len() > MEMORY {
                history.pop_front();
            }
            self.rows.push(Row { name: one.name, at: round.at, stats: one.stats, links, rates, history });
        }
        self.sort();
    }

    /// A key was pressed.
    pub fn press(&mut self, key: u8) {
        match SortKey::of_letter(char::from(key)) {
            Some(chosen) if chosen == self.order.key => self.order.reverse = !self.order.reverse,
            Some(chosen) => self.order = Order { key: chosen, reverse: false },
            None if key == b'r' => self.order.reverse = !self.order.reverse,
            None => return,
        }
        self.sort();
    }

    /// Moves the page over the containers.
    pub fn scroll(&mut self, by: i32) {
        let step = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
        self.offset = match by {
            ..0 => self.offset.saturating_sub(step),
            // Not beyond the end: drawing takes care of that.
            _ => self.offset.saturating_add(step).min(self.rows.len()),
        };
    }

    fn sort(&mut self) {
        let Order { key, reverse } = self.order;
        self.rows.sort_by(|one, other| {
            let figures = match key {
                SortKey::Name => Ordering::Equal,
                _ => directed(figure(other, key).total_cmp(&figure(one, key)), reverse),
            };
            let names = one.name.cmp(&other.name);
            figures.then(if key == SortKey::Name { directed(names, reverse) } else { names })
        });
    }

    /// Draws the page.
    pub fn draw(&mut self, page: &mut Buffer) {
        let (width, height) = (page.area.width, page.area.height);
        let room = usize::from(height.saturating_sub(FRAME));
        self.offset = self.offset.min(self.rows.len().saturating_sub(room));
        let shown = self.rows.iter().skip(self.offset).take(room);
        let columns = layout(width, self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0));
        put(page, 0, 0, &self.summary(), Style::default());
        let bar = Style::default().add_modifier(Modifier::REVERSED | Modifier::BOLD);
        put(page, 0, 1, &" ".repeat(width.into()), bar);
        for column in &columns {
            let title = self.title(column.what);
            put(page, column.x, 1, &aligned(&title, column), bar);
        }
        for (y, row) in (2..).zip(shown) {
            for column in &columns {
                let (text, style) = self.cell(row, column);
                put(page, column.x, y, &aligned(&text, column), style);
            }
        }
        if self.rows.is_empty() {
            put(page, 0, 2, "No container is running.", Style::default());
        }
        if height >= FRAME {
            self.draw_keys(page, height - 1, room);
        }
    }

    /// All containers together.
    fn summary(&self) -> String {
        let sum = |of: fn(&Row) -> Option<f64>| {
            self.rows.iter().filter_map(of).fold(None, |sum: Option<f64>, one| Some(sum.unwrap_or(0.0) + one))
        };
        let memory = self.rows.iter().filter_map(|row| row.stats.memory).fold(0, u64::saturating_add);
        let tasks = self.rows.iter().filter_map(|row| row.stats.pids).fold(0, u64::saturating_add);
        format!(
            "{} running   CPU {}%   MEM {}   TASKS {tasks}   READ {}/s   WRITE {}/s   RX {}/s   TX {}/s",
            self.rows.len(),
            percent(sum(|row| row.rates.cpu)),
            size_of(memory),
            rate(sum(|row| row.rates.read)),
            rate(sum(|row| row.rates.write)),
            rate(sum(|row| row.rates.receive)),
            rate(sum(|row| row.rates.transmit)),
        )
    }

    /// The keys there are, and how much of the list is shown.
    fn draw_keys(&self, page: &mut Buffer, y: u16, room: usize) {
        const KEYS: [(&str, Option<SortKey>); 8] = [
            ("q quit", None),
            ("r reverse", None),
            ("n name", Some(SortKey::Name)),
            ("c cpu", Some(SortKey::Cpu)),
            ("b disk", Some(SortKey::Blkio)),
            ("m mem", Some(SortKey::Memory)),
            ("s mem+swap", Some(SortKey::MemorySwap)),
            ("k kernel", Some(SortKey::Kernel)),
        ];
        let dim = Style::default().add_modifier(Modifier::DIM);
        let mut x = 0;
        for (text, key) in KEYS {
            let chosen = key.is_some_and(|key| key == self.order.key);
            let style = if chosen { Style::default().add_modifier(Modifier::BOLD) } else { dim };
            put(page, x, y, text, style);
            x += u16::try_from(text.len() + 2).unwrap_or(u16::MAX);
        }
        let last = (self.offset + room).min(self.rows.len());
        let place = format!("{}-{last} of {}", (self.offset + 1).min(last), self.rows.len());
        let at = page.area.width.saturating_sub(u16::try_from(place.len()).unwrap_or(0));
        if at > x {
            put(page, at, y, &place, dim);
        }
    }

    /// A column's title; the one that is sorted by has a mark.
    fn title(&self, what: What) -> String {
        let title = what.title();
        if what.sort_key() != Some(self.order.key) {
            return title.to_owned();
        }
        let down = (self.order.key == SortKey::Name) == self.order.reverse;
        let mark = match (self.unicode, down) {
            (true, true) => '▾',
            (true, false) => '▴',
            (false, true) => 'v',
            (false, false) => '^',
        };
        format!("{title}{mark}")
    }

    fn cell(&self, row: &Row, column: &Column) -> (String, Style) {
        let plain = Style::default();
        let pressure = |pressure: Option<Pressure>| {
            let hundredths = pressure.map(|p| p.some.avg10);
            let style = match hundredths {
                Some(5000..) if self.color => plain.fg(Color::Red),
                Some(1000..) if self.color => plain.fg(Color::Yellow),
                _ => plain,
            };
            (percent(hundredths.map(|h| f64::from(h) / 100.0)), style)
        };
        let (stats, rates) = (&row.stats, &row.rates);
        let size = |bytes: Option<u64>| bytes.map_or("-".to_owned(), size_of);
        let text = match column.what {
            What::Name => row.name.to_string(),
            What::Cpu => percent(rates.cpu),
            What::User => percent(rates.user),
            What::System => percent(rates.system),
            What::Memory => size(stats.memory),
            What::Swap => size(stats.swap),
            What::Kernel => size(stats.kernel_memory),
            What::Read => rate(rates.read),
            What::Write => rate(rates.write),
            What::Receive => rate(rates.receive),
            What::Transmit => rate(rates.transmit),
            What::Tasks => stats.pids.map_or("-".to_owned(), |tasks| tasks.to_string()),
            What::CpuPressure => return pressure(stats.cpu_pressure),
            What::MemoryPressure => return pressure(stats.memory_pressure),
            What::IoPressure => return pressure(stats.io_pressure),
            What::History => {
                let style = if self.color { plain.fg(Color::Cyan) } else { plain };
                return (line(&row.history, column.width.into(), self.unicode), style);
            }
        };
        (text, plain)
    }
}

/// What the live page sorts by: what it shows.
fn figure(row: &Row, key: SortKey) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "it is only compared")]
    let bytes = |bytes: Option<u64>| bytes.map_or(-1.0, |bytes| bytes as f64);
    match key {
        SortKey::Name => 0.0,
        SortKey::Cpu => row.rates.cpu.unwrap_or(-1.0),
        SortKey::Blkio => row.rates.read.unwrap_or(-1.0) + row.rates.write.unwrap_or(0.0),
        SortKey::Memory => bytes(row.stats.memory),
        SortKey::MemorySwap => bytes(row.stats.memory_swap.or(row.stats.memory)),
        SortKey::Kernel => bytes(row.stats.kernel_memory),
    }
}

/// What all links of a container received and sent; `None` when it has none.
fn traffic(links: &[LinkStats]) -> Option<(u64, u64)> {
    let add = |sum: Option<(u64, u64)>, link: &LinkStats| {
        let (receive, transmit) = sum.unwrap_or_default();
        Some((receive.saturating_add(link.rx_bytes), transmit.saturating_add(link.tx_bytes)))
    };
    links.iter().fold(None, add)
}

impl Row {
    /// The rates between this look and a later one.
    fn rates_until(&self, at: Instant, stats: &Stats, links: Option<(u64, u64)>) -> Rates {
        let seconds = at.saturating_duration_since(self.at).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
        let between = |before: Option<u64>, now: Option<u64>| {
            // A counter that went back is another container's.
            let grown = now?.checked_sub(before?)?;
            (seconds > 0.0).then(|| grown as f64 / seconds)
        };
        let part = |before, now| between(before, now).map(|nanoseconds| nanoseconds / 1e7);
        let old = &self.stats;
        Rates {
            cpu: part(old.cpu, stats.cpu),
            user: part(old.cpu_user, stats.cpu_user),
            system: part(old.cpu_system, stats.cpu_system),
            read: between(old.io_bytes.map(|io| io.read), stats.io_bytes.map(|io| io.read)),
            write: between(old.io_bytes.map(|io| io.write), stats.io_bytes.map(|io| io.write)),
            receive: between(self.links.map(|l| l.0), links.map(|l| l.0)),
            transmit: between(self.links.map(|l| l.1), links.map(|l| l.1)),
        }
    }
}

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Name,
    Cpu,
    User,
    System,
    History,
    Memory,
    Swap,
    Kernel,
    Read,
    Write,
    Receive,
    Transmit,
    Tasks,
    CpuPressure,
    MemoryPressure,
    IoPressure,
}

impl What {
    fn title(self) -> &'static str {
        match self {
            What::Name => "NAME",
            What::Cpu => "CPU%",
            What::User => "USER%",
            What::System => "SYS%",
            What::History => "CPU HISTORY",
            What::Memory => "MEM",
            What::Swap => "SWAP",
            What::Kernel => "KMEM",
            What::Read => "READ/s",
            What::Write => "WRIT/s",
            What::Receive => "RX/s",
            What::Transmit => "TX/s",
            What::Tasks => "TASKS",
            What::CpuPressure => "PSI:CPU",
            What::MemoryPressure => "PSI:MEM",
            What::IoPressure => "PSI:IO",
        }
    }

    fn sort_key(self) -> Option<SortKey> {
        match self {
            What::Name => Some(SortKey::Name),
            What::Cpu => Some(SortKey::Cpu),
            What::Read => Some(SortKey::Blkio),
            What::Memory => Some(SortKey::Memory),
            What::Swap => Some(SortKey::MemorySwap),
            What::Kernel => Some(SortKey::Kernel),
            _ => None,
        }
    }
}

/// A column and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    what: What,
    x: u16,
    width: u16,
}

/// The columns in their order, how wide they are and how soon they are left out: the greatest number first.
const COLUMNS: [(What, u16, u8); 14] = [
    (What::Cpu, 6, 0),
    (What::User, 5, 7),
    (What::System, 5, 7),
    (What::Memory, 5, 0),
    (What::Swap, 5, 6),
    (What::Kernel, 5, 5),
    (What::Read, 7, 2),
    (What::Write, 6, 2),
    (What::Receive, 5, 4),
    (What::Transmit, 5, 4),
    (What::Tasks, 5, 3),
    (What::CpuPressure, 7, 1),
    (What::MemoryPressure, 7, 1),
    (What::IoPressure, 6, 1),
];

/// The narrowest and the widest that names and history are.
const NAME: (u16, u16) = (8, 40);
const HISTORY: (u16, u16) = (8, 60);
/// Names as long as this are shown whole before columns that may be left out.
const USUAL_NAME: u16 = 20;

/// The columns that fit in `width`, each with a blank behind it. What is left goes to names, then to the history.
fn layout(width: u16, longest_name: usize) -> Vec<Column> {
    let longest = u16::try_from(longest_name).unwrap_or(u16::MAX).clamp(NAME.0, NAME.1);
    let fixed = |limit: u8| COLUMNS.iter().filter(move |(_, _, rank)| *rank <= limit);
    let figures = |limit: u8| fixed(limit).map(|(_, width, _)| width + 1).sum::<u16>();
    let fits = |limit: &u8| longest.min(USUAL_NAME) + 1 + figures(*limit) + HISTORY.0 <= width;
    let limit = (0..=7).rev().find(fits).unwrap_or(0);
    let spare = width.saturating_sub(NAME.0 + 1 + figures(limit));
    let name = NAME.0 + (longest - NAME.0).min(spare.saturating_sub(HISTORY.0));
    let history = spare.saturating_sub(name - NAME.0).min(HISTORY.1);
    let mut columns = Vec::new();
    let mut x = 0;
    let mut add = |what, width| {
        columns.push(Column { what, x, width });
        x += width + 1;
    };
    add(What::Name, name);
    for (what, width, _) in fixed(limit) {
        add(*what, *width);
    }
    if history >= HISTORY.0 {
        add(What::History, history);
    }
    columns
}

/// A text in its column: names and history to the left, figures to the right.
fn aligned(text: &str, column: &Column) -> String {
    let width = usize::from(column.width);
    let text: String = text.chars().take(width).collect();
    match column.what {
        What::Name | What::History => format!("{text:<width$}"),
        _ => format!("{text:>width$}"),
    }
}

/// Writes text where there is a page for it.
fn put(page: &mut Buffer, x: u16, y: u16, text: &str, style: Style) {
    if x < page.area.width && y < page.area.height {
        page.set_stringn(x, y, text, usize::from(page.area.width - x), style);
    }
}

/// The history as a line of `width` characters, the newest at the right. Its height is that of its highest value,
/// a quarter of a processor at the least.
fn line(history: &VecDeque<f64>, width: usize, unicode: bool) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const LETTERS: [char; 9] = [' ', '.', '.', ':', '-', '=', '+', '*', '#'];
    let signs = if unicode { BLOCKS } else { LETTERS };
    let shown: Vec<f64> = history.iter().rev().take(width).rev().copied().collect();
    let top = shown.iter().copied().fold(25.0, f64::max);
    let sign = |value: &f64| {
        let steps = [0.05, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let level = steps.iter().filter(|step| value / top * 8.0 > **step).count();
        signs[level.min(signs.len() - 1)]
    };
    let text: String = shown.iter().map(sign).collect();
    format!("{}{text}", " ".repeat(width - shown.len()))
}

/// `12.3`, or `-` when it is not known.
fn percent(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.1}"))
}

/// Bytes a second.
fn rate(value: Option<f64>) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is not negative")]
    let whole = |value: f64| value.round() as u64;
    value.map_or("-".to_owned(), |value| size_of(whole(value)))
}

/// Bytes in at most five characters: `0`, `812B`, `4.0K`, `123M`.
fn size_of(bytes: u64) -> String {
    if bytes < 1000 {
        return if bytes == 0 { "0".to_owned() } else { format!("{bytes}B") };
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64;
    let mut shown = 'B';
    for unit in ['K', 'M', 'G', 'T', 'P', 'E'] {
        value /= 1024.0;
        shown = unit;
        if value < 999.5 {
            break;
        }
    }
    if value < 9.95 { format!("{value:.1}{shown}") } else { format!("{value:.0}{shown}") }
}

/// Whether the locale is one of UTF-8.
fn speaks_unicode() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Whether the terminal has colours, and its user wants them.
fn shows_color() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
}

#[cfg(test)]
mod tests;

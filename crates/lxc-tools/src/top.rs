//! `lxc-top`: what running containers use, live on a terminal or as text, JSON or metrics.

mod metrics;
mod sample;
mod screen;
mod text;
mod view;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use clap::ValueEnum;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::cli::{Common, NameRule, Rcfile, Tool};
use crate::json;
use crate::output;
use crate::report::{self, Failure};
use crate::session::Session;
use sample::{Collector, Depth, Round};
use screen::{Event, Screen, Signals};
use view::View;

/// Seconds between two looks, live and in batch mode.
const DELAY: u64 = 3;
const BATCH_DELAY: u64 = 300;

/// The shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(100);

/// Show what running containers use
#[derive(Debug, clap::Parser)]
pub struct Top {
    /// Look again after so many seconds (default 3, in batch mode 300)
    #[arg(short, long, value_name = "SECONDS")]
    delay: Option<u64>,
    /// Print comma separated values for other programs
    #[arg(short, long)]
    batch: bool,
    /// Sort by n (name), c (processor), b (block devices), m (memory), s (memory and swap) or k (kernel memory)
    #[arg(short, long, value_name = "KEY")]
    sort: Option<String>,
    /// Sort the other way round
    #[arg(short, long)]
    reverse: bool,
    /// Print text, JSON or OpenMetrics, once; with -b and -d again and again
    #[arg(
        long,
        value_enum,
        value_name = "text|json|openmetrics",
        default_value_t,
        hide_default_value = true
    )]
    #[arg(hide_possible_values = true, help_heading = crate::cli::OWN)]
    format: Format,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

/// How containers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The live view, or upstream's columns in batch mode.
    #[default]
    Text,
    /// As `doc/json.md` says.
    Json,
    /// As OpenMetrics 1.0 says.
    Openmetrics,
}

impl Tool for Top {
    const PROGRAM: &'static str = "lxc-top";
    const SYNOPSIS: &'static str = "[OPTIONS]";
    const NAME: NameRule = NameRule::Unused;
    const MANY_LXCPATHS: bool = true;

    crate::cli::common!();

    fn run(self, session: &Session) -> Result<u8, Failure> {
        // As upstream: what is no key is the name.
        let key = self.sort.as_deref().and_then(|text| text.chars().next()).and_then(SortKey::of_letter);
        let order = Order { key: key.unwrap_or_default(), reverse: self.reverse };
        let every = |seconds| Duration::from_secs(self.delay.unwrap_or(seconds)).max(SHORTEST);
        let mut signals = Signals::take()?;
        match self.format {
            Format::Text if self.batch => {
                output::write(text::HEADER.as_bytes())?;
                let mut collector = Collector::new(session, Depth::Groups);
                repeat(every(BATCH_DELAY), &mut signals, || Ok(text::rows(&collector.round(order)?)))
            }
            Format::Text => live(session, order, every(DELAY), signals),
            Format::Json | Format::Openmetrics => {
                let mut collector = Collector::new(session, Depth::Links);
                let mut scrape = || {
                    let round = collector.round(order)?;
                    match self.format {
                        Format::Openmetrics => Ok(metrics::text(session, &round)),
                        Format::Text | Format::Json => json::line("usage", &document(session, &round)),
                    }
                };
                if self.batch && self.delay.is_some() {
                    return repeat(every(BATCH_DELAY), &mut signals, scrape);
                }
                output::write(scrape()?.as_bytes())?;
                Ok(0)
            }
        }
    }
}

/// What containers are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    /// The name.
    #[default]
    Name,
    /// Processor time.
    Cpu,
    /// Bytes of block devices.
    Blkio,
    /// Memory.
    Memory,
    /// Memory and swap.
    MemorySwap,
    /// The kernel's memory.
    Kernel,
}

impl SortKey {
    /// The key of a letter.
    pub fn of_letter(letter: char) -> Option<SortKey> {
        Some(match letter {
            'n' => SortKey::Name,
            'c' => SortKey::Cpu,
            'b' => SortKey::Blkio,
            'm' => SortKey::Memory,
            's' => SortKey::MemorySwap,
            'k' => SortKey::Kernel,
            _ => return None,
        })
    }
}

/// How containers are sorted: names from a to z, figures from great to small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub key: SortKey,
    /// The other way round.
    pub reverse: bool,
}

/// Prints what `next` says each `every`, until a signal comes; the exit code.
fn repeat(
    every: Duration,
    signals: &mut Signals,
    mut next: impl FnMut() -> Result<String, Failure>,
) -> Result<u8, Failure> {
    let mut due = Instant::now();
    loop {
        output::write(next()?.as_bytes())?;
        due = (due + every).max(Instant::now());
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            let wait = Timespec::try_from(left).ok();
            // Interrupted or not, the signals are looked at.
            poll(&mut [PollFd::new(&*signals, PollFlags::IN)], wait.as_ref()).ok();
            if let Some(code) = signals.end()? {
                return Ok(code);
            }
        }
    }
}

/// The live view; the exit code.
fn live(session: &Session, order: Order, every: Duration, signals: Signals) -> Result<u8, Failure> {
    if !rustix::termios::isatty(rustix::stdio::stdin()) {
        // Upstream's very words.
        report::line("stdin is not a tty");
        return Err(Failure::plain("Failed to setup terminal"));
    }
    let mut collector = Collector::new(session, Depth::Links);
    let mut view = View::new(order);
    view.take(collector.round(Order::default())?);
    let mut screen = Screen::open(signals)?;
    let mut due = Instant::now() + every;
    loop {
        screen.show(|buffer| view.draw(buffer))?;
        match screen.wait(due)? {
            Event::Due => {
                view.take(collector.round(Order::default())?);
                due = (due + every).max(Instant::now());
            }
            Event::Key(b'q') => return Ok(0),
            Event::Key(key) => view.press(key),
            Event::Move(by) => view.scroll(by),
            Event::Redraw => {}
            Event::End(code) => return Ok(code),
        }
    }
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Document {
    time: String,
    lxcpath: String,
    containers: Vec<DocumentRow>,
}

/// The object `consumer`.
#[derive(Serialize)]
struct DocumentRow {
    name: String,
    usage: json::Usage,
    links: Vec<json::Link>,
}

fn document(session: &Session, round: &Round) -> Document {
    let containers = round.containers.iter().map(|one| DocumentRow {
        name: one.name.to_string(),
        usage: json::Usage::new(&one.stats, round.time),
        links: one.links.iter().map(json::Link::from).collect(),
    });
    Document {
        time: json::time(round.time),
        lxcpath: session.lxcpath.to_string_lossy().into_owned(),
        containers: containers.collect(),
    }
}

/// Milliseconds since 1970.
fn milliseconds(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis()
}

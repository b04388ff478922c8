//! `lxc-info`: what a container is and does.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use lxc_core::{Container, LinkStats, Stats};
use lxc_types::State;
use serde::Serialize;

use crate::cli::{Common, Rcfile, Tool};
use crate::json::{self, FormatOption};
use crate::output;
use crate::report::{self, Failure};
use crate::session::Session;

/// Show what a container is and does
#[derive(Debug, clap::Parser)]
pub struct Info {
    /// Show the value of a configuration key
    #[arg(short, long, value_name = "KEY")]
    config: Vec<String>,
    /// Show the addresses
    #[arg(short, long)]
    ips: bool,
    /// Show the state
    #[arg(short, long)]
    state: bool,
    /// Show the process id of init
    #[arg(short, long)]
    pid: bool,
    /// Show what is used of processors, disks, memory and network
    #[arg(short = 'S', long)]
    stats: bool,
    /// Show plain numbers; and no label if there is just one value
    #[arg(short = 'H', long)]
    no_humanize: bool,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    #[command(flatten)]
    rcfile: Rcfile,
    #[command(flatten)]
    common: Common,
}

impl Tool for Info {
    const PROGRAM: &'static str = "lxc-info";
    const SYNOPSIS: &'static str = "--name=NAME";

    crate::cli::common!();

    fn run(self, session: &Session) -> Result<u8, Failure> {
        let container = session.controllable()?;
        let state = container.told_state()?;
        if state == State::Stopped && !container.is_defined() && !session.has_rcfile() {
            // Upstream's very words, without a prefix: they are looked for.
            return Err(Failure::plain(format!("{} doesn't exist", container.name())));
        }
        if self.format.is_json() {
            return json::print("container", &document(&container, state, &self.config));
        }
        let show = self.show();
        let mut text = String::new();
        lines(&gather(&container, state, show), show, &mut text);
        for key in &self.config {
            match container.config().get(key) {
                Ok(value) => {
                    text.push_str(&key_line(key, &value, self.no_humanize && self.config.len() == 1))
                }
                Err(_) => report::line(&format!("{key} invalid")),
            }
        }
        output::write(text.as_bytes())?;
        Ok(0)
    }
}

/// Which lines are shown, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Show {
    name: bool,
    state: bool,
    pid: bool,
    ips: bool,
    stats: bool,
    style: Style,
}

/// How values are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Style {
    /// With labels and units.
    #[default]
    Human,
    /// With labels, as plain numbers.
    Raw,
    /// Values alone, as plain numbers.
    Bare,
}

impl Info {
    fn show(&self) -> Show {
        let all = !(self.ips || self.state || self.pid || self.stats) && self.config.is_empty();
        // Statistics are five lines: with them there are labels again.
        let count = [(self.ips, 1), (self.state, 1), (self.pid, 1), (self.stats, 5)];
        let count: u32 = count.iter().filter(|(asked, _)| *asked).map(|(_, lines)| lines).sum();
        Show {
            name: all,
            state: all || self.state,
            pid: all || self.pid,
            ips: all || self.ips,
            stats: all || self.stats,
            style: match (self.no_humanize, count) {
                (false, _) => Style::Human,
                (true, 1) => Style::Bare,
                (true, _) => Style::Raw,
            },
        }
    }
}

/// What there is to show.
#[derive(Clone, Debug, Default, PartialEq)]
struct Facts {
    name: String,
    state: State,
    pid: Option<i32>,
    ips: Vec<String>,
    stats: Option<Stats>,
    links: Vec<LinkStats>,
}

/// Asks for what is to be shown, and for nothing else.
fn gather(container: &Container, state: State, show: Show) -> Facts {
    let mut facts = Facts { name: container.name().to_string(), state, ..Facts::default() };
    if state == State::Stopped {
        return facts;
    }
    if show.pid {
        facts.pid = container.init_pid();
    }
    if show.ips {
        facts.ips = container.addresses().iter().map(|a| a.address.to_string()).collect();
        facts.ips.sort_unstable();
    }
    if show.stats {
        facts.stats = container.stats();
        facts.links = container.link_stats();
    }
    facts
}

/// What `--format json` prints: all there is, and the configuration's keys that are asked for.
#[derive(Serialize)]
struct Document<'a> {
    name: &'a str,
    lxcpath: String,
    state: &'static str,
    defined: bool,
    pid: Option<i32>,
    addresses: Vec<DocumentAddress>,
    usage: Option<json::Usage>,
    links: Vec<json::Link>,
    config: BTreeMap<&'a str, Option<String>>,
}

/// The object `address`.
#[derive(Serialize)]
struct DocumentAddress {
    link: String,
    address: String,
}

fn document<'a>(container: &'a Container, state: State, keys: &'a [String]) -> Document<'a> {
    let runs = state != State::Stopped;
    let addresses = if runs { container.addresses() } else { Vec::new() };
    let stats = if runs { container.stats() } else { None };
    let links = if runs { container.link_stats() } else { Vec::new() };
    Document {
        name: container.name(),
        lxcpath: container.lxcpath().to_string_lossy().into_owned(),
        state: state.as_str(),
        defined: container.is_defined(),
        pid: if runs { container.init_pid() } else { None },
        addresses: addresses
            .into_iter()
            .map(|a| DocumentAddress { link: a.link, address: a.address.to_string() })
            .collect(),
        usage: stats.as_ref().map(|stats| json::Usage::new(stats, SystemTime::now())),
        links: links.iter().map(json::Link::from).collect(),
        config: keys.iter().map(|key| (key.as_str(), container.config().get(key).ok())).collect(),
    }
}

/// The lines, as upstream prints them.
fn lines(facts: &Facts, show: Show, out: &mut String) {
    let mut line = |label: &str, value: &str| match show.style {
        Style::Bare => out.push_str(&format!("{value}\n")),
        Style::Human | Style::Raw => out.push_str(&format!("{label:<15} {value}\n")),
    };
    let size = |bytes: u64| if show.style == Style::Human { humanized(bytes) } else { bytes.to_string() };
    if show.name {
        line("Name:", &facts.name);
    }
    if show.state {
        line("State:", facts.state.as_str());
    }
    if let Some(pid) = facts.pid.filter(|_| show.pid) {
        line("PID:", &pid.to_string());
    }
    if show.ips {
        for address in &facts.ips {
            line("IP:", address);
        }
    }
    let Some(stats) = facts.stats.as_ref().filter(|_| show.stats) else { return };
    if let Some(nanoseconds) = stats.cpu {
        match show.style {
            Style::Human => line("CPU use:", &seconds(nanoseconds)),
            Style::Raw | Style::Bare => line("CPU use:", &nanoseconds.to_string()),
        }
    }
    if let Some(bytes) = stats.io_bytes.map(|io| io.total) {
        line("BlkIO use:", &size(bytes));
    }
    if let Some(bytes) = stats.memory_user {
        line("Memory use:", &size(bytes));
    }
    if let Some(bytes) = stats.kernel_memory {
        line("KMem use:", &size(bytes));
    }
    for link in &facts.links {
        line("Link:", &link.host_name);
        line(" TX bytes:", &size(link.tx_bytes));
        line(" RX bytes:", &size(link.rx_bytes));
        line(" Total bytes:", &size(link.tx_bytes.saturating_add(link.rx_bytes)));
    }
}

/// `12.34 seconds`, rounded as C's printf rounds.
fn seconds(nanoseconds: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let seconds = nanoseconds as f64 / 1e9;
    format!("{seconds:.2} seconds")
}

/// Upstream's `size_humanize`: two digits after the point, rounded.
fn humanized(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 1 << shift {
            let hundredths = (u128::from(bytes) * 100 + (1 << (shift - 1))) >> shift;
            return format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100);
        }
    }
    format!("{bytes} bytes")
}

/// `KEY = VALUE`, or the value alone. Values of lists end in a newline and get another.
fn key_line(key: &str, value: &str, bare: bool) -> String {
    match (bare, value.is_empty()) {
        (true, _) => format!("{value}\n"),
        (false, true) => format!("{key} =\n"),
        (false, false) => format!("{key} = {value}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::from_words;

    fn show(words: &str) -> Show {
        from_words::<Info>(&words.split_whitespace().collect::<Vec<_>>()).unwrap().show()
    }

    fn text(facts: &Facts, words: &str) -> String {
        let mut out = String::new();
        lines(facts, show(words), &mut out);
        out
    }

    fn running() -> Facts {
        Facts {
            name: "h2-a".into(),
            state: State::Running,
            pid: Some(23203),
            ips: vec!["10.0.3.24".into(), "fd00::1".into()],
            stats: Some(Stats {
                cpu: Some(8_597_123),
                io_bytes: Some(Default::default()),
                memory_user: Some(925_696),
                kernel_memory: Some(389_120),
                ..Stats::default()
            }),
            links: vec![LinkStats { host_name: "veth94aBb0".into(), tx_bytes: 612, rx_bytes: 510 }],
        }
    }

    #[test]
    fn everything() {
        // A capture of upstream's 5.0.2, with addresses added.
        assert_eq!(
            text(&running(), ""),
            "Name:           h2-a\n\
             State:          RUNNING\n\
             PID:            23203\n\
             IP:             10.0.3.24\n\
             IP:             fd00::1\n\
             CPU use:        0.01 seconds\n\
             BlkIO use:      0 bytes\n\
             Memory use:     904.00 KiB\n\
             KMem use:       380.00 KiB\n\
             Link:           veth94aBb0\n \
             TX bytes:      612 bytes\n \
             RX bytes:      510 bytes\n \
             Total bytes:   1.10 KiB\n"
        );
    }

    #[test]
    fn plain_numbers() {
        assert_eq!(text(&running(), "-s -H"), "RUNNING\n");
        assert_eq!(text(&running(), "-p -H"), "23203\n");
        assert_eq!(text(&running(), "-i -H"), "10.0.3.24\nfd00::1\n");
        assert_eq!(text(&running(), "-sp -H"), "State:          RUNNING\nPID:            23203\n");
        assert!(text(&running(), "-S -H").starts_with("CPU use:        8597123\nBlkIO use:      0\n"));
        assert!(text(&running(), "-H").starts_with("Name:           h2-a\n"));
        assert_eq!(text(&running(), "-H -c lxc.uts.name -s"), "RUNNING\n");
    }

    #[test]
    fn a_stopped_container() {
        let facts = Facts { name: "p1".into(), ..Facts::default() };
        assert_eq!(text(&facts, ""), "Name:           p1\nState:          STOPPED\n");
        assert_eq!(text(&facts, "-p"), "");
        assert_eq!(text(&facts, "-c lxc.uts.name"), "");
    }

    #[test]
    fn sizes() {
        for (bytes, shown) in [
            (0, "0 bytes"),
            (1024, "1024 bytes"),
            (1025, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (3_665_920, "3.50 MiB"),
            (2_850_816, "2.72 MiB"),
            (1 << 20, "1024.00 KiB"),
            ((1 << 20) + 1, "1.00 MiB"),
            ((5 << 30) + (1 << 29), "5.50 GiB"),
        ] {
            assert_eq!(humanized(bytes), shown);
        }
    }

    #[test]
    fn keys() {
        assert_eq!(key_line("lxc.uts.name", "c1", false), "lxc.uts.name = c1\n");
        assert_eq!(key_line("lxc.mount.fstab", "", false), "lxc.mount.fstab =\n");
        assert_eq!(key_line("lxc.uts.name", "c1", true), "c1\n");
        assert_eq!(key_line("lxc.cap.drop", "a\nb\n", false), "lxc.cap.drop = a\nb\n\n");
    }
}

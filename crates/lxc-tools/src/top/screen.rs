//! The terminal: what is on it, keys, signals. It is given back as it was, however the tool ends.

use std::collections::VecDeque;
use std::fmt::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use lxc_sys::process::{self, SignalFd, SignalSet};
use ratatui_core::buffer::{Buffer, Cell};
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use crate::output;
use crate::report::Failure;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGTERM: i32 = 15;
const SIGTSTP: i32 = 20;
const SIGWINCH: i32 = 28;

/// The signals that this tool hears of from a descriptor.
#[derive(Debug)]
pub struct Signals(SignalFd);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// To end with this exit code.
    End(u8),
    /// To stop until it is continued.
    Stop,
    /// To draw for another size.
    Resize,
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Signals {
    /// Takes them from now on.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn take() -> Result<Signals, Failure> {
        let all = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH];
        let set = all.into_iter().fold(SignalSet::empty(), SignalSet::with);
        process::set_signal_mask(&set)?;
        Ok(Signals(SignalFd::new(&set)?))
    }

    fn next(&self) -> Result<Option<Asked>, Failure> {
        Ok(self.0.take()?.map(|taken| match taken.signal {
            // As upstream: who interrupts it is content.
            SIGINT | SIGQUIT => Asked::End(0),
            SIGWINCH => Asked::Resize,
            SIGTSTP => Asked::Stop,
            signal => Asked::End(u8::try_from(128 + signal).unwrap_or(1)),
        }))
    }

    /// The exit code, if a signal asks for the end. One that asks to stop is followed.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn end(&mut self) -> Result<Option<u8>, Failure> {
        while let Some(asked) = self.next()? {
            match asked {
                Asked::End(code) => return Ok(Some(code)),
                Asked::Stop => stop(),
                Asked::Resize => {}
            }
        }
        Ok(None)
    }
}

/// Stops this process until somebody continues it.
fn stop() {
    kill_process(getpid(), Signal::STOP).ok();
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The time has come to look again.
    Due,
    /// A letter.
    Key(u8),
    /// So many rows down, or up.
    Move(i32),
    /// The size is another.
    Redraw,
    /// The end, with an exit code.
    End(u8),
}

/// How far the keys for pages move.
const PAGE: i32 = 10;

/// The terminal while it shows the live view.
#[derive(Debug)]
pub struct Screen {
    before: Termios,
    signals: Signals,
    shown: Buffer,
    events: VecDeque<Event>,
}

impl Screen {
    /// Takes the terminal at standard input.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn open(signals: Signals) -> Result<Screen, Failure> {
        let before = tcgetattr(rustix::stdio::stdin()).map_err(|e| setup(&e))?;
        let screen = Screen { before, signals, shown: Buffer::default(), events: VecDeque::new() };
        screen.enter()?;
        Ok(screen)
    }

    fn enter(&self) -> Result<(), Failure> {
        let mut raw = self.before.clone();
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw).map_err(|e| setup(&e))?;
        // Another screen, no cursor, no wrapping at the right edge.
        Ok(output::write(b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[0m\x1b[2J")?)
    }

    fn leave(&self) {
        // There is nothing left to do for a terminal that is gone.
        output::write(b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l").ok();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before).ok();
    }

    /// Shows what `draw` puts into an empty page of the terminal's size.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn show(&mut self, draw: impl FnOnce(&mut Buffer)) -> Result<(), Failure> {
        let mut page = Buffer::empty(size());
        draw(&mut page);
        let mut text = String::new();
        if self.shown.area != page.area {
            self.shown = Buffer::empty(page.area);
            text.push_str("\x1b[0m\x1b[2J");
        }
        let mut pen = Pen::default();
        for (x, y, cell) in self.shown.diff(&page) {
            pen.put(&mut text, x, y, cell);
        }
        self.shown = page;
        if text.is_empty() {
            return Ok(());
        }
        text.push_str("\x1b[0m");
        Ok(output::write(text.as_bytes())?)
    }

    /// Waits for something to happen, until `due` at the longest.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn wait(&mut self, due: Instant) -> Result<Event, Failure> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Event::Due);
            }
            let stdin = rustix::stdio::stdin();
            let mut fds = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
            // Interrupted or not, both are looked at.
            poll(&mut fds, Timespec::try_from(left).ok().as_ref()).ok();
            let typed = !fds[0].revents().is_empty();
            match self.signals.next()? {
                Some(Asked::End(code)) => return Ok(Event::End(code)),
                Some(Asked::Resize) => return Ok(Event::Redraw),
                Some(Asked::Stop) => {
                    self.leave();
                    stop();
                    self.enter()?;
                    self.shown = Buffer::default();
                    return Ok(Event::Redraw);
                }
                None => {}
            }
            if typed {
                let mut bytes = [0; 64];
                match rustix::io::read(stdin, &mut bytes) {
                    // Nobody is at the terminal any more.
                    Ok(0) => return Ok(Event::End(0)),
                    Ok(got) => self.events.extend(events(&bytes[..got])),
                    Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                    Err(e) => return Err(Failure::said(format!("cannot read from the terminal: {e}"))),
                }
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

fn setup(error: &rustix::io::Errno) -> Failure {
    Failure::said(format!("cannot set up the terminal: {error}"))
}

/// The page that the terminal shows. One that does not know its size is an old one.
fn size() -> Rect {
    let size = tcgetwinsize(rustix::stdio::stdout()).or_else(|_| tcgetwinsize(rustix::stdio::stdin()));
    match size {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Rect::new(0, 0, size.ws_col, size.ws_row),
        _ => Rect::new(0, 0, 80, 24),
    }
}

/// What was typed.
fn events(mut bytes: &[u8]) -> Vec<Event> {
    /// What keys send, besides letters.
    const SEQUENCES: [(&[u8], i32); 10] = [
        (b"\x1b[A", -1),
        (b"\x1bOA", -1),
        (b"\x1b[B", 1),
        (b"\x1bOB", 1),
        (b"\x1b[5~", -PAGE),
        (b"\x1b[6~", PAGE),
        (b"\x1b[H", i32::MIN),
        (b"\x1b[1~", i32::MIN),
        (b"\x1b[F", i32::MAX),
        (b"\x1b[4~", i32::MAX),
    ];
    let mut events = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        if let Some((sequence, by)) = SEQUENCES.iter().find(|(sequence, _)| bytes.starts_with(sequence)) {
            events.push(Event::Move(*by));
            bytes = bytes.get(sequence.len()..).unwrap_or_default();
        } else if *first == 0x1b {
            // A key that means nothing here: to the letter that ends its sequence.
            let end = rest.iter().skip(1).position(|byte| (0x40..=0x7e).contains(byte));
            bytes = end.and_then(|at| rest.get(at + 2..)).unwrap_or_default();
        } else {
            events.push(Event::Key(*first));
            bytes = rest;
        }
    }
    events
}

/// Where and how the next character is written.
#[derive(Debug, Default)]
struct Pen {
    at: Option<(u16, u16)>,
    style: (Color, Color, Modifier),
}

impl Pen {
    fn put(&mut self, out: &mut String, x: u16, y: u16, cell: &Cell) {
        if self.at != Some((x, y)) {
            // Text takes whatever is written to it.
            write!(out, "\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1).ok();
        }
        let style = (cell.fg, cell.bg, cell.modifier);
        if self.style != style {
            out.push_str(&sgr(cell.fg, cell.modifier));
            self.style = style;
        }
        let symbol = cell.symbol();
        out.push_str(symbol);
        // Of what is not one byte long it is not known how wide the terminal thinks it is.
        self.at = (symbol.len() == 1).then_some((x + 1, y));
    }
}

/// The sequence for a style.
fn sgr(color: Color, modifier: Modifier) -> String {
    let mut text = String::from("\x1b[0");
    for (flag, code) in [(Modifier::BOLD, ";1"), (Modifier::DIM, ";2"), (Modifier::REVERSED, ";7")] {
        if modifier.contains(flag) {
            text.push_str(code);
        }
    }
    text.push_str(match color {
        Color::Red => ";31",
        Color::Yellow => ";33",
        Color::Cyan => ";36",
        _ => "",
    });
    text.push('m');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        assert_eq!(events(b"mq"), [Event::Key(b'm'), Event::Key(b'q')]);
        assert_eq!(events(b"\x1b[B\x1b[6~c"), [Event::Move(1), Event::Move(PAGE), Event::Key(b'c')]);
        assert_eq!(events(b"\x1b[15~r"), [Event::Key(b'r')], "F5 means nothing");
        assert_eq!(events(b"\x1b"), []);
        assert_eq!(events(b"\x1b[1;5"), []);
    }

    #[test]
    fn styles() {
        assert_eq!(sgr(Color::Reset, Modifier::empty()), "\x1b[0m");
        assert_eq!(sgr(Color::Red, Modifier::BOLD | Modifier::REVERSED), "\x1b[0;1;7;31m");
    }

    #[test]
    fn only_what_changed_is_written() {
        let area = Rect::new(0, 0, 4, 2);
        let (old, mut new) = (Buffer::empty(area), Buffer::empty(area));
        new.set_string(1, 1, "ab", ratatui_core::style::Style::default());
        let mut text = String::new();
        let mut pen = Pen::default();
        for (x, y, cell) in old.diff(&new) {
            pen.put(&mut text, x, y, cell);
        }
        assert_eq!(text, "\x1b[2;2Hab");
    }
}

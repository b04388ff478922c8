//! A program on a terminal, driven by what it shows.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::run::{code_of, wait_readable};

const LIMIT: Duration = Duration::from_secs(15);

/// The master side of a terminal with a program on it. Dropping it hangs up and kills the program.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    child: Child,
    /// All that was read and not yet taken by [`Terminal::expect`].
    pending: Vec<u8>,
}

impl Terminal {
    /// Runs a program in a session of its own, with the terminal as its controlling one.
    ///
    /// # Panics
    /// When there is no terminal or no program.
    #[must_use]
    pub fn run(program: &Path, args: &[&str]) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname(&master, Vec::new()).expect("ptsname");
        let path = name.to_str().expect("a path of ASCII letters").to_owned();
        let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("window size");
        let slave = File::options().read(true).write(true).open(&path).expect("the terminal's other side");
        let copy = || slave.try_clone().expect("dup");
        let child = Command::new("setsid")
            .args(["--ctty"])
            .arg(program)
            .args(args)
            .env("TERM", "dumb")
            .current_dir("/")
            .stdin(copy())
            .stdout(copy())
            .stderr(copy())
            .spawn()
            .expect("setsid (of util-linux)");
        Self { master, child, pending: Vec::new() }
    }

    /// Types.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn send(&mut self, text: &[u8]) {
        File::from(self.master.try_clone().expect("dup")).write_all(text).expect("type");
    }

    /// Types something again and again until the text is shown: for a program that may not be reading yet.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn nudge(&mut self, typed: &[u8], text: &str) {
        for _ in 0..20 {
            self.send(typed);
            if self.search(text, Duration::from_millis(500)).is_some() {
                return;
            }
        }
        self.expect(text);
    }

    /// Waits until the text is shown; hands back what came before it.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let found = self.search(text, LIMIT);
        let shown = &self.pending[self.pending.len().saturating_sub(2000)..];
        found.unwrap_or_else(|| {
            panic!("terminal: {text:?} is not shown, but: {:?}", String::from_utf8_lossy(shown))
        })
    }

    /// What comes before the text, or `None` when it is not shown in time.
    fn search(&mut self, text: &str, limit: Duration) -> Option<String> {
        let end = Instant::now() + limit;
        let mut searched = 0_usize;
        loop {
            let from = searched.saturating_sub(text.len());
            let at = self.pending[from..]
                .windows(text.len())
                .position(|w| w == text.as_bytes())
                .map(|at| from + at);
            if let Some(at) = at {
                let rest = self.pending.split_off(at + text.len());
                let mut shown = std::mem::replace(&mut self.pending, rest);
                shown.truncate(at);
                return Some(String::from_utf8_lossy(&shown).into_owned());
            }
            searched = self.pending.len();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.read(left) {
                return None;
            }
        }
    }

    /// Reads until this many bytes have come, and hands them back.
    ///
    /// # Panics
    /// When they do not come before `limit`.
    #[track_caller]
    pub fn take(&mut self, count: usize, limit: Duration) -> Vec<u8> {
        let end = Instant::now() + limit;
        while self.pending.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && self.read(left), "terminal: {} of {count} bytes", self.pending.len());
        }
        let rest = self.pending.split_off(count);
        std::mem::replace(&mut self.pending, rest)
    }

    /// Sets the size of the window.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).expect("window size");
    }

    /// Waits for the program's end: its exit code and what it still showed.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    #[track_caller]
    pub fn finish(mut self) -> (i32, String) {
        let end = Instant::now() + LIMIT;
        let status = loop {
            while self.read(Duration::from_millis(5)) {}
            if let Some(status) = self.child.try_wait().expect("wait for a child") {
                break status;
            }
            assert!(
                Instant::now() < end,
                "terminal: the program does not end; shown: {:?}",
                String::from_utf8_lossy(&self.pending)
            );
        };
        while self.read(Duration::from_millis(20)) {}
        (code_of(status), String::from_utf8_lossy(&self.pending).into_owned())
    }

    /// Reads what is there; false on the end of the terminal, or of the time.
    fn read(&mut self, limit: Duration) -> bool {
        if !wait_readable(&self.master, limit) {
            return false;
        }
        let mut buffer = [0; 65536];
        match File::from(self.master.try_clone().expect("dup")).read(&mut buffer) {
            Ok(n) if n > 0 => {
                self.pending.extend_from_slice(&buffer[..n]);
                true
            }
            _ => false,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

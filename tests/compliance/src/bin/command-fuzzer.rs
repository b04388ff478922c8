//! Sends requests to a monitor that no honest client sends, for a while.
//!
//! `command-fuzzer SOCKET SECONDS SEED stranger|friend`: SOCKET is the abstract name without its leading NUL. A
//! friend is somebody who may ask, and never asks for the end of the container; a stranger is refused everything.
//! Ends with 1 when the monitor did what it must not do.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, recv, sendmsg, socket_with,
};

const STOP: i32 = 2;
const GET_STATE: i32 = 3;
const LAST: i32 = 26;

/// Numbers that look random, and come again from the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn number(&mut self) -> i32 {
        let bytes = self.next().to_ne_bytes();
        i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

/// What came of it.
#[derive(Default)]
struct Tally {
    requests: u64,
    answers: BTreeMap<i32, u64>,
    ends: u64,
    silent: u64,
    refused: u64,
    wrong: Vec<String>,
}

struct Fuzzer {
    name: Vec<u8>,
    stranger: bool,
    dice: Dice,
    tally: Tally,
    /// Connections that are left open for a while.
    kept: Vec<OwnedFd>,
    /// A descriptor that nobody expects.
    gift: OwnedFd,
}

/// A request as it goes over the wire.
struct Message {
    command: i32,
    length: i32,
    data: u64,
    payload: Vec<u8>,
}

impl Message {
    fn header(&self) -> Vec<u8> {
        [&self.command.to_ne_bytes()[..], &self.length.to_ne_bytes(), &self.data.to_ne_bytes()].concat()
    }
}

impl Fuzzer {
    fn connect(&mut self) -> Option<OwnedFd> {
        let flags = SocketFlags::CLOEXEC;
        let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        match connect(&fd, &SocketAddrUnix::new_abstract_name(&self.name).ok()?) {
            Ok(()) => Some(fd),
            Err(e) => {
                self.tally.wrong.push(format!("connect: {e}"));
                None
            }
        }
    }

    fn message(&mut self) -> Message {
        let dice = &mut self.dice;
        let command = match dice.below(12) {
            0 => dice.one(&[-1, i32::MIN, i32::MAX, LAST + 1, LAST + 2, 99]),
            1 => dice.number(),
            _ => i32::try_from(dice.below(27)).unwrap_or(0),
        };
        let command = if command == STOP && !self.stranger { GET_STATE } else { command };
        let payload = self.payload(command);
        let exact = i32::try_from(payload.len()).unwrap_or(0);
        let dice = &mut self.dice;
        let length = match dice.below(6) {
            0 => dice.one(&[0, -1, 1, i32::MAX, i32::MIN, 8192, 8193, 4096]),
            1 => exact + 1,
            _ => exact,
        };
        let data = match dice.below(4) {
            0 => dice.next(),
            1 => dice.one(&[u64::MAX, 1 << 31, 1 << 32, 0x7fff_ffff]),
            _ => u64::try_from(dice.below(9)).unwrap_or(0),
        };
        Message { command, length, data, payload }
    }

    fn payload(&mut self, command: i32) -> Vec<u8> {
        let dice = &mut self.dice;
        let text =
            dice.one(&["memory\0", "freezer", "lxc.uts.name\0", "lxc.net.0.type\0", "lxc.net\0", "\0"]);
        let mut bytes = match (dice.below(3), command) {
            (0, _) => {
                let length = dice.one(&[0, 0, 1, 16, 24, 31, 32, 33, 40, 80, 96, 97, 256, 4096, 8192, 8193]);
                (0..length).map(|_| dice.next().to_ne_bytes()[0]).collect()
            }
            (_, 10) => (0..8).flat_map(|_| dice.one(&[0_i32, 1, 2, -1]).to_ne_bytes()).collect(),
            (_, 11) => {
                let mut log = vec![0; 24];
                log[..2].copy_from_slice(&[u8::from(dice.chance(2)), u8::from(dice.chance(2))]);
                log[8] = dice.one(&[0, 1, 255]);
                log
            }
            (_, 14) => {
                let mut rule = vec![0; 40];
                rule[0] = dice.one(b"abcx");
                rule[4] = dice.one(&[1, 5]);
                rule[12..14].copy_from_slice(dice.one(&[b"rw", b"m\0", b"xy"]));
                rule[16] = dice.one(&[1, 1, 2]);
                rule
            }
            (_, 23) => vec![0; dice.one(&[0, 1, 12, 95, 96, 97])],
            (_, 24 | 25) => {
                let mut asked = vec![0; 80];
                asked[16..16 + text.len()].copy_from_slice(text.as_bytes());
                asked
            }
            (_, 6 | 7 | 19) => text.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        if dice.chance(8) {
            bytes.truncate(dice.below(bytes.len().max(1)));
        }
        bytes
    }

    /// Sends bytes, at times in parts, at times with descriptors. False: the monitor has hung up.
    fn send(&mut self, fd: &OwnedFd, mut bytes: &[u8]) -> bool {
        let parts = self.dice.chance(6);
        while !bytes.is_empty() {
            let now = if parts { 1 + self.dice.below(bytes.len().min(40)) } else { bytes.len() };
            let count = if self.dice.chance(10) { 1 + self.dice.below(4) } else { 0 };
            let gifts: Vec<BorrowedFd<'_>> = (0..count).map(|_| self.gift.as_fd()).collect();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !gifts.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&gifts));
            }
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sendmsg(fd, &[IoSlice::new(&bytes[..now])], &mut control, flags) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(_) => return false,
            }
        }
        true
    }

    /// The result in the answer; `None` when there is none in time.
    fn answer(&mut self, fd: &OwnedFd, limit: Duration) -> Option<i32> {
        let end = Instant::now() + limit;
        let mut head = [0; 16];
        let mut got = 0;
        while got < head.len() {
            if !readable(fd, end.saturating_duration_since(Instant::now())) {
                self.tally.silent += 1;
                return None;
            }
            match recv(fd, &mut head[got..], rustix::net::RecvFlags::empty()) {
                Ok((_, n)) if n > 0 => got += n,
                _ => {
                    self.tally.ends += 1;
                    return None;
                }
            }
        }
        let result = i32::from_ne_bytes([head[0], head[1], head[2], head[3]]);
        *self.tally.answers.entry(result).or_default() += 1;
        Some(result)
    }

    fn turn(&mut self) {
        let Some(fd) = self.connect() else { return };
        self.tally.requests += 1;
        let message = self.message();
        match self.dice.below(16) {
            // Nothing at all.
            0 => {}
            // A part of a header.
            1 => {
                let header = message.header();
                let cut = self.dice.below(16);
                self.send(&fd, &header[..cut]);
            }
            // An answer that nobody reads, and more questions behind it.
            2 => {
                for _ in 0..self.dice.below(8) {
                    self.send(&fd, &message.header());
                    self.send(&fd, &message.payload);
                }
            }
            _ => self.ask(&fd, &message),
        }
        if self.dice.chance(4) {
            self.kept.push(fd);
        }
        if self.kept.len() > 40 || self.dice.chance(200) {
            self.kept.clear();
        }
    }

    fn ask(&mut self, fd: &OwnedFd, message: &Message) {
        let mut open = self.send(fd, &message.header());
        if open && !message.payload.is_empty() {
            open = self.send(fd, &message.payload);
        }
        if self.stranger {
            match self.answer(fd, Duration::from_secs(5)) {
                Some(-1) => self.tally.refused += 1,
                // The end may overtake the answer: the monitor hangs up on what it does not want to read.
                None if !open || !message.payload.is_empty() => {}
                other => {
                    self.tally.wrong.push(format!("a stranger's command {}: {other:?}", message.command));
                }
            }
            return;
        }
        let limit = if self.dice.chance(50) { 50 } else { 2 };
        self.answer(fd, Duration::from_millis(limit));
    }

    /// An honest question: whatever went before, it is answered at once.
    fn probe(&mut self) {
        let Some(fd) = self.connect() else { return };
        let message = Message { command: GET_STATE, length: 0, data: 0, payload: Vec::new() };
        let begin = Instant::now();
        let flags = SendFlags::NOSIGNAL;
        if rustix::net::send(&fd, &message.header(), flags).is_err() {
            return self.tally.wrong.push("an honest question cannot be sent".to_owned());
        }
        let wanted = if self.stranger { -1 } else { 0 };
        let answer = self.answer(&fd, Duration::from_secs(5));
        if answer != Some(wanted) {
            let took = begin.elapsed();
            self.tally.wrong.push(format!("an honest question: {answer:?} after {took:?}"));
        }
    }
}

fn readable(fd: &OwnedFd, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).expect("a short time");
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&limit)).is_ok_and(|n| n > 0)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, name, seconds, seed, who] = &args[..] else {
        eprintln!("command-fuzzer SOCKET SECONDS SEED stranger|friend");
        return ExitCode::from(2);
    };
    let end = Instant::now() + Duration::from_secs(seconds.parse().expect("a number of seconds"));
    let mut fuzzer = Fuzzer {
        name: name.as_bytes().to_vec(),
        stranger: who == "stranger",
        dice: Dice(seed.parse::<u64>().expect("a number") | 1),
        tally: Tally::default(),
        kept: Vec::new(),
        gift: File::open("/dev/null").expect("/dev/null").into(),
    };
    while Instant::now() < end && fuzzer.tally.wrong.len() < 5 {
        for _ in 0..50 {
            fuzzer.turn();
        }
        fuzzer.probe();
    }
    let Tally { requests, answers, ends, silent, refused, wrong } = fuzzer.tally;
    println!("{requests} requests, answers {answers:?}, {ends} ends, {silent} unanswered, {refused} refused");
    for text in &wrong {
        println!("WRONG: {text}");
    }
    ExitCode::from(u8::from(!wrong.is_empty()))
}

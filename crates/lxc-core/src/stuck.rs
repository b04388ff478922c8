//! What a process that is waited for is doing: for messages that say why something takes so long.

use std::fmt;
use std::path::Path;

use lxc_host::cgroup::dir::Dir;
use lxc_sys::{proc, procfs::Procfs};

/// A process, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Its process id.
    pub pid: i32,
    /// Its name.
    pub comm: String,
    /// Its state, as `/proc/PID/status` has it: `D (disk sleep)`.
    pub state: String,
    /// The kernel's function that it sleeps in.
    pub wchan: Option<String>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({}) is in state {}", self.pid, self.comm, self.state)?;
        self.wchan.as_ref().map_or(Ok(()), |wchan| write!(f, " in {wchan}"))
    }
}

impl Stuck {
    /// Looks at a process; `None` when it is gone.
    pub fn look(proc: &Procfs, pid: i32) -> Option<Self> {
        let status = proc.read(&format!("{pid}/status")).ok()?;
        let field = |name| {
            let text = proc::status_field(&status, name)?;
            // The name is the process's own choice, and goes to a terminal.
            Some(String::from_utf8_lossy(text).trim().chars().map(printable).collect::<String>())
        };
        let wchan = proc.read(&format!("{pid}/wchan")).ok();
        let wchan = wchan.map(|w| String::from_utf8_lossy(&w).trim().to_owned());
        Some(Stuck {
            pid,
            comm: field("Name")?,
            state: field("State")?,
            wchan: wchan.filter(|w| !w.is_empty() && w != "0"),
        })
    }

    /// Whether it has ended and only waits to be taken by its parent.
    fn is_dead(&self) -> bool {
        self.state.starts_with(['Z', 'X'])
    }
}

fn printable(c: char) -> char {
    if c.is_control() { '?' } else { c }
}

/// The most processes that are named in one message.
const MOST: usize = 5;

/// The processes of a group and below it, as one text; `None` when there are none.
pub fn in_group(dir: &Dir) -> Option<String> {
    let proc = Procfs::mounted().ok()?;
    let all: Vec<Stuck> = dir
        .all_processes()
        .ok()?
        .into_iter()
        .filter_map(|pid| Stuck::look(&proc, pid))
        .filter(|stuck| !stuck.is_dead())
        .collect();
    list(&all)
}

/// The children of a process, as one text: what a monitor waits for.
pub fn children(pid: i32) -> Option<String> {
    let proc = Procfs::mounted().ok()?;
    let text = proc.read(&format!("{pid}/task/{pid}/children")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let pids = text.split_whitespace().filter_map(|word| word.parse().ok());
    list(&pids.filter_map(|pid| Stuck::look(&proc, pid)).collect::<Vec<_>>())
}

/// One process as a text.
pub fn one(pid: i32) -> Option<String> {
    Some(Stuck::look(&Procfs::mounted().ok()?, pid)?.to_string())
}

fn list(all: &[Stuck]) -> Option<String> {
    let mut texts: Vec<String> = all.iter().take(MOST).map(ToString::to_string).collect();
    if all.len() > MOST {
        texts.push(format!("{} more", all.len() - MOST));
    }
    (!texts.is_empty()).then(|| texts.join(", "))
}

/// The process id of a container's monitor, by its title; a monitor in the foreground has none.
pub fn monitor(lxcpath: &Path, name: &str) -> Option<i32> {
    let title = crate::supervise::title(lxcpath, name);
    let proc = Procfs::mounted().ok()?;
    let numbers = std::fs::read_dir("/proc").ok()?.flatten();
    numbers
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let line = proc.read(&format!("{pid}/cmdline")).unwrap_or_default();
            line.strip_prefix(&title[..]).is_some_and(|rest| rest.iter().all(|b| *b == 0))
        })
        // Below it there may be one that has not executed yet.
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process() {
        let proc = Procfs::mounted().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let stuck = Stuck::look(&proc, own).unwrap();
        assert!(!stuck.is_dead() && stuck.to_string().contains(&format!("process {own} (")), "{stuck}");
        assert_eq!(Stuck::look(&proc, i32::MAX), None);
    }

    #[test]
    fn long_lists_are_cut() {
        let one = Stuck { pid: 7, comm: "a".into(), state: "D (disk sleep)".into(), wchan: Some("x".into()) };
        assert_eq!(list(&[]), None);
        assert_eq!(
            list(std::slice::from_ref(&one)).unwrap(),
            "process 7 (a) is in state D (disk sleep) in x"
        );
        assert!(list(&vec![one; 9]).unwrap().ends_with(", 4 more"));
    }
}

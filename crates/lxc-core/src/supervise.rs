//! Handing a container over to its monitor, and the monitor's answer to whoever started it.
//!
//! Whoever starts binds the command socket first, so that two starts cannot both go on. A process with one thread
//! (every tool of ours) then goes on as the monitor in a child ([`fork_monitor`]). A process with threads could
//! leave a lock held for ever in such a child: it executes `lxc-supervise` ([`spawn`]) with three descriptors: the
//! hand-over in sealed memory, the socket, and a socket for the answer.

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use lxc_host::cgroup::{self, MonitorLease};
use lxc_sys::clone::{Birth, Child, Cloned, Request, clone};
use lxc_sys::{Error as SysError, Op, memfd, proc, process, socket};

use crate::config_file;
use crate::dirs::Dirs;
use crate::facts::Facts;
use crate::lifecycle::{self, Job};
use crate::log::{LogFile, Settings};
use crate::plan::{self, StartPlan, Wish};
use crate::start::leases::Leases;
use crate::start::link::{self, LinkError, Parcel, Report};
use crate::start::outside;
use crate::start::{InStage, StartError};

/// The descriptors of the monitor, by number.
pub const HAND_OVER_FD: i32 = 3;
/// The listening command socket.
pub const LISTENER_FD: i32 = 4;
/// Where the answer goes.
pub const ANSWER_FD: i32 = 5;

/// What is to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A system: its init, `/sbin/init` if nothing else is said.
    Start,
    /// One program, under an init of ours.
    Execute,
}

/// All that a monitor is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The container's name.
    pub name: String,
    /// The folder of containers.
    pub lxcpath: PathBuf,
    /// The configuration file, for hooks.
    pub config_file: Option<PathBuf>,
    /// The program; empty for the configured one.
    pub argv: Vec<OsString>,
    /// What is started.
    pub mode: Mode,
    /// Where the monitor's process id is written.
    pub pidfile: Option<PathBuf>,
    /// How to log.
    pub log: Settings,
    /// The configuration, with includes resolved, as text that keeps where each line came from.
    pub config: String,
}

const VERSION: &[u8] = b"lxc-rs hand-over 1";

impl HandOver {
    /// As bytes: fields of a length and that many bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.config.len() + 512);
        let mut put = |bytes: &[u8]| {
            out.extend_from_slice(&(bytes.len() as u64).to_ne_bytes());
            out.extend_from_slice(bytes);
        };
        let path = |p: &Option<PathBuf>| p.as_deref().map_or(&b""[..], |p| p.as_os_str().as_bytes()).to_vec();
        put(VERSION);
        put(self.name.as_bytes());
        put(self.lxcpath.as_os_str().as_bytes());
        put(&path(&self.config_file));
        put(match self.mode {
            Mode::Start => b"start",
            Mode::Execute => b"execute",
        });
        put(&path(&self.pidfile));
        put(self.log.level.map(|l| l.as_str()).unwrap_or_default().as_bytes());
        put(&match &self.log.file {
            LogFile::None => b"none".to_vec(),
            LogFile::Default => b"default".to_vec(),
            LogFile::Journal => b"journal".to_vec(),
            LogFile::Path(path) => [b"path:", path.as_os_str().as_bytes()].concat(),
        });
        put(self.log.prefix.as_bytes());
        put(self.config.as_bytes());
        for word in &self.argv {
            put(word.as_bytes());
        }
        out
    }

    /// From bytes; `None` when they are of another version or broken.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut fields = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<8>() {
            let length = usize::try_from(u64::from_ne_bytes(*length)).ok()?;
            fields.push(after.get(..length)?);
            rest = after.get(length..)?;
        }
        let [version, name, lxcpath, config_file, mode, pidfile, level, file, prefix, config, argv @ ..] =
            &fields[..]
        else {
            return None;
        };
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).ok();
        let path = |b: &[u8]| PathBuf::from(OsString::from_vec(b.to_vec()));
        let optional = |b: &[u8]| (!b.is_empty()).then(|| path(b));
        if *version != VERSION || !rest.is_empty() {
            return None;
        }
        Some(HandOver {
            name: text(name)?,
            lxcpath: path(lxcpath),
            config_file: optional(config_file),
            mode: if *mode == b"execute" { Mode::Execute } else { Mode::Start },
            pidfile: optional(pidfile),
            log: Settings {
                level: text(level)?.parse().ok(),
                file: match *file {
                    b"none" => LogFile::None,
                    b"default" => LogFile::Default,
                    b"journal" => LogFile::Journal,
                    other => LogFile::Path(path(other.strip_prefix(b"path:")?)),
                },
                // The configuration says it again.
                syslog: None,
                quiet: true,
                prefix: text(prefix)?,
            },
            config: text(config)?,
            argv: argv.iter().map(|b| OsString::from_vec(b.to_vec())).collect(),
        })
    }
}

/// What the monitor says to whoever started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The container runs.
    Running,
    /// It could not be started.
    Failed(Report),
}

/// The monitor's end of the answer socket.
#[derive(Debug)]
pub struct Starter(OwnedFd);

impl Starter {
    /// The socket with which this program was started.
    ///
    /// # Errors
    /// When it was started by hand.
    pub fn inherited() -> Result<Self, SysError> {
        process::inherited_fd(ANSWER_FD).map(Starter)
    }

    /// Says how the start went. The starter may have given up: that is no failure.
    pub fn answer(self, answer: &Answer) {
        let sock = self.0.as_fd();
        match answer {
            Answer::Running => link::send_data(sock, &Parcel::default()),
            Answer::Failed(report) => link::send_report(sock, report),
        }
        .ok();
    }
}

/// Runs the monitor: what `lxc-supervise` is for. Returns when the container has ended.
///
/// # Errors
/// When the program was not started by [`spawn`].
pub fn main() -> Result<(), SysError> {
    let memory = process::inherited_fd(HAND_OVER_FD)?;
    let listener = process::inherited_fd(LISTENER_FD)?;
    let starter = Starter::inherited()?;
    process::close_inherited_from(ANSWER_FD + 1)?;
    let bytes = proc::read_fd(&memory, "hand-over")?;
    drop(memory);
    let hand_over = HandOver::decode(&bytes);
    let hand_over = hand_over.ok_or_else(|| SysError::new("read", "the hand-over", Errno::BADMSG))?;
    rustix::process::chdir("/").op("chdir", "/")?;
    let Starter(answer) = starter;
    let mut kept = Some(Starter(answer.try_clone().op("dup", "answer socket")?));
    let forked = prepare(hand_over, listener).and_then(|Prepared { job, plan }| {
        let session = || {
            drop(kept.take());
            rustix::process::setsid().op("setsid", "").map(drop)
        };
        fork(job, plan, answer, session).map_err(Into::into)
    });
    if let (Err(error), Some(kept)) = (forked, kept) {
        kept.answer(&Answer::Failed(Report::of("plan", &*error)));
    }
    Ok(())
}

struct Prepared {
    job: Job,
    plan: StartPlan,
}

fn prepare(hand_over: HandOver, listener: OwnedFd) -> Result<Prepared, Box<dyn std::error::Error>> {
    let dirs = Dirs::of_this_process();
    let loaded = config_file::load_flattened(&hand_over.config).map_err(crate::Error::Config)?;
    let log = effective_log(&hand_over.log, &loaded.config);
    crate::log::init(&log, &hand_over.lxcpath, Some(&hand_over.name))?;
    let facts = Facts::gather(&dirs, loaded.config.cgroup.relative).map_err(StartError::from)?;
    let wish = Wish {
        name: hand_over.name.parse()?,
        lxcpath: hand_over.lxcpath,
        config_file: hand_over.config_file,
        mode: hand_over.mode,
        argv: hand_over.argv,
    };
    let plan = plan::plan(&loaded.config, &facts, &dirs, &wish).map_err(StartError::from)?;
    let pidfile = hand_over.pidfile;
    let listener = Some(listener);
    let job = Job { wish, config: loaded.config, dirs, facts, listener, foreground: false, pidfile };
    Ok(Prepared { job, plan })
}

/// `lxc.log.*` of the container, unless the command line said otherwise.
pub(crate) fn effective_log(given: &Settings, config: &lxc_config::Config) -> Settings {
    let mut log = given.clone();
    if let (LogFile::None, Some(file)) = (&log.file, &config.log.file) {
        log.file = LogFile::of_name(Path::new(&file.value));
    }
    log.syslog = log.syslog.or(config.log.syslog);
    log.level = log.level.or(config.log.level);
    log
}

/// The monitor's first cgroup: the others follow when the guest is at work.
fn first_leases(job: &Job, plan: &StartPlan) -> Result<Leases, StartError> {
    let monitor = MonitorLease::begin(&job.facts.hierarchies, &plan.cgroup.names);
    let monitor = monitor
        .map_err(|source| StartError::Monitor { stage: "cgroups", source: Box::new(source.into()) })?;
    Ok(Leases { monitor: Some(monitor), ..Leases::default() })
}

/// Goes on as a monitor in a child, which is born in the monitor's own cgroup: moving a process there later would
/// cost the kernel some ten milliseconds. In the child, `become_daemon` is called first.
fn fork(
    job: Job,
    plan: StartPlan,
    starter: OwnedFd,
    become_daemon: impl FnOnce() -> Result<(), SysError>,
) -> Result<(Child, Prepared), StartError> {
    let mut leases = first_leases(&job, &plan)?;
    let into =
        leases.monitor.as_mut().map(MonitorLease::before_birth).transpose().stage("cgroups")?.flatten();
    let (maker, ordered) = outside::order(&plan).stage("monitor")?.unzip();
    match clone(&Request { into_cgroup: into.map(AsFd::as_fd), ..Request::default() }).stage("monitor")? {
        (Cloned::Monitor(child), _) => {
            drop((ordered, starter));
            if let Some(maker) = maker {
                maker.make(&plan);
            }
            // They are the child's now.
            if let Some(a) = leases.monitor.take() {
                MonitorLease::keep(a)
            }
            // Who connects talks to the monitor, or to nobody.
            Ok((child, Prepared { job: Job { listener: None, ..job }, plan }))
        }
        (Cloned::Guest(_), birth) => {
            drop(maker);
            leases.network = ordered;
            if let (Some(monitor), Birth::Requested) = (&mut leases.monitor, birth) {
                monitor.born_inside();
            }
            let starter = Starter(starter);
            match become_daemon() {
                Ok(()) => supervise(job, plan, leases, starter),
                Err(error) => starter.answer(&Answer::Failed(Report::of("monitor", &error))),
            }
            process::leave(0)
        }
    }
}

fn supervise(job: Job, plan: StartPlan, leases: Leases, starter: Starter) {
    let mut starter = Some(starter);
    let mut started = || {
        if let Some(starter) = starter.take() {
            starter.answer(&Answer::Running);
        }
    };
    if let Err(error) = lifecycle::run(job, plan, leases, &mut started) {
        match starter {
            Some(starter) => starter.answer(&Answer::Failed(Report::of("start", &error))),
            None => log::error!("{}", chain(&error)),
        }
    }
}

/// The title by which others find monitors in `/proc/PID/cmdline`.
pub(crate) fn title(lxcpath: &Path, name: &str) -> Vec<u8> {
    [b"[lxc monitor] ", lxcpath.as_os_str().as_bytes(), b" ", name.as_bytes()].concat()
}

/// How long a container whose monitor was killed may take to die too.
const DYING: std::time::Duration = std::time::Duration::from_secs(2);

/// Makes a monitor of a child of this process, which must have one thread, and waits for its answer. This is what
/// tools do; a library's caller may have threads, and gets a program of its own ([`spawn`]).
///
/// # Errors
/// What went wrong before there was a monitor.
pub fn fork_monitor(job: Job, plan: StartPlan) -> Result<Answer, StartError> {
    let (ours, theirs) = socket::seqpacket_pair().stage("monitor")?;
    let mut ours = Some(ours);
    let title = title(&job.wish.lxcpath, &job.wish.name);
    let (monitor, prepared) = fork(job, plan, theirs, || {
        drop(ours.take());
        rustix::process::setsid().op("setsid", "")?;
        rustix::process::chdir("/").op("chdir", "/")?;
        let null = null()?;
        rustix::stdio::dup2_stdin(&null).op("dup2", "/dev/null")?;
        rustix::stdio::dup2_stdout(&null).op("dup2", "/dev/null")?;
        rustix::stdio::dup2_stderr(&null).op("dup2", "/dev/null")?;
        process::close_inherited()?;
        crate::log::be_quiet();
        // Without the right to it the title stays the tool's: nothing depends on it but other people's scripts.
        process::set_title(&title).ok();
        Ok(())
    })?;
    let answer = ours.ok_or(Errno::BADF).op("receive", "answer").and_then(|ours| receive_answer(&ours));
    if answer.is_err() {
        // It was killed. The locks on its cgroups are gone when it is, and not before: the next start needs them.
        monitor.wait().stage("monitor")?;
        let Prepared { job, plan } = &prepared;
        cgroup::host::sweep_dying(&job.facts.hierarchies, &plan.cgroup.names, DYING).stage("cgroups")?;
    }
    answer.stage("monitor")
}

fn null() -> Result<OwnedFd, SysError> {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).op("open", "/dev/null")
}

fn receive_answer(sock: &OwnedFd) -> Result<Answer, SysError> {
    match link::receive(sock.as_fd()) {
        Ok(_) => Ok(Answer::Running),
        Err(LinkError::Reported(report)) => Ok(Answer::Failed(report)),
        Err(LinkError::Socket(e)) => Err(e),
        Err(LinkError::Gone | LinkError::Garbled(_)) => {
            Err(SysError::new("monitor", "it ended without an answer", Errno::PIPE))
        }
    }
}

/// An error and its causes in one line, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    Report::of("", error).chain.join(": ")
}

/// Executes the monitor program and waits for its answer.
///
/// # Errors
/// When it cannot be executed or ends without an answer.
pub fn spawn(program: &Path, hand_over: &HandOver, listener: &OwnedFd) -> Result<Answer, SysError> {
    let memory = memfd::sealed("lxc-hand-over", &hand_over.encode())?;
    let (ours, theirs) = socket::seqpacket_pair()?;
    let null = null()?;
    let file = process::c_string(program.as_os_str().as_bytes())?;
    // The whole title in one argument: so it stands in /proc/PID/cmdline.
    let argv = [process::c_string(title(&hand_over.lxcpath, &hand_over.name))?];
    let env = std::env::vars_os()
        .map(|(n, v)| process::c_string([n.as_bytes(), b"=", v.as_bytes()].concat()))
        .collect::<Result<Vec<CString>, SysError>>()?;
    let fds = [null.as_fd(), null.as_fd(), null.as_fd(), memory.as_fd(), listener.as_fd(), theirs.as_fd()];
    let first = process::spawn(&process::Program { file: &file, argv: &argv, env: &env, fds: &fds })?;
    drop(theirs);
    let answer = receive_answer(&ours);
    // The monitor is a child of this process, which leaves at once.
    process::wait(first)?;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> HandOver {
        HandOver {
            name: "c1".into(),
            lxcpath: "/var/lib/lxc".into(),
            config_file: None,
            argv: vec!["/bin/sh".into(), "".into(), "a b".into()],
            mode: Mode::Execute,
            pidfile: Some("/run/c1.pid".into()),
            log: Settings {
                level: "DEBUG".parse().ok(),
                file: LogFile::Path("/x".into()),
                syslog: None,
                quiet: true,
                prefix: "t".into(),
            },
            config: "lxc.uts.name = c1\n".into(),
        }
    }

    #[test]
    fn hand_over_round_trip() {
        assert_eq!(HandOver::decode(&sample().encode()), Some(sample()));
        let bytes = sample().encode();
        for cut in 0..bytes.len() - 24 {
            // Whatever is cut off, nothing panics; most of it is noticed.
            HandOver::decode(&bytes[..cut]);
        }
        assert_eq!(HandOver::decode(b""), None);
    }

    #[test]
    fn answers_round_trip() {
        let failed = Answer::Failed(Report { stage: "mounts".into(), chain: vec!["a".into(), "b".into()] });
        for answer in [Answer::Running, failed] {
            let (ours, theirs) = socket::seqpacket_pair().unwrap();
            Starter(theirs).answer(&answer);
            assert_eq!(receive_answer(&ours).unwrap(), answer);
            assert!(receive_answer(&ours).is_err());
        }
    }
}

//! The log: upstream's line format and places, behind the `log` facade.
//!
//! A file line is `PREFIX NAME TIME LEVEL CATEGORY - FILE:FUNCTION:LINE - TEXT`; a line on standard error is
//! `PREFIX: NAME: FILE: FUNCTION: LINE TEXT` and only for errors. Here FUNCTION is the module, for Rust does not
//! tell more.
//!
//! Files are opened to append, so that they may be cut short under the writer; [`reopen`] is for those that are renamed.

mod remote;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rustix::fs::OFlags;
use rustix::io::Errno;

use lxc_sys::{Error as SysError, Op};
use lxc_types::{Facility, LogLevel, UtcTime};

use remote::{Entry, Journal, Syslog};

/// Where lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogFile {
    /// To no file.
    #[default]
    None,
    /// To upstream's default place for the container.
    Default,
    /// To this file.
    Path(PathBuf),
    /// To the journal, `journal` in place of a file's name.
    Journal,
}

impl LogFile {
    /// What a file's name in an option or a configuration means.
    pub fn of_name(path: &Path) -> Self {
        match path.to_str() {
            Some("none") => LogFile::None,
            Some("journal") => LogFile::Journal,
            _ => LogFile::Path(path.to_owned()),
        }
    }
}

/// How a program logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The least severe level that is logged; `None` is ERROR.
    pub level: Option<LogLevel>,
    /// The file.
    pub file: LogFile,
    /// Also to syslog, as this facility.
    pub syslog: Option<Facility>,
    /// Nothing on standard error.
    pub quiet: bool,
    /// The program's name, first in each line.
    pub prefix: String,
}

struct Sink {
    prefix: String,
    name: String,
    quiet: bool,
    never_block: bool,
    file: Option<(PathBuf, File)>,
    journal: Option<Journal>,
    syslog: Option<Syslog>,
}

struct Logger(Mutex<Sink>);

static LOGGER: Logger = Logger(Mutex::new(Sink {
    prefix: String::new(),
    name: String::new(),
    quiet: true,
    never_block: false,
    file: None,
    journal: None,
    syslog: None,
}));

/// Sets the log up for a container, or for none. May be called again, for example when a configuration names
/// another file.
///
/// # Errors
/// When the file or the journal that was asked for cannot be opened; the default places and syslog are tried and then
/// done without.
pub fn init(settings: &Settings, lxcpath: &Path, name: Option<&str>) -> Result<(), SysError> {
    let with_path = |path: &Path| open(path).map(|file| (path.to_owned(), file));
    let file = match (&settings.file, name) {
        (LogFile::None | LogFile::Journal, _) | (LogFile::Default, None) => None,
        (LogFile::Path(path), _) => Some(with_path(path)?),
        (LogFile::Default, Some(name)) => {
            default_places(lxcpath, name).iter().find_map(|path| with_path(path).ok())
        }
    };
    let journal = if settings.file == LogFile::Journal { Some(Journal::connect()?) } else { None };
    let syslog = settings.syslog.and_then(|facility| Syslog::connect(facility).ok());
    let mut sink = LOGGER.0.lock().unwrap_or_else(PoisonError::into_inner);
    *sink = Sink {
        prefix: settings.prefix.clone(),
        name: name.unwrap_or_default().to_owned(),
        quiet: settings.quiet,
        never_block: sink.never_block,
        file,
        journal,
        syslog,
    };
    drop(sink);
    log::set_max_level(filter(settings.level));
    // Fails when it is set already, which is what a second call finds.
    log::set_logger(&LOGGER).ok();
    Ok(())
}

/// From now on a line that standard error does not take at once is lost: this is a monitor.
pub fn never_block() {
    LOGGER.0.lock().unwrap_or_else(PoisonError::into_inner).never_block = true;
}

/// Whether standard error takes a line without making the writer wait.
fn takes_a_line() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let stderr = rustix::stdio::stderr();
    let mut fds = [PollFd::from_borrowed_fd(stderr, PollFlags::OUT)];
    poll(&mut fds, Some(&now)).is_ok_and(|n| n > 0)
}

/// A line, at the most as long as a pipe takes in one piece; upstream's are no longer either.
fn cut(line: &str) -> &[u8] {
    const LONGEST: usize = 4096;
    line.as_bytes().get(..LONGEST).unwrap_or(line.as_bytes())
}

/// Opens the file anew, because somebody has renamed or removed it. Not for a container's first process, to which the
/// path is another file.
///
/// # Errors
/// When it cannot be opened; then the old one is kept.
pub fn reopen() -> Result<(), SysError> {
    let mut sink = LOGGER.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((path, file)) = &mut sink.file {
        *file = open(path)?;
    }
    Ok(())
}

/// Does `work`, whose lines do not go to standard error.
pub fn without_stderr(work: impl FnOnce()) {
    let quiet =
        |quiet| std::mem::replace(&mut LOGGER.0.lock().unwrap_or_else(PoisonError::into_inner).quiet, quiet);
    let before = quiet(true);
    work();
    quiet(before);
}

/// From now on nothing goes to standard error: it is nobody's.
pub fn be_quiet() {
    LOGGER.0.lock().unwrap_or_else(PoisonError::into_inner).quiet = true;
}

fn filter(level: Option<LogLevel>) -> log::LevelFilter {
    match level.map(LogLevel::as_str) {
        Some("TRACE") => log::LevelFilter::Trace,
        Some("DEBUG") => log::LevelFilter::Debug,
        Some("INFO" | "NOTICE") => log::LevelFilter::Info,
        Some("WARN") => log::LevelFilter::Warn,
        _ => log::LevelFilter::Error,
    }
}

/// As syslog(3) counts: ERR, WARNING, INFO, DEBUG.
fn priority(level: log::Level) -> u32 {
    match level {
        log::Level::Error => 3,
        log::Level::Warn => 4,
        log::Level::Info => 6,
        log::Level::Debug | log::Level::Trace => 7,
    }
}

fn default_places(lxcpath: &Path, name: &str) -> Vec<PathBuf> {
    let own = lxcpath.join(name).join(format!("{name}.log"));
    let common = Path::new("/var/log/lxc").join(format!("{name}.log"));
    if lxcpath == Path::new("/var/lib/lxc") && rustix::process::geteuid().is_root() {
        vec![common, own]
    } else {
        vec![own, common]
    }
}

fn open(path: &Path) -> Result<File, SysError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).op("mkdir", parent)?;
    }
    open_file(path, OFlags::empty())
}

/// Opens a file to append to, which may be a pipe or a terminal: nobody who reads slowly, or not at all, stops the
/// program that writes. A pipe without a reader is opened too: one may come.
///
/// # Errors
/// Those of open(2).
pub(crate) fn open_file(path: &Path, more: OFlags) -> Result<File, SysError> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | more;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let mut options = File::options();
    options.create(true).append(true).mode(0o640).custom_flags(flags);
    let opened = match options.open(path) {
        Err(e) if Errno::from_io_error(&e) == Some(Errno::NXIO) => options.read(true).open(path),
        other => other,
    };
    opened.op("open", path)
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = record.file().unwrap_or("?");
        let file = file.rsplit_once("/src/").map_or(file, |(_, f)| f);
        let module = record.module_path().unwrap_or("?").rsplit("::").next().unwrap_or("?");
        let line = record.line().unwrap_or(0);
        if record.level() == log::Level::Error && !sink.quiet {
            let name = if sink.name.is_empty() { String::new() } else { format!("{}: ", sink.name) };
            let text = format!("{}: {name}{file}: {module}: {line} {}\n", sink.prefix, record.args());
            if !sink.never_block || takes_a_line() {
                // There is nobody to tell when standard error is gone.
                std::io::stderr().write_all(cut(&text)).ok();
            }
        }
        if sink.file.is_some() {
            let name = if sink.name.is_empty() { String::new() } else { format!(" {}", sink.name) };
            let text = format!(
                "{}{name} {} {:<8} {module} - {file}:{module}:{line} - {}\n",
                sink.prefix,
                timestamp(SystemTime::now()),
                record.level(),
                record.args()
            );
            if let Some((_, out)) = &mut sink.file {
                // A full disk must not stop a container, nor a full pipe.
                out.write_all(cut(&text)).ok();
            }
        }
        if sink.journal.is_none() && sink.syslog.is_none() {
            return;
        }
        let text = record.args().to_string();
        let entry = Entry {
            prefix: &sink.prefix,
            name: &sink.name,
            priority: priority(record.level()),
            module,
            file,
            line,
            text: &text,
        };
        if let Some(journal) = &sink.journal {
            journal.send(&entry);
        }
        if let Some(syslog) = &sink.syslog {
            syslog.send(&entry);
        }
    }

    fn flush(&self) {}
}

/// `YYYYMMDDhhmmss.mmm` in UTC.
fn timestamp(now: SystemTime) -> String {
    let UtcTime { year, month, day, hour, minute, second, millisecond } = now.into();
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}.{millisecond:03}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn timestamps() {
        let at = |secs: u64, millis: u64| timestamp(UNIX_EPOCH + Duration::from_millis(secs * 1000 + millis));
        assert_eq!(at(0, 0), "19700101000000.000");
        assert_eq!(at(951_826_154, 7), "20000229120914.007");
        assert_eq!(at(1_795_310_999, 799), "20261122012959.799");
    }

    #[test]
    fn places() {
        let places = default_places(Path::new("/srv/lxc"), "c1");
        assert_eq!(places[0], Path::new("/srv/lxc/c1/c1.log"));
    }
}

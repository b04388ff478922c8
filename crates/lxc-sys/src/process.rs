//! Processes: waiting, signals, execution, personality, descriptors.
//!
//! Signals are raw numbers here, for LXC sends real-time signals, which rustix's type leaves out.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::{fmt, io};

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};

use crate::{Error, Op, Result};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status (0 to 255).
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl Exit {
    /// The status word as waitpid(2) gives it.
    pub fn raw(self) -> i32 {
        match self {
            Exit::Exited(code) => code << 8,
            Exit::Killed(signal) => signal,
        }
    }

    /// The status that a shell would show: 128 and the signal's number for a killed process.
    pub fn shell_status(self) -> i32 {
        match self {
            Exit::Exited(code) => code,
            Exit::Killed(signal) => 128 + signal,
        }
    }

    fn of(status: WaitStatus) -> Option<Exit> {
        status.exit_status().map(Exit::Exited).or_else(|| status.terminating_signal().map(Exit::Killed))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Exited(code) => write!(f, "exited with status {code}"),
            Exit::Killed(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// Waits for the end of a child and reaps it.
///
/// # Errors
/// `ECHILD` when it is no child or was reaped already.
pub fn wait(pid: Pid) -> Result<Exit> {
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(exit) = Exit::of(status) {
                    return Ok(exit);
                }
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(e) => return Err(e).op("waitpid", pid.to_string()),
        }
    }
}

/// Reaps a child if it has ended.
///
/// # Errors
/// `ECHILD` when it is no child or was reaped already.
pub fn try_wait(pid: Pid) -> Result<Option<Exit>> {
    let got = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG).op("waitpid", pid.to_string())?;
    Ok(got.and_then(|(_, status)| Exit::of(status)))
}

/// How a child ended, if it has; it is not reaped.
pub fn peek(pid: Pid) -> Option<Exit> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(pid), options).ok()??;
    status.exit_status().map(Exit::Exited).or_else(|| status.terminating_signal().map(Exit::Killed))
}

/// Reaps any ended child.
///
/// # Errors
/// `ECHILD` when there is no child at all.
pub fn try_wait_any() -> Result<Option<(Pid, Exit)>> {
    let got = rustix::process::wait(WaitOptions::NOHANG).op("waitpid", "any")?;
    Ok(got.and_then(|(pid, status)| Exit::of(status).map(|exit| (pid, exit))))
}

fn done(result: i64, op: &'static str, on: impl Into<String>) -> Result<i64> {
    if result < 0 {
        let errno = Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO);
        return Err(Error::new(op, on, errno));
    }
    Ok(result)
}

/// Sends a signal by process id; `0` only checks.
///
/// # Errors
/// That of kill(2).
pub fn kill_raw(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: kill(2) takes two numbers.
    let sent = unsafe { libc::kill(pid, signal) };
    done(sent.into(), "kill", pid.to_string()).map(|_| ())
}

/// Sends a signal to one process.
///
/// # Errors
/// That of kill(2).
pub fn kill(pid: Pid, signal: i32) -> Result<()> {
    kill_raw(pid.as_raw_nonzero().get(), signal)
}

/// Sends a signal through a pidfd.
///
/// # Errors
/// That of pidfd_send_signal(2); `ENOSYS` before Linux 5.1.
pub fn pidfd_kill(pidfd: impl AsFd, signal: i32) -> Result<()> {
    let fd = pidfd.as_fd().as_raw_fd();
    // SAFETY: a descriptor that is borrowed for the call, a number, and null for "as kill(2) would fill it".
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, 0usize, 0u32) };
    done(sent, "pidfd_send_signal", signal.to_string()).map(|_| ())
}

/// A set of signals.
#[derive(Clone, Copy)]
pub struct SignalSet(libc::sigset_t);

impl std::fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members = (1..=64).filter(|n| self.contains(*n));
        f.debug_set().entries(members).finish()
    }
}

impl SignalSet {
    /// No signal.
    pub fn empty() -> Self {
        // SAFETY: sigset_t is an array of integers, for which zero bytes are a value.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is ours and valid.
        unsafe { libc::sigemptyset(&raw mut set) };
        SignalSet(set)
    }

    /// Every signal.
    pub fn full() -> Self {
        let mut set = Self::empty();
        // SAFETY: the set is ours and valid.
        unsafe { libc::sigfillset(&raw mut set.0) };
        set
    }

    /// Without `signal`.
    #[must_use]
    pub fn without(mut self, signal: i32) -> Self {
        // SAFETY: the set is ours and valid; a bad number is refused.
        unsafe { libc::sigdelset(&raw mut self.0, signal) };
        self
    }

    /// With `signal`.
    #[must_use]
    pub fn with(mut self, signal: i32) -> Self {
        // SAFETY: the set is ours and valid; a bad number is refused.
        unsafe { libc::sigaddset(&raw mut self.0, signal) };
        self
    }

    /// Whether `signal` is in the set.
    pub fn contains(&self, signal: i32) -> bool {
        // SAFETY: the set is ours and valid.
        unsafe { libc::sigismember(&raw const self.0, signal) == 1 }
    }
}

/// Sets the signals that the calling thread blocks; returns what it blocked before.
///
/// # Errors
/// That of sigprocmask(2).
pub fn set_signal_mask(set: &SignalSet) -> Result<SignalSet> {
    let mut old = SignalSet::empty();
    // SAFETY: both sets are valid for the call.
    let set = unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set.0, &raw mut old.0) };
    done(set.into(), "sigprocmask", "").map(|_| old)
}

/// Gives every signal its default action; what an exec keeps of its caller are the ignored ones.
pub fn default_signal_actions() {
    for signal in 1..=64 {
        if signal == libc::SIGKILL || signal == libc::SIGSTOP {
            continue;
        }
        // SAFETY: SIG_DFL runs no code of ours; the C library refuses the numbers it keeps for itself.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Ignores a signal.
pub fn ignore_signal(signal: i32) {
    // SAFETY: SIG_IGN runs no code of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// A signal that was taken from a [`SignalFd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The signal's number.
    pub signal: i32,
    /// Who sent it, in the reader's pid namespace; 0 for one from outside.
    pub sender: i32,
    /// `SI_USER`, `SI_KERNEL`, `CLD_EXITED` …
    pub code: i32,
}

/// A descriptor from which blocked signals are read.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Makes one for the signals in `set`, which the caller must block. Does not block on reading.
    ///
    /// # Errors
    /// That of signalfd(2).
    pub fn new(set: &SignalSet) -> Result<Self> {
        // SAFETY: the set is valid for the call; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &raw const set.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        done(fd.into(), "signalfd", "")?;
        // SAFETY: the descriptor was just made and has no other owner.
        Ok(SignalFd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes one pending signal; `None` when there is none.
    ///
    /// # Errors
    /// That of read(2).
    pub fn take(&self) -> Result<Option<Taken>> {
        let mut raw = [0u8; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.0, &mut raw) {
            Ok(n) if n == raw.len() => {
                let word = |at: usize| i32::from_ne_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
                // struct signalfd_siginfo: u32 signo, i32 errno, i32 code, u32 pid
                Ok(Some(Taken { signal: word(0), code: word(8), sender: word(12) }))
            }
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(e) => Err(e).op("read", "signalfd"),
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sets the execution domain, for example `PER_LINUX32` (8); `0xffffffff` only asks.
///
/// # Errors
/// That of personality(2).
pub fn personality(persona: u32) -> Result<u32> {
    // SAFETY: takes one number.
    let old = unsafe { libc::personality(persona.into()) };
    done(old.into(), "personality", format!("{persona:#x}")).map(|n| u32::try_from(n).unwrap_or(0))
}

/// Marks every descriptor from `first` on close-on-exec.
///
/// # Errors
/// That of reading `/proc/self/fd`, where close_range(2) is missing.
pub fn close_on_exec_from(first: RawFd) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    let from = u32::try_from(first).unwrap_or(0);
    // SAFETY: only marks descriptors, closes none.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, from, u32::MAX, CLOSE_RANGE_CLOEXEC) };
    if marked == 0 {
        return Ok(());
    }
    // Fallback for Linux before 5.11: one by one.
    for fd in open_fds()? {
        if fd >= first {
            // SAFETY: marking a descriptor that is not ours to own changes nothing before an exec; a closed one fails.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// The open descriptors of this process.
///
/// # Errors
/// That of reading `/proc/self/fd`.
pub fn open_fds() -> Result<Vec<RawFd>> {
    let dir = std::fs::read_dir("/proc/self/fd").op("open", "/proc/self/fd")?;
    Ok(dir.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect())
}

/// Closes what this program was started with besides the standard streams: descriptors without close-on-exec.
/// Those that it has opened itself all have it.
///
/// # Errors
/// That of reading `/proc/self/fd`.
pub fn close_inherited() -> Result<()> {
    // Linux 6.2 counts: then asking for the lowest numbers, which these mostly are, is quicker than a list.
    let mut left = open_count();
    for fd in 0..MOST_ASKED {
        if left == Some(0) {
            return Ok(());
        }
        if left.is_some() && close_if_inherited(fd) {
            left = left.map(|n| n - 1);
        }
    }
    for fd in open_fds()? {
        close_if_inherited(fd);
    }
    Ok(())
}

/// How many numbers are asked for one by one.
const MOST_ASKED: RawFd = 64;

/// How many descriptors are open, if the kernel says so (Linux 6.2).
fn open_count() -> Option<u64> {
    let stat = rustix::fs::stat("/proc/self/fd").ok()?;
    u64::try_from(stat.st_size).ok().filter(|count| *count > 0)
}

/// Whether this is open; it is closed when it is no standard stream and was inherited.
fn close_if_inherited(fd: RawFd) -> bool {
    // SAFETY: F_GETFD only asks; a closed number fails.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    if fd > 2 && flags >= 0 && flags & libc::FD_CLOEXEC == 0 {
        // SAFETY: no value of this program owns a descriptor without close-on-exec.
        unsafe { libc::close(fd) };
    }
    flags >= 0
}

/// Replaces the command line that `/proc/PID/cmdline` shows. The new one stays in memory for good.
///
/// # Errors
/// `EPERM` without `CAP_SYS_RESOURCE`.
pub fn set_title(title: &[u8]) -> Result<()> {
    let stat = crate::proc::read("/proc/self/stat")?;
    // The name, second, is in parentheses and may hold anything.
    let after = stat.iter().rposition(|b| *b == b')').map_or(0, |at| at + 1);
    let text = String::from_utf8_lossy(stat.get(after..).unwrap_or_default());
    let fields: Vec<u64> = text.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
    // By the numbers of proc(5), where the state, first here, is the third.
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    let line: &'static [u8] = Box::leak([title, &[0]].concat().into_boxed_slice());
    let begin = line.as_ptr() as u64;
    // SAFETY: asks for the end of the heap, moves nothing.
    let brk = unsafe { libc::sbrk(0) } as u64;
    let map = rustix::process::PrctlMmMap {
        start_code: field(26),
        end_code: field(27),
        start_stack: field(28),
        start_data: field(45),
        end_data: field(46),
        start_brk: field(47),
        brk,
        arg_start: begin,
        arg_end: begin + line.len() as u64,
        env_start: field(50),
        env_end: field(51),
        auxv: std::ptr::null_mut(),
        auxv_size: 0,
        exe_fd: -1,
    };
    // SAFETY: all addresses are the kernel's own, but for the command line, which is never freed.
    unsafe { rustix::process::configure_virtual_memory_map(&map) }.op("prctl", "PR_SET_MM_MAP")
}

/// Takes ownership of a descriptor that the program was started with.
///
/// # Errors
/// `EBADF` when there is none of that number.
pub fn inherited_fd(number: RawFd) -> Result<OwnedFd> {
    // SAFETY: F_SETFD changes a flag; a closed number fails.
    let set = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    done(set.into(), "fcntl", format!("descriptor {number}"))?;
    // SAFETY: it is open, and by the contract between the two programs it is handed over to this call alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Gives memory that is not used now back to the kernel: what the C library's allocator holds free, and what
/// deeper calls have left on the stack. For a process that has done its great work and now waits.
pub fn trim_memory() {
    trim_stack();
    trim_heap();
}

// In a frame of its own, which is small: in a caller's, `mark` could lie above what is alive.
#[inline(never)]
fn trim_stack() {
    const PAGE: usize = 4096;
    const DEPTH: usize = 256 * 1024;
    let mark = 0u8;
    let top = (std::ptr::from_ref(std::hint::black_box(&mark)) as usize & !(PAGE - 1)).saturating_sub(PAGE);
    // SAFETY: `mark` is in the innermost frame but that of madvise: below it, with a page's distance for that one,
    // nothing is alive; and the kernel keeps a megabyte below the stack free of other mappings (stack_guard_gap),
    // so the range holds dead stack or nothing.
    unsafe { libc::madvise((top - DEPTH) as *mut libc::c_void, DEPTH, libc::MADV_DONTNEED) };
}

fn trim_heap() {
    // SAFETY: touches only memory that is free.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Leaves the process at once: no destructors, no exit handlers.
pub fn leave(status: i32) -> ! {
    // SAFETY: never returns and runs no code of ours.
    unsafe { libc::_exit(status) }
}

/// Text for exec: no NUL inside.
///
/// # Errors
/// `EINVAL` for a text with a NUL byte.
pub fn c_string(bytes: impl Into<Vec<u8>>) -> Result<CString> {
    let bytes = bytes.into();
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    CString::new(bytes).map_err(|_| Error::new("exec", shown, Errno::INVAL))
}

fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts.iter().map(|t| t.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Replaces the program. A name without a slash is looked for in the directories of `path` (colon-separated).
/// Returns only the error.
pub fn exec(argv: &[CString], env: &[CString], path: &str) -> Error {
    let Some(name) = argv.first() else { return Error::new("execve", "", Errno::NOENT) };
    if name.to_bytes().contains(&b'/') {
        return exec_file(name, argv, env);
    }
    let shown = name.to_string_lossy().into_owned();
    let mut worst = Error::new("execve", shown, Errno::NOENT);
    for dir in path.split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        let Ok(file) = c_string([dir.as_bytes(), b"/", name.to_bytes()].concat()) else { continue };
        let error = exec_file(&file, argv, env);
        match error.errno() {
            Errno::NOENT | Errno::NOTDIR => {}
            // Found but not to be run: remembered, the search goes on, as execvp(3) does.
            Errno::ACCESS => worst = error,
            _ => return error,
        }
    }
    worst
}

/// Replaces the program by `file`. Returns only the error.
pub fn exec_file(file: &CStr, argv: &[CString], env: &[CString]) -> Error {
    let (args, vars) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end with null and outlive the call, as do the texts they point to.
    unsafe { libc::execve(file.as_ptr(), args.as_ptr(), vars.as_ptr()) };
    let errno = Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO);
    Error::new("execve", file.to_string_lossy(), errno)
}

/// Replaces the program by the open file `fd`. Returns only the error.
pub fn exec_fd(fd: impl AsFd, argv: &[CString], env: &[CString]) -> Error {
    let (args, vars) = (pointers(argv), pointers(env));
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: an open descriptor, an empty path (AT_EMPTY_PATH), and arrays as for execve.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            raw,
            c"".as_ptr(),
            args.as_ptr(),
            vars.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    let errno = Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO);
    Error::new("execveat", format!("descriptor {raw}"), errno)
}

/// A program to be started by [`spawn`].
#[derive(Debug)]
pub struct Program<'a> {
    /// The program file.
    pub file: &'a CStr,
    /// Its arguments, the name first.
    pub argv: &'a [CString],
    /// Its environment.
    pub env: &'a [CString],
    /// Descriptors that become 0, 1, 2, … in this order; of the others those stay open that are not
    /// close-on-exec.
    pub fds: &'a [BorrowedFd<'a>],
}

struct Start<'a> {
    what: &'a Program<'a>,
    args: Vec<*const libc::c_char>,
    vars: Vec<*const libc::c_char>,
    sources: Vec<RawFd>,
    errno: i32,
}

const STACK: usize = 64 * 1024;

/// Starts a program in a session of its own, with no signal blocked. No memory of the caller is copied, so it is
/// safe and cheap in a large program with threads. Returns when the program runs; the caller reaps it.
///
/// # Errors
/// That of clone(2), or the error of execve(2) in the new process.
pub fn spawn(what: &Program<'_>) -> Result<Pid> {
    let mut stack = vec![0u8; STACK];
    let top = stack.as_mut_ptr_range().end.cast::<libc::c_void>();
    let sources = what.fds.iter().map(|fd| fd.as_raw_fd()).collect();
    let mut start = Start { what, args: pointers(what.argv), vars: pointers(what.env), sources, errno: 0 };
    let old = set_signal_mask(&SignalSet::full())?;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let argument = std::ptr::from_mut(&mut start).cast::<libc::c_void>();
    // SAFETY: the child runs on a stack of its own while this thread is held (CLONE_VFORK) until it has executed
    // or left; it makes system calls only, so sharing the memory (CLONE_VM) disturbs no other thread.
    let pid = unsafe { libc::clone(become_program, top, flags, argument) };
    let cloned = done(pid.into(), "clone", what.file.to_string_lossy());
    set_signal_mask(&old)?;
    cloned?;
    let Some(pid) = Pid::from_raw(pid) else { return Err(Error::new("clone", "no process id", Errno::IO)) };
    if start.errno != 0 {
        wait(pid)?;
        let on = what.file.to_string_lossy();
        return Err(Error::new("execve", on, Errno::from_raw_os_error(start.errno)));
    }
    Ok(pid)
}

extern "C" fn become_program(argument: *mut libc::c_void) -> libc::c_int {
    // SAFETY: spawn passes a Start that lives until this process has executed or left, and nobody else touches
    // it meanwhile.
    let start = unsafe { &mut *argument.cast::<Start<'_>>() };
    // SAFETY: setsid(2) takes nothing; a new process is no group leader, so it succeeds.
    unsafe { libc::setsid() };
    let count = RawFd::try_from(start.sources.len()).unwrap_or(RawFd::MAX);
    // First above all targets, so that no source is overwritten before it is used.
    for source in &mut start.sources {
        // SAFETY: duplicates a descriptor of the caller; this process has its own table (no CLONE_FILES).
        *source = unsafe { libc::fcntl(*source, libc::F_DUPFD, count.max(3)) };
    }
    for (target, source) in (0..count).zip(&start.sources) {
        // SAFETY: as above; the duplicates are closed below.
        unsafe { libc::dup2(*source, target) };
    }
    for source in &start.sources {
        // SAFETY: a duplicate made above.
        unsafe { libc::close(*source) };
    }
    let none = SignalSet::empty();
    // SAFETY: a valid set; the old one is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none.0, std::ptr::null_mut()) };
    // SAFETY: arrays that end with null, made before the clone.
    unsafe { libc::execve(start.what.file.as_ptr(), start.args.as_ptr(), start.vars.as_ptr()) };
    start.errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOEXEC);
    1
}

/// Whether a process is dead, on its way out, or about to notice that it was killed.
pub fn is_dying(pid: i32) -> bool {
    /// `PF_EXITING` among the flags of proc(5)'s `stat`.
    const EXITING: u64 = 4;
    const SIGKILL_PENDING: u64 = 1 << 8;
    let (Ok(stat), Ok(status)) =
        (crate::proc::read(format!("/proc/{pid}/stat")), crate::proc::read(format!("/proc/{pid}/status")))
    else {
        return true;
    };
    let after = stat.iter().rposition(|byte| *byte == b')').map_or(0, |at| at + 1);
    let text = String::from_utf8_lossy(stat.get(after..).unwrap_or_default());
    let mut fields = text.split_ascii_whitespace();
    let ended = matches!(fields.next(), None | Some("Z" | "X"));
    // The state was the third field; the flags are the ninth.
    let flags: u64 = fields.nth(5).and_then(|text| text.parse().ok()).unwrap_or(0);
    let pending = |name| {
        let text = crate::proc::status_field(&status, name).and_then(|v| std::str::from_utf8(v).ok());
        text.and_then(|v| u64::from_str_radix(v, 16).ok()).unwrap_or(0)
    };
    ended || flags & EXITING != 0 || (pending("SigPnd") | pending("ShdPnd")) & SIGKILL_PENDING != 0
}

/// Closes every descriptor from `first` on: those that a careless starter left open.
///
/// # Errors
/// That of reading `/proc/self/fd`, where close_range(2) is missing.
pub fn close_inherited_from(first: RawFd) -> Result<()> {
    let from = u32::try_from(first).unwrap_or(0);
    // SAFETY: by its contract called first thing in a program, when nothing above is owned by any value.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, from, u32::MAX, 0) };
    if closed == 0 {
        return Ok(());
    }
    // Fallback for Linux before 5.9: one by one.
    for fd in open_fds()? {
        if fd >= first {
            // SAFETY: as above; the folder's own descriptor is closed already and fails.
            unsafe { libc::close(fd) };
        }
    }
    Ok(())
}

/// Closes every descriptor from 3 on but those in `kept`. For a child that leaves by exec or `_exit` and drops
/// none of the values that own the closed ones.
///
/// # Errors
/// That of reading `/proc/self/fd`, where close_range(2) is missing.
pub fn close_all_but(kept: &[BorrowedFd<'_>]) -> Result<()> {
    let mut numbers: Vec<RawFd> = kept.iter().map(AsRawFd::as_raw_fd).filter(|fd| *fd >= 3).collect();
    numbers.sort_unstable();
    let mut first: RawFd = 3;
    for kept in numbers.iter().copied().chain([RawFd::MAX]) {
        if first < kept && !close_range(first, kept - 1) {
            // Fallback for Linux before 5.9: one by one.
            return close_each(&numbers);
        }
        first = kept.saturating_add(1);
    }
    Ok(())
}

fn close_range(first: RawFd, last: RawFd) -> bool {
    // SAFETY: by the contract of the caller no value uses or drops the descriptors in this range any more.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) == 0 }
}

fn close_each(kept: &[RawFd]) -> Result<()> {
    for fd in open_fds()?.into_iter().filter(|fd| *fd >= 3 && !kept.contains(fd)) {
        // SAFETY: as for close_range; the folder's own descriptor is closed already and fails.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_words() {
        assert_eq!((Exit::Exited(3).raw(), Exit::Killed(9).raw()), (0x300, 9));
        assert_eq!(Exit::Killed(15).shell_status(), 143);
    }

    #[test]
    fn who_is_dying() {
        assert!(!is_dying(i32::try_from(std::process::id()).unwrap()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        for _ in 0..500 {
            if is_dying(pid) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(is_dying(pid), "a zombie");
        child.wait().unwrap();
        assert!(is_dying(i32::MAX));
    }

    #[test]
    fn sets() {
        let set = SignalSet::empty().with(libc::SIGTERM).with(40);
        assert_eq!(format!("{set:?}"), "{15, 40}");
        assert!(!SignalSet::full().without(2).contains(2));
    }

    #[test]
    fn a_program_gets_its_descriptors() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let null =
            rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty()).unwrap();
        let argv = [c"sh".into(), c"-c".into(), c"echo \"$X $(ps -o sid= -p $$) $$\"".into()];
        let what = Program {
            file: c"/bin/sh",
            argv: &argv,
            env: &[c"X=1".into(), c"PATH=/usr/bin:/bin".into()],
            fds: &[null.as_fd(), write.as_fd(), null.as_fd()],
        };
        let pid = spawn(&what).unwrap();
        drop(write);
        let mut text = String::new();
        io::Read::read_to_string(&mut std::fs::File::from(read), &mut text).unwrap();
        let number = pid.as_raw_nonzero().to_string();
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["1", &number, &number]);
        assert_eq!(wait(pid).unwrap(), Exit::Exited(0));
    }

    #[test]
    fn a_program_that_is_not_there() {
        let what = Program { file: c"/nowhere/program", argv: &[c"x".into()], env: &[], fds: &[] };
        let e = spawn(&what).unwrap_err();
        assert_eq!(e.to_string(), "execve(/nowhere/program): No such file or directory");
    }

    #[test]
    fn exec_searches_the_path() {
        let argv = [c"no-such-program-here".into()];
        assert_eq!(exec(&argv, &[], "/bin:/usr/bin").errno(), Errno::NOENT);
    }
}

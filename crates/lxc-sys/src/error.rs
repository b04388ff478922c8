//! The error of a system call: what was tried, on what, and the kernel's answer.

use std::fmt;
use std::io;
use std::path::Path;

use rustix::io::Errno;

/// A failed system call. An errno never travels without its operation and object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    op: &'static str,
    on: String,
    errno: Errno,
}

/// The result of an operation on the kernel.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of operation `op` on object `on`.
    pub fn new(op: &'static str, on: impl Into<String>, errno: Errno) -> Self {
        Error { op, on: on.into(), errno }
    }

    /// The operation, usually the name of the system call.
    pub fn op(&self) -> &'static str {
        self.op
    }

    /// The object that was operated on.
    pub fn on(&self) -> &str {
        &self.on
    }

    /// The kernel's answer.
    pub fn errno(&self) -> Errno {
        self.errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The C library's text for the errno, without Rust's " (os error N)".
        let text = io::Error::from(self.errno).to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        if self.on.is_empty() {
            write!(f, "{}: {text}", self.op)
        } else {
            write!(f, "{}({}): {text}", self.op, self.on)
        }
    }
}

impl std::error::Error for Error {}

/// Adds operation and object to an errno.
///
/// ```
/// use lxc_sys::Op;
/// let e = rustix::fs::stat("/does/not/exist").op("stat", "/does/not/exist").unwrap_err();
/// assert_eq!(e.to_string(), "stat(/does/not/exist): No such file or directory");
/// ```
pub trait Op<T> {
    /// Names the operation and what it was applied to.
    fn op(self, op: &'static str, on: impl AsRef<Path>) -> Result<T>;
}

impl<T> Op<T> for rustix::io::Result<T> {
    fn op(self, op: &'static str, on: impl AsRef<Path>) -> Result<T> {
        self.map_err(|errno| Error::new(op, on.as_ref().display().to_string(), errno))
    }
}

impl<T> Op<T> for io::Result<T> {
    fn op(self, op: &'static str, on: impl AsRef<Path>) -> Result<T> {
        self.map_err(|e| {
            let errno = Errno::from_io_error(&e).unwrap_or(Errno::IO);
            Error::new(op, on.as_ref().display().to_string(), errno)
        })
    }
}

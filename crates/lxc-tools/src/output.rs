//! Standard output: each tool gathers its text and writes it once.

use std::io::{self, Write};

/// Writes all of `bytes` to standard output.
///
/// # Errors
/// When standard output is closed, full or broken: a tool whose answer did not arrive has failed.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// How many characters fit in a line: the width of the terminal at standard output, error or input; 0 if
/// there is none.
pub fn width() -> usize {
    let size = |fd: std::os::fd::BorrowedFd<'_>| rustix::termios::tcgetwinsize(fd).ok();
    let size = size(rustix::stdio::stdout())
        .or_else(|| size(rustix::stdio::stderr()))
        .or_else(|| size(rustix::stdio::stdin()));
    size.map_or(0, |size| size.ws_col.into())
}

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

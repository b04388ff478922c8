//! The bytes of a regular file, without its holes.

use std::os::fd::BorrowedFd;

use rustix::fs::{SeekFrom, Stat};
use rustix::io::Errno;

/// How much is read at once where the kernel does not copy by itself.
const CHUNK: usize = 1 << 20;

type Result<T> = std::result::Result<T, (&'static str, Errno)>;

fn op<T>(name: &'static str, result: rustix::io::Result<T>) -> Result<T> {
    result.map_err(|errno| (name, errno))
}

/// Copies the contents of `from`, whose status is `stat`, into the empty file `to`.
pub(super) fn copy(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    stat: &Stat,
    buffer: &mut Vec<u8>,
) -> Result<()> {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size == 0 || rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    op("ftruncate", rustix::fs::ftruncate(to, size))?;
    let mut way = Way::Kernel;
    let mut at = 0;
    while at < size {
        // File systems that know no holes answer as if there were none.
        let (begin, end) = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(begin) => (begin, op("lseek", rustix::fs::seek(from, SeekFrom::Hole(begin)))?),
            Err(Errno::NXIO) => return Ok(()),
            Err(Errno::INVAL) => (at, size),
            Err(errno) => return Err(("lseek", errno)),
        };
        let end = end.min(size);
        at = begin;
        while at < end {
            let part = usize::try_from(end - at).unwrap_or(usize::MAX).min(1 << 30);
            match way.copy(from, to, at, part, buffer)? {
                // It is shorter by now.
                0 => return Ok(()),
                done => at += done,
            }
        }
        at = end.max(at);
    }
    Ok(())
}

/// Who moves the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `copy_file_range`: within the kernel, or within the storage.
    Kernel,
    /// This process.
    Buffer,
}

impl Way {
    fn copy(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        at: u64,
        part: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<u64> {
        if *self == Way::Kernel {
            let (mut from_at, mut to_at) = (at, at);
            let copied = rustix::fs::copy_file_range(from, Some(&mut from_at), to, Some(&mut to_at), part);
            match copied {
                Ok(done) if done > 0 => return Ok(u64::try_from(done).unwrap_or(0)),
                Err(Errno::INTR) => return self.copy(from, to, at, part, buffer),
                // Across file systems before Linux 5.3; and some answer 0 for what they cannot copy.
                Ok(_) | Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                    *self = Way::Buffer;
                }
                Err(errno) => return Err(("copy_file_range", errno)),
            }
        }
        buffer.resize(CHUNK, 0);
        let part = part.min(CHUNK);
        let read = op("read", rustix::io::pread(from, &mut buffer[..part], at))?;
        let mut written = 0;
        while written < read {
            let more = u64::try_from(written).unwrap_or(0);
            written += op("write", rustix::io::pwrite(to, &buffer[written..read], at + more))?;
        }
        Ok(u64::try_from(read).unwrap_or(0))
    }
}

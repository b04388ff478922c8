//! The clients' side.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use lxc_sys::clone::{Cloned, Request, clone};
use lxc_sys::{Error, Op, Result, process, socket};

use super::{Message, QUIT, socket_name};
use crate::command::client::check_peer;
use crate::command::wire::STATE_MESSAGE;

/// How long a daemon may take until clients can connect.
const STARTING: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// How long a daemon may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a daemon that is being started is given between tries to connect.
const TRIES: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(100)];

/// Starts a daemon for the containers in `lxcpath` and waits until it serves. Where there is one, the new one ends by
/// itself, which is no error.
///
/// # Errors
/// When the program cannot be executed.
pub fn spawn(program: &Path, lxcpath: &Path) -> Result<()> {
    let (ready, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).op("pipe", "")?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let null = null.op("open", "/dev/null")?;
    let text = |path: &Path| process::c_string(path.as_os_str().as_bytes());
    // The pipe is descriptor 3 of the new program.
    let argv = [text(program)?, text(lxcpath)?, c"3".to_owned()];
    let env = std::env::vars_os()
        .map(|(n, v)| process::c_string([n.as_bytes(), b"=", v.as_bytes()].concat()))
        .collect::<Result<Vec<CString>>>()?;
    let fds = [null.as_fd(), null.as_fd(), null.as_fd(), tell.as_fd()];
    // By a child that leaves at once: the daemon is nobody's whose caller does not wait for it.
    match clone(&Request::default())?.0 {
        Cloned::Guest(_) => {
            // Nothing but what is handed over stays open in a daemon.
            let kept = [null.as_fd(), tell.as_fd()];
            let done = process::close_all_but(&kept).and_then(|()| {
                process::spawn(&process::Program { file: &argv[0], argv: &argv, env: &env, fds: &fds })
            });
            process::leave(i32::from(done.is_err()))
        }
        Cloned::Monitor(child) => {
            drop(tell);
            if child.wait()?.shell_status() != 0 {
                return Err(Errno::NOEXEC).op("execute", program);
            }
        }
    }
    let mut fds = [PollFd::new(&ready, PollFlags::IN)];
    match poll(&mut fds, Some(&STARTING)) {
        // A byte or the end: either way there is no more to wait for.
        Ok(1..) => Ok(()),
        Ok(0) => Err(Errno::TIMEDOUT).op("wait for", program),
        Err(e) => Err(e).op("wait for", program),
    }
}

fn connect(lxcpath: &Path) -> Result<OwnedFd> {
    let name = socket_name(lxcpath).ok_or(Errno::NAMETOOLONG).op("name the socket of", lxcpath)?;
    let connection = socket::connect_abstract(&name, PATIENCE)?;
    let what = format!("the monitor daemon's socket of {}", lxcpath.display());
    check_peer(&connection, lxcpath, &what)?;
    Ok(connection)
}

/// Asks the daemon of a folder to end.
///
/// # Errors
/// `ECONNREFUSED` when there is none.
pub fn quit(lxcpath: &Path) -> Result<()> {
    socket::send(connect(lxcpath)?, QUIT, &[]).map(drop)
}

/// A connection to a daemon.
#[derive(Debug)]
pub struct Watcher(OwnedFd);

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Watcher {
    /// Connects to the daemon of a folder, which may just be starting.
    ///
    /// # Errors
    /// `ECONNREFUSED` when there is none.
    pub fn connect(lxcpath: &Path) -> Result<Watcher> {
        for pause in TRIES {
            match connect(lxcpath) {
                Err(e) if e.errno() == Errno::CONNREFUSED => std::thread::sleep(pause),
                other => return other.map(Watcher),
            }
        }
        connect(lxcpath).map(Watcher)
    }

    /// Waits for the next message; `None` for one of a kind that is not known.
    ///
    /// # Errors
    /// `ECONNRESET` when the daemon is gone.
    pub fn read(&self) -> Result<Option<Message>> {
        let mut bytes = [0; STATE_MESSAGE];
        let got = socket::receive(&self.0, &mut bytes, RecvFlags::WAITALL)?.len;
        if got < STATE_MESSAGE {
            return Err(Error::new("read", "the monitor daemon's socket", Errno::CONNRESET));
        }
        Ok(Message::decode(&bytes))
    }
}

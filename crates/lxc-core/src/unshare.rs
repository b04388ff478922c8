//! Programs in new namespaces, without a container: `lxc-unshare`, `lxc-usernsexec`, and the templates of
//! containers with ids of their own.
//!
//! The child is made in its namespaces and waits; the parent writes id maps and moves links; then the child does
//! its part and executes the program. The pair of sockets between them is close-on-exec: its end says that the
//! program runs, a message says why it does not.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::net::RecvFlags;

use lxc_host::idmap::guest::become_identity;
use lxc_host::idmap::{Groups, IdMapSpec, Identity, host as idmap};
use lxc_host::net::{Netlink, moving};
use lxc_sys::clone::{Child, Cloned, InGuest, Request, clone};
use lxc_sys::ns::{self, NsFlags};
use lxc_sys::process::{self, SignalSet};
use lxc_sys::procfs::Procfs;
use lxc_sys::{Op, socket};
use lxc_types::{IdKind, IdMap, Namespaces};

use crate::facts;
use crate::plan::namespaces::flags;

/// Why a program does not run in new namespaces.
#[derive(Debug, thiserror::Error)]
pub enum UnshareError {
    /// The id maps could not be written.
    #[error(transparent)]
    Ids(#[from] idmap::Error),
    /// A link could not be moved.
    #[error(transparent)]
    Net(#[from] lxc_host::net::Error),
    /// The child could not do its part, in its own words.
    #[error("{0}")]
    Child(String),
    /// A system call.
    #[error(transparent)]
    System(#[from] lxc_sys::Error),
}

/// What a program of `lxc-unshare` is to have.
#[derive(Clone, Debug, Default)]
pub struct Unshare {
    /// The new namespaces.
    pub namespaces: Namespaces,
    /// The only user of a new user namespace, standing for the caller.
    pub user: Option<u32>,
    /// The host name in a new UTS namespace.
    pub hostname: Option<String>,
    /// Links that move to a new network namespace.
    pub links: Vec<String>,
    /// Whether `/proc`, `/dev/shm` and `/dev/mqueue` show the new namespaces.
    pub remount: bool,
    /// Whether the program gets a session of its own.
    pub session: bool,
}

impl Unshare {
    /// Runs the program; the child that it is.
    ///
    /// # Errors
    /// Namespaces that cannot be made, a part that failed, a program that cannot be executed.
    pub fn run(&self, argv: &[OsString]) -> Result<Child, UnshareError> {
        let argv = texts(argv)?;
        let caller = rustix::process::geteuid().as_raw();
        let maps: Vec<IdMap> = self
            .user
            .map(|inside| IdMap { kind: IdKind::User, inside, outside: caller, count: 1 })
            .into_iter()
            .collect();
        let outside = |child: &Child| {
            write_maps(child, &maps)?;
            self.move_links(child)
        };
        spawn(flags(self.namespaces), outside, |_| {
            self.settle()?;
            execute(&argv)
        })
    }

    fn move_links(&self, child: &Child) -> Result<(), UnshareError> {
        if self.links.is_empty() {
            return Ok(());
        }
        let netns = ns::open_of(child.pid(), "net")?;
        let mut sock = Netlink::route()?;
        for name in &self.links {
            moving::move_link(&mut sock, name, netns.as_fd())?;
        }
        Ok(())
    }

    /// The child's part.
    fn settle(&self) -> lxc_sys::Result<()> {
        let new = flags(self.namespaces);
        if self.session {
            rustix::process::setsid().op("setsid", "")?;
        }
        if new.contains(NsFlags::MNT) {
            change_root(MountPropagationFlags::PRIVATE)?;
        }
        if self.remount {
            remount("/proc", "proc")?;
            remount("/dev/shm", "tmpfs")?;
            remount("/dev/mqueue", "mqueue")?;
        }
        if let Some(name) = &self.hostname {
            rustix::system::sethostname(name.as_bytes()).op("sethostname", name)?;
        }
        if let Some(uid) = self.user {
            let uid = rustix::process::Uid::from_raw(uid);
            rustix::thread::set_thread_res_uid(uid, uid, uid).op("setresuid", uid.as_raw().to_string())?;
        }
        Ok(())
    }
}

/// Puts a new mount in place of what is at `target`, where there is such a directory.
fn remount(target: &str, fstype: &str) -> lxc_sys::Result<()> {
    let at = Path::new(target);
    if !at.is_dir() {
        return Ok(());
    }
    // What cannot be unmounted is covered.
    rustix::mount::unmount(at, UnmountFlags::DETACH).ok();
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount(fstype, at, fstype, flags, None).op("mount", at)
}

/// Who a program in a user namespace is.
#[derive(Clone, Debug)]
pub struct Mapped<'a> {
    /// The maps of the namespace.
    pub maps: &'a [IdMap],
    /// The user it becomes, as the namespace counts.
    pub uid: u32,
    /// The group it becomes.
    pub gid: u32,
}

impl Mapped<'_> {
    /// Runs the program in new user and mount namespaces; the child that it is.
    ///
    /// # Errors
    /// Maps that may not be written, an id that is not mapped, a program that cannot be executed.
    pub fn run(&self, argv: &[OsString]) -> Result<Child, UnshareError> {
        let argv = texts(argv)?;
        self.spawn(|| execute(&argv))
    }

    /// The same with something else to become than a program of `PATH`.
    pub(crate) fn spawn(
        &self,
        replace: impl FnOnce() -> lxc_sys::Result<Infallible>,
    ) -> Result<Child, UnshareError> {
        let who = Identity { uid: self.uid, gid: self.gid };
        spawn(
            NsFlags::USER | NsFlags::MNT,
            |child| write_maps(child, self.maps),
            |guest| {
                become_identity(guest, who, &Groups::ClearIfAllowed)?;
                change_root(MountPropagationFlags::DOWNSTREAM)?;
                replace()
            },
        )
    }
}

/// Maps for what `maps` leave out of the caller's own user and group: at the first free ids. With them, who the
/// caller is inside.
pub fn with_own_ids(maps: &[IdMap]) -> (Vec<IdMap>, u32, u32) {
    let mut all = maps.to_vec();
    let mut add = |kind, outside| {
        let of_kind = || maps.iter().filter(|map| map.kind == kind);
        if let Some(inside) = of_kind().find_map(|map| map.to_inside(outside)) {
            return inside;
        }
        let inside = of_kind().map(|map| map.inside.saturating_add(map.count)).max().unwrap_or(0);
        all.push(IdMap { kind, inside, outside, count: 1 });
        inside
    };
    let uid = add(IdKind::User, rustix::process::geteuid().as_raw());
    let gid = add(IdKind::Group, rustix::process::getegid().as_raw());
    (all, uid, gid)
}

/// Makes a child in new namespaces: `outside` is the parent's part, then `inside` the child's. It returns when
/// the child is replaced by a program.
fn spawn(
    namespaces: NsFlags,
    outside: impl FnOnce(&Child) -> Result<(), UnshareError>,
    inside: impl FnOnce(&InGuest) -> lxc_sys::Result<Infallible>,
) -> Result<Child, UnshareError> {
    if namespaces.contains(NsFlags::TIME) {
        // Only children get it.
        ns::unshare(NsFlags::TIME)?;
    }
    let (ours, theirs) = socket::seqpacket_pair()?;
    match clone(&Request { namespaces, ..Request::default() })?.0 {
        Cloned::Monitor(child) => {
            drop(theirs);
            match outside(&child).and_then(|()| go_on(&ours)) {
                Ok(()) => Ok(child),
                Err(error) => {
                    // It may have ended already.
                    child.signal(SIGKILL).ok();
                    child.wait()?;
                    Err(error)
                }
            }
        }
        Cloned::Guest(guest) => {
            drop(ours);
            let mut go = [0];
            match socket::receive(&theirs, &mut go, RecvFlags::empty()) {
                Ok(got) if got.len == 1 => {}
                // The parent has failed, or is gone.
                _ => process::leave(1),
            }
            let Err(error) = inside(&guest);
            // Nobody is left to be told.
            socket::send(&theirs, error.to_string().as_bytes(), &[]).ok();
            process::leave(1)
        }
    }
}

const SIGKILL: i32 = 9;

/// Lets the child go on and waits until it is another program, or says why not.
fn go_on(ours: &OwnedFd) -> Result<(), UnshareError> {
    socket::send(ours, b"g", &[])?;
    let mut text = [0; 1024];
    let got = socket::receive(ours, &mut text, RecvFlags::empty())?;
    match text.get(..got.len).unwrap_or_default() {
        [] => Ok(()),
        said => Err(UnshareError::Child(String::from_utf8_lossy(said).into_owned())),
    }
}

fn write_maps(child: &Child, maps: &[IdMap]) -> Result<(), UnshareError> {
    if maps.is_empty() {
        return Ok(());
    }
    let spec = IdMapSpec::new(maps, facts::id_caller(rustix::process::geteuid().as_raw()));
    Ok(idmap::write(&Procfs::mounted()?, child.pid(), &spec)?)
}

/// What is mounted from now on stays here.
fn change_root(how: MountPropagationFlags) -> lxc_sys::Result<()> {
    rustix::mount::mount_change("/", how | MountPropagationFlags::REC).op("mount", "/")
}

/// Replaces this process by the program, with the caller's environment.
fn execute(argv: &[CString]) -> lxc_sys::Result<Infallible> {
    process::default_signal_actions();
    process::set_signal_mask(&SignalSet::empty())?;
    let path = std::env::var("PATH").unwrap_or_else(|_| "/bin:/usr/bin".to_owned());
    Err(process::exec(argv, &environment()?, &path))
}

/// This process's environment for an exec.
///
/// # Errors
/// None that happens: the kernel keeps NUL bytes out of it.
pub(crate) fn environment() -> lxc_sys::Result<Vec<CString>> {
    std::env::vars_os()
        .map(|(name, value)| process::c_string([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect()
}

fn texts(argv: &[OsString]) -> lxc_sys::Result<Vec<CString>> {
    argv.iter().map(|word| process::c_string(word.as_bytes())).collect()
}

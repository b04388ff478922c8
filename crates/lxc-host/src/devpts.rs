//! The container's own devpts, its console and its ttys.
//!
//! All of it runs in the container's first process before the pivot, on the container's `/dev` as an open
//! directory. What is bound is the terminal that was opened, by its descriptor: a name in `/dev/pts` is not
//! trusted. (Only the monitor's console must be found by name, and is compared then.)

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lxc_sys::Op;
use lxc_sys::clone::InGuest;
use lxc_sys::dir::{Dir, Made};
use lxc_sys::mount::{Attributes, FileSystem, Reach, Tree, fd_path};
use lxc_sys::pty::{self, Pair};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

/// Where the console's terminal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleSource {
    /// There is no console.
    None,
    /// The monitor opened one on the host (`lxc.pty.max` is 0 or 1) and hands it over.
    Host,
    /// The container's own devpts.
    Container,
}

/// The terminals a container gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalSpec {
    /// `lxc.pty.max`; 0 means that no devpts stays mounted.
    pub ptys: u32,
    /// `lxc.tty.max`: how many `/dev/ttyN`.
    pub ttys: u32,
    /// `lxc.tty.dir`: where below `/dev` the nodes are; a path without `..`.
    pub dir: Option<String>,
    /// Where the console comes from.
    pub console: ConsoleSource,
}

/// Why the terminals could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up {what}")]
pub struct Error {
    what: &'static str,
    #[source]
    source: lxc_sys::Error,
}

impl Error {
    fn of(what: &'static str) -> impl FnOnce(lxc_sys::Error) -> Error {
        move |source| Error { what, source }
    }
}

/// What the guest sets up, for the monitor.
#[derive(Debug, Default)]
pub struct Terminals {
    /// The root of the container's devpts.
    pub devpts: Option<OwnedFd>,
    /// Both ends of the console, if it is the container's own. The terminal end becomes init's standard
    /// streams.
    pub console: Option<Pair>,
    /// Both ends of each tty, `/dev/tty1` first.
    pub ttys: Vec<Pair>,
}

impl Terminals {
    /// The value of `container_ttys` in init's environment: the ttys' own names, which `getty` is started on.
    pub fn names(&self) -> String {
        let names: Vec<String> = self.ttys.iter().map(|tty| format!("pts/{}", tty.number)).collect();
        names.join(" ")
    }
}

/// The terminals' group, by which `write` and `wall` reach them.
const TTY_GROUP: u32 = 5;

/// Sets up everything the spec asks for below `dev`. `console` is the terminal end of the console that the
/// monitor has opened ([`ConsoleSource::Host`]).
///
/// # Errors
/// The first step that fails.
pub fn setup(
    guest: &InGuest,
    dev: &Dir,
    spec: &TerminalSpec,
    console: Option<BorrowedFd<'_>>,
) -> Result<Terminals, Error> {
    let mut all = Terminals::default();
    if spec.ptys.saturating_add(spec.ttys) > 0 {
        all.devpts = Some(mount(guest, dev, spec).map_err(Error::of("a devpts of its own"))?);
    }
    let own = all.devpts.as_ref().map(AsFd::as_fd);
    let place = Place::open(dev, spec.dir.as_deref()).map_err(Error::of("lxc.tty.dir"))?;
    match (spec.console, own, console) {
        (ConsoleSource::Container, Some(devpts), _) => {
            let pair = Pair::open_in(devpts).map_err(Error::of("the console"))?;
            bind_console(&place, &pair).map_err(Error::of("the console"))?;
            all.console = Some(pair);
        }
        (ConsoleSource::Host, _, Some(terminal)) => {
            bind_host_console(&place, terminal).map_err(Error::of("the console"))?;
        }
        _ => {}
    }
    if let Some(devpts) = own {
        for number in 1..=spec.ttys {
            let tty = tty(&place, devpts, number).map_err(Error::of("the ttys"))?;
            all.ttys.push(tty);
        }
    }
    if spec.ptys == 0 && all.devpts.is_some() {
        // It was for the ttys alone; they stay bound.
        dev.detach("pts").map_err(Error::of("the ttys"))?;
    }
    Ok(all)
}

/// Mounts a devpts instance on `pts` and puts its `ptmx` in place of `/dev/ptmx`.
fn mount(_: &InGuest, dev: &Dir, spec: &TerminalSpec) -> lxc_sys::Result<OwnedFd> {
    let target = free_point(dev)?;
    let shown = dev.show("pts");
    let most = spec.ptys.saturating_add(spec.ttys);
    let base = format!("newinstance,ptmxmode=0666,mode=0620,max={most}");
    let with_group = format!("{base},gid={TTY_GROUP}");
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    let fs = FileSystem { source: OsStr::new("devpts"), fstype: "devpts", flags, data: &with_group };
    match fs.mount(target.as_fd(), &shown) {
        // The group may have no number in the container's user namespace.
        Err(e) if e.errno() == Errno::INVAL => {
            FileSystem { data: &base, ..fs }.mount(target.as_fd(), &shown)?;
        }
        other => other?,
    }
    let devpts = dev.dir("pts")?;
    if spec.ptys > 0 {
        place_ptmx(dev, &devpts)?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(&devpts, ".", flags, Mode::empty()).op("open", devpts.path())
}

/// The directory to mount on: made if missing, freed of another instance.
fn free_point(dev: &Dir) -> lxc_sys::Result<OwnedFd> {
    let point = match dev.at("pts") {
        Err(e) if e.errno() == Errno::NOENT => {
            dev.make_dir("pts", 0o755)?;
            return dev.at("pts");
        }
        other => other?,
    };
    match rustix::mount::unmount(fd_path(&point), UnmountFlags::DETACH) {
        Err(Errno::INVAL) => Ok(point),
        other => {
            other.op("umount2", dev.show("pts"))?;
            dev.at("pts")
        }
    }
}

/// `/dev/ptmx`: a bind mount of the instance's own, or a link where a file cannot be mounted on.
fn place_ptmx(dev: &Dir, devpts: &Dir) -> lxc_sys::Result<()> {
    match dev.remove_file("ptmx") {
        Err(e) if e.errno() == Errno::BUSY => {
            dev.detach("ptmx")?;
            dev.remove_file("ptmx")?;
        }
        other => {
            other?;
        }
    }
    dev.make_file("ptmx", 0)?;
    let bound = Tree::clone_fd(&devpts.at("ptmx")?, &devpts.show("ptmx"), Reach::One)
        .and_then(|tree| dev.attach("ptmx", tree, Reach::One, Attributes::default()));
    if let Err(error) = bound {
        log::debug!("/dev/ptmx becomes a link: {error}");
        dev.remove_file("ptmx")?;
        dev.make_link("ptmx", "pts/ptmx")?;
    }
    Ok(())
}

/// Where the terminals are put.
struct Place<'a> {
    dev: &'a Dir,
    /// `lxc.tty.dir`: its name below `/dev`, and itself.
    inner: Option<(&'a Path, Dir)>,
}

impl<'a> Place<'a> {
    fn open(dev: &'a Dir, dir: Option<&'a str>) -> lxc_sys::Result<Self> {
        let inner = match dir.map(Path::new) {
            Some(name) => Some((name, dev.make_dirs(name)?)),
            None => None,
        };
        Ok(Place { dev, inner })
    }
}

/// Binds a terminal onto a file, made for it, freed of what was mounted there. The descriptor itself is what
/// is bound, so there is no name that could lead to another terminal.
fn bind(dir: &Dir, name: &str, terminal: BorrowedFd<'_>) -> lxc_sys::Result<()> {
    let target = match dir.create_new(name, OFlags::RDONLY, 0) {
        Err(e) if e.errno() == Errno::EXIST => {
            dir.detach(name)?;
            dir.at(name)?
        }
        other => other?,
    };
    let tree = Tree::clone_fd(terminal, &dir.show(name), Reach::One)?;
    dir.attach_on(target.as_fd(), Path::new(name), tree, Reach::One, Attributes::default())
}

fn bind_console(place: &Place<'_>, pair: &Pair) -> lxc_sys::Result<()> {
    rustix::fs::fchmod(&pair.terminal, Mode::from_raw_mode(0o620)).op("fchmod", "the console")?;
    place_console(place, pair.terminal.as_fd())
}

/// The host's terminal is reached by its name in the host's devpts: a descriptor from another mount
/// namespace cannot be bound.
fn bind_host_console(place: &Place<'_>, terminal: BorrowedFd<'_>) -> lxc_sys::Result<()> {
    let name = rustix::termios::ttyname(terminal, Vec::new()).op("ttyname", "the console")?;
    let name = Path::new(OsStr::from_bytes(name.as_bytes()));
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let node = rustix::fs::open(name, flags, Mode::empty()).op("open", name)?;
    if !pty::same_node(&node, terminal)? {
        return Err(lxc_sys::Error::new("open", name.display().to_string(), Errno::NODEV));
    }
    place_console(place, node.as_fd())
}

/// With a directory for the ttys the console is in it and on `/dev/console`.
fn place_console(place: &Place<'_>, terminal: BorrowedFd<'_>) -> lxc_sys::Result<()> {
    if let Some((_, dir)) = &place.inner {
        bind(dir, "console", terminal)?;
    }
    bind(place.dev, "console", terminal)
}

/// `/dev/ttyN`: the terminal itself, or a link to the one in the directory for ttys.
fn tty(place: &Place<'_>, devpts: BorrowedFd<'_>, number: u32) -> lxc_sys::Result<Pair> {
    let pair = Pair::open_in(devpts)?;
    let name = format!("tty{number}");
    let Some((inner, dir)) = &place.inner else {
        bind(place.dev, &name, pair.terminal.as_fd())?;
        return Ok(pair);
    };
    bind(dir, &name, pair.terminal.as_fd())?;
    let text = inner.join(&name);
    if place.dev.make_link(&name, &text)? == Made::Existed {
        place.dev.remove_file(&name)?;
        place.dev.make_link(&name, &text)?;
    }
    Ok(pair)
}

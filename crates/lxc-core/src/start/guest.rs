//! The start, in the container's first process. It leaves by exec or by `_exit`, never by returning.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::process::{Signal, set_parent_process_death_signal};

use lxc_config::config::HookKind;
use lxc_host::cgroup::mounts::MountPlan as CgroupMounts;
use lxc_host::idmap::{Groups, Identity, guest as identity};
use lxc_host::rootfs::guest::{self as root, Mounted, Rootfs};
use lxc_host::storage::Ids;
use lxc_host::{cgroup, devpts, keyring, lsm, net, rootfs, seccomp, sysctl};
use lxc_sys::clone::InGuest;
use lxc_sys::dir::Dir;
use lxc_sys::ns::NsFlags;
use lxc_sys::procfs::{Attributes, Procfs};
use lxc_sys::{Error as SysError, Op, caps, ns, process};

use super::link::{GuestEnd, Identity as IdentityStage, IdmappedRoot, Link, Network};
use super::messages::{GuestFds, IdmapRequests, Wiring};
use crate::fault::{self, Fault};
use crate::hooks::{self, Env, HookError};
use crate::plan::StartPlan;
use crate::supervise::Mode;

/// Why a step in the guest failed.
#[derive(Debug, thiserror::Error)]
enum GuestError {
    #[error(transparent)]
    System(#[from] SysError),
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
    #[error("{0}")]
    Storage(String, #[source] lxc_host::storage::Error),
    #[error(transparent)]
    Net(#[from] net::Error),
    #[error(transparent)]
    Keyring(#[from] keyring::Error),
    #[error(transparent)]
    Sysctl(#[from] sysctl::Error),
    #[error(transparent)]
    Lsm(#[from] lsm::guest::Error),
    #[error(transparent)]
    Terminals(#[from] devpts::Error),
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error("the program cannot be executed")]
    Exec(#[source] SysError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What the guest begins with besides the plan.
#[derive(Debug)]
pub struct Cradle<'a> {
    /// Everything that was decided.
    pub plan: &'a StartPlan,
    /// What is mounted on `/sys/fs/cgroup`.
    pub cgroup_mounts: Option<CgroupMounts>,
    /// The label to take.
    pub label: Option<lsm::Label>,
    /// The links with all values resolved.
    pub links: Vec<net::LinkSpec>,
    /// Our init, for a program that runs under one.
    pub app_init: Option<OwnedFd>,
    /// The terminal end of a console that the monitor has opened.
    pub host_console: Option<OwnedFd>,
    /// Whether the monitor has a terminal of its own.
    pub foreground: bool,
}

/// Sets the container up from within and executes its program.
pub fn run(guest: &InGuest, link: Link<GuestEnd, IdentityStage>, cradle: Cradle<'_>) -> ! {
    let plan = cradle.plan;
    // The monitor's death is the guest's, from the first moment. A monitor that died before this is found
    // dead at the link.
    die_with_monitor().ok();
    let mut setup = Setup::new(guest, plan, &cradle);
    drop(cradle);
    let done = link
        .run(|network| setup.identity(network))
        .and_then(|link| link.run(|root| setup.mounts(root)))
        .and_then(|link| link.run(|wiring| setup.wiring(wiring)));
    match done {
        Ok(link) => {
            let error = link.exec(|| setup.exec());
            log::debug!("{error}");
        }
        Err(error) => log::debug!("{error}"),
    }
    process::leave(1)
}

fn die_with_monitor() -> Result<(), SysError> {
    set_parent_process_death_signal(Some(Signal::KILL)).op("prctl", "PR_SET_PDEATHSIG")
}

struct Setup<'a> {
    guest: &'a InGuest,
    plan: &'a StartPlan,
    cgroup_mounts: Option<CgroupMounts>,
    label: Option<lsm::Label>,
    links: Vec<net::LinkSpec>,
    app_init: Option<OwnedFd>,
    foreground: bool,
    env: Env,
    attributes: Option<Attributes>,
    rootfs: Option<Rootfs<Mounted>>,
    /// The terminal end of a console that the monitor has opened.
    host_console: Option<OwnedFd>,
    /// The names of the ttys, for `container_ttys`.
    ttys: String,
}

impl<'a> Setup<'a> {
    fn new(guest: &'a InGuest, plan: &'a StartPlan, cradle: &Cradle<'a>) -> Self {
        let mut env = plan.hooks.env.clone();
        for var in &plan.hooks.guest {
            env.set(&var.name, &var.value);
        }
        Setup {
            guest,
            plan,
            cgroup_mounts: cradle.cgroup_mounts.clone(),
            label: cradle.label.clone(),
            links: cradle.links.clone(),
            app_init: cradle.app_init.as_ref().and_then(|fd| fd.try_clone().ok()),
            foreground: cradle.foreground,
            env,
            attributes: None,
            rootfs: None,
            host_console: cradle.host_console.as_ref().and_then(|fd| fd.try_clone().ok()),
            ttys: String::new(),
        }
    }

    fn hooks(&self, kind: HookKind) -> Result<(), HookError> {
        hooks::run(&self.plan.hooks.list, kind, &self.plan.hooks.context, &self.env, &[])
    }

    /// Ids, and the namespaces that only the guest can make.
    fn identity(&mut self, network: Network) -> Result<(), GuestError> {
        let late = self.plan.namespaces.unshared;
        // Opened before the identity changes, and before anything of the container can be at /proc.
        let proc = Procfs::mounted()?;
        if let Some(network) = network {
            ns::enter(network, NsFlags::NET)?;
        }
        for (kind, _) in (late - NsFlags::TIME - NsFlags::CGROUP).named() {
            ns::unshare(kind)?;
        }
        if late.contains(NsFlags::TIME) {
            self.enter_time_namespace(&proc)?;
        }
        if self.plan.idmap.is_some() {
            let who = Identity { uid: self.plan.ids.root_uid, gid: self.plan.ids.root_gid };
            identity::become_identity(self.guest, who, &Groups::ClearIfAllowed)?;
            die_with_monitor()?;
        }
        self.attributes = Some(Attributes::of_this_thread(&proc)?);
        fault::at("guest-identity")?;
        Ok(())
    }

    fn enter_time_namespace(&self, proc: &Procfs) -> Result<(), SysError> {
        ns::unshare(NsFlags::TIME)?;
        // Of the process: its threads have no such file.
        let this = proc.this_process()?;
        for (clock, seconds, nanoseconds) in &self.plan.namespaces.time_offsets {
            let line = format!("{clock} {seconds} {nanoseconds}\n");
            proc.write(&format!("{this}/timens_offsets"), line.as_bytes())?;
        }
        ns::enter(ns::open_own("time_for_children")?, NsFlags::TIME)
    }

    /// The root file system and all mounts that need nothing of the monitor.
    fn mounts(&mut self, idmapped: IdmappedRoot) -> Result<IdmapRequests, GuestError> {
        let (guest, plan) = (self.guest, self.plan);
        root::isolate(guest)?;
        let prepared = root::prepare(guest, &plan.mounts.rootfs)?;
        self.hooks(HookKind::PreMount)?;
        let ids = if plan.idmap.is_some() { Ids::Mapped } else { Ids::Initial };
        match (idmapped, &plan.mounts.storage) {
            (Some(tree), _) => root::attach_root(guest, &prepared, tree)?,
            (None, Some(storage)) => storage
                .backend
                .mount(prepared.point(), plan.mounts.options.options(), ids)
                .map_err(|e| GuestError::Storage(storage.origin.clone(), e))?,
            (None, None) => {}
        }
        let rootfs = root::mounted(guest, prepared)?;
        fault::at("guest-rootfs")?;
        if let (Some(name), true) = (&plan.hostname, plan.namespaces.own().contains(NsFlags::UTS)) {
            root::hostname(guest, name)?;
        }
        if let Some(attributes) = &self.attributes {
            keyring::join(guest, attributes, &plan.security.keyring)?;
        }
        if let Some(size) = plan.mounts.autodev {
            root::autodev(guest, &rootfs, size)?;
        }
        root::auto_mounts(guest, &rootfs, &plan.mounts.auto)?;
        let requests = root::mount_entries(guest, &rootfs, &plan.mounts.entries)?;
        self.rootfs = Some(rootfs);
        fault::at("guest-mounts")?;
        Ok(IdmapRequests(requests))
    }

    /// Everything else up to the program: network, cgroups, hooks, terminals, the new root, confinement.
    fn wiring(&mut self, wiring: Wiring) -> Result<GuestFds, GuestError> {
        let (guest, plan) = (self.guest, self.plan);
        let rootfs = self.rootfs.take();
        let rootfs = rootfs
            .ok_or_else(|| SysError::new("wiring", "no root file system yet", rustix::io::Errno::PROTO))?;
        wiring.birth.enter()?;
        if plan.namespaces.unshared.contains(NsFlags::CGROUP) {
            // Its root is where the guest is now.
            ns::unshare(NsFlags::CGROUP)?;
        }
        if !self.links.is_empty() {
            net::guest::setup(&self.links, &wiring.links)?;
        }
        fault::at("guest-network")?;
        root::attach_idmapped(guest, &rootfs, &plan.mounts.entries, wiring.mounts.0)?;
        if let Some(mounts) = &self.cgroup_mounts {
            cgroup::guest::mount(mounts, rootfs.root().as_fd())?;
        }
        self.hooks(HookKind::Mount)?;
        root::check_root(guest, &rootfs)?;
        let dev = rootfs.dev()?;
        if let (Some(_), Some(dev)) = (plan.mounts.autodev, &dev) {
            self.hooks(HookKind::Autodev)?;
            root::device_nodes(guest, dev)?;
        }
        fault::at("guest-hooks")?;
        let mut fds = self.terminals(dev.as_ref())?;
        if let Some(dev) = &dev {
            root::standard_links(guest, dev)?;
        }
        fault::at("guest-terminals")?;
        drop(dev);
        let rootfs = root::pivot(guest, rootfs)?;
        if let Some(shared) = &plan.mounts.shared {
            root::slave_shared_mounts(guest, &rootfs, shared)?;
        }
        if plan.mounts.autodev.is_some()
            && let Err(e) = root::private_boot_id(guest, &rootfs)
        {
            log::info!("{e}");
        }
        fault::at("guest-pivot")?;
        drop(rootfs);
        self.confine(&mut fds)?;
        Ok(fds)
    }

    fn terminals(&mut self, dev: Option<&Dir>) -> Result<GuestFds, GuestError> {
        let Some(dev) = dev else {
            self.standard_streams(None)?;
            return Ok(GuestFds::default());
        };
        let spec = self.plan.terminals.spec();
        let console = self.host_console.take();
        let made = devpts::setup(self.guest, dev, &spec, console.as_ref().map(AsFd::as_fd))?;
        self.ttys = made.names();
        let devpts::Terminals { devpts, console: own, ttys } = made;
        let (controller, terminal) = own.map(|pair| (pair.controller, pair.terminal)).unzip();
        self.standard_streams(terminal.or(console).as_ref())?;
        Ok(GuestFds {
            console: controller,
            ttys: ttys.into_iter().map(|t| t.controller).collect(),
            devpts,
            seccomp: None,
        })
    }

    /// The program's standard streams: the console; for a single program in the foreground only those that are
    /// terminals; without a console nothing.
    fn standard_streams(&self, console: Option<&OwnedFd>) -> Result<(), SysError> {
        let only_terminals = self.foreground && self.plan.init.mode == Mode::Execute;
        let null;
        let target = match console {
            Some(console) => console,
            None if self.foreground => return Ok(()),
            None => {
                null =
                    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, rustix::fs::Mode::empty())
                        .op("open", "/dev/null")?;
                &null
            }
        };
        let wanted = |fd| !only_terminals || rustix::termios::isatty(fd);
        if wanted(rustix::stdio::stdin()) {
            rustix::stdio::dup2_stdin(target).op("dup2", "console")?;
        }
        if wanted(rustix::stdio::stdout()) {
            rustix::stdio::dup2_stdout(target).op("dup2", "console")?;
        }
        if wanted(rustix::stdio::stderr()) {
            rustix::stdio::dup2_stderr(target).op("dup2", "console")?;
        }
        Ok(())
    }

    fn confine(&mut self, fds: &mut GuestFds) -> Result<(), GuestError> {
        let (guest, plan) = (self.guest, self.plan);
        if let Some(persona) = plan.init.personality {
            process::personality(persona)?;
        }
        if !plan.sysctls.is_empty() {
            sysctl::apply(guest, &Procfs::private()?, &plan.sysctls)?;
        }
        if let Some(spec) = &plan.security.caps {
            caps::apply(spec, plan.security.last_cap)?;
        }
        caps::clear_inheritable()?;
        if let (Some(label), Some(attributes)) = (&self.label, &self.attributes) {
            lsm::guest::label(guest, attributes, label, lsm::When::Now)?;
        }
        self.attributes = None;
        if plan.security.no_new_privs {
            identity::no_new_privs(guest)?;
        }
        if let Some(program) = &plan.security.seccomp {
            fds.seccomp = seccomp::guest::install(guest, program)?;
        }
        self.hooks(HookKind::Start)?;
        rustix::process::setsid().op("setsid", "")?;
        if let Some(cwd) = &plan.init.cwd {
            enter_directory(cwd)?;
        }
        fault::at("guest-confine")?;
        Ok(())
    }

    /// The last steps; returns only an error.
    fn exec(&mut self) -> GuestError {
        match self.become_program() {
            Ok(never) => match never {},
            Err(e) => e,
        }
    }

    fn become_program(&mut self) -> Result<std::convert::Infallible, GuestError> {
        fault::at("guest-exec")?;
        let init = &self.plan.init;
        let mut env = init.env.clone();
        if !self.ttys.is_empty() {
            env.set("container_ttys", &self.ttys);
        }
        let vars = env.to_c_strings()?;
        let path = env.get("PATH").and_then(|p| p.to_str()).unwrap_or("/bin:/usr/bin").to_owned();
        own_standard_streams(init.uid);
        let groups = match (init.groups.is_empty(), self.plan.idmap.is_some()) {
            (false, _) => Groups::Set(init.groups.clone()),
            (true, true) => Groups::Keep,
            (true, false) => Groups::ClearIfAllowed,
        };
        identity::become_identity(self.guest, Identity { uid: init.uid, gid: init.gid }, &groups)?;
        caps::clear_ambient()?;
        let signal = Signal::from_named_raw(init.death_signal);
        set_parent_process_death_signal(signal).op("prctl", "PR_SET_PDEATHSIG")?;
        process::close_on_exec_from(3)?;
        process::default_signal_actions();
        process::set_signal_mask(&process::SignalSet::empty())?;
        Err(GuestError::Exec(match &self.app_init {
            None => process::exec(&init.argv, &vars, &path),
            Some(program) => {
                let name = process::c_string(self.plan.name.as_bytes())?;
                let mut argv: Vec<CString> = vec![c"init.lxc".into(), c"-n".into(), name, c"--".into()];
                argv.extend(init.argv.iter().cloned());
                process::exec_fd(program, &argv, &vars)
            }
        }))
    }
}

/// The console belongs to whoever the program runs as, and to nobody else (upstream's mode). Failing is no harm:
/// root's own streams stay root's.
fn own_standard_streams(uid: u32) {
    use rustix::fs::Uid;
    for fd in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        if rustix::termios::isatty(fd) {
            rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), None).ok();
            rustix::fs::fchmod(fd, rustix::fs::Mode::RWXU).ok();
        }
    }
}

/// `lxc.init.cwd`: made if missing, and then certainly inside the root (a path through `/proc/self/fd` could
/// lead out).
fn enter_directory(path: &str) -> Result<(), SysError> {
    use std::os::unix::fs::DirBuilderExt;
    let root = lxc_sys::dir::Dir::open(std::path::Path::new("/"))?;
    let below = path.trim_start_matches('/');
    let opened = match lxc_sys::dir::open_in_root(&root, std::path::Path::new(below)) {
        Err(e) if e.errno() == rustix::io::Errno::NOENT => {
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path).op("mkdir", path)?;
            lxc_sys::dir::open_in_root(&root, std::path::Path::new(below))
        }
        other => other,
    }?;
    rustix::process::fchdir(&opened).op("chdir", path)
}

//! The start, in the monitor: makes what the container needs on the host, clones, and walks the stages.

use std::os::fd::{AsFd, OwnedFd};

use lxc_config::config::HookKind;
use lxc_host::cgroup::guest::Birth as CgroupBirth;
use lxc_host::cgroup::mounts::MountPlan as CgroupMounts;
use lxc_host::cgroup::{Born, MonitorLease, PayloadLease, Warning};
use lxc_host::devpts::ConsoleSource;
use lxc_host::net::{self, LinkSpec, Netlink};
use lxc_host::{idmap, limits, rootfs};
use lxc_sys::clone::{Birth, Child, Cloned, Request, clone};
use lxc_sys::ns::NsFlags;
use lxc_sys::procfs::Procfs;
use lxc_sys::pty::Pair;
use lxc_sys::{memfd, ns, process};
use lxc_types::IdKind;

use super::guest::{self, Cradle};
use super::leases::Leases;
use super::link::{self, LinkError};
use super::messages::{GuestFds, IdmapRequests, Wiring};
use super::outside::{self, Ordered};
use super::{Cause, InStage, StartError};
use crate::dirs::Dirs;
use crate::facts::Facts;
use crate::fault;
use crate::hooks::{self, Call, Env};
use crate::meanwhile::Meanwhile;
use crate::plan::StartPlan;
use crate::plan::net::{LinkPlan, Script};
use crate::supervise::Mode;

/// Who starts a container.
#[derive(Debug)]
pub struct Starter<'a> {
    /// What the host can do.
    pub facts: &'a Facts,
    /// Where things are.
    pub dirs: &'a Dirs,
    /// The monitor runs in the foreground of a terminal or a script.
    pub foreground: bool,
}

/// A container that runs.
#[derive(Debug)]
pub struct Running {
    /// Init.
    pub init: Child,
    /// What init gave to the monitor.
    pub fds: GuestFds,
    /// The container's namespaces, held for the hooks at the end: name and descriptor.
    pub namespaces: Vec<(&'static str, OwnedFd)>,
    /// The environment of the hooks from here on.
    pub env: Env,
}

/// Makes the container. When this fails, `leases` hold what is to be given back, and no process is left.
///
/// # Errors
/// The first failure, of the monitor or of the guest.
pub fn launch(
    plan: &StartPlan,
    starter: &Starter<'_>,
    leases: &mut Leases,
    meanwhile: &mut dyn Meanwhile,
) -> Result<Running, StartError> {
    fault::at("plan").stage("plan")?;
    let told = (&plan.hooks.env, &[][..]);
    hooks::run_while(&plan.hooks.list, HookKind::PreStart, &plan.hooks.context, told, meanwhile)
        .stage("hooks")?;
    fault::at("pre-start").stage("hooks")?;
    leases.rootfs = Some(rootfs::host::Lease::take(&plan.mounts.rootfs).stage("rootfs")?);
    let profile = starter.facts.lsm.prepare(&plan.security.label).stage("label")?;
    let label = profile.label().cloned();
    leases.profile = Some(profile);
    let links = outside::resolved(plan).stage("network")?;
    let hierarchies = &starter.facts.hierarchies;
    let mut payload = PayloadLease::begin(hierarchies, &plan.cgroup).stage("cgroups")?;
    let mut mounts = cgroup_mounts(plan, starter, &payload).stage("cgroups")?;
    let mut complete = false;
    if matches!(mounts, Some(CgroupMounts::Tree(_))) {
        // The guest must know the v1 groups by their paths.
        payload.complete(hierarchies, &plan.cgroup).stage("cgroups")?;
        complete = true;
        mounts = cgroup_mounts(plan, starter, &payload).stage("cgroups")?;
    }
    let host_console = host_console(plan).stage("terminals")?;
    let cradle = Cradle {
        plan,
        cgroup_mounts: mounts,
        label,
        links,
        app_init: app_init(plan, starter).stage("program")?,
        host_console: host_console.as_ref().and_then(|pair| pair.terminal.try_clone().ok()),
        foreground: starter.foreground,
    };
    let links = cradle.links.clone();
    let network = leases.network.take();
    let console = host_console.map(|pair| pair.controller);
    leases.payload = Some(payload);
    fault::at("payload-cgroup").stage("cgroups")?;

    let (monitor_end, guest_end) = link::pair()?;
    let (init, birth) = match make_guest(plan, leases, network.is_some())? {
        (Cloned::Guest(proof), _) => {
            drop((monitor_end, network));
            meanwhile.in_child();
            // In the child: what the monitor holds is not the guest's to give back.
            std::mem::forget(std::mem::take(leases));
            guest::run(&proof, guest_end, cradle)
        }
        (Cloned::Monitor(init), birth) => (init, birth),
    };
    drop((guest_end, cradle));
    let walk = Walk { plan, starter, links: &links, init: &init, birth, complete, network };
    let ear = monitor_end.ear()?;
    match walk.stages(monitor_end, leases, meanwhile) {
        Ok((mut fds, namespaces, env)) => {
            fds.console = fds.console.or(console);
            Ok(Running { init, fds, namespaces, env })
        }
        Err(e) => {
            init.signal(9).ok();
            if let Some(pidfd) = init.pidfd() {
                // Waiting in vain is left to the next call.
                meanwhile.until_ready(&[pidfd]).ok();
            }
            let exit = init.wait();
            // When the guest fails, what the monitor does for it fails too: the guest knows the cause.
            Err(match (e, exit, ear.last_words()) {
                (StartError::Monitor { .. }, _, Some(report)) => LinkError::Reported(report).into(),
                (StartError::Died { how }, Ok(exit), None) if how.is_empty() => {
                    StartError::Died { how: ended(exit) }
                }
                (StartError::Died { .. }, _, Some(report)) => LinkError::Reported(report).into(),
                (e, ..) => e,
            })
        }
    }
}

fn ended(exit: process::Exit) -> String {
    match exit {
        process::Exit::Exited(status) => format!(": it left with status {status}"),
        process::Exit::Killed(signal) => format!(": it was killed by signal {signal}"),
    }
}

fn warn(warnings: Vec<Warning>) {
    for warning in warnings {
        log::info!("{warning}");
    }
}

fn cgroup_mounts(
    plan: &StartPlan,
    starter: &Starter<'_>,
    payload: &PayloadLease,
) -> Result<Option<CgroupMounts>, lxc_host::cgroup::Error> {
    let wish = plan.mounts.cgroup;
    wish.map(|wish| CgroupMounts::decide(wish, &starter.facts.hierarchies, payload)).transpose()
}

/// The init of ours that a single program runs under: sealed in memory, so that the container cannot change the
/// host's file through `/proc/1/exe`.
fn app_init(plan: &StartPlan, starter: &Starter<'_>) -> Result<Option<OwnedFd>, Cause> {
    if plan.init.mode != Mode::Execute {
        return Ok(None);
    }
    let places = ["sbin/init.lxc", "libexec/lxc/lxc-init"];
    let program = starter.dirs.program(&places).ok_or_else(|| {
        Cause::Missing(format!("{} is not installed", starter.dirs.prefix.join(places[0]).display()))
    })?;
    Ok(Some(memfd::sealed_file("init.lxc", &program)?))
}

/// A console from the host's terminals, for a container that has no room for it in its own.
fn host_console(plan: &StartPlan) -> Result<Option<Pair>, Cause> {
    use lxc_sys::Op;
    use rustix::fs::{Gid, Uid};
    if plan.terminals.spec().console != ConsoleSource::Host {
        return Ok(None);
    }
    let pair = Pair::open()?;
    if let (Some(uid), Some(gid)) = (plan.ids.host_root(IdKind::User), plan.ids.host_root(IdKind::Group)) {
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::fchown(&pair.terminal, owner.0, owner.1).op("fchown", "console")?;
    }
    Ok(Some(pair))
}

/// `networked`: its network namespace is being made already.
fn make_guest(plan: &StartPlan, leases: &Leases, networked: bool) -> Result<(Cloned, Birth), StartError> {
    fault::at("clone").stage("clone")?;
    fault::arm();
    let into = leases.payload.as_ref().and_then(PayloadLease::clone_into);
    let mut namespaces = plan.namespaces.cloned;
    if networked {
        namespaces -= NsFlags::NET;
    }
    let request = Request { namespaces, into_cgroup: into, sibling: false };
    if plan.namespaces.shared.is_empty() {
        return clone(&request).stage("clone");
    }
    super::sharing::clone_in(&plan.namespaces.shared, &request)
}

struct Walk<'a> {
    plan: &'a StartPlan,
    starter: &'a Starter<'a>,
    links: &'a [LinkSpec],
    init: &'a Child,
    birth: Birth,
    /// The v1 groups are there already.
    complete: bool,
    /// The network, if the starter makes it.
    network: Option<Ordered>,
}

type Walked = (GuestFds, Vec<(&'static str, OwnedFd)>, Env);

impl Walk<'_> {
    fn stages(
        mut self,
        link: link::Link<link::MonitorEnd, link::Identity>,
        leases: &mut Leases,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<Walked, StartError> {
        let plan = self.plan;
        let proc = Procfs::mounted().stage("identity")?;
        if plan.init.core_scheduling {
            core_scheduling(self.init).stage("identity")?;
        }
        if let Some(maps) = &plan.idmap {
            idmap::host::write(&proc, self.init.pid(), maps).stage("identity")?;
        }
        fault::at("identity").stage("identity")?;
        if let Some(network) = &self.network {
            network.until_ready(meanwhile)?;
        }
        let network = self.network.as_ref().map(Ordered::namespace).transpose()?;
        let pending = link.begin(network)?;

        let userns = self.user_namespace().stage("rootfs")?;
        let root = self.idmapped_root(userns.as_ref()).stage("rootfs")?;
        let pending = pending.ahead(root)?;
        // While the guest mounts:
        let birth = self.settle_in_cgroups(leases).stage("cgroups")?;
        fault::at("settle").stage("cgroups")?;
        // The namespaces that the guest itself makes are there from here on.
        let ((), pending) = pending.finish_while(meanwhile)?;
        let mut env = plan.hooks.env.clone();
        env.set("LXC_PID", self.init.pid().as_raw_nonzero().to_string());
        let namespaces = self.hold_namespaces();
        self.make_links(leases, &env, meanwhile)?;
        fault::at("network").stage("network")?;
        limits::apply(self.init.pid(), &plan.limits).stage("limits")?;
        limits::write_files(&proc, self.init.pid(), &plan.proc_files).stage("limits")?;
        fault::at("limits").stage("limits")?;
        let (requests, link) = pending.finish_while(meanwhile)?;

        let userns = userns.as_ref().map(AsFd::as_fd);
        let mounts = rootfs::host::idmapped(requests.0, &plan.mounts.entries, userns).stage("mounts")?;
        fault::at("idmapped").stage("mounts")?;
        let links = leases.net.iter().map(|(_, lease)| lease.wired().clone()).collect();
        let pending = link.begin(Wiring { links, mounts: IdmapRequests(mounts), birth })?;
        // While the guest makes its root and confines itself:
        self.enter_monitor_cgroups(leases).stage("cgroups")?;
        fault::at("monitor-cgroup").stage("cgroups")?;
        let (fds, pending) = match self.last_work(leases) {
            true => {
                if let Some(payload) = &mut leases.payload {
                    payload.prepare_devices().stage("devices")?;
                }
                let (fds, link) = pending.finish_while(meanwhile)?;
                self.do_last_work(leases, &env, meanwhile)?;
                (fds, link.begin(())?)
            }
            false => pending.ahead(())?.finish_while(meanwhile)?,
        };
        pending.wait_exec(meanwhile)?;
        // A guest that is killed before it executes ends the link too.
        if let Some(process::Exit::Killed(SIGKILL)) = self.init.peek() {
            return Err(StartError::Died { how: String::new() });
        }
        fault::at("running").stage("running")?;
        Ok((fds, namespaces, env))
    }

    /// Whether something is to be done here before the program may run.
    fn last_work(&self, leases: &Leases) -> bool {
        let hooked = self.plan.hooks.list.iter().any(|hook| hook.kind == HookKind::StartHost);
        hooked || leases.payload.as_ref().is_some_and(PayloadLease::restricts_devices)
    }

    fn do_last_work(
        &self,
        leases: &mut Leases,
        env: &Env,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<(), StartError> {
        let hooks = &self.plan.hooks;
        fault::at("terminals").stage("terminals")?;
        if let Some(payload) = &mut leases.payload {
            payload.attach_devices().stage("devices")?;
            warn(payload.take_warnings());
        }
        fault::at("devices").stage("devices")?;
        let told = (env, &[][..]);
        hooks::run_while(&hooks.list, HookKind::StartHost, &hooks.context, told, meanwhile).stage("hooks")?;
        fault::at("start-host").stage("hooks")
    }

    fn user_namespace(&self) -> Result<Option<OwnedFd>, lxc_sys::Error> {
        let wanted = self.plan.idmap.is_some();
        wanted.then(|| ns::open_of(self.init.pid(), "user")).transpose()
    }

    fn idmapped_root(&self, userns: Option<&OwnedFd>) -> Result<Option<OwnedFd>, Cause> {
        let mounts = &self.plan.mounts;
        let options = mounts.options.options();
        let (Some(storage), true, true) = (&mounts.storage, options.idmap.is_some(), userns.is_some()) else {
            return Ok(None);
        };
        let tree = rootfs::host::idmapped_root(&storage.source.path, options, userns.map(AsFd::as_fd))?;
        Ok(Some(tree))
    }

    /// Makes the container's v1 groups, and what the guest enters them by.
    fn settle_in_cgroups(&self, leases: &mut Leases) -> Result<CgroupBirth, lxc_host::cgroup::Error> {
        let Some(payload) = &mut leases.payload else { return Ok(CgroupBirth::default()) };
        if !self.complete {
            payload.complete(&self.starter.facts.hierarchies, &self.plan.cgroup)?;
        }
        let born = match self.birth {
            Birth::Requested => Born::Inside,
            Birth::Inherited => Born::EntersV1,
        };
        payload.settle(self.init.pid(), born)?;
        let birth = payload.birth();
        warn(payload.take_warnings());
        birth
    }

    /// The monitor's own v1 groups; a monitor of its own was born in the unified one.
    fn enter_monitor_cgroups(&self, leases: &mut Leases) -> Result<(), lxc_host::cgroup::Error> {
        let (hierarchies, names) = (&self.starter.facts.hierarchies, &self.plan.cgroup.names);
        if leases.monitor_entered {
            return Ok(());
        }
        let mut lease = match leases.monitor.take() {
            Some(lease) => lease,
            None => MonitorLease::begin(hierarchies, names)?,
        };
        let entered = lease.complete(hierarchies, names).and_then(|()| lease.enter_v1());
        warn(lease.take_warnings());
        leases.monitor = Some(lease);
        leases.monitor_entered = true;
        entered
    }

    /// Held only for the hooks that are told of them.
    fn hold_namespaces(&self) -> Vec<(&'static str, OwnedFd)> {
        let told = |kind| self.plan.hooks.list.iter().any(|h| h.kind == kind);
        let wanted = told(HookKind::Stop)
            || told(HookKind::PostStop)
            || self.plan.net.iter().any(|l| l.down.is_some());
        if !wanted {
            return Vec::new();
        }
        let own = self.plan.namespaces.own().named();
        own.filter_map(|(_, name)| Some((name, ns::open_of(self.init.pid(), name).ok()?))).collect()
    }

    fn make_links(
        &mut self,
        leases: &mut Leases,
        env: &Env,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<(), StartError> {
        let plan = self.plan;
        if !plan.namespaces.own().contains(NsFlags::NET) || self.links.is_empty() {
            return Ok(());
        }
        if let Some(network) = self.network.take() {
            network.until_ready(meanwhile)?;
            // All or none are made by the starter; only the last can have a script.
            for (at, (link, lease)) in plan.net.iter().zip(network.links()?).enumerate() {
                let ran = run_script(plan, (link, &lease), link.up.as_ref(), "up", env, meanwhile);
                leases.net.push((at, lease));
                ran.stage("network")?;
            }
            return Ok(());
        }
        let guest = ns::open_of(self.init.pid(), "net").stage("network")?;
        let mut sock = Netlink::route().stage("network")?;
        for (at, link) in plan.net.iter().enumerate() {
            let lease = net::host::create(self.links, at, guest.as_fd(), &mut sock).stage("network")?;
            let ran = run_script(plan, (link, &lease), link.up.as_ref(), "up", env, meanwhile);
            leases.net.push((at, lease));
            ran.stage("network")?;
        }
        Ok(())
    }
}

/// Runs a link's script, if it has one.
///
/// # Errors
/// What hooks fail with.
pub fn run_script(
    plan: &StartPlan,
    (link, lease): (&LinkPlan, &net::Lease),
    script: Option<&Script>,
    kind: &'static str,
    env: &Env,
    meanwhile: &mut dyn Meanwhile,
) -> Result<(), hooks::HookError> {
    let Some(script) = script else { return Ok(()) };
    let told = net::script::call(&link.spec, lease);
    let mut env = env.clone();
    if plan.hooks.context.version == hooks::Version::Environment {
        for (name, value) in told.env {
            env.set(name, value);
        }
    }
    let call = Call { section: "net", kind, more: &told.arguments };
    hooks::run_script(&script.what, &script.command, &call, (&plan.hooks.context, &env), meanwhile)
}

/// A cookie of the container's own: no thread of it shares a core with another's.
fn core_scheduling(init: &Child) -> Result<(), lxc_sys::Error> {
    use lxc_sys::Op;
    use rustix::io::Errno;
    use rustix::thread::{CoreSchedulingScope, create_core_scheduling_cookie};
    match create_core_scheduling_cookie(init.pid(), CoreSchedulingScope::ThreadGroup) {
        // Nothing to share without SMT.
        Err(Errno::NODEV) => {
            log::info!("lxc.sched.core has no effect: this machine has no SMT");
            Ok(())
        }
        other => other.op("prctl(PR_SCHED_CORE)", init.pid().as_raw_nonzero().to_string()),
    }
}

const SIGKILL: i32 = 9;

/// Blocks what the monitor takes through its signal descriptor.
///
/// # Errors
/// Those of sigprocmask(2) and signalfd(2).
pub fn take_signals() -> Result<process::SignalFd, lxc_sys::Error> {
    const SIGILL: i32 = 4;
    const SIGBUS: i32 = 7;
    const SIGSEGV: i32 = 11;
    let set = process::SignalSet::full().without(SIGILL).without(SIGBUS).without(SIGSEGV);
    process::set_signal_mask(&set)?;
    process::SignalFd::new(&set)
}

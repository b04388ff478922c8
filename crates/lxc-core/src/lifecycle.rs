//! The life of a container as its monitor sees it: start, run, end, and again after a reboot from inside.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode as FileMode, OFlags};

use lxc_config::Config;
use lxc_config::config::HookKind;
use lxc_host::cgroup::MonitorLease;
use lxc_host::seccomp::notify::Proxy;
use lxc_sys::clone::Child;
use lxc_sys::process::SignalFd;
use lxc_sys::{Op, ns};
use lxc_types::State;

use crate::dirs::Dirs;
use crate::facts::Facts;
use crate::hooks::{self, Env};
use crate::monitor::console::{ConsoleSpec, Terminals};
use crate::monitor::{Announcer, Answers, Door, Identity, Monitor, Outcome, kill};
use crate::notify::Manager;
use crate::plan::terminals::ConsolePlan;
use crate::plan::{self, StartPlan, Wish};
use crate::start::host::{self, Running};
use crate::start::leases::Leases;
use crate::start::{Cause, InStage, StartError};
use crate::supervise::Mode;

/// A container that is to be started, watched and cleared away.
#[derive(Debug)]
pub struct Job {
    /// What is wanted.
    pub wish: Wish,
    /// The configuration.
    pub config: Config,
    /// Where things are.
    pub dirs: Dirs,
    /// What the host can do.
    pub facts: Facts,
    /// The command socket, listening; the monitor takes it.
    pub listener: Option<OwnedFd>,
    /// This process is the foreground of somebody's terminal or script.
    pub foreground: bool,
    /// Holds the monitor's process id while it lives.
    pub pidfile: Option<PathBuf>,
}

/// A file with the monitor's process id, gone when this is dropped.
#[derive(Debug)]
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &std::path::Path) -> Result<Self, lxc_sys::Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, FileMode::RUSR | FileMode::WUSR).op("open", path)?;
        rustix::io::write(&file, std::process::id().to_string().as_bytes()).op("write", path)?;
        Ok(PidFile(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody may have removed it.
        std::fs::remove_file(&self.0).ok();
    }
}

/// What lasts over reboots.
struct Life<'a> {
    job: &'a mut Job,
    door: Door,
    signals: SignalFd,
    leases: Leases,
    /// Told once, when the container runs for the first time.
    started: Option<&'a mut dyn FnMut()>,
    /// Told of all that a service manager wants to know.
    manager: Option<Manager>,
}

/// Runs a container to its end. `plan` is the plan of the first start; `started` is called when it runs.
///
/// # Errors
/// Why it could not be started; by then everything is given back.
pub fn run(
    mut job: Job,
    plan: StartPlan,
    leases: Leases,
    started: &mut dyn FnMut(),
) -> Result<Outcome, StartError> {
    let announcer = Announcer::new(&job.dirs.run, &job.wish.lxcpath, &job.wish.name);
    crate::log::never_block();
    let identity = Identity { name: plan.name.to_string(), lxcpath: plan.lxcpath.clone() };
    let listener = job.listener.take().ok_or(rustix::io::Errno::BADF).op("listen", "command socket");
    let door = Door::new(listener.stage("monitor")?, identity, announcer).stage("monitor")?;
    let signals = host::take_signals().stage("monitor")?;
    let _pidfile = job.pidfile.as_deref().map(PidFile::write).transpose().stage("pidfile")?;
    if plan.monitor_unshare {
        own_mounts().stage("monitor")?;
    }
    // In the background there is no service: whoever was to be told has gone.
    let manager = if job.foreground { Manager::of_this_process() } else { None };
    let mut life = Life { job: &mut job, door, signals, leases, started: Some(started), manager };
    let mut plan = plan;
    loop {
        let outcome = life.once(&plan)?;
        if outcome != Outcome::Rebooting {
            life.close(&plan);
            return Ok(outcome);
        }
        plan = life.plan_again()?;
    }
}

/// `lxc.monitor.unshare`: mounts made for this container by hooks are seen by nobody else.
fn own_mounts() -> Result<(), lxc_sys::Error> {
    use rustix::mount::MountPropagationFlags;
    ns::unshare(ns::NsFlags::MNT)?;
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", slave).op("mount", "/")
}

impl Life<'_> {
    fn plan_again(&mut self) -> Result<StartPlan, StartError> {
        Ok(plan::plan(&self.job.config, &self.job.facts, &self.job.dirs, &self.job.wish)?)
    }

    /// One run, from STARTING to the point where the container is gone.
    fn once(&mut self, plan: &StartPlan) -> Result<Outcome, StartError> {
        self.door.enter(State::Starting);
        log::info!("starting {}", plan.init.command());
        let starter =
            host::Starter { facts: &self.job.facts, dirs: &self.job.dirs, foreground: self.job.foreground };
        let running = match host::launch(plan, &starter, &mut self.leases, &mut self.door) {
            Ok(running) => running,
            Err(e) => {
                self.door.enter(State::Aborting);
                self.end(plan, &mut Ending::failed(plan));
                self.close(plan);
                return Err(e);
            }
        };
        let Running { init, mut fds, namespaces, env } = running;
        log::info!("init is process {}", init.pid());
        let mut terminals = Terminals::new(fds.console.take(), std::mem::take(&mut fds.ttys));
        if let Err(e) = self.connect(plan, &mut terminals) {
            return self.fail(plan, &init, Ending { env, namespaces, outcome: Outcome::Halted }, e);
        }
        let connected = self.proxy(plan, &init, &mut fds.seccomp);
        let proxy = match connected {
            Ok(proxy) => proxy,
            Err(e) => return self.fail(plan, &init, Ending { env, namespaces, outcome: Outcome::Halted }, e),
        };
        let mut answers = self.answers(plan, fds.devpts.take(), fds.seccomp.take());
        answers.proxy = proxy;
        self.door.enter(State::Running);
        log::info!("the container runs");
        if let Some(started) = self.started.take() {
            started();
        }
        self.tell_manager("READY=1\nSTATUS=The container runs");
        self.settle_in_foreground(plan);
        // What the start needed is not needed for the rest of the container's life.
        lxc_sys::process::trim_memory();
        let exit = {
            let mut payload = self.leases.payload.take();
            let mut monitor =
                Monitor::new(&mut self.door, &init, payload.as_mut(), &mut terminals, &mut answers);
            let exit = monitor.run(&self.signals).stage("monitor");
            self.leases.payload = payload;
            exit
        };
        let exit = match exit {
            Ok(exit) => exit,
            Err(e) => {
                kill(&init, &mut self.door);
                self.end(plan, &mut Ending { env, namespaces, outcome: Outcome::Halted });
                self.close(plan);
                return Err(e);
            }
        };
        self.door.tell_exit(exit);
        log::info!("init {exit}");
        let own_pids = plan.namespaces.own().contains(ns::NsFlags::PID);
        let mut ending = Ending { env, namespaces, outcome: Outcome::of(exit, own_pids) };
        self.end(plan, &mut ending);
        terminals.dump();
        log::info!("{}", ending.outcome);
        Ok(ending.outcome)
    }

    /// The container was made, and cannot be watched.
    fn fail(
        &mut self,
        plan: &StartPlan,
        init: &Child,
        mut ending: Ending,
        error: StartError,
    ) -> Result<Outcome, StartError> {
        kill(init, &mut self.door);
        self.door.enter(State::Aborting);
        self.end(plan, &mut ending);
        self.close(plan);
        Err(error)
    }

    /// Who decides about the system calls that ask. It takes the listener of init.
    fn proxy(
        &self,
        plan: &StartPlan,
        init: &Child,
        listener: &mut Option<OwnedFd>,
    ) -> Result<Option<Proxy>, StartError> {
        let Some(spec) = &plan.security.proxy else { return Ok(None) };
        let mut proxy = Proxy::new(spec.clone(), init.pid()).stage("seccomp notify proxy")?;
        if let Some(listener) = listener.take() {
            proxy.connect().stage("seccomp notify proxy")?;
            proxy.add(listener);
        }
        Ok(Some(proxy))
    }

    /// A monitor that this process became was not born in its unified cgroup, and moving there takes the kernel
    /// some ten milliseconds: now nobody waits for it. For a single program it is not worth it.
    fn settle_in_foreground(&mut self, plan: &StartPlan) {
        if !self.job.foreground || plan.init.mode == Mode::Execute {
            return;
        }
        if let Some(Err(e)) = self.leases.monitor.as_mut().map(MonitorLease::enter_unified) {
            log::warn!("{e}");
        }
    }

    fn tell_manager(&self, lines: &str) {
        if let Some(manager) = &self.manager {
            manager.tell(lines);
        }
    }

    fn answers(&self, plan: &StartPlan, devpts: Option<OwnedFd>, seccomp: Option<OwnedFd>) -> Answers {
        let mut config = self.job.config.clone();
        for (at, lease) in &self.leases.net {
            if let (Some(link), Some(name)) = (plan.net.get(*at), lease.host_name()) {
                let key = format!("lxc.net.{}.veth.pair", link.spec.origin().index);
                // The name was given by the kernel or the configuration: it is one.
                if let Err(e) = config.set(&key, name.as_str()) {
                    log::debug!("{e}");
                }
            }
        }
        const SIGKILL: i32 = 9;
        Answers {
            config,
            clone_flags: plan.namespaces.own().bits(),
            stop_signal: if plan.stop_signal == 0 { SIGKILL } else { plan.stop_signal },
            devpts,
            seccomp,
            proxy: None,
        }
    }

    /// Connects the console to where the configuration wants it.
    fn connect(&self, plan: &StartPlan, terminals: &mut Terminals) -> Result<(), StartError> {
        // A serial line without a carrier would let nobody go on.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match &plan.terminals.console {
            ConsolePlan::Disabled => {}
            ConsolePlan::Starter if self.job.foreground => {
                if let Ok(tty) = rustix::fs::open("/dev/tty", flags, FileMode::empty()) {
                    terminals.set_peer(tty);
                }
            }
            ConsolePlan::Starter => {}
            ConsolePlan::Device(path, origin) => {
                let tty =
                    rustix::fs::open(path, flags, FileMode::empty()).op("open", path).stage("console")?;
                if !rustix::termios::isatty(&tty) {
                    let why = format!("{} is no terminal", path.display());
                    return Err(Cause::Console { origin: origin.clone(), why }).stage("console");
                }
                terminals.set_peer(tty);
            }
        }
        let wanted = plan.terminals.output != ConsoleSpec::default();
        if wanted { terminals.keep_output(&plan.terminals.output).stage("console") } else { Ok(()) }
    }

    /// After init: hooks, links, cgroups. What the next run needs stays.
    fn end(&mut self, plan: &StartPlan, ending: &mut Ending) {
        let again = ending.outcome == Outcome::Rebooting;
        self.door.close_for(again);
        // Not STOPPING: systemd would then end what is about to come up again.
        self.tell_manager(if again {
            "STATUS=The container reboots"
        } else {
            "STOPPING=1\nSTATUS=The container stops"
        });
        let env = ending.environment(plan);
        let door = &mut self.door;
        self.leases.retire_links(plan, |link, lease| {
            if let Err(e) = host::run_script(plan, (link, lease), link.down.as_ref(), "down", &env, door) {
                log::warn!("{e}");
            }
        });
        self.door.enter(State::Stopping);
        let stop_env = ending.hook_environment(plan, &env);
        let context = &plan.hooks.context;
        let arguments = ending.stop_arguments(plan);
        let told = (&stop_env, &arguments[..]);
        if let Err(e) = hooks::run_while(&plan.hooks.list, HookKind::Stop, context, told, &mut self.door) {
            log::error!("{e}");
        }
        self.leases.release_container(&mut |pause| self.door.serve_for(pause));
        if again {
            self.door.enter(State::Stopped);
            ending.namespaces.clear();
        } else {
            self.leases.release_monitor();
            self.door.announce_stop();
        }
        let told = (&stop_env, &[][..]);
        if let Err(e) = hooks::run_while(&plan.hooks.list, HookKind::PostStop, context, told, &mut self.door)
        {
            log::error!("{e}");
            if again {
                // As upstream: a failing post-stop hook makes a stop of a reboot.
                ending.outcome = Outcome::Halted;
                self.door.close_for(false);
                self.leases.release_monitor();
                self.door.announce_stop();
            }
        }
    }

    /// The very end: an ephemeral container is destroyed, links that are out of use are let go.
    fn close(&mut self, plan: &StartPlan) {
        if plan.ephemeral
            && let Err(e) =
                crate::destroy::without_hooks(&self.job.config, &self.job.dirs.run, &plan.lxcpath, &plan.name)
        {
            log::error!("{e}");
        }
        // The container's processes are gone, and with the last of them its network namespace: the kernel takes the
        // links out in its own time. Deleting them here too would hold up whoever starts the next container.
        for link in std::mem::take(&mut self.leases.retired) {
            link.leave_to_kernel();
        }
    }
}

/// What the hooks at the end are told.
struct Ending {
    env: Env,
    namespaces: Vec<(&'static str, OwnedFd)>,
    outcome: Outcome,
}

impl Ending {
    fn failed(plan: &StartPlan) -> Self {
        Ending { env: plan.hooks.env.clone(), namespaces: Vec::new(), outcome: Outcome::Halted }
    }

    fn paths(&self) -> impl Iterator<Item = (&'static str, String)> {
        use std::os::fd::AsRawFd;
        let own = std::process::id();
        self.namespaces.iter().map(move |(name, fd)| (*name, format!("/proc/{own}/fd/{}", fd.as_raw_fd())))
    }

    /// With the namespaces, which network scripts always get.
    fn environment(&self, _: &StartPlan) -> Env {
        let mut env = self.env.clone();
        for (_, name) in ns::NsFlags::all().named() {
            let path = self.paths().find(|(n, _)| *n == name).map(|(_, path)| path).unwrap_or_default();
            env.set(format!("LXC_{}_NS", name.to_ascii_uppercase()), path);
        }
        env
    }

    fn hook_environment(&self, plan: &StartPlan, with_namespaces: &Env) -> Env {
        let mut env = match plan.hooks.context.version {
            hooks::Version::Environment => with_namespaces.clone(),
            hooks::Version::Arguments => self.env.clone(),
        };
        env.set("LXC_TARGET", if self.outcome == Outcome::Rebooting { "reboot" } else { "stop" });
        env
    }

    fn stop_arguments(&self, plan: &StartPlan) -> Vec<String> {
        match plan.hooks.context.version {
            hooks::Version::Arguments => self.paths().map(|(name, path)| format!("{name}:{path}")).collect(),
            hooks::Version::Environment => Vec::new(),
        }
    }
}

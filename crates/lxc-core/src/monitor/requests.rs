//! One answer a request.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;

use lxc_host::cgroup::spec::Verdict;
use lxc_host::cgroup::{self, Layout, PayloadLease};
use lxc_types::State;

use super::{Monitor, Then, Token};
use crate::command::wire::{self, Reply, Request, Which};

/// The answer to a client that registered for states: the number after the last state.
const REGISTERED: i32 = 8;

impl Monitor<'_> {
    pub(super) fn on_request(&mut self, number: u32, request: &Request) {
        let reply = match request {
            Request::Stop => return self.stop(number),
            Request::TerminalWinch => return self.door.clients.close(number),
            Request::AddStateClient(flags) => return self.add_waiter(number, *flags),
            Request::GetTtyFd(tty) => return self.hand_out_tty(number, *tty),
            Request::GetState => Reply::number(self.door.state.number()),
            Request::GetInitPid => Reply::number(self.init.pid().as_raw_nonzero().get()),
            Request::GetCloneFlags => {
                Reply::number(i32::from_ne_bytes(low_word(self.answers.clone_flags).to_ne_bytes()))
            }
            Request::GetConfigItem(key) => match self.answers.config.get(key) {
                Ok(value) if !value.is_empty() => Reply::text(&value),
                _ => Reply { ret: -1, ..Reply::default() },
            },
            Request::GetName => Reply::text(&self.answers.name),
            Request::GetLxcpath => Reply::text(&self.answers.lxcpath.to_string_lossy()),
            Request::ConsoleLog(log) => self.console_log(log),
            Request::ServeStateClients(state) => match State::try_from(*state) {
                Ok(state) => {
                    self.door.enter(state);
                    Reply::default()
                }
                Err(_) => Reply::errno(Errno::INVAL),
            },
            Request::SeccompNotifyAddListener => Reply::errno(Errno::INVAL),
            Request::GetInitPidfd => one_fd(self.init.pidfd()),
            Request::GetDevptsFd => one_fd(self.answers.devpts.as_ref().map(std::os::fd::AsFd::as_fd)),
            Request::GetSeccompNotifyFd => {
                one_fd(self.answers.seccomp.as_ref().map(std::os::fd::AsFd::as_fd))
            }
            // There is none: a plain user's container runs in the scope in which it was started.
            Request::GetSystemdScope => Reply::errno(Errno::INVAL),
            Request::GetCgroup(..)
            | Request::GetCgroupFd(..)
            | Request::GetCgroup2Fd(_)
            | Request::GetCgroupCtx(_)
            | Request::AddBpfDeviceCgroup(_)
            | Request::Freeze(_)
            | Request::Unfreeze(_) => match self.about_cgroups(request) {
                Some(reply) => reply,
                None => return self.door.clients.close(number),
            },
        };
        self.door.clients.answer(number, reply, Then::Close, &self.door.poll);
    }

    /// Kills, thaws, and answers nothing: the client reads the end of the stream when all is over.
    fn stop(&mut self, number: u32) {
        if let Err(e) = self.init.signal(self.answers.stop_signal) {
            return self.door.clients.answer(number, Reply::errno(e.errno()), Then::Close, &self.door.poll);
        }
        if (self.door.state == State::Frozen || self.door.state == State::Freezing)
            && let Some(dir) = self.cgroup.as_deref().and_then(PayloadLease::freezer)
            && let Err(e) = lxc_host::cgroup::freezer::begin_thaw(dir)
        {
            log::warn!("{e}");
        }
        self.door.clients.hold(number);
    }

    fn add_waiter(&mut self, number: u32, flags: [i32; 8]) {
        let state = self.door.state.number();
        let current = usize::try_from(state).ok().and_then(|at| flags.get(at));
        if current == Some(&1) {
            let reply = Reply { ret: state, data: wire::data_of(state), ..Reply::default() };
            return self.door.clients.answer(number, reply, Then::Close, &self.door.poll);
        }
        self.door.waiters.push((number, flags));
        let reply = Reply { ret: REGISTERED, data: wire::data_of(REGISTERED), ..Reply::default() };
        self.door.clients.answer(number, reply, Then::Keep, &self.door.poll);
    }

    fn hand_out_tty(&mut self, number: u32, tty: i32) {
        let reply = match self.terminals.hand_out(tty, number) {
            Ok((fd, tty)) => Reply { data: wire::data_of(tty), fds: vec![fd], ..Reply::default() },
            Err(_) => {
                let refused = Reply::errno(Errno::BADF);
                return self.door.clients.answer(number, refused, Then::Close, &self.door.poll);
            }
        };
        if tty == 0
            && let Some(proxy) = self.terminals.proxy()
            && self.door.poll.add(proxy, Token::Proxy).is_err()
        {
            self.terminals.free(number);
            return self.door.clients.close(number);
        }
        self.door.clients.answer(number, reply, Then::Keep, &self.door.poll);
    }

    fn console_log(&mut self, log: &wire::ConsoleLog) -> Reply {
        let Some(content) = self.terminals.ring(log.read_max) else { return Reply::errno(Errno::FAULT) };
        if log.write_logfile {
            self.terminals.dump();
        }
        if log.clear {
            self.terminals.clear();
        }
        match (log.read, content.is_empty()) {
            (true, true) => Reply::errno(Errno::NODATA),
            (true, false) => Reply { payload: content, ..Reply::default() },
            (false, _) => Reply::default(),
        }
    }

    /// `None`: the connection is closed without an answer, as upstream does for what it does not find.
    fn about_cgroups(&mut self, request: &Request) -> Option<Reply> {
        let own = self.cgroup.as_deref_mut()?;
        let code = own.layout().code();
        let unified = own.layout() == Layout::Unified;
        Some(match request {
            Request::GetCgroup(which, controller) => {
                Reply::text(&own.path(controller.as_deref(), of(*which))?.to_string_lossy())
            }
            Request::GetCgroupFd(which, controller) => match own.dir(Some(controller), of(*which)) {
                Some(dir) => {
                    let mut reply = one_fd(Some(dir.as_fd()));
                    reply.payload = wire::encode_cgroup_fd(code, controller).to_vec();
                    reply
                }
                None => Reply::errno(Errno::NOENT),
            },
            Request::GetCgroup2Fd(which) if unified => one_fd(own.dir(None, of(*which)).map(AsFd::as_fd)),
            Request::GetCgroup2Fd(_) => Reply::errno(Errno::INVAL),
            Request::GetCgroupCtx(size) => {
                let fds = own.process_fds().take(wire::MAX_CGROUP_FDS);
                let fds: Vec<_> = fds.filter_map(|fd| fd.try_clone_to_owned().ok()).collect();
                Reply { payload: wire::encode_cgroup_ctx(code, fds.len(), *size), fds, ..Reply::default() }
            }
            Request::AddBpfDeviceCgroup(rule) => change_devices(own, rule),
            Request::Freeze(_) | Request::Unfreeze(_) if !unified => Reply::errno(Errno::NOENT),
            Request::Freeze(timeout) => {
                let done = own.freeze(seconds(*timeout));
                self.froze(done, State::Frozen)
            }
            Request::Unfreeze(timeout) => {
                let done = own.thaw(seconds(*timeout));
                self.froze(done, State::Thawed)
            }
            _ => return None,
        })
    }

    fn froze(&mut self, done: Result<(), lxc_host::cgroup::Error>, state: State) -> Reply {
        match done {
            Ok(()) => {
                self.door.enter(state);
                Reply::default()
            }
            Err(e) => {
                log::warn!("{e}");
                Reply::errno(Errno::TIMEDOUT)
            }
        }
    }
}

/// The longest that the monitor itself waits for the freezer: it answers nobody meanwhile.
const LONGEST: Duration = Duration::from_secs(2);

fn seconds(timeout: i32) -> Option<Duration> {
    Some(u64::try_from(timeout).map_or(LONGEST, Duration::from_secs).min(LONGEST))
}

fn of(which: Which) -> cgroup::Which {
    match which {
        Which::Process => cgroup::Which::Process,
        Which::Limit => cgroup::Which::Limit,
    }
}

fn change_devices(own: &mut PayloadLease, rule: &wire::DeviceRule) -> Reply {
    let number = |n: i32| if n < 0 { "*".to_owned() } else { n.to_string() };
    let text = match (rule.kind, rule.access.is_empty()) {
        (b'a', true) => "a".to_owned(),
        (kind, _) => {
            let access = String::from_utf8_lossy(&rule.access);
            format!("{} {}:{} {access}", char::from(kind), number(rule.major), number(rule.minor))
        }
    };
    let verdict = if rule.allow { Verdict::Allow } else { Verdict::Deny };
    let Ok(input) = text.parse() else { return Reply::errno(Errno::INVAL) };
    match own.set_device(verdict, &input) {
        Ok(()) => Reply::default(),
        Err(e) => {
            log::warn!("{e}");
            Reply { ret: -1, ..Reply::default() }
        }
    }
}

fn low_word(flags: u64) -> u32 {
    u32::try_from(flags & u64::from(u32::MAX)).unwrap_or(0)
}

fn one_fd(fd: Option<std::os::fd::BorrowedFd<'_>>) -> Reply {
    match fd.map(|fd| fd.try_clone_to_owned()) {
        Some(Ok(fd)) => Reply::fd(fd),
        _ => Reply::errno(Errno::BADF),
    }
}

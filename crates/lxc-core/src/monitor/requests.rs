//! One answer a request.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use lxc_host::cgroup::freezer::Target;
use lxc_host::cgroup::spec::Verdict;
use lxc_host::cgroup::{self, Layout, PayloadLease};
use lxc_host::seccomp::notify::Proxy;
use lxc_types::State;

use super::{ClientId, Monitor, Then};
use crate::command::wire::{self, Reply, Request, Which};

impl Monitor<'_> {
    pub(super) fn on_request(&mut self, number: ClientId, request: &Request, fd: Option<OwnedFd>) {
        if self.door.on_request(number, request) {
            return;
        }
        let reply = match request {
            Request::Stop => return self.stop(number),
            Request::GetTtyFd(tty) => return self.hand_out_tty(number, *tty),
            Request::GetInitPid => Reply::number(self.init.pid().as_raw_nonzero().get()),
            Request::GetCloneFlags => {
                Reply::number(i32::from_ne_bytes(low_word(self.answers.clone_flags).to_ne_bytes()))
            }
            Request::GetConfigItem(key) => match self.answers.config.get(key) {
                Ok(value) if !value.is_empty() => Reply::text(&value),
                _ => Reply { ret: -1, ..Reply::default() },
            },
            Request::ConsoleLog(log) => self.console_log(log),
            Request::ServeStateClients(state) => match State::try_from(*state) {
                Ok(state) => {
                    self.door.enter(state);
                    Reply::default()
                }
                Err(_) => Reply::errno(Errno::INVAL),
            },
            Request::ReopenLogs => self.reopen_logs(),
            Request::SeccompNotifyAddListener => self.add_listener(fd),
            Request::GetInitPidfd => one_fd(self.init.pidfd()),
            Request::GetDevptsFd => one_fd(self.answers.devpts.as_ref().map(std::os::fd::AsFd::as_fd)),
            Request::GetSeccompNotifyFd => {
                let with_proxy = self.answers.proxy.as_ref().and_then(Proxy::first);
                one_fd(with_proxy.or(self.answers.seccomp.as_ref().map(AsFd::as_fd)))
            }
            // There is none: a plain user's container runs in the scope in which it was started.
            Request::GetSystemdScope => Reply::errno(Errno::INVAL),
            Request::Freeze(timeout) if self.is_unified() => {
                return self.change_freezer(number, Target::Frozen, *timeout);
            }
            Request::Unfreeze(timeout) if self.is_unified() => {
                return self.change_freezer(number, Target::Running, *timeout);
            }
            Request::Freeze(_) | Request::Unfreeze(_) => Reply::errno(Errno::NOENT),
            _ => match self.about_cgroups(request) {
                Some(reply) => reply,
                None => return self.door.clients.close(number, &self.door.poll),
            },
        };
        self.door.answer(number, reply);
    }

    fn is_unified(&self) -> bool {
        self.cgroup.as_deref().is_some_and(|c| c.layout() == Layout::Unified)
    }

    /// Kills, thaws, and answers nothing: the client reads the end of the stream when all is over.
    fn stop(&mut self, number: ClientId) {
        if let Err(e) = self.init.signal(self.answers.stop_signal) {
            return self.door.answer(number, Reply::errno(e.errno()));
        }
        // Whoever froze it may not have told.
        if let Some(dir) = self.cgroup.as_deref().and_then(PayloadLease::freezer)
            && let Err(e) = lxc_host::cgroup::freezer::begin_thaw(dir)
        {
            log::debug!("{e}");
        }
        self.door.clients.hold(number);
    }

    fn hand_out_tty(&mut self, number: ClientId, tty: i32) {
        let reply = match self.terminals.hand_out(tty, number) {
            Ok((fd, tty)) => Reply { data: wire::data_of(tty), fds: vec![fd], ..Reply::default() },
            Err(_) => {
                return self.door.answer(number, Reply::errno(Errno::BADF));
            }
        };
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

    fn reopen_logs(&mut self) -> Reply {
        let reopened = crate::log::reopen().and(self.terminals.reopen_log());
        match reopened {
            Ok(()) => Reply::default(),
            Err(e) => {
                log::error!("{e}");
                Reply::errno(e.errno())
            }
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
            Request::GetCgroupFd(which, controller, size) => match own.dir(Some(controller), of(*which)) {
                Some(dir) => {
                    let mut reply = one_fd(Some(dir.as_fd()));
                    let v2 = dir.is_v2().unwrap_or(unified);
                    let kind = if v2 { wire::CGROUP_V2 } else { wire::CGROUP_V1 };
                    reply.payload = wire::encode_cgroup_fd(code, kind, controller).to_vec();
                    reply.payload.truncate(*size);
                    reply
                }
                None => Reply::errno(Errno::NOENT),
            },
            Request::GetCgroup2Fd(which) if unified => one_fd(own.dir(None, of(*which)).map(AsFd::as_fd)),
            Request::GetCgroup2Fd(_) => Reply::errno(Errno::INVAL),
            Request::GetCgroupCtx(theirs) => {
                let fds = own.process_fds().take(wire::MAX_CGROUP_FDS);
                let fds: Vec<_> = fds.filter_map(|fd| fd.try_clone_to_owned().ok()).collect();
                Reply { payload: wire::encode_cgroup_ctx(code, fds.len(), theirs), fds, ..Reply::default() }
            }
            Request::AddBpfDeviceCgroup(rule) => change_devices(own, rule),
            _ => return None,
        })
    }
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

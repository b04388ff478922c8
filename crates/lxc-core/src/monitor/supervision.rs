//! System calls that somebody outside decides about, in the event loop.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use lxc_host::seccomp::notify::Wants;

use super::Monitor;
use super::poll::{Interest, Ready, Token};
use crate::command::wire::Reply;

impl Monitor<'_> {
    /// Takes the listeners into the event loop.
    pub(super) fn supervise(&mut self) {
        let Some(proxy) = &self.answers.proxy else { return };
        for (number, listener) in proxy.listeners() {
            if let Err(e) = self.door.poll.add(listener, Token::Listener(number)) {
                log::warn!("{e}");
            }
        }
        self.supervision = (Wants::Calls, proxy.connection());
    }

    /// Takes them out.
    pub(super) fn unsupervise(&mut self) {
        let Some(proxy) = &self.answers.proxy else { return };
        for (_, listener) in proxy.listeners() {
            self.door.poll.remove(listener);
        }
        if let Some(socket) = proxy.socket() {
            self.door.poll.remove(socket);
        }
    }

    /// A program that was attached, and its listener. Without a proxy nobody would answer its calls.
    pub(super) fn add_listener(&mut self, listener: Option<OwnedFd>) -> Reply {
        let (Some(proxy), Some(listener)) = (&mut self.answers.proxy, listener) else {
            return Reply::errno(Errno::INVAL);
        };
        let number = proxy.add(listener);
        let interest = if proxy.wants() == Wants::Calls { Interest::Read } else { Interest::Nothing };
        let added = proxy
            .listener(number)
            .map(|listener| self.door.poll.add_for(listener, Token::Listener(number), interest));
        match added {
            Some(Ok(())) => Reply::default(),
            _ => {
                proxy.remove(number);
                Reply::errno(Errno::INVAL)
            }
        }
    }

    /// Tells the event loop what to wait for, after whatever may have changed it.
    pub(super) fn watch_supervision(&mut self) {
        let Some(proxy) = &self.answers.proxy else { return };
        let (wants, connection) = (proxy.wants(), proxy.connection());
        let (before, last) = self.supervision;
        if (wants, connection) == (before, last) {
            return;
        }
        let poll = &self.door.poll;
        let calls = |wants| if wants == Wants::Calls { Interest::Read } else { Interest::Nothing };
        if calls(wants) != calls(before) {
            for (number, listener) in proxy.listeners() {
                poll.change(listener, Token::Listener(number), calls(wants)).ok();
            }
        }
        if let Some(socket) = proxy.socket() {
            // It may be another one than before: then it is not in the set.
            poll.remove(socket);
            let interest = match wants {
                Wants::ToSend => Some(Interest::Write),
                Wants::Answer => Some(Interest::Read),
                Wants::Calls | Wants::Time => None,
            };
            if let Some(interest) = interest
                && let Err(e) = poll.add_for(socket, Token::Decider, interest)
            {
                log::warn!("{e}");
            }
        }
        self.supervision = (wants, connection);
    }

    /// A listener is ready: a call waits, or no task is left.
    pub(super) fn on_listener(&mut self, number: u64, ready: &Ready) {
        let Some(proxy) = &mut self.answers.proxy else { return };
        if ready.hung_up {
            if let Some(listener) = proxy.listener(number) {
                self.door.poll.remove(listener.as_fd());
            }
            // Init's is still handed out.
            if number > 0 {
                proxy.remove(number);
            }
            return;
        }
        if let Err(e) = proxy.serve(number) {
            log::warn!("{e}");
        }
    }

    /// The proxy has answered, has room, or has had its time.
    pub(super) fn on_decider(&mut self) {
        if let Some(proxy) = &mut self.answers.proxy {
            proxy.go_on();
        }
    }
}

//! Moving a link that is there already to another network namespace.

use std::os::fd::BorrowedFd;

use lxc_sys::netlink::Netlink;
use rustix::io::Errno;

use super::error::{Doing, Error, Result};
use super::message::{self, Change};
use super::query;

/// Moves the link `name` of the socket's namespace to `netns`. It arrives there down, with the same name.
///
/// # Errors
/// [`Error::Query`]; its number is `ENODEV` when there is no such link.
pub fn move_link(sock: &mut Netlink, name: &str, netns: BorrowedFd<'_>) -> Result<()> {
    let Some(link) = query::link(sock, name)? else {
        let source = lxc_sys::Error::new("look up", format!("link \"{name}\""), Errno::NODEV).into();
        return Err(Error::Query { what: format!("no link \"{name}\" to move"), source });
    };
    let change = Change { netns: Some(netns), ..Change::default() };
    sock.run(&[message::set_link(link.index, &change)])
        .query(|| format!("move link \"{name}\" to another network namespace"))
}

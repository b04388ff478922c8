//! What crosses the link besides nothing: mount trees and links on their way, terminals, listeners.

use std::os::fd::OwnedFd;

use lxc_host::cgroup::guest::Birth;
use lxc_host::net::Wired;
use lxc_host::rootfs::host::IdmapRequest;

use super::link::{Message, Parcel};

/// Mounts that wait for the monitor to give them the container's ids, and those that have got them.
#[derive(Debug, Default)]
pub struct IdmapRequests(pub Vec<IdmapRequest>);

impl IdmapRequests {
    fn numbers(&self) -> Vec<u8> {
        self.0.iter().flat_map(|r| r.mount.to_ne_bytes()).collect()
    }

    fn of(numbers: &[u8], fds: impl Iterator<Item = OwnedFd>) -> Self {
        let numbers = numbers.chunks_exact(4).filter_map(|b| b.try_into().ok().map(u32::from_ne_bytes));
        IdmapRequests(numbers.zip(fds).map(|(mount, tree)| IdmapRequest { mount, tree }).collect())
    }
}

impl Message for IdmapRequests {
    fn pack(self) -> Parcel {
        let bytes = self.numbers();
        Parcel { bytes, fds: self.0.into_iter().map(|r| r.tree).collect() }
    }

    fn unpack(parcel: Parcel) -> Option<Self> {
        (parcel.bytes.len() == parcel.fds.len() * 4).then(|| Self::of(&parcel.bytes, parcel.fds.into_iter()))
    }
}

/// What the monitor has made for the guest meanwhile.
#[derive(Debug, Default)]
pub struct Wiring {
    /// The guest's end of each link.
    pub links: Vec<Wired>,
    /// The mounts that were asked for.
    pub mounts: IdmapRequests,
    /// The way into the v1 cgroups.
    pub birth: Birth,
}

impl Message for Wiring {
    fn pack(self) -> Parcel {
        let mut bytes = Vec::new();
        for link in &self.links {
            let link = link.encode();
            bytes.push(u8::try_from(link.len()).unwrap_or(0));
            bytes.extend(link);
        }
        // A link is never empty: this ends the list.
        bytes.push(0);
        let mut fds = Vec::new();
        for (fd, title, needed) in self.birth.into_parts() {
            let title: Vec<u8> = title.bytes().take(200).collect();
            bytes.push(u8::try_from(title.len() + 1).unwrap_or(0));
            bytes.push(u8::from(needed));
            bytes.extend(title);
            fds.push(fd);
        }
        bytes.push(0);
        bytes.extend(self.mounts.numbers());
        fds.extend(self.mounts.0.into_iter().map(|r| r.tree));
        Parcel { bytes, fds }
    }

    fn unpack(parcel: Parcel) -> Option<Self> {
        let mut rest = parcel.bytes.as_slice();
        let links = take_list(&mut rest)?.into_iter().map(Wired::decode).collect::<Option<Vec<_>>>()?;
        let mut fds = parcel.fds.into_iter();
        let mut parts = Vec::new();
        for group in take_list(&mut rest)? {
            let (needed, title) = group.split_first()?;
            parts.push((fds.next()?, String::from_utf8_lossy(title).into_owned(), *needed == 1));
        }
        let birth = Birth::from_parts(parts);
        (rest.len() == fds.len() * 4).then(|| Wiring { links, mounts: IdmapRequests::of(rest, fds), birth })
    }
}

/// Items of a length byte and that many bytes, up to a length of zero.
pub fn take_list<'a>(rest: &mut &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let mut items = Vec::new();
    loop {
        let (length, after) = rest.split_first()?;
        let (item, after) = after.split_at_checked(usize::from(*length))?;
        *rest = after;
        if item.is_empty() {
            return Some(items);
        }
        items.push(item);
    }
}

/// What the guest has made for the monitor.
#[derive(Debug, Default)]
pub struct GuestFds {
    /// The controlling end of the console.
    pub console: Option<OwnedFd>,
    /// The controlling ends of the ttys.
    pub ttys: Vec<OwnedFd>,
    /// The container's devpts.
    pub devpts: Option<OwnedFd>,
    /// The listener of the seccomp program.
    pub seccomp: Option<OwnedFd>,
}

impl Message for GuestFds {
    fn pack(self) -> Parcel {
        let bytes =
            [self.console.is_some(), self.devpts.is_some(), self.seccomp.is_some()].map(u8::from).to_vec();
        let fds = self.console.into_iter().chain(self.devpts).chain(self.seccomp).chain(self.ttys).collect();
        Parcel { bytes, fds }
    }

    fn unpack(parcel: Parcel) -> Option<Self> {
        let [console, devpts, seccomp] = parcel.bytes[..] else { return None };
        let mut fds = parcel.fds.into_iter();
        let mut take = |there: u8| if there == 1 { fds.next().map(Some) } else { Some(None) };
        let (console, devpts, seccomp) = (take(console)?, take(devpts)?, take(seccomp)?);
        Some(GuestFds { console, devpts, seccomp, ttys: fds.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fd() -> OwnedFd {
        lxc_sys::memfd::sealed("x", b"").unwrap()
    }

    #[test]
    fn round_trips() {
        let wiring = Wiring {
            links: vec![Wired::decode(&Wired::encode(&Wired::Nothing)).unwrap()],
            mounts: IdmapRequests(vec![IdmapRequest { mount: 7, tree: fd() }]),
            birth: Birth::from_parts([
                (fd(), "cpu,cpuacct".to_owned(), true),
                (fd(), "pids".to_owned(), false),
            ]),
        };
        let got = Wiring::unpack(wiring.pack()).unwrap();
        assert_eq!((got.links.len(), got.mounts.0[0].mount), (1, 7));
        let titles: Vec<_> =
            got.birth.into_parts().into_iter().map(|(_, title, needed)| (title, needed)).collect();
        assert_eq!(titles, [("cpu,cpuacct".to_owned(), true), ("pids".to_owned(), false)]);
        let fds = GuestFds { console: Some(fd()), ttys: vec![fd(), fd()], devpts: None, seccomp: Some(fd()) };
        let got = GuestFds::unpack(fds.pack()).unwrap();
        assert_eq!(
            (got.console.is_some(), got.ttys.len(), got.devpts.is_some(), got.seccomp.is_some()),
            (true, 2, false, true)
        );
        assert!(Wiring::unpack(Parcel { bytes: vec![9, 1], fds: vec![] }).is_none());
    }
}

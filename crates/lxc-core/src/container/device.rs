//! Device nodes of a container that runs: made and removed inside, with the rule that lets it use them.

use std::path::Path;

use rustix::fs::{Dev, FileType, Mode, OFlags, Stat, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Gid, Pid, PidfdFlags, Uid, pidfd_open};
use rustix::thread::{
    CapabilitiesSecureBits, set_capabilities_secure_bits, set_thread_res_gid, set_thread_res_uid,
};

use lxc_sys::clone::{Cloned, Request, clone};
use lxc_sys::dir::{Dir, Made};
use lxc_sys::procfs::Procfs;
use lxc_sys::{Op, proc, process};

use super::{Container, Error, Result};
use crate::command::ClientError;

/// A device: what a node of it looks like, and what a rule about it says.
struct Device {
    kind: FileType,
    number: Dev,
    mode: u32,
}

impl Device {
    fn of(stat: &Stat) -> Option<Device> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        matches!(kind, FileType::BlockDevice | FileType::CharacterDevice).then(|| Device {
            kind,
            number: stat.st_rdev,
            mode: stat.st_mode & 0o7777,
        })
    }

    /// The device of a node on the host; links are followed.
    fn on_host(node: &Path) -> Result<Device> {
        let stat = rustix::fs::stat(node).op("stat", node)?;
        Device::of(&stat).ok_or_else(|| Error::State(format!("{} is no device node", node.display())))
    }

    fn rule(&self) -> String {
        let kind = if self.kind == FileType::BlockDevice { 'b' } else { 'c' };
        format!("{kind} {}:{} rwm", rustix::fs::major(self.number), rustix::fs::minor(self.number))
    }
}

/// The root of a container that runs, and whom it belongs to.
struct Inside {
    root: Dir,
    uid: u32,
    gid: u32,
}

impl Container {
    /// Makes a node of the host's device `node` at the path `at` inside, and lets the container use the device.
    /// No link of the container is followed on the way.
    ///
    /// # Errors
    /// When it does not run, `node` is no device, or something else is at `at`.
    pub fn add_device(&self, node: &Path, at: &Path) -> Result<()> {
        let inside = self.inside()?;
        let device = Device::on_host(node)?;
        let made = inside.make(&device, at)?;
        if let Err(error) = self.cgroup_set("devices.allow", &device.rule()) {
            if made == Made::New
                && let Err(left) = inside.root.remove_file(at)
            {
                log::warn!("{left}");
            }
            return Err(error);
        }
        Ok(())
    }

    /// Removes the node at the path `at` inside, and takes the device from the container. Where there is no such node,
    /// the device is the one that the host has at `node`.
    ///
    /// # Errors
    /// When it does not run, or what is at `at` is no device.
    pub fn remove_device(&self, node: &Path, at: &Path) -> Result<()> {
        let inside = self.inside()?;
        let device = match inside.root.stat(at)? {
            Some(stat) => Device::of(&stat).ok_or_else(|| in_the_way(at))?,
            None => Device::on_host(node)?,
        };
        inside.root.remove_file(at)?;
        self.cgroup_set("devices.deny", &device.rule())
    }

    fn inside(&self) -> Result<Inside> {
        let gone = || Error::Client(ClientError::NotRunning);
        let pid = self.init_pid().and_then(Pid::from_raw).ok_or_else(gone)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).op("pidfd_open", pid.to_string())?;
        let raw = pid.as_raw_nonzero();
        let path = format!("/proc/{raw}/root");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&path, flags, Mode::empty()).op("open", &path)?;
        let procfs = Procfs::mounted()?;
        let mapped = |file: &str| -> Result<u32> {
            let text = procfs.read(&format!("{raw}/{file}"))?;
            let root = proc::id_ranges(&text).find(|range| range.inside == 0);
            Ok(root.map_or(0, |range| range.outside))
        };
        let inside = Inside {
            root: Dir::from_fd(root, Path::new("/")),
            uid: mapped("uid_map")?,
            gid: mapped("gid_map")?,
        };
        // All this was the container's only if its init still lives.
        process::pidfd_kill(&pidfd, 0).map_err(|_| gone())?;
        Ok(inside)
    }
}

impl Inside {
    /// Makes a node, or leaves the same one that is there.
    fn make(&self, device: &Device, at: &Path) -> Result<Made> {
        let made = if self.uid == 0 && self.gid == 0 {
            self.make_node(device, at)?
        } else {
            self.as_its_root(|| self.make_node(device, at))?
        };
        if made == Made::Existed {
            let there = self.root.stat(at)?.as_ref().and_then(Device::of);
            return match there {
                Some(there) if there.kind == device.kind && there.number == device.number => Ok(made),
                _ => Err(in_the_way(at)),
            };
        }
        if let Err(error) = self.check_mount(at) {
            self.root.remove_file(at)?;
            return Err(error);
        }
        Ok(made)
    }

    fn make_node(&self, device: &Device, at: &Path) -> lxc_sys::Result<Made> {
        if let Some(parent) = at.parent() {
            self.root.make_dirs(parent)?;
        }
        self.root.make_node(at, device.kind, device.mode, device.number)
    }

    /// Runs `work` in a child with the ids of the container's root and the rights of this process: whoever else makes a
    /// file on a mount with mapped ids would be nobody there, and what he makes elsewhere would not be the container's.
    fn as_its_root(&self, work: impl Fn() -> lxc_sys::Result<Made>) -> Result<Made> {
        const EXISTED: i32 = 1;
        const FAILED: i32 = 2;
        let (errno, tell) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).op("pipe", "")?;
        let child = match clone(&Request::default())?.0 {
            Cloned::Monitor(child) => child,
            Cloned::Guest(_) => {
                let status = match self.become_its_root().and_then(|()| work()) {
                    Ok(Made::New) => 0,
                    Ok(Made::Existed) => EXISTED,
                    Err(error) => {
                        // Without it the parent still knows that it failed.
                        rustix::io::write(&tell, &error.errno().raw_os_error().to_ne_bytes()).ok();
                        FAILED
                    }
                };
                process::leave(status)
            }
        };
        drop(tell);
        match child.wait()?.shell_status() {
            0 => Ok(Made::New),
            EXISTED => Ok(Made::Existed),
            _ => {
                let mut number = [0; 4];
                let got = rustix::io::read(&errno, &mut number).unwrap_or(0);
                let raw = if got == number.len() { i32::from_ne_bytes(number) } else { 0 };
                Err(Errno::from_raw_os_error(raw)).op("make a node", "as the container's root")?
            }
        }
    }

    fn become_its_root(&self) -> lxc_sys::Result<()> {
        let keep = CapabilitiesSecureBits::NO_SETUID_FIXUP;
        set_capabilities_secure_bits(keep).op("prctl(PR_SET_SECUREBITS)", "")?;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_res_gid(gid, gid, gid).op("setresgid", self.gid.to_string())?;
        set_thread_res_uid(uid, uid, uid).op("setresuid", self.uid.to_string())
    }

    /// Refuses a node that would never work.
    fn check_mount(&self, at: &Path) -> Result<()> {
        let node = self.root.at(at)?;
        let mount = rustix::fs::fstatvfs(&node).op("statvfs", at)?;
        if mount.f_flag.contains(StatVfsMountFlags::NODEV) {
            let text = format!("{} would lie in a mount with \"nodev\", where no device works", at.display());
            return Err(Error::State(text));
        }
        Ok(())
    }
}

fn in_the_way(at: &Path) -> Error {
    Error::State(format!("{} in the container is something else", at.display()))
}

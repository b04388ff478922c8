//! Making a container's device rules bind: written to the v1 controller, or as a program of v2. Runs in
//! the monitor.

use std::os::fd::OwnedFd;

use lxc_sys::bpf;
use lxc_types::device_rule::DeviceInput;
use rustix::io::Errno;

use super::devices::{self, Change, DeviceList};
use super::host::PayloadLease;
use super::spec::{DeviceWork, Verdict};
use super::tree::Group;
use super::{Error, SettingError, Warning};

/// What binds the container to its device rules.
#[derive(Debug, Default)]
pub(super) struct Devices {
    list: DeviceList,
    program: Option<OwnedFd>,
    /// Loaded and not attached yet.
    ready: Option<(DeviceList, OwnedFd)>,
    /// Loading has been tried.
    prepared: bool,
    /// The v1 rules have been written: they must be before a group below is made.
    v1_written: bool,
}

impl PayloadLease {
    /// Whether there are device rules to bind.
    pub fn restricts_devices(&self) -> bool {
        !matches!(self.work.devices, DeviceWork::None)
    }

    /// Loads the device program of v2 ahead of [`Self::attach_devices`]: the kernel checks and compiles
    /// it for some 0.3 ms, time that the monitor has while the container mounts. Nothing binds yet.
    ///
    /// # Errors
    /// A rule that cannot be meant, or names a device that is not there.
    pub fn prepare_devices(&mut self) -> Result<(), Error> {
        let DeviceWork::V2(rules) = &self.work.devices else { return Ok(()) };
        if std::mem::replace(&mut self.devices.prepared, true) {
            return Ok(());
        }
        let mut list = DeviceList::default();
        for rule in rules {
            list.add(rule.verdict, &rule.input)
                .map_err(|source| Error::Setting { origin: rule.origin.clone(), source })?;
        }
        self.devices.ready = self.load(&list)?.map(|program| (list, program));
        Ok(())
    }

    /// Makes the device rules bind. As late as possible: from here on they restrict the setting-up too.
    ///
    /// # Errors
    /// A rule is refused. Without the rights for it (nested containers, plain users) it is a warning.
    pub fn attach_devices(&mut self) -> Result<(), Error> {
        self.write_v1_devices()?;
        self.prepare_devices()?;
        match self.devices.ready.take() {
            Some((list, program)) => self.bind(list, program),
            None => Ok(()),
        }
    }

    pub(super) fn write_v1_devices(&mut self) -> Result<(), Error> {
        let DeviceWork::V1(rules) = &self.work.devices else { return Ok(()) };
        if std::mem::replace(&mut self.devices.v1_written, true) {
            return Ok(());
        }
        let Some(group) = self.groups.iter().find(|group| group.is_v1_of("devices")) else { return Ok(()) };
        // One open for each of the two files, not for each rule.
        let mut open: Vec<(&str, OwnedFd)> = Vec::with_capacity(2);
        for rule in rules {
            let file = rule.file.as_str();
            let text = devices::v1_text(&rule.value).map_err(|error| rule.error(error))?;
            let name = group.dir.path().join(file);
            if !open.iter().any(|(known, _)| *known == file) {
                open.push((file, group.dir.open_write(file).map_err(|error| rule.error(error))?));
            }
            let Some((_, fd)) = open.iter().find(|(known, _)| *known == file) else { continue };
            match rustix::io::write(fd, text.as_bytes()) {
                Ok(_) => {}
                Err(errno @ (Errno::PERM | Errno::ACCESS)) => {
                    let error = lxc_sys::Error::new("write", name.display().to_string(), errno);
                    self.warnings.push(Warning::ignored(&rule.origin, error));
                }
                Err(errno) => {
                    let error = lxc_sys::Error::new("write", name.display().to_string(), errno);
                    return Err(rule.error(error));
                }
            }
        }
        Ok(())
    }

    /// Changes one device rule of the running container: in the v1 controller if that is what binds it,
    /// else in the program.
    ///
    /// # Errors
    /// The rule is refused; the container has no group for it (`None`).
    pub fn set_device(&mut self, verdict: Verdict, input: &DeviceInput) -> Result<(), Error> {
        let failed = |source| Error::Setting { origin: format!("{} {input}", verdict.file()), source };
        let v1 = self.groups.iter().find(|group| group.is_v1_of("devices"));
        if let Some(group) = v1.filter(|_| self.devices.program.is_none()) {
            let text = devices::v1_text(&input.to_string()).map_err(failed)?;
            return group.dir.write(verdict.file(), text).map_err(|error| failed(error.into()));
        }
        if !self.groups.iter().any(Group::is_v2) {
            return Err(failed(SettingError::NoController("devices".to_owned())));
        }
        let mut list = self.devices.list.clone();
        if list.add(verdict, input).map_err(failed)? == Change::Same {
            return Ok(());
        }
        match self.load(&list)? {
            Some(program) => self.bind(list, program),
            None => Ok(()),
        }
    }

    /// The program of a list; none if it is not needed, or (with a warning) not possible for us.
    fn load(&mut self, list: &DeviceList) -> Result<Option<OwnedFd>, Error> {
        if list.is_unset() {
            return Ok(None);
        }
        match bpf::load(bpf::Program::Device, &list.program()) {
            Ok(program) => Ok(Some(program)),
            Err(error) if self.devices.program.is_none() && bpf::unsupported(&error) => {
                self.warnings.push(Warning::ignored("the list of devices", error));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a program in the place of the one before.
    fn bind(&mut self, list: DeviceList, program: OwnedFd) -> Result<(), Error> {
        let Some(group) = self.groups.iter().find(|group| group.is_v2()) else { return Ok(()) };
        match &self.devices.program {
            Some(old) => bpf::replace(bpf::Program::Device, &group.dir, old, &program)?,
            None => bpf::attach(bpf::Program::Device, &group.dir, &program)?,
        }
        self.devices.list = list;
        self.devices.program = Some(program);
        Ok(())
    }
}

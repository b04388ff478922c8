//! Finding the module, choosing the label, loading a generated profile. Runs in the monitor.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use lxc_sys::Op;
use lxc_sys::procfs::Procfs;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

use super::profile::{self, Stacking};
use super::{GeneratedSpec, Incomplete, Label, LabelSpec, Profile};

const APPARMOR: &str = "/sys/kernel/security/apparmor";
const SELINUX: &str = "/sys/fs/selinux";
/// `SELINUX_MAGIC` of linux/magic.h.
const SELINUX_MAGIC: u32 = 0xf97c_ff8c;

/// Why a container would not have the label its configuration asks for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The monitor cannot leave its own profile for another one.
    #[error(
        "already confined by AppArmor profile \"{own}\", and this kernel cannot stack \"{wanted}\" on it"
    )]
    Confined {
        /// The monitor's label.
        own: String,
        /// The container's.
        wanted: String,
    },
    /// The kernel would not enforce the profile's mount rules.
    #[error(
        "this kernel's AppArmor does not mediate mounts, so profile \"{0}\" would not protect the host; \
         lxc.apparmor.allow_incomplete = 1 starts the container nevertheless"
    )]
    Incomplete(String),
    /// `apparmor_parser` is not installed.
    #[error("lxc.apparmor.profile = generated needs apparmor_parser, which is not in PATH or /usr/sbin")]
    NoParser,
    /// `apparmor_parser` could not be run.
    #[error("cannot run {0}")]
    Run(PathBuf, #[source] io::Error),
    /// `apparmor_parser` refused the profile.
    #[error("apparmor_parser failed on {0}: {1}")]
    Parser(PathBuf, String),
    /// A system call failed.
    #[error(transparent)]
    System(#[from] lxc_sys::Error),
}

/// The host's security module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lsm {
    /// AppArmor. It comes before SELinux where a kernel has both.
    AppArmor,
    /// SELinux.
    Selinux,
    /// Neither is active.
    None,
}

/// Asks the kernel which module is active.
pub fn detect() -> Lsm {
    if read(Path::new("/sys/module/apparmor/parameters/enabled")).is_some_and(|text| text.starts_with('Y')) {
        return Lsm::AppArmor;
    }
    let selinux = rustix::fs::statfs(SELINUX).is_ok_and(|fs| u32::try_from(fs.f_type) == Ok(SELINUX_MAGIC));
    if selinux { Lsm::Selinux } else { Lsm::None }
}

impl Lsm {
    /// Chooses the label and, if it is a generated one, loads its profile.
    ///
    /// # Errors
    /// When the label cannot be had; nothing stays loaded then.
    pub fn prepare(&self, spec: &LabelSpec) -> Result<Lease, Error> {
        match self {
            Lsm::AppArmor => apparmor(spec),
            Lsm::Selinux => {
                let context = spec.selinux.as_ref().filter(|context| *context != "unconfined_t");
                Ok(Lease { label: context.cloned().map(Label::Selinux), generated: None })
            }
            Lsm::None => Ok(Lease { label: None, generated: None }),
        }
    }

    /// The label of a running process, which a process that enters its container is to take. `None`
    /// where no module is active or the process is unconfined.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn label_of(&self, proc: &Procfs, pid: Pid) -> Result<Option<Label>, Error> {
        Ok(match self {
            Lsm::AppArmor => apparmor_label(proc, pid)?.filter(|l| l != "unconfined").map(Label::AppArmor),
            Lsm::Selinux => {
                let text = proc.read(&format!("{}/attr/current", pid.as_raw_nonzero()))?;
                let label = plain_label(&text);
                (!label.is_empty()).then_some(Label::Selinux(label))
            }
            Lsm::None => None,
        })
    }
}

/// A chosen label, and the generated profile as long as it is loaded.
#[derive(Debug)]
#[must_use]
pub struct Lease {
    label: Option<Label>,
    generated: Option<Loaded>,
}

impl Lease {
    /// What the guest is to take; `None` changes nothing.
    pub fn label(&self) -> Option<&Label> {
        self.label.as_ref()
    }

    /// Unloads a generated profile, and removes its policy namespace and its file.
    ///
    /// # Errors
    /// The first step that failed; the others are tried nevertheless.
    pub fn release(mut self) -> Result<(), Error> {
        self.generated.take().map_or(Ok(()), |loaded| loaded.unload())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Err(e)) = self.generated.take().map(|loaded| loaded.unload()) {
            log::warn!("cannot remove the generated AppArmor profile: {e}");
        }
    }
}

fn apparmor(spec: &LabelSpec) -> Result<Lease, Error> {
    let keep = Lease { label: None, generated: None };
    if spec.apparmor == Profile::Unchanged {
        return Ok(keep);
    }
    let proc = Procfs::mounted()?;
    let own = apparmor_label(&proc, rustix::process::getpid())?.unwrap_or_else(|| "unconfined".to_owned());
    let stacking = stacking();
    let wanted = match &spec.apparmor {
        Profile::Default => default_profile().to_owned(),
        Profile::Unchanged | Profile::Unconfined => "unconfined".to_owned(),
        Profile::Named(name) => name.clone(),
        Profile::Generated(spec) => profile::name(spec),
    };
    let confined = own != "unconfined" && own != "/usr/bin/lxc-start";
    if confined && !can_stack() {
        return if spec.apparmor == Profile::Default || wanted == own {
            Ok(keep)
        } else {
            Err(Error::Confined { own, wanted })
        };
    }
    if wanted == "unconfined" {
        let label = (own != wanted).then_some(Label::AppArmor(wanted));
        return Ok(Lease { label, generated: None });
    }
    let complete = exists(format!("{APPARMOR}/features/mount/mask"));
    if spec.incomplete == Incomplete::Refuse && !complete {
        return Err(Error::Incomplete(wanted));
    }
    let Profile::Generated(generated) = &spec.apparmor else {
        return Ok(Lease { label: Some(Label::AppArmor(wanted)), generated: None });
    };
    let loaded = load(generated, &wanted, stacking)?;
    let label = match stacking {
        Stacking::On => format!("{wanted}//&:{}:", profile::namespace(&wanted)),
        Stacking::Off => wanted,
    };
    Ok(Lease { label: Some(Label::AppArmor(label)), generated: Some(loaded) })
}

fn default_profile() -> &'static str {
    if exists("/proc/self/ns/cgroup") { "lxc-container-default-cgns" } else { "lxc-container-default" }
}

/// Whether this kernel can put a task under several profiles at once.
fn can_stack() -> bool {
    let feature = |name: &str| read(&Path::new(APPARMOR).join("features/domain").join(name));
    let version = feature("version").and_then(|text| {
        let (major, minor) = text.trim().split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    feature("stack").is_some_and(|text| text.trim() == "yes") && version >= Some((1, 2))
}

/// Whether a container gets a policy namespace: where there are stacks and we are not in one.
fn stacking() -> Stacking {
    let stacked = read(&Path::new(APPARMOR).join(".ns_stacked"));
    if stacked.is_some_and(|text| text.trim() == "no") && can_stack() { Stacking::On } else { Stacking::Off }
}

fn apparmor_label(proc: &Procfs, pid: Pid) -> Result<Option<String>, Error> {
    let pid = pid.as_raw_nonzero();
    // AppArmor's own file is there since Linux 5.8; before, the modules share one.
    let text = match proc.read(&format!("{pid}/attr/apparmor/current")) {
        Err(e) if e.errno() == Errno::NOENT => proc.read(&format!("{pid}/attr/current")),
        answer => answer,
    };
    match text {
        Ok(text) => Ok(Some(plain_label(&text))),
        Err(e) if e.errno() == Errno::INVAL => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// A label without the mode behind it: `name (enforce)`.
fn plain_label(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end_matches(['\n', '\0']);
    let modes = [" (enforce)", " (complain)", " (mixed)", " (kill)", " (unconfined)", " (prompt)"];
    modes.iter().find_map(|mode| text.strip_suffix(mode)).unwrap_or(text).to_owned()
}

/// A generated profile in the kernel.
#[derive(Debug)]
struct Loaded {
    parser: PathBuf,
    cache: PathBuf,
    /// The profile's text.
    file: PathBuf,
    /// Its policy namespace's directory.
    namespace: Option<PathBuf>,
}

fn load(spec: &GeneratedSpec, name: &str, stacking: Stacking) -> Result<Loaded, Error> {
    let parser = find_parser().ok_or(Error::NoParser)?;
    let dir = spec.lxcpath.join(&spec.name).join("apparmor");
    make_dirs(&dir, 0o700)?;
    make_dirs(&spec.cache, 0o755)?;
    let namespace = profile::namespace(name);
    let file = dir.join(&namespace);
    let mut loaded = Loaded { parser, cache: spec.cache.clone(), file, namespace: None };
    let answer = (|| {
        write_if_new(&loaded.file, profile::text(spec, name, stacking).as_bytes())?;
        if stacking == Stacking::On {
            let dir = Path::new(APPARMOR).join("policy/namespaces").join(&namespace);
            make_dir(&dir, 0o755)?;
            loaded.namespace = Some(dir);
        }
        loaded.run("-rWL")
    })();
    match answer {
        Ok(()) => Ok(loaded),
        Err(e) => {
            loaded.forget();
            Err(e)
        }
    }
}

impl Loaded {
    fn run(&self, options: &str) -> Result<(), Error> {
        let mut command = Command::new(&self.parser);
        command.arg(options).arg(&self.cache).arg(&self.file);
        let output = command.output().map_err(|e| Error::Run(self.parser.clone(), e))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        Err(Error::Parser(self.file.clone(), said))
    }

    fn unload(self) -> Result<(), Error> {
        let namespace = match &self.namespace {
            Some(dir) => rustix::fs::rmdir(dir).op("rmdir", dir),
            None => Ok(()),
        };
        let unloaded = self.run("-RWL");
        self.remove_file()?;
        namespace?;
        unloaded
    }

    fn remove_file(&self) -> Result<(), Error> {
        rustix::fs::unlink(&self.file).op("unlink", &self.file)?;
        match self.file.parent() {
            Some(dir) => Ok(rustix::fs::rmdir(dir).op("rmdir", dir)?),
            None => Ok(()),
        }
    }

    /// After a failed load: what is there of it goes, and only that failure is reported.
    fn forget(&self) {
        if let Some(dir) = &self.namespace
            && let Err(e) = rustix::fs::rmdir(dir).op("rmdir", dir)
        {
            log::debug!("{e}");
        }
        if let Err(e) = self.remove_file() {
            log::debug!("{e}");
        }
    }
}

fn find_parser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut files = dirs.filter(|dir| dir.is_absolute()).map(|dir| dir.join("apparmor_parser"));
    files.find(|file| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok())
}

/// The parser's cache of compiled profiles goes by the time of this file: it is only written when it
/// differs.
fn write_if_new(file: &Path, text: &[u8]) -> Result<(), Error> {
    if std::fs::read(file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(file, flags, Mode::from_raw_mode(0o600)).op("open", file)?;
    let mut rest = text;
    while !rest.is_empty() {
        let written = rustix::io::write(&fd, rest).op("write", file)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

fn make_dirs(dir: &Path, mode: u32) -> Result<(), Error> {
    if exists(dir) {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dirs(parent, 0o755)?;
    }
    make_dir(dir, mode)
}

fn make_dir(dir: &Path, mode: u32) -> Result<(), Error> {
    match rustix::fs::mkdir(dir, Mode::from_raw_mode(mode)) {
        Err(Errno::EXIST) => Ok(()),
        answer => Ok(answer.op("mkdir", dir)?),
    }
}

fn exists(path: impl AsRef<Path>) -> bool {
    rustix::fs::access(path.as_ref(), rustix::fs::Access::EXISTS).is_ok()
}

fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_without_their_mode() {
        assert_eq!(plain_label(b"lxc-container-default-cgns (enforce)\n"), "lxc-container-default-cgns");
        assert_eq!(plain_label(b"unconfined\n"), "unconfined");
        assert_eq!(plain_label(b"a//&:n:unconfined (mixed)\n"), "a//&:n:unconfined");
        assert_eq!(plain_label(b"u:r:x_t:s0\0"), "u:r:x_t:s0");
    }

    #[test]
    fn no_module_does_nothing() {
        let spec = LabelSpec {
            apparmor: Profile::Named("missing".into()),
            incomplete: Incomplete::Refuse,
            selinux: Some("x_t".into()),
        };
        assert_eq!(Lsm::None.prepare(&spec).unwrap().label(), None);
        let selinux = Lsm::Selinux.prepare(&spec).unwrap();
        assert_eq!(selinux.label(), Some(&Label::Selinux("x_t".into())));
        let unconfined = LabelSpec { selinux: Some("unconfined_t".into()), ..spec };
        assert_eq!(Lsm::Selinux.prepare(&unconfined).unwrap().label(), None);
    }
}

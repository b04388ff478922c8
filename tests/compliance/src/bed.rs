//! The place one test lives in: namespaces and directories of its own.
//!
//! The test's thread moves into new mount, network and PID namespaces. In them `/var/lib/lxc`,
//! `/var/log/lxc` and `/run/lxc` are empty, there is a bridge `lxcbr0`, `/sys` and `/proc` show the new
//! namespaces, and `/sys/fs/cgroup` is what the test asked for. When the bed is dropped its PID
//! namespace is ended, which ends each monitor and container in it; then its control groups and
//! directories are removed. The same happens when the test's thread dies.
//!
//! A thread in another PID namespace than its process cannot make threads, and `/proc/self` means
//! nothing to it.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::container::Draft;
use crate::run::{Output, Run};
use crate::tools::Tools;

const BEDS: &str = "/var/lib";
const BED_PREFIX: &str = "lxc-rs-test-";

/// What the test sees on `/sys/fs/cgroup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// What the machine has.
    Host,
    /// cgroup2 alone, with the controllers that no v1 hierarchy holds.
    Unified,
    /// The v1 hierarchies alone.
    Legacy,
}

/// One test's namespaces and directories. See the module.
#[derive(Debug)]
pub struct Bed {
    dir: PathBuf,
    id: String,
    tools: Tools,
    holder: Child,
    home: Namespaces,
    count: Cell<u32>,
}

/// Makes the bed from inside, then stays as process 1 of its PID namespace and reaps.
const SETUP: &str = r#"
bed=$1 view=$2
mount --make-rprivate /
mount -t proc proc /proc
mount --rbind /sys/fs/cgroup "$bed/cgroup"
# Process 1 is where LXC takes the base of each hierarchy from.
for procs in "$bed"/cgroup/cgroup.procs "$bed"/cgroup/*/cgroup.procs; do
    [ -e "$procs" ] && echo 0 >"$procs"
done
# Not only covered: a hidden hierarchy would still be in the mount table.
umount -l -R /sys
mount -t sysfs sysfs /sys
v1() { mkdir "/sys/fs/cgroup/$1"; mount -t cgroup -o "$2" cgroup "/sys/fs/cgroup/$1"; }
case $view in
host)
    mount --rbind "$bed/cgroup" /sys/fs/cgroup ;;
unified)
    mount -t cgroup2 cgroup2 /sys/fs/cgroup ;;
legacy)
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    while read -r name hierarchy rest; do
        case $name$hierarchy in \#*|*[!0-9]0|*[!0-9]) continue ;; esac
        [ "$hierarchy" = 0 ] || v1 "$name" "$name"
    done </proc/cgroups
    v1 systemd none,name=systemd ;;
esac
umount -l -R "$bed/cgroup"
rmdir "$bed/cgroup"
mkdir -p /run/lxc /var/lib/lxc /var/log/lxc
mount -t tmpfs -o mode=755 tmpfs /run/lxc
mount -t tmpfs -o mode=755 tmpfs /var/log/lxc
mount --bind "$bed/lxc" /var/lib/lxc
for file in subuid subgid; do
    echo root:700000:1000000 >"$bed/$file"
    [ -e "/etc/$file" ] || : >"/etc/$file"
    mount --bind "$bed/$file" "/etc/$file"
done
ip link set lo up
ip link add lxcbr0 type bridge
ip addr add 10.0.3.1/24 dev lxcbr0
ip link set lxcbr0 up
mount --make-rshared /
# Part of the bed from the first look on.
sleep 2147483647 >/dev/null &
until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done
echo ready
exec >/dev/null
set +e
while :; do wait; done
"#;

#[derive(Debug)]
struct Namespaces {
    mount: OwnedFd,
    net: OwnedFd,
    pid: OwnedFd,
}

impl Namespaces {
    fn of_this_thread() -> Self {
        let open = |name: &str| {
            OwnedFd::from(File::open(format!("/proc/thread-self/ns/{name}")).expect("namespace"))
        };
        Self { mount: open("mnt"), net: open("net"), pid: open("pid") }
    }

    fn enter(&self) {
        for (fd, kind) in [
            (&self.mount, LinkNameSpaceType::Mount),
            (&self.net, LinkNameSpaceType::Network),
            (&self.pid, LinkNameSpaceType::ProcessID),
        ] {
            if let Err(e) = move_into_link_name_space(fd.as_fd(), Some(kind)) {
                eprintln!("return to the namespace of {kind:?}: {e}");
            }
        }
    }
}

impl Bed {
    /// A bed with the machine's control groups.
    ///
    /// # Panics
    /// When the caller is not root, or the bed cannot be made.
    #[must_use]
    pub fn new() -> Self {
        Self::with(View::Host)
    }

    /// A bed with this view of the control groups.
    ///
    /// # Panics
    /// When the caller is not root, or the bed cannot be made.
    #[must_use]
    pub fn with(view: View) -> Self {
        Self::make(Tools::under_test(), view)
    }

    /// A bed for other tools than those under test.
    ///
    /// # Panics
    /// When the caller is not root, or the bed cannot be made.
    #[must_use]
    pub fn make(tools: Tools, view: View) -> Self {
        static BEDS_MADE: AtomicU32 = AtomicU32::new(0);
        assert!(rustix::process::geteuid().is_root(), "this test starts containers: run it as root");
        assert!(Path::new("/proc/thread-self").exists(), "this thread has a bed already");
        // Whoever runs the tests may have another one, and it shows in modes of files.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        sweep();
        let process = std::process::id();
        let number = BEDS_MADE.fetch_add(1, Ordering::Relaxed);
        let id = format!("z{process:06x}{:02x}", number & 0xff);
        let dir = Path::new(BEDS).join(format!("{BED_PREFIX}{process}-{number}"));
        for part in ["", "lxc", "cgroup"] {
            fs::create_dir_all(dir.join(part)).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        }
        let home = Namespaces::of_this_thread();
        leave_namespaces();
        let holder = hold(&dir, view);
        Self { dir, id, tools, holder, home, count: Cell::new(0) }
    }

    /// The tools this bed is for.
    #[must_use]
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// A directory of the bed's own, outside of `/var/lib/lxc`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        let dir = self.dir.join("work");
        fs::create_dir_all(&dir).expect("a work directory");
        dir
    }

    /// The word that each name in this bed has in it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A name for a container that no other test has. All are of one length.
    #[must_use]
    pub fn name(&self) -> String {
        let n = self.count.get();
        self.count.set(n + 1);
        format!("{}{n:02x}", self.id)
    }

    /// Begins a container with the small busybox root.
    #[must_use]
    pub fn container(&self) -> Draft<'_> {
        Draft::new(self, self.name())
    }

    /// Runs one of the tools.
    #[must_use]
    pub fn tool(&self, tool: &str, args: &[&str]) -> Output {
        self.run(tool, args).output()
    }

    /// One of the tools, about to be run.
    #[must_use]
    pub fn run(&self, tool: &str, args: &[&str]) -> Run {
        Run::new(&self.tools.path(tool), args)
    }

    /// Gives out the addresses 10.0.3.100 and up on the bridge, until the bed is gone.
    ///
    /// # Panics
    /// When busybox cannot.
    pub fn serve_dhcp(&self) {
        let conf = self.dir().join("udhcpd.conf");
        let leases = self.dir().join("leases");
        let text = format!(
            "start 10.0.3.100\nend 10.0.3.200\ninterface lxcbr0\nlease_file {0}\npidfile {0}.pid\nopt router 10.0.3.1\n",
            leases.display()
        );
        fs::write(&conf, text).expect("write udhcpd.conf");
        fs::write(&leases, "").expect("write leases");
        self.host(&format!("busybox udhcpd {} >/dev/null 2>&1", conf.display()));
    }

    /// Runs a shell script of the host.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn host(&self, script: &str) -> String {
        Run::new(Path::new("/bin/sh"), &["-ec", script]).output().ok().stdout.trim_end().to_owned()
    }
}

impl Default for Bed {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
        self.home.enter();
        remove_cgroups(&self.id);
        if let Err(e) = fs::remove_dir_all(&self.dir) {
            eprintln!("{}: {e}", self.dir.display());
        }
    }
}

/// New mount and network namespaces for this thread, a new PID namespace for its children.
fn leave_namespaces() {
    let flags = UnshareFlags::FS | UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWPID;
    // The newer name of this call is an unsafe one because of UnshareFlags::FILES, which is not in the flags.
    #[expect(deprecated, reason = "see the comment above")]
    rustix::thread::unshare(flags).expect("new namespaces");
}

fn hold(dir: &Path, view: View) -> Child {
    let view = match view {
        View::Host => "host",
        View::Unified => "unified",
        View::Legacy => "legacy",
    };
    let mut holder = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "sh", "-ec", SETUP, "bed"])
        .arg(dir)
        .arg(view)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("setpriv (of util-linux)");
    let mut said = [0; 6];
    let ready =
        holder.stdout.as_mut().is_some_and(|out| out.read_exact(&mut said).is_ok() && &said == b"ready\n");
    assert!(ready, "{}: the bed could not be made", dir.display());
    holder
}

/// Directories of tests whose process is gone.
fn sweep() {
    let Ok(entries) = fs::read_dir(BEDS) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|n| n.strip_prefix(BED_PREFIX)).and_then(|n| n.split('-').next());
        let Some(Ok(pid)) = pid.map(str::parse::<u32>) else { continue };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            remove_cgroups(&format!("z{pid:06x}"));
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// Removes the control groups with this word in their name. All processes of the bed are dead, but
/// the kernel may still be letting go of the last one.
fn remove_cgroups(id: &str) {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let mut left = Vec::new();
        for root in cgroup_mounts() {
            named_below(&root, id, 4, &mut left);
        }
        for dir in left.iter().rev() {
            remove_cgroup_tree(dir);
        }
        left.retain(|dir| dir.exists());
        if left.is_empty() {
            return;
        }
        if Instant::now() > end {
            eprintln!("control groups that stay: {left:?}");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn remove_cgroup_tree(dir: &Path) {
    if let Ok(entries) = fs::read_dir(dir) {
        for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
            remove_cgroup_tree(&entry.path());
        }
    }
    for (file, value) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        let file = dir.join(file);
        if file.exists() {
            drop(fs::write(file, value));
        }
    }
    drop(fs::remove_dir(dir));
}

/// Where the hierarchies are mounted in this thread's mount namespace.
pub fn cgroup_mounts() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/1/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (at, kind) = (words.next()?, words.next()?);
            (kind == "cgroup" || kind == "cgroup2").then(|| PathBuf::from(at))
        })
        .collect()
}

/// The directories below `dir` with a word in their name, outer ones first.
pub fn named_below(dir: &Path, word: &str, depth: u32, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|t| t.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().contains(word) {
            found.push(entry.path());
        }
        if depth > 0 {
            named_below(&entry.path(), word, depth - 1, found);
        }
    }
}

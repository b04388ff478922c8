//! What names, values and operands may be, for completion.

/// Which containers are likely meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// All there are.
    All,
    /// Those that run.
    Running,
    /// Those that do not.
    Stopped,
    /// Those that are frozen.
    Frozen,
    /// None: a new name is wanted.
    New,
}

impl Names {
    /// The option of `lxc-ls` that lists them; `None` where there is nothing to list.
    pub fn option(self) -> Option<&'static str> {
        match self {
            Names::All => Some(""),
            Names::Running => Some("--running"),
            Names::Stopped => Some("--stopped"),
            Names::Frozen => Some("--frozen"),
            Names::New => None,
        }
    }
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Nothing can be said of it.
    Any,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A program, then its arguments.
    Command,
    /// A user of the host.
    User,
    /// A network interface of the host.
    Interface,
    /// A running container.
    Container,
    /// A template.
    Template,
    /// A key of a container's configuration.
    Key,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Some of these words, joined by this character.
    Joined(char, &'static [&'static str]),
}

const LEVELS: &[&str] = &["TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "CRIT", "ALERT", "FATAL"];
const STATES: &[&str] =
    &["STOPPED", "STARTING", "RUNNING", "STOPPING", "ABORTING", "FREEZING", "FROZEN", "THAWED"];
const NAMESPACES: &[&str] = &["MOUNT", "PID", "UTSNAME", "IPC", "USER", "NETWORK", "CGROUP", "TIME"];
const ARCHITECTURES: &[&str] = &[
    "aarch64", "amd64", "arm", "arm64", "armhf", "i386", "i686", "linux32", "linux64", "mips", "mips64",
    "ppc", "ppc64le", "riscv64", "s390x", "x86", "x86_64",
];
const COLUMNS: &[&str] = &[
    "NAME",
    "STATE",
    "PID",
    "RAM",
    "SWAP",
    "AUTOSTART",
    "GROUPS",
    "INTERFACE",
    "IPV4",
    "IPV6",
    "UNPRIVILEGED",
];
const STORAGE: &[&str] = &["dir", "overlay", "btrfs", "loop", "lvm", "nbd", "rbd", "zfs", "best", "none"];
const ITEMS: &[&str] = &[
    "lxc.default_config",
    "lxc.lxcpath",
    "lxc.bdev.lvm.vg",
    "lxc.bdev.lvm.thin_pool",
    "lxc.bdev.zfs.root",
    "lxc.cgroup.use",
    "lxc.cgroup.pattern",
    "lxc.autostart.jobs",
    "check",
];

/// Whom a tool is likely meant for.
pub fn names(program: &str) -> Names {
    match program {
        "lxc-attach" | "lxc-cgroup" | "lxc-console" | "lxc-device" | "lxc-freeze" | "lxc-stop" => {
            Names::Running
        }
        "lxc-start" | "lxc-execute" => Names::Stopped,
        "lxc-unfreeze" => Names::Frozen,
        "lxc-create" => Names::New,
        _ => Names::All,
    }
}

/// What stands behind a tool's name and its container's.
pub fn operands(program: &str) -> Values {
    match program {
        "lxc-attach" | "lxc-execute" | "lxc-start" | "lxc-unshare" | "lxc-usernsexec" | "init.lxc" => {
            Values::Command
        }
        "lxc-config" => Values::Words(ITEMS),
        "lxc-device" => Values::Words(&["add", "del"]),
        "lxc-update-config" => Values::File,
        _ => Values::Any,
    }
}

/// What the value of an option may be.
pub fn of(program: &str, long: &str) -> Values {
    match (program, long) {
        ("lxc-info", "config") => Values::Key,
        ("lxc-top", "format") => Values::Words(&["text", "json", "openmetrics"]),
        ("lxc-top", "sort") => Values::Words(&["name", "cpu", "blkio", "memory", "swap", "kernel"]),
        ("lxc-copy", "newname") | ("lxc-snapshot", "newname") => Values::Any,
        (_, "format") => Values::Words(&["text", "json"]),
        (_, "define") => Values::Key,
        (_, "logpriority") => Values::Words(LEVELS),
        (_, "state") => Values::Joined('|', STATES),
        (_, "namespaces") => Values::Joined('|', NAMESPACES),
        (_, "elevated-privileges") => Values::Joined('|', &["CGROUP", "CAP", "LSM"]),
        (_, "fancy-format") => Values::Joined(',', COLUMNS),
        (_, "arch") => Values::Words(ARCHITECTURES),
        (_, "bdev" | "backingstorage") => Values::Words(STORAGE),
        (_, "template") => Values::Template,
        (_, "user") => Values::User,
        (_, "ifname") => Values::Interface,
        (_, "share-net" | "share-ipc" | "share-uts" | "share-pid") => Values::Container,
        (_, "lxcpath" | "dir" | "newpath" | "checkpoint-dir") => Values::Directory,
        (
            _,
            "config" | "rcfile" | "logfile" | "console" | "console-log" | "pidfile" | "pty-log" | "comment"
            | "action-script",
        ) => Values::File,
        _ => Values::Any,
    }
}

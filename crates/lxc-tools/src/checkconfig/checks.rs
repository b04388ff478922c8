//! What containers want of a kernel: upstream's list, in its order and words.

use super::kernel::KernelConfig;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is there.
    Enabled,
    /// It is not there, and containers can do without.
    Missing,
    /// It is not there, and no container starts without.
    Required,
}

impl Verdict {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Enabled => "enabled",
            Verdict::Missing => "missing",
            Verdict::Required => "required",
        }
    }
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A feature.
    Check(Check),
    /// A mount point, below the heading of its version.
    Mounts(&'static str, Vec<String>),
    /// A warning as it stands.
    Note(String),
}

/// A feature and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is called.
    pub label: &'static str,
    /// The kernel's symbol, without `CONFIG_`, if that was looked at.
    pub symbol: Option<&'static str>,
    /// What was found.
    pub verdict: Verdict,
    /// Whether its module is loaded; `None` where that says nothing.
    pub loaded: Option<bool>,
}

/// A heading and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// The lines.
    pub lines: Vec<Line>,
}

/// What is known of the host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The text of `/proc/modules`, if the kernel has modules.
    pub modules: Option<String>,
    /// Mount points of cgroup v1, each with the options of its file system.
    pub v1: Vec<(String, Vec<String>)>,
    /// Mount points of cgroup v2.
    pub v2: Vec<String>,
    /// Whether there are cgroup namespaces.
    pub cgroup_namespace: bool,
    /// Whether the v1 hierarchies have `cgroup.clone_children`.
    pub clone_children: bool,
    /// What is wrong with the programs that write id maps.
    pub id_tools: Vec<String>,
}

/// All checks.
pub fn all(kernel: &KernelConfig, host: &Host) -> Vec<Section> {
    let from = From { kernel, host };
    vec![from.namespaces(), from.cgroups(), from.misc(), from.checkpoint()]
}

struct From<'a> {
    kernel: &'a KernelConfig,
    host: &'a Host,
}

impl From<'_> {
    fn check(&self, label: &'static str, symbol: &'static str, lacking: Verdict) -> Line {
        let verdict = self.kernel.built(symbol).map_or(lacking, |_| Verdict::Enabled);
        Line::Check(Check { label, symbol: Some(symbol), verdict, loaded: None })
    }

    fn optional(&self, label: &'static str, symbol: &'static str) -> Line {
        self.check(label, symbol, Verdict::Missing)
    }

    /// A feature that may be a module of this name.
    fn module(&self, label: &'static str, symbol: &'static str, module: &str) -> Line {
        let mut line = self.optional(label, symbol);
        if let (Line::Check(check), Some(modules)) = (&mut line, &self.host.modules)
            && check.verdict == Verdict::Enabled
        {
            check.loaded = Some(modules.lines().any(|line| line.split(' ').next() == Some(module)));
        }
        line
    }

    fn namespaces(&self) -> Section {
        let mut lines = vec![
            self.check("Namespaces", "NAMESPACES", Verdict::Required),
            self.optional("Utsname namespace", "UTS_NS"),
            self.check("Ipc namespace", "IPC_NS", Verdict::Required),
            self.check("Pid namespace", "PID_NS", Verdict::Required),
            self.optional("User namespace", "USER_NS"),
        ];
        if self.kernel.built("USER_NS").is_some() {
            lines.extend(self.host.id_tools.iter().cloned().map(Line::Note));
        }
        lines.push(self.optional("Network namespace", "NET_NS"));
        // Since Linux 4.7 every devpts is its own.
        if !self.kernel.is_at_least((4, 7)) {
            lines.push(self.optional("Multiple /dev/pts instances", "DEVPTS_MULTIPLE_INSTANCES"));
        }
        Section { title: "Namespaces", lines }
    }

    fn cgroups(&self) -> Section {
        let found = |label, there| {
            let verdict = if there { Verdict::Enabled } else { Verdict::Missing };
            Line::Check(Check { label, symbol: None, verdict, loaded: None })
        };
        let mut lines = vec![
            self.optional("Cgroups", "CGROUPS"),
            found("Cgroup namespace", self.host.cgroup_namespace),
            Line::Mounts("Cgroup v1 mount points", self.host.v1.iter().map(|(at, _)| at.clone()).collect()),
            Line::Mounts("Cgroup v2 mount points", self.host.v2.clone()),
        ];
        if self.host.v2 != ["/sys/fs/cgroup"] {
            let has =
                |wanted: &str| self.host.v1.iter().any(|(_, options)| options.iter().any(|o| o == wanted));
            if !has("name=systemd") {
                lines.push(found("Cgroup v1 systemd controller", false));
            }
            if !has("freezer") {
                lines.push(found("Cgroup v1 freezer controller", false));
            }
            if self.host.clone_children {
                lines.push(found("Cgroup v1 clone_children flag", true));
            }
        }
        // Its symbol until Linux 3.6.
        let memory = if self.kernel.is_at_least((3, 6)) { "MEMCG" } else { "CGROUP_MEM_RES_CTLR" };
        lines.extend([
            self.optional("Cgroup device", "CGROUP_DEVICE"),
            self.optional("Cgroup sched", "CGROUP_SCHED"),
            self.optional("Cgroup cpu account", "CGROUP_CPUACCT"),
            self.optional("Cgroup memory controller", memory),
        ]);
        if self.kernel.built("SMP").is_some() {
            lines.push(self.optional("Cgroup cpuset", "CPUSETS"));
        }
        Section { title: "Control groups", lines }
    }

    fn misc(&self) -> Section {
        let mut lines = vec![
            self.module("Veth pair device", "VETH", "veth"),
            self.module("Macvlan", "MACVLAN", "macvlan"),
            self.module("Vlan", "VLAN_8021Q", "8021q"),
            self.module("Bridges", "BRIDGE", "bridge"),
            self.module("Advanced netfilter", "NETFILTER_ADVANCED", "nf_tables"),
        ];
        // The range is upstream's: the symbols were there before, and went with Linux 5.1.
        if self.kernel.is_at_least((4, 7)) && !self.kernel.is_at_least((5, 0)) {
            lines.push(self.module("CONFIG_NF_NAT_IPV4", "NF_NAT_IPV4", "nf_nat_ipv4"));
            lines.push(self.module("CONFIG_NF_NAT_IPV6", "NF_NAT_IPV6", "nf_nat_ipv6"));
        }
        lines.extend([
            self.module(
                "CONFIG_IP_NF_TARGET_MASQUERADE",
                "IP_NF_TARGET_MASQUERADE",
                "nf_nat_masquerade_ipv4",
            ),
            self.module(
                "CONFIG_IP6_NF_TARGET_MASQUERADE",
                "IP6_NF_TARGET_MASQUERADE",
                "nf_nat_masquerade_ipv6",
            ),
            self.module("CONFIG_NETFILTER_XT_TARGET_CHECKSUM", "NETFILTER_XT_TARGET_CHECKSUM", "xt_CHECKSUM"),
            self.module("CONFIG_NETFILTER_XT_MATCH_COMMENT", "NETFILTER_XT_MATCH_COMMENT", "xt_comment"),
            self.module("FUSE (for use with lxcfs)", "FUSE_FS", "fuse"),
        ]);
        Section { title: "Misc", lines }
    }

    fn checkpoint(&self) -> Section {
        let mut lines = vec![
            self.optional("checkpoint restore", "CHECKPOINT_RESTORE"),
            self.optional("CONFIG_FHANDLE", "FHANDLE"),
            self.optional("CONFIG_EVENTFD", "EVENTFD"),
            self.optional("CONFIG_EPOLL", "EPOLL"),
            self.optional("CONFIG_UNIX_DIAG", "UNIX_DIAG"),
            self.optional("CONFIG_INET_DIAG", "INET_DIAG"),
            self.optional("CONFIG_PACKET_DIAG", "PACKET_DIAG"),
            self.optional("CONFIG_NETLINK_DIAG", "NETLINK_DIAG"),
        ];
        // Always there since Linux 2.6.33.
        let old = self.kernel.release.as_deref().and_then(|release| release.strip_prefix("2.6."));
        let old = old.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok());
        lines.push(match old {
            Some(..=32) => self.optional("File capabilities", "SECURITY_FILE_CAPABILITIES"),
            _ => Line::Check(Check {
                label: "File capabilities",
                symbol: None,
                verdict: Verdict::Enabled,
                loaded: None,
            }),
        });
        Section { title: "Checkpoint/Restore", lines }
    }
}

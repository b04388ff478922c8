//! The tokens of `lxc.mount.auto`.

use std::fmt;
use std::str::FromStr;

/// How `/proc` is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcAuto {
    /// `proc`, `proc:mixed`: `/proc/sys` and `/proc/sysrq-trigger` are read-only.
    Mixed,
    /// `proc:rw`
    ReadWrite,
}

/// How `/sys` is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SysAuto {
    /// `sys`, `sys:mixed`: read-only but for `/sys/devices/virtual/net`.
    Mixed,
    /// `sys:ro`
    ReadOnly,
    /// `sys:rw`
    ReadWrite,
}

/// What of the control groups is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CgroupView {
    /// `cgroup`: the container's own groups.
    Own,
    /// `cgroup-full`: the whole hierarchies.
    Full,
    /// `cgroup2`: the unified hierarchy only.
    Unified,
}

/// Who may write to the control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CgroupAccess {
    /// Not said: read-write if the container keeps `CAP_SYS_ADMIN`, else mixed.
    Unspecified,
    /// Read-only but for the container's own groups.
    Mixed,
    /// Read-only.
    ReadOnly,
    /// Read-write.
    ReadWrite,
}

/// How the control groups are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CgroupAuto {
    /// What is shown.
    pub view: CgroupView,
    /// Who may write.
    pub access: CgroupAccess,
    /// `:force`: mount even if the container has a cgroup namespace and could do it itself.
    pub force: bool,
}

/// `shmounts:HOST[:CONTAINER]`: a host directory through which mounts reach the running container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SharedMount {
    /// The directory on the host.
    pub host: String,
    /// Its place in the container, absolute.
    pub container: String,
}

/// Everything `lxc.mount.auto` asks for. Each family holds what its last token said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AutoMounts {
    /// `/proc`
    pub proc: Option<ProcAuto>,
    /// `/sys`
    pub sys: Option<SysAuto>,
    /// `/sys/fs/cgroup`
    pub cgroup: Option<CgroupAuto>,
    /// `shmounts`
    pub shared: Option<SharedMount>,
}

/// Why a value of `lxc.mount.auto` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AutoMountError {
    /// No such token.
    #[error("\"{0}\" is not known to lxc.mount.auto")]
    Unknown(String),
    /// `shmounts:` without a host directory.
    #[error("\"shmounts:\" needs a host directory")]
    NoDirectory,
}

/// Where `shmounts:HOST` appears in the container.
const SHARED_DEFAULT: &str = "/dev/.lxc-mounts";

impl AutoMounts {
    /// Takes the tokens of one line; what the line does not speak of stays.
    ///
    /// # Errors
    /// An unknown token; the tokens before it have been taken.
    pub fn merge(&mut self, line: &str) -> Result<(), AutoMountError> {
        line.split([' ', '\t']).filter(|t| !t.is_empty()).try_for_each(|t| self.token(t))
    }

    fn token(&mut self, token: &str) -> Result<(), AutoMountError> {
        match token {
            "proc" | "proc:mixed" => self.proc = Some(ProcAuto::Mixed),
            "proc:rw" => self.proc = Some(ProcAuto::ReadWrite),
            "sys" | "sys:mixed" => self.sys = Some(SysAuto::Mixed),
            "sys:ro" => self.sys = Some(SysAuto::ReadOnly),
            "sys:rw" => self.sys = Some(SysAuto::ReadWrite),
            _ => {
                if let Some(paths) = token.strip_prefix("shmounts:") {
                    self.shared = Some(shared(paths)?);
                } else {
                    let unknown = || AutoMountError::Unknown(token.to_owned());
                    self.cgroup = Some(cgroup(token).ok_or_else(unknown)?);
                }
            }
        }
        Ok(())
    }
}

fn cgroup(token: &str) -> Option<CgroupAuto> {
    let (token, force) = match token.strip_suffix(":force") {
        Some(rest) => (rest, true),
        None => (token, false),
    };
    let (name, access) = match token.split_once(':') {
        None => (token, CgroupAccess::Unspecified),
        Some((name, "mixed")) => (name, CgroupAccess::Mixed),
        Some((name, "ro")) => (name, CgroupAccess::ReadOnly),
        Some((name, "rw")) => (name, CgroupAccess::ReadWrite),
        Some(_) => return None,
    };
    let view = match (name, access) {
        ("cgroup", _) => CgroupView::Own,
        ("cgroup-full", _) => CgroupView::Full,
        ("cgroup2", CgroupAccess::Unspecified | CgroupAccess::ReadOnly) => CgroupView::Unified,
        _ => return None,
    };
    Some(CgroupAuto { view, access, force })
}

fn shared(paths: &str) -> Result<SharedMount, AutoMountError> {
    if paths.is_empty() {
        return Err(AutoMountError::NoDirectory);
    }
    // "HOST:" keeps its colon in HOST, as upstream does.
    let (host, container) = match paths.split_once(':') {
        Some((host, container)) if !host.is_empty() && !container.is_empty() => (host, container),
        _ => (paths, SHARED_DEFAULT),
    };
    Ok(SharedMount { host: host.to_owned(), container: container.to_owned() })
}

impl FromStr for AutoMounts {
    type Err = AutoMountError;

    fn from_str(line: &str) -> Result<Self, AutoMountError> {
        let mut all = AutoMounts::default();
        all.merge(line)?;
        Ok(all)
    }
}

impl fmt::Display for CgroupAuto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.view {
            CgroupView::Own => "cgroup",
            CgroupView::Full => "cgroup-full",
            CgroupView::Unified => "cgroup2",
        })?;
        f.write_str(match self.access {
            CgroupAccess::Unspecified => "",
            CgroupAccess::Mixed => ":mixed",
            CgroupAccess::ReadOnly => ":ro",
            CgroupAccess::ReadWrite => ":rw",
        })?;
        f.write_str(if self.force { ":force" } else { "" })
    }
}

fn shared_text(shared: &SharedMount) -> String {
    if shared.container == SHARED_DEFAULT {
        format!("shmounts:{}", shared.host)
    } else {
        format!("shmounts:{}:{}", shared.host, shared.container)
    }
}

impl fmt::Display for AutoMounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tokens = Vec::new();
        match self.proc {
            None => {}
            Some(ProcAuto::Mixed) => tokens.push("proc:mixed".to_owned()),
            Some(ProcAuto::ReadWrite) => tokens.push("proc:rw".to_owned()),
        }
        match self.sys {
            None => {}
            Some(SysAuto::Mixed) => tokens.push("sys:mixed".to_owned()),
            Some(SysAuto::ReadOnly) => tokens.push("sys:ro".to_owned()),
            Some(SysAuto::ReadWrite) => tokens.push("sys:rw".to_owned()),
        }
        tokens.extend(self.cgroup.map(|c| c.to_string()));
        tokens.extend(self.shared.as_ref().map(shared_text));
        f.write_str(&tokens.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_of_a_family_wins() {
        let mut a: AutoMounts = "proc sys:ro\tcgroup:ro:force".parse().unwrap();
        a.merge("sys:rw cgroup2").unwrap();
        assert_eq!(a.proc, Some(ProcAuto::Mixed));
        assert_eq!(a.sys, Some(SysAuto::ReadWrite));
        let unified =
            CgroupAuto { view: CgroupView::Unified, access: CgroupAccess::Unspecified, force: false };
        assert_eq!(a.cgroup, Some(unified));
    }

    #[test]
    fn every_token_round_trips() {
        for token in [
            "proc:mixed",
            "proc:rw",
            "sys:mixed",
            "sys:ro",
            "sys:rw",
            "cgroup",
            "cgroup:mixed",
            "cgroup:ro",
            "cgroup:rw",
            "cgroup:force",
            "cgroup:mixed:force",
            "cgroup:ro:force",
            "cgroup:rw:force",
            "cgroup-full",
            "cgroup-full:mixed",
            "cgroup-full:ro",
            "cgroup-full:rw",
            "cgroup-full:force",
            "cgroup-full:rw:force",
            "cgroup2",
            "cgroup2:ro",
            "cgroup2:force",
            "cgroup2:ro:force",
            "shmounts:/a:/b",
        ] {
            assert_eq!(token.parse::<AutoMounts>().unwrap().to_string(), token);
        }
    }

    #[test]
    fn shared_mounts() {
        let one = |t: &str| t.parse::<AutoMounts>().unwrap().shared.unwrap();
        assert_eq!(
            one("shmounts:/host"),
            SharedMount { host: "/host".into(), container: SHARED_DEFAULT.into() }
        );
        assert_eq!(one("shmounts:/host:").host, "/host:");
        assert_eq!("shmounts:".parse::<AutoMounts>(), Err(AutoMountError::NoDirectory));
    }

    #[test]
    fn unknown_tokens() {
        for bad in ["proc:ro", "shmounts", "cgroup:x", "cgroup2:rw", "cgroups", "sys:", "cgroup:force:ro"] {
            assert_eq!(bad.parse::<AutoMounts>(), Err(AutoMountError::Unknown(bad.into())), "{bad}");
        }
    }
}

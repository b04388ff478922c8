//! The options that many tools have.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args};

use lxc_types::{NamespaceKind, Namespaces};

/// The options of every tool but `lxc-config`.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// The container's name; the first argument that is no option is taken when this is not given
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,
    /// Print nothing but what was asked for
    #[arg(short, long)]
    pub quiet: bool,
    /// Write a log to FILE ("none": no log; "journal": to systemd's journal)
    #[arg(short = 'o', long, value_name = "FILE")]
    pub logfile: Option<PathBuf>,
    /// Log from LEVEL on: TRACE, DEBUG, INFO, NOTICE, WARN, ERROR, CRIT, ALERT or FATAL
    #[arg(short = 'l', long, value_name = "LEVEL")]
    pub logpriority: Option<String>,
    /// Where the containers are
    #[arg(short = 'P', long, value_name = "PATH", action = ArgAction::Append)]
    pub lxcpath: Vec<PathBuf>,
    /// What is not an option, without the name.
    #[arg(hide = true, num_args = 0.., value_name = "ARGUMENT")]
    pub rest: Vec<OsString>,
}

/// `--rcfile` of the tools that have no `-f` for it.
#[derive(Args, Clone, Debug, Default)]
pub struct Rcfile {
    /// Read the configuration from FILE instead of the container's own
    #[arg(long, value_name = "FILE")]
    pub rcfile: Option<PathBuf>,
}

/// `-s KEY=VALUE` of the tools that start a container.
#[derive(Args, Clone, Debug, Default)]
pub struct Define {
    /// Set a configuration key for this run
    #[arg(short = 's', long = "define", value_name = "KEY=VALUE", value_parser = key_value)]
    pub define: Vec<(String, String)>,
}

/// `--share-*` of the tools that start a container.
#[derive(Args, Clone, Debug, Default)]
pub struct Share {
    /// Share the network namespace of a container, process or path
    #[arg(long, value_name = "NAME")]
    pub share_net: Option<String>,
    /// Share the IPC namespace of a container, process or path
    #[arg(long, value_name = "NAME")]
    pub share_ipc: Option<String>,
    /// Share the UTS namespace of a container, process or path
    #[arg(long, value_name = "NAME")]
    pub share_uts: Option<String>,
    /// Share the PID namespace of a container, process or path
    #[arg(long, value_name = "NAME")]
    pub share_pid: Option<String>,
}

impl Share {
    /// The configuration keys that say the same.
    pub fn keys(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("lxc.namespace.share.net", &self.share_net),
            ("lxc.namespace.share.ipc", &self.share_ipc),
            ("lxc.namespace.share.uts", &self.share_uts),
            ("lxc.namespace.share.pid", &self.share_pid),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.as_deref()?)))
    }
}

/// Splits `KEY=VALUE`, blanks around both removed.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("it must look like lxc.KEY=VALUE".to_owned()),
    }
}

/// Namespaces joined by `|`, in the words of the tools or of the configuration, in any case.
///
/// # Errors
/// The text for the user: a word that is no namespace.
pub fn namespaces(list: &str) -> Result<Namespaces, String> {
    let mut set = Namespaces::NONE;
    for word in list.split('|').filter(|word| !word.is_empty()) {
        let lower = word.to_ascii_lowercase();
        let kind = match lower.as_str() {
            "mount" => NamespaceKind::Mount,
            "network" => NamespaceKind::Net,
            "utsname" => NamespaceKind::Uts,
            other => other.parse().map_err(|_| {
                format!(
                    "-s: \"{word}\" is no namespace (MOUNT, PID, UTSNAME, IPC, USER, NETWORK, CGROUP, TIME)"
                )
            })?,
        };
        set.insert(kind);
    }
    Ok(set)
}

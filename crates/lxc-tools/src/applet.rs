//! Which tool is meant: by the name of the program, or by the first argument.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli;
use crate::{
    attach, autostart, cgroup, checkconfig, config, console, copy, create, destroy, device, execute, freeze,
    info, ls, monitor, snapshot, start, stop, top, unshare, update_config, usernsexec, wait,
};

/// One tool: its name without `lxc-`, and what runs it, given how the program was called and the arguments.
struct Applet {
    name: &'static str,
    run: fn(&OsStr, Vec<OsString>) -> u8,
}

/// All tools, sorted by name.
const APPLETS: &[Applet] = &[
    Applet { name: "attach", run: attach::run },
    Applet { name: "autostart", run: cli::run::<autostart::Autostart> },
    Applet { name: "cgroup", run: cli::run::<cgroup::Cgroup> },
    Applet { name: "checkconfig", run: checkconfig::run },
    Applet { name: "config", run: config::run },
    Applet { name: "console", run: cli::run::<console::Console> },
    Applet { name: "copy", run: cli::run::<copy::Copy> },
    Applet { name: "create", run: cli::run::<create::Create> },
    Applet { name: "destroy", run: cli::run::<destroy::Destroy> },
    Applet { name: "device", run: cli::run::<device::Device> },
    Applet { name: "execute", run: cli::run::<execute::Execute> },
    Applet { name: "freeze", run: cli::run::<freeze::Freeze> },
    Applet { name: "info", run: cli::run::<info::Info> },
    Applet { name: "ls", run: cli::run::<ls::Ls> },
    Applet { name: "monitor", run: cli::run::<monitor::Monitor> },
    Applet { name: "snapshot", run: cli::run::<snapshot::Snapshot> },
    Applet { name: "start", run: cli::run::<start::Start> },
    Applet { name: "stop", run: cli::run::<stop::Stop> },
    Applet { name: "top", run: cli::run::<top::Top> },
    Applet { name: "unfreeze", run: cli::run::<freeze::Unfreeze> },
    Applet { name: "unshare", run: cli::run::<unshare::Unshare> },
    Applet { name: "update-config", run: update_config::run },
    Applet { name: "usernsexec", run: usernsexec::run },
    Applet { name: "wait", run: cli::run::<wait::Wait> },
];

/// Runs the tool that the whole argument list (program name first) asks for; the exit code.
pub fn run(mut argv: Vec<OsString>) -> u8 {
    let program = if argv.is_empty() { OsString::new() } else { argv.remove(0) };
    let base = Path::new(&program).file_name().unwrap_or_default().as_bytes();
    if let Some(applet) = base.strip_prefix(b"lxc-").filter(|name| *name != b"rs").and_then(find) {
        return (applet.run)(&program, argv);
    }
    if argv.is_empty() {
        return unknown(None);
    }
    let wanted = argv.remove(0);
    let name = wanted.as_bytes();
    if name == b"--version" {
        return version();
    }
    match find(name.strip_prefix(b"lxc-").unwrap_or(name)) {
        Some(applet) => (applet.run)(OsStr::new(&format!("lxc-{}", applet.name)), argv),
        None => unknown(Some(&wanted)),
    }
}

/// The names of all tools, sorted.
#[cfg(test)]
pub fn names() -> impl Iterator<Item = &'static str> {
    APPLETS.iter().map(|applet| applet.name)
}

fn find(name: &[u8]) -> Option<&'static Applet> {
    APPLETS.iter().find(|applet| applet.name.as_bytes() == name)
}

fn version() -> u8 {
    let text = format!("lxc-rs {} (LXC {})\n", env!("CARGO_PKG_VERSION"), cli::LXC_VERSION);
    u8::from(crate::output::write(text.as_bytes()).is_err())
}

/// Says which tools there are. Like upstream's multicall program: on standard error, exit code 1.
fn unknown(wanted: Option<&OsString>) -> u8 {
    let mut text = String::new();
    if let Some(wanted) = wanted {
        text.push_str(&format!("lxc: unknown command \"{}\"\n", wanted.display()));
    }
    text.push_str("Known commands:\n");
    for applet in APPLETS {
        text.push_str(&format!("\t{}\n", applet.name));
    }
    // Nobody is left to be told when standard error is closed.
    drop(std::io::stderr().write_all(text.as_bytes()));
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(argv: &[&str]) -> u8 {
        run(argv.iter().map(OsString::from).collect())
    }

    #[test]
    fn names() {
        assert!(APPLETS.is_sorted_by_key(|applet| applet.name));
        assert!(find(b"start").is_some());
        assert!(find(b"lxc-start").is_none());
    }

    #[test]
    fn unknown_tools_exit_1() {
        assert_eq!(code(&["/usr/bin/lxc-rs"]), 1);
        assert_eq!(code(&["lxc", "bogus"]), 1);
        assert_eq!(code(&["lxc-bogus"]), 1);
        assert_eq!(code(&[]), 1);
    }

    #[test]
    fn each_way_to_name_a_tool() {
        // An unknown item of lxc-config is exit 1, its help exit 0.
        assert_eq!(code(&["/opt/bin/lxc-config", "--help"]), 0);
        assert_eq!(code(&["lxc-rs", "config", "--help"]), 0);
        assert_eq!(code(&["lxc", "lxc-config", "--help"]), 0);
        assert_eq!(code(&["lxc-config", "lxc.bogus"]), 1);
    }
}

//! `lxc-checkconfig`: what the kernel has that containers want.

pub mod checks;
pub mod kernel;

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lxc_sys::proc;
use serde::Serialize;

use crate::cli::LXC_VERSION;
use crate::json;
use crate::output;
use crate::report::{self, Failure};
use checks::{Check, Host, Line, Section, Verdict};
use kernel::{Built, KernelConfig};

const PROGRAM: &str = "lxc-checkconfig";

/// Where a kernel shows its own configuration.
const OF_THE_KERNEL: &str = "/proc/config.gz";

/// Where id maps are written by users.
const ID_TOOLS: [&str; 2] = ["newuidmap", "newgidmap"];

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Text,
    Json,
    Help,
}

/// Runs the tool; the exit code.
pub fn run(program: &OsStr, args: Vec<OsString>) -> u8 {
    let outcome = asked(&args).and_then(|asked| match asked {
        Asked::Help => Ok(u8::from(output::write(HELP.as_bytes()).is_err())),
        Asked::Text => text(program),
        Asked::Json => answer_json(),
    });
    outcome.unwrap_or_else(|failure| {
        report::print(PROGRAM, None, &failure);
        failure.code()
    })
}

const HELP: &str = "\
Usage: lxc-checkconfig [--format=text|json]

Show which features that containers want the kernel has

  --format=text|json  Print text for people or JSON for programs
  -?, --help          Show this text

CONFIG in the environment names the configuration of another kernel to look at.
";

fn asked(args: &[OsString]) -> Result<Asked, Failure> {
    let mut asked = Asked::Text;
    let mut words = args.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        let format = match word.as_ref() {
            "-h" | "-?" | "--help" => return Ok(Asked::Help),
            "--format" => words.next().unwrap_or_default(),
            other => match other.strip_prefix("--format=") {
                Some(format) => format.to_owned().into(),
                None => return Err(Failure::said(format!("{other}: there is no such option"))),
            },
        };
        asked = match format.as_ref() {
            "text" => Asked::Text,
            "json" => Asked::Json,
            other => return Err(Failure::said(format!("--format: \"{other}\" is neither text nor json"))),
        };
    }
    Ok(asked)
}

/// The configuration to look at, where it was found, and where it was looked for in vain.
struct Found {
    kernel: KernelConfig,
    path: PathBuf,
    not_at: Option<PathBuf>,
}

/// `CONFIG`, else the kernel's own; where that is not to be had, the usual places.
fn find() -> Result<Found, (PathBuf, Failure)> {
    let asked = std::env::var_os("CONFIG").filter(|path| !path.is_empty());
    let first = PathBuf::from(asked.unwrap_or_else(|| OF_THE_KERNEL.into()));
    let read = |path: &Path| {
        KernelConfig::read(path).map_err(|e| Failure::said(format!("cannot read {}: {e}", path.display())))
    };
    if first.is_file() {
        return match read(&first) {
            Ok(kernel) => Ok(Found { kernel, path: first, not_at: None }),
            Err(failure) => Err((first, failure)),
        };
    }
    let release = rustix::system::uname();
    for path in kernel::places(&release.release().to_string_lossy()) {
        if path.is_file() {
            return match read(&path) {
                Ok(kernel) => Ok(Found { kernel, path, not_at: Some(first) }),
                Err(failure) => Err((first, failure)),
            };
        }
    }
    let failure = Failure::said("unable to retrieve kernel configuration").help(
        "a kernel with CONFIG_IKCONFIG_PROC shows it; else install the kernel's headers, or name a file: \
         CONFIG=FILE lxc-checkconfig",
    );
    Err((first, failure))
}

/// The configuration of the kernel that runs, if it can be had.
pub fn running_kernel() -> Option<KernelConfig> {
    let release = rustix::system::uname();
    let [headers, boot] = kernel::places(&release.release().to_string_lossy());
    [PathBuf::from(OF_THE_KERNEL), headers, boot].iter().find_map(|path| KernelConfig::read(path).ok())
}

fn text(program: &OsStr) -> Result<u8, Failure> {
    let mut text = format!("LXC version {LXC_VERSION}\n");
    let searching =
        |path: &Path| format!("Kernel configuration not found at {}; searching...\n", path.display());
    let found = match find() {
        Ok(found) => found,
        Err((path, failure)) => {
            if !path.is_file() {
                text.push_str(&searching(&path));
            }
            output::write(text.as_bytes())?;
            return Err(failure);
        }
    };
    if let Some(not_at) = &found.not_at {
        text.push_str(&searching(not_at));
        text.push_str(&format!("Kernel configuration found at {}\n", found.path.display()));
    }
    if found.kernel.version.is_none() {
        text.push_str("WARNING: Unable to detect version from configuration, assuming latest\n\n");
    }
    let colour = Colour(std::io::stdout().is_terminal());
    for section in checks::all(&found.kernel, &host()?) {
        section.show(colour, &mut text);
    }
    let program = whole_path(program);
    text.push_str("\nNote : Before booting a new kernel, you can check its configuration\n");
    text.push_str(&format!("usage : CONFIG=/path/to/config {}\n\n", program.display()));
    output::write(text.as_bytes())?;
    Ok(0)
}

fn answer_json() -> Result<u8, Failure> {
    #[derive(Serialize)]
    struct Answer {
        kernel: Option<String>,
        config: String,
        cgroup_v1_mounts: Vec<String>,
        cgroup_v2_mounts: Vec<String>,
        checks: Vec<Item>,
        warnings: Vec<String>,
    }
    #[derive(Serialize)]
    struct Item {
        section: &'static str,
        label: &'static str,
        symbol: Option<String>,
        verdict: &'static str,
        module: Option<bool>,
        loaded: Option<bool>,
    }
    let found = find().map_err(|(_, failure)| failure)?;
    let host = host()?;
    let mut answer = Answer {
        kernel: found.kernel.release.clone(),
        config: found.path.display().to_string(),
        cgroup_v1_mounts: host.v1.iter().map(|(at, _)| at.clone()).collect(),
        cgroup_v2_mounts: host.v2.clone(),
        checks: Vec::new(),
        warnings: Vec::new(),
    };
    for section in checks::all(&found.kernel, &host) {
        for line in section.lines {
            match line {
                Line::Mounts(..) => {}
                Line::Note(note) => answer.warnings.push(note),
                Line::Check(check) => answer.checks.push(Item {
                    section: section.title,
                    label: check.label,
                    symbol: check.symbol.map(|symbol| format!("CONFIG_{symbol}")),
                    verdict: check.verdict.as_str(),
                    module: check
                        .symbol
                        .and_then(|symbol| found.kernel.built(symbol))
                        .map(|built| built == Built::Module),
                    loaded: check.loaded,
                }),
            }
        }
    }
    json::print("checkconfig", &answer)
}

/// Whether words have their colours.
#[derive(Clone, Copy)]
struct Colour(bool);

impl Colour {
    fn of(self, verdict: Verdict) -> (&'static str, &'static str) {
        match verdict {
            _ if !self.0 => ("", ""),
            Verdict::Enabled => ("\x1b[1;32m", "\x1b[0;39m"),
            Verdict::Missing => ("\x1b[1;33m", "\x1b[0;39m"),
            Verdict::Required => ("\x1b[1;31m", "\x1b[0;39m"),
        }
    }
}

impl Section {
    fn show(&self, colour: Colour, text: &mut String) {
        text.push_str(&format!("\n--- {} ---\n", self.title));
        for line in &self.lines {
            match line {
                Line::Check(check) => check.show(colour, text),
                Line::Note(note) => text.push_str(&format!("{note}\n")),
                Line::Mounts(heading, points) => {
                    text.push_str(&format!("{heading}: \n"));
                    points.iter().for_each(|point| text.push_str(&format!(" - {point}\n")));
                }
            }
        }
    }
}

impl Check {
    fn show(&self, colour: Colour, text: &mut String) {
        let (begin, end) = colour.of(self.verdict);
        text.push_str(&format!("{}: {begin}{}", self.label, self.verdict.as_str()));
        // As upstream: where no symbol is looked at, the colour ends on the next line, the namespace's apart.
        let late = self.symbol.is_none() && self.label != "Cgroup namespace";
        if !late {
            text.push_str(end);
        }
        match self.loaded {
            Some(true) => text.push_str(", loaded"),
            Some(false) => text.push_str(", not loaded"),
            None => {}
        }
        text.push('\n');
        if late {
            text.push_str(end);
        }
    }
}

/// What there is to know of the host besides its kernel's configuration.
fn host() -> Result<Host, Failure> {
    let mountinfo = proc::read("/proc/self/mountinfo")?;
    let mut host = Host {
        modules: std::fs::read_to_string("/proc/modules").ok(),
        cgroup_namespace: Path::new("/proc/self/ns/cgroup").exists(),
        id_tools: ID_TOOLS.iter().filter_map(|tool| id_tool(tool)).collect(),
        ..Host::default()
    };
    for mount in proc::mounts(&mountinfo) {
        let at = mount.path().display().to_string();
        match &*mount.fs_type {
            b"cgroup" => {
                let options =
                    mount.super_options().map(|o| String::from_utf8_lossy(&o).into_owned()).collect();
                host.v1.push((at, options));
            }
            b"cgroup2" => host.v2.push(at),
            _ => {}
        }
    }
    host.clone_children =
        host.v1.first().is_some_and(|(at, _)| Path::new(at).join("cgroup.clone_children").exists());
    Ok(host)
}

/// What is wrong with a program that writes id maps.
fn id_tool(tool: &str) -> Option<String> {
    const SETUID: u32 = 0o4000;
    let Some(file) = in_path(OsStr::new(tool)) else { return Some(format!("{tool} is not installed")) };
    let setuid = std::fs::metadata(file).is_ok_and(|file| file.mode() & SETUID != 0 && file.uid() == 0);
    (!setuid).then(|| format!("Warning: {tool} is not setuid-root"))
}

/// The file that is executed for a name without slashes.
fn in_path(name: &OsStr) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| {
        std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// The program as a script would know itself: by the path under which it was found.
fn whole_path(program: &OsStr) -> PathBuf {
    if program.as_bytes().contains(&b'/') {
        return program.into();
    }
    in_path(program).unwrap_or_else(|| program.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let asked = |words: &[&str]| asked(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(asked(&[]).unwrap(), Asked::Text);
        assert_eq!(asked(&["--format", "json"]).unwrap(), Asked::Json);
        assert_eq!(asked(&["--format=json", "--format=text"]).unwrap(), Asked::Text);
        assert_eq!(asked(&["--format=json", "-h"]).unwrap(), Asked::Help);
        for wrong in [&["--format"][..], &["--format=xml"], &["x"]] {
            assert!(asked(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn colours_end_where_upstreams_do() {
        let mut text = String::new();
        let check = |symbol| Check { label: "L", symbol, verdict: Verdict::Enabled, loaded: None };
        check(Some("X")).show(Colour(true), &mut text);
        check(None).show(Colour(true), &mut text);
        let module = Check { loaded: Some(false), verdict: Verdict::Missing, ..check(Some("X")) };
        module.show(Colour(true), &mut text);
        assert_eq!(
            text,
            "L: \x1b[1;32menabled\x1b[0;39m\nL: \x1b[1;32menabled\n\x1b[0;39mL: \x1b[1;33mmissing\x1b[0;39m, not loaded\n"
        );
    }
}

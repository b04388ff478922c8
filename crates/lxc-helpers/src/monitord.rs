//! Tells whoever asks of the state changes of all containers in a folder. Started by `lxc-monitor`, or as a service.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lxc_core::Dirs;
use lxc_core::monitord::{self, Lifetime};
use lxc_sys::{Op, Result, process};

const USAGE: &str = "Usage: lxc-monitord LXCPATH DESCRIPTOR
       lxc-monitord --daemon [LXCPATH]

lxc-monitor starts it by itself; --daemon is for those who want it to stay.
";

/// What the command line asks for.
enum Asked {
    /// Serve while there are clients, after writing a byte to this descriptor.
    Spawned(PathBuf, i32),
    /// Serve on; the folder of containers, if it is not the default one.
    Daemon(Option<PathBuf>),
    Usage,
}

fn main() -> ExitCode {
    let outcome = match asked(std::env::args_os().skip(1).collect()) {
        Asked::Spawned(lxcpath, descriptor) => spawned(&lxcpath, descriptor),
        Asked::Daemon(lxcpath) => daemon(lxcpath),
        Asked::Usage => return say(USAGE),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say(&format!("lxc-monitord: {error}\n")),
    }
}

fn say(text: &str) -> ExitCode {
    #[allow(clippy::print_stderr, reason = "this program has no log")]
    {
        eprint!("{text}");
    }
    ExitCode::FAILURE
}

fn asked(args: Vec<OsString>) -> Asked {
    match &args[..] {
        [option] if option == "--daemon" => Asked::Daemon(None),
        [option, lxcpath] if option == "--daemon" => Asked::Daemon(Some(lxcpath.into())),
        [lxcpath, descriptor] if !lxcpath.to_string_lossy().starts_with('-') => {
            let number = descriptor.to_str().and_then(|text| text.parse().ok()).filter(|n| *n > 2);
            number.map_or(Asked::Usage, |number| Asked::Spawned(lxcpath.into(), number))
        }
        _ => Asked::Usage,
    }
}

fn spawned(lxcpath: &Path, descriptor: i32) -> Result<()> {
    let tell: OwnedFd = process::inherited_fd(descriptor)?;
    let run = Dirs::of_this_process().run;
    monitord::serve(&run, &absolute(lxcpath)?, Lifetime::WhileUsed, || {
        // Who asked may have gone meanwhile.
        rustix::io::write(&tell, b"S").ok();
        drop(tell);
    })
}

fn daemon(lxcpath: Option<PathBuf>) -> Result<()> {
    let dirs = Dirs::of_this_process();
    let lxcpath = lxcpath.unwrap_or(dirs.lxcpath);
    monitord::serve(&dirs.run, &absolute(&lxcpath)?, Lifetime::Forever, || {})
}

/// From the root, without slashes too many: it becomes part of the socket's name.
fn absolute(path: &Path) -> Result<PathBuf> {
    Ok(std::path::absolute(path).op("resolve", path)?.components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(words: &[&str]) -> Asked {
        asked(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn command_lines() {
        assert!(
            matches!(ask(&["/var/lib/lxc", "7"]), Asked::Spawned(path, 7) if path == Path::new("/var/lib/lxc"))
        );
        assert!(matches!(ask(&["--daemon"]), Asked::Daemon(None)));
        assert!(matches!(ask(&["--daemon", "/x"]), Asked::Daemon(Some(path)) if path == Path::new("/x")));
        for wrong in [
            &[][..],
            &["/x"],
            &["/x", "abc"],
            &["/x", "-1"],
            &["/x", "1"],
            &["--help"],
            &["-h"],
            &["a", "b", "c"],
            &["--daemon", "a", "b"],
        ] {
            assert!(matches!(ask(wrong), Asked::Usage), "{wrong:?}");
        }
    }
}

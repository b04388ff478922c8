//! Starting from a process with threads, as programs that load the library are: the monitor is `lxc-supervise`.
//! Needs root.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use lxc_core::{Container, Dirs, Error, Mode, Run, StartOptions, Started, Stop};
use lxc_types::State;

/// A container in a folder of its own, stopped when the test ends.
struct Bed {
    folder: tempfile::TempDir,
    dirs: Dirs,
}

impl Bed {
    fn new() -> Bed {
        let folder = tempfile::Builder::new().prefix("rs-supervise-").tempdir().unwrap();
        let mut dirs = Dirs::of_this_process();
        dirs.prefix = folder.path().join("prefix");
        let programs = dirs.prefix.join("libexec/lxc");
        std::fs::create_dir_all(&programs).unwrap();
        symlink(env!("CARGO_BIN_EXE_lxc-supervise"), programs.join("lxc-supervise")).unwrap();
        dirs.rootfs_mount = folder.path().join("mount");
        std::fs::create_dir(&dirs.rootfs_mount).unwrap();
        let bed = Bed { folder, dirs };
        let rootfs = bed.path().join("c1/rootfs");
        for dir in ["usr", "proc", "sys", "dev", "tmp"] {
            std::fs::create_dir_all(rootfs.join(dir)).unwrap();
        }
        for link in ["bin", "lib", "lib64"] {
            symlink(format!("usr/{link}"), rootfs.join(link)).unwrap();
        }
        bed
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn container(&self, init: &str) -> Container {
        let rootfs = self.path().join("c1/rootfs");
        let text = format!(
            "lxc.rootfs.path = dir:{}\nlxc.init.cmd = {init}\nlxc.net.0.type = empty\n\
             lxc.mount.entry = /usr usr none bind,ro 0 0\n",
            rootfs.display()
        );
        std::fs::write(self.path().join("c1/config"), text).unwrap();
        self.open()
    }

    fn open(&self) -> Container {
        Container::open(&self.dirs, self.path(), "c1".parse().unwrap()).unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.open().stop(&Stop::Kill).ok();
        }
    }
}

fn options() -> StartOptions {
    StartOptions {
        mode: Mode::Start,
        argv: Vec::new(),
        run: Run::Daemon,
        pidfile: None,
        close_fds: false,
        log: Default::default(),
    }
}

/// Runs `act` while this process has another thread.
fn with_a_second_thread<T>(act: impl FnOnce() -> T) -> T {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    #[expect(clippy::disallowed_methods, reason = "it is what the test is about")]
    let thread = std::thread::spawn(move || wait.recv().ok());
    let result = act();
    drop(done);
    thread.join().unwrap();
    result
}

fn monitors(bed: &Bed) -> Vec<(String, String)> {
    let title = format!("[lxc monitor] {} c1", bed.path().display());
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().into_string().ok());
    pids.filter_map(|pid| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let exe = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?.to_str()?.to_owned();
        line.trim_end_matches('\0').eq(&title).then_some((pid, exe))
    })
    .collect()
}

fn no_monitor_soon(bed: &Bed) -> bool {
    (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(25));
        monitors(bed).is_empty()
    })
}

#[test]
fn a_process_with_threads_starts_through_the_monitor_program() {
    let bed = Bed::new();
    let mut container = bed.container("/bin/sleep 1000");
    let started = with_a_second_thread(|| container.start(&options())).unwrap();
    assert_eq!(started, Started::Daemon);
    assert_eq!(container.state(), State::Running);
    let found = monitors(&bed);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.ends_with("/lxc-supervise"), "{found:?}");
    let sockets = || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", found[0].0)).unwrap();
        let open = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        open.filter(|to| to.to_string_lossy().starts_with("socket:")).count()
    };
    // The last question's connection may be open for a moment.
    let alone = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        sockets() == 1
    });
    assert!(alone, "{} sockets are open besides the command socket", sockets() - 1);
    let again = with_a_second_thread(|| container.start(&options()));
    assert!(matches!(again, Err(Error::AlreadyRunning)), "{again:?}");
    container.stop(&Stop::Kill).unwrap();
    assert!(container.wait(&[State::Stopped], Some(Duration::from_secs(10))).unwrap());
    assert!(no_monitor_soon(&bed));
}

#[test]
fn what_goes_wrong_in_the_monitor_program_reaches_the_caller() {
    let bed = Bed::new();
    let mut container = bed.container("/no/such/program");
    let error = with_a_second_thread(|| container.start(&options())).unwrap_err();
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
    let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    assert!(text.contains("/no/such/program"), "{text}");
    assert_eq!(container.state(), State::Stopped);
    assert!(no_monitor_soon(&bed));
}

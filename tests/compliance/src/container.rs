//! One container of a test.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::bed::Bed;
use crate::root;
use crate::run::{Output, Run};
use crate::terminal::Terminal;

/// A container in the making: its configuration is not written yet.
#[derive(Debug)]
pub struct Draft<'a> {
    bed: &'a Bed,
    name: String,
    lines: Vec<String>,
    files: Vec<(String, String)>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(bed: &'a Bed, name: String) -> Self {
        let lines = vec![
            format!("lxc.uts.name = {name}"),
            format!("lxc.rootfs.path = dir:/var/lib/lxc/{name}/rootfs"),
            "lxc.mount.auto = proc:mixed sys:ro".to_owned(),
            "lxc.tty.max = 0".to_owned(),
            "lxc.pty.max = 1024".to_owned(),
        ];
        Self { bed, name, lines, files: Vec::new() }
    }

    /// The container's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds lines to the configuration. Without a `lxc.net.` line, the container has `empty`.
    #[must_use]
    pub fn config(mut self, lines: &str) -> Self {
        self.lines.extend(lines.lines().map(|line| line.trim().to_owned()));
        self
    }

    /// Leaves out the lines that begin with this key.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.lines.retain(|line| !line.starts_with(key));
        self
    }

    /// A file below the root; executable when it begins with `#!`.
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// Shell lines that init runs before it waits.
    #[must_use]
    pub fn at_boot(self, script: &str) -> Self {
        self.file("etc/at-boot", script)
    }

    /// Writes the small busybox root and the configuration.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn make(mut self) -> Container<'a> {
        if !self.lines.iter().any(|line| line.starts_with("lxc.net.")) {
            self.lines.push("lxc.net.0.type = empty".to_owned());
        }
        let container = Container { bed: self.bed, name: self.name, asked_to_start: RefCell::new(false) };
        let rootfs = container.rootfs();
        root::make_small(&rootfs);
        for (path, text) in &self.files {
            root::write(&rootfs.join(path), text);
        }
        root::write(&container.dir().join("config"), &(self.lines.join("\n") + "\n"));
        container
    }

    /// A shell script in place of init.
    #[must_use]
    pub fn init(self, script: &str) -> Self {
        self.config("lxc.init.cmd = /sbin/test-init")
            .file("sbin/test-init", &format!("#!/bin/sh\n{script}\n"))
    }

    /// Makes the container and starts it.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> Container<'a> {
        let container = self.make();
        container.start().ok();
        container
    }
}

/// A container that has a directory below `/var/lib/lxc`.
#[derive(Debug)]
pub struct Container<'a> {
    bed: &'a Bed,
    name: String,
    asked_to_start: RefCell<bool>,
}

impl<'a> Container<'a> {
    /// A container that something else made.
    #[must_use]
    pub fn known(bed: &'a Bed, name: &str) -> Self {
        Self { bed, name: name.to_owned(), asked_to_start: RefCell::new(false) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bed it is in.
    #[must_use]
    pub fn bed(&self) -> &'a Bed {
        self.bed
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        PathBuf::from("/var/lib/lxc").join(&self.name)
    }

    /// Its root file system, as the host sees it.
    #[must_use]
    pub fn rootfs(&self) -> PathBuf {
        self.dir().join("rootfs")
    }

    /// A file below the root, read from the host.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        let path = self.rootfs().join(path);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Adds lines to the configuration file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn append(&self, lines: &str) {
        let path = self.dir().join("config");
        let text = fs::read_to_string(&path).expect("the container's config");
        fs::write(&path, format!("{text}{lines}\n")).expect("the container's config");
    }

    /// Runs a tool with `-n NAME` and these arguments.
    #[must_use]
    pub fn tool(&self, tool: &str, args: &[&str]) -> Output {
        self.run(tool, args).output()
    }

    /// A tool with `-n NAME` and these arguments, about to be run.
    #[must_use]
    pub fn run(&self, tool: &str, args: &[&str]) -> Run {
        let mut all = vec!["-n", &self.name];
        all.extend(args);
        self.bed.run(tool, &all)
    }

    /// A tool with `-n NAME` on a terminal of its own.
    #[must_use]
    pub fn terminal(&self, tool: &str, args: &[&str]) -> Terminal {
        let mut all = vec!["-n", &self.name];
        all.extend(args);
        Terminal::run(&self.bed.tools().path(tool), &all)
    }

    /// `lxc-start`.
    #[must_use]
    pub fn start(&self) -> Output {
        self.asked_to_start.replace(true);
        self.tool("lxc-start", &[])
    }

    /// `lxc-stop`, the clean way, once init is ready for the signal.
    #[track_caller]
    pub fn stop(&self) {
        self.wait_ready();
        self.tool("lxc-stop", &["-t", "10"]).ok();
    }

    /// Waits until the small root's init has its handlers: before that the kernel drops the signals.
    #[track_caller]
    pub fn wait_ready(&self) {
        let status = format!("/proc/{}/status", self.init());
        let catches_power = || {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
                .is_some_and(|mask| mask >> 29 & 1 == 1)
        };
        crate::host::wait_until("init catches SIGPWR", Duration::from_secs(5), catches_power);
    }

    /// `lxc-stop -k`.
    #[track_caller]
    pub fn kill(&self) {
        self.tool("lxc-stop", &["-k"]).ok();
    }

    /// `lxc-attach` with a command.
    #[must_use]
    pub fn attach(&self, command: &[&str]) -> Output {
        let mut args = vec!["--"];
        args.extend(command);
        let out = self.tool("lxc-attach", &args);
        // Debian's crashes now and then while it copies itself, before it does anything.
        if out.stderr.contains("Failed to rexec as memfd") { self.tool("lxc-attach", &args) } else { out }
    }

    /// What a shell script says inside, which must end well.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.attach(&["/bin/sh", "-c", script]).ok().stdout.trim_end().to_owned()
    }

    /// What a shell script says in an `lxc-execute` of this container, which must end well.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn execute(&self, script: &str) -> String {
        self.tool("lxc-execute", &["--", "/bin/sh", "-c", script]).ok().stdout.trim_end().to_owned()
    }

    /// The state as `lxc-info` says it.
    #[must_use]
    #[track_caller]
    pub fn state(&self) -> String {
        self.tool("lxc-info", &["-sH"]).ok().stdout.trim_end().to_owned()
    }

    /// The process that is init, by the bed's `/proc`.
    ///
    /// # Panics
    /// When the container does not run.
    #[must_use]
    #[track_caller]
    pub fn init(&self) -> u32 {
        let said = self.tool("lxc-info", &["-pH"]).ok().stdout;
        said.trim_end().parse().unwrap_or_else(|_| panic!("{}: no PID: {said:?}", self.name))
    }

    /// Waits for a state by `lxc-wait`.
    #[track_caller]
    pub fn wait(&self, state: &str) {
        self.tool("lxc-wait", &["-s", state, "-t", "20"]).ok();
    }

    /// Waits until a file below the root is there and has text.
    #[track_caller]
    pub fn wait_file(&self, path: &str) -> String {
        let file = self.rootfs().join(path);
        crate::host::wait_until(path, Duration::from_secs(10), || {
            fs::metadata(&file).is_ok_and(|m| m.len() > 0)
        });
        self.read(path)
    }
}

//! Creating, listing and destroying containers with the built program. Needs root.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of containers that goes with the test.
struct Containers(tempfile::TempDir);

impl Containers {
    fn new() -> Containers {
        Containers(tempfile::Builder::new().prefix("rs-tools-").tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Runs a tool on this folder.
    fn run(&self, tool: &str, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lxc-rs"));
        command.arg(tool).arg("-P").arg(self.path()).args(args).output().unwrap()
    }

    fn create(&self, args: &[&str]) -> Output {
        let config = self.path().join("default.conf");
        if !config.exists() {
            std::fs::write(&config, "lxc.net.0.type = empty\n").unwrap();
        }
        let config = config.to_str().unwrap().to_owned();
        self.run("create", &[&["-f", &config], args].concat())
    }

    fn template(&self, text: &str) -> String {
        let path = self.path().join("lxc-template");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let listed = self.run("ls", &["-1"]);
        assert!(listed.status.success(), "{listed:?}");
        String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_container_without_a_root_comes_and_goes() {
    let all = Containers::new();
    let made = all.create(&["-n", "c1", "-t", "none"]);
    assert_eq!(code(&made), 0, "{made:?}");
    assert!(made.stdout.is_empty() && made.stderr.is_empty(), "{made:?}");
    assert_eq!(std::fs::read_to_string(all.folder("c1/config")).unwrap(), "lxc.net.0.type = empty\n");
    assert_eq!(std::fs::metadata(all.folder("c1")).unwrap().mode() & 0o7777, 0o770);
    assert_eq!(all.names(), ["c1"]);
    let again = all.create(&["-n", "c1", "-t", "none"]);
    assert_eq!(code(&again), 1);
    assert!(stderr(&again).starts_with("lxc-create: c1: the container exists: "), "{again:?}");
    assert_eq!(code(&all.run("destroy", &["c1"])), 0);
    assert!(!all.folder("c1").exists());
    assert_eq!(code(&all.run("destroy", &["c1"])), 1);
}

#[test]
fn the_contract_with_templates() {
    let all = Containers::new();
    let template = all.template(
        "umask > $1.tmp; for a in \"$@\"; do case $a in --path=*) p=${a#--path=};; --rootfs=*) r=${a#--rootfs=};; esac; done\n\
         echo \"$(basename $0)\" \"$@\" > $p/seen; umask >> $p/seen; ls $p/partial >/dev/null || exit 9\n\
         mount -t tmpfs none $r && touch $r/gone && mkdir -p $r/bin; echo lxc.uts.name = x >> $p/config; echo made",
    );
    let made = all.create(&["-n", "c1", "-t", &template, "--", "-r", "a b"]);
    assert_eq!(code(&made), 0, "{made:?}");
    assert_eq!(made.stdout, b"made\n");
    let folder = all.folder("c1");
    let seen = std::fs::read_to_string(folder.join("seen")).unwrap();
    let f = folder.display();
    assert_eq!(seen, format!("lxc-template --path={f} --name=c1 --rootfs={f}/rootfs -r a b\n0022\n"));
    let config = std::fs::read_to_string(folder.join("config")).unwrap();
    assert!(config.starts_with(&format!("# Template used to create this container: {template}\n# Parameters passed to the template: -r a b\n")), "{config}");
    assert!(
        config.ends_with(&format!(
            "\n\nlxc.net.0.type = empty\nlxc.rootfs.path = dir:{f}/rootfs\nlxc.uts.name = x\n"
        )),
        "{config}"
    );
    assert!(!folder.join("partial").exists());
    assert!(!folder.join("rootfs/gone").exists(), "the template's mounts are its own");
    assert_eq!(code(&all.run("destroy", &["c1"])), 0);
    assert!(!folder.exists());
}

#[test]
fn a_failed_template_leaves_nothing() {
    let all = Containers::new();
    for end in ["exit 3", "kill -9 $$"] {
        let template = all.template(end);
        let failed = all.create(&["-n", "c1", "-t", &template]);
        assert_eq!(code(&failed), 1);
        assert!(stderr(&failed).starts_with("lxc-create: c1: template "), "{failed:?}");
        assert!(!all.folder("c1").exists());
    }
}

#[test]
fn what_a_broken_creation_left_is_cleared() {
    let all = Containers::new();
    std::fs::create_dir(all.folder("c1")).unwrap();
    std::fs::write(all.folder("c1/partial"), "").unwrap();
    std::fs::write(all.folder("c1/config"), "half").unwrap();
    let template = all.template("exit 0");
    assert_eq!(code(&all.create(&["-n", "c1", "-t", &template])), 0);
    assert!(!all.folder("c1/partial").exists());
}

#[test]
fn a_creation_in_progress_is_respected() {
    let all = Containers::new();
    let template = all.template("echo go; read line; exit 0");
    let mut first = Command::new(env!("CARGO_BIN_EXE_lxc-rs"))
        .args(["create", "-n", "c1", "-t", &template, "-P"])
        .arg(all.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut go = [0; 3];
    std::io::Read::read_exact(first.stdout.as_mut().unwrap(), &mut go).unwrap();
    let second = all.create(&["-n", "c1", "-t", &template]);
    assert_eq!(code(&second), 1);
    assert!(stderr(&second).contains("being created by another program"), "{second:?}");
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    assert_eq!(all.names(), ["c1"]);
}

#[test]
fn the_host_as_a_template() {
    let all = Containers::new();
    let made = all.create(&["-n", "h1", "-t", "host"]);
    assert_eq!(code(&made), 0, "{made:?}");
    let delta = all.folder("h1/overlay/delta");
    let config = std::fs::read_to_string(all.folder("h1/config")).unwrap();
    assert!(config.contains(&format!("\nlxc.rootfs.path = overlay:/:{}\n", delta.display())), "{config}");
    assert_eq!(std::fs::read_to_string(delta.join("etc/hostname")).unwrap(), "h1\n");
    let shadow = std::fs::read_to_string(delta.join("etc/shadow")).unwrap();
    assert!(shadow.lines().all(|line| line.split(':').nth(1) == Some("*")), "no password hash may show");
    assert_eq!(code(&all.run("destroy", &["h1"])), 0);
    assert!(!all.folder("h1").exists());
    assert!(Path::new("/etc/hostname").exists());
}

#[test]
fn what_cannot_be_is_said() {
    let all = Containers::new();
    for (args, first) in [
        (&["-n", "c1"][..], "lxc-create: c1: a template must be specified: -t TEMPLATE\n"),
        (&["-n", "c1", "-t", "nonesuch"], "lxc-create: c1: no template \"nonesuch\": "),
        (
            &["-n", "c1", "-t", "none", "-B", "foo"],
            "lxc-create: c1: foo is not a valid backing storage type\n",
        ),
        (&["-n", "a/b", "-t", "none"], "lxc-create: a/b: "),
    ] {
        let refused = all.create(args);
        assert_eq!(code(&refused), 1, "{refused:?}");
        assert!(stderr(&refused).starts_with(first), "{refused:?}");
    }
    let template = all.template("exit 0");
    let refused = all.create(&["-n", "c1", "-t", &template, "-B", "zfs"]);
    assert_eq!(code(&refused), 1);
    assert!(all.names().is_empty() && !all.folder("c1").exists());
}

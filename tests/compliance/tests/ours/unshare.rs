//! Where `lxc-unshare`, `lxc-usernsexec` and `init.lxc` of LXC are broken, ours are not.

use std::path::Path;

use compliance::{Bed, Output, Run};

#[test]
fn the_end_by_a_signal_is_told() {
    let bed = Bed::new();
    bed.tool("lxc-usernsexec", &["--", "sh", "-c", "kill -9 $$"]).expect(137);
}

#[test]
fn usernsexec_helps() {
    let bed = Bed::new();
    let out = bed.tool("lxc-usernsexec", &["-h"]).ok();
    assert!(out.stdout.starts_with("Usage: ") && out.stderr.is_empty(), "{}", out.stdout);
    for wrong in ["x", "b:0:1", "0:1:2"] {
        let out = bed.tool("lxc-usernsexec", &["-m", wrong, "--", "true"]).expect(1);
        assert!(out.stderr.contains(&format!("\"{wrong}\" is no map")), "{}", out.stderr);
    }
}

#[test]
fn usernsexec_becomes_another_user() {
    let bed = Bed::new();
    let out = bed.tool("lxc-usernsexec", &["-u", "3", "-g", "4", "--", "sh", "-c", "id -u; id -g"]).ok();
    assert_eq!(out.stdout, "3\n4\n");
    let out = bed.tool("lxc-usernsexec", &["-m", "b:0:700000:10", "-u", "30", "--", "true"]).expect(1);
    assert!(out.stderr.contains("setresuid(30)"), "{}", out.stderr);
}

#[test]
fn remounts_show_the_new_namespaces() {
    let bed = Bed::new();
    let script = "echo /proc/[0-9]*; ls /dev/shm; touch /dev/shm/inside";
    bed.host("touch /dev/shm/outside");
    let out = bed.tool("lxc-unshare", &["-s", "MOUNT|PID|IPC", "-M", "--", "sh", "-c", script]).ok();
    assert_eq!(out.stdout, "/proc/1\n");
    assert_eq!(bed.host("rm /dev/shm/outside; ls /dev/shm | grep -c inside || true"), "0");
}

#[test]
fn a_link_that_is_not_there_is_an_error() {
    let bed = Bed::new();
    let out = bed.tool("lxc-unshare", &["-s", "NETWORK", "-i", "nosuch", "--", "true"]).expect(1);
    assert!(out.stderr.contains("nosuch"), "{}", out.stderr);
}

#[test]
fn a_user_needs_a_user_namespace() {
    let bed = Bed::new();
    let out = bed.tool("lxc-unshare", &["-s", "UTSNAME", "-u", "daemon", "--", "true"]).expect(1);
    assert!(out.stderr.contains("-u needs -s USER"), "{}", out.stderr);
}

#[test]
fn a_time_namespace() {
    let bed = Bed::new();
    let link = "/proc/self/ns/time";
    let out = bed.tool("lxc-unshare", &["-s", "TIME", "--", "readlink", link]).ok().stdout;
    assert_ne!(out.trim_end(), bed.host(&format!("readlink {link}")));
}

#[test]
fn templates_need_no_other_program() {
    let bed = Bed::new();
    let config = bed.dir().join("config");
    std::fs::write(
        &config,
        "lxc.net.0.type = empty\nlxc.idmap = u 0 700000 1000\nlxc.idmap = g 0 700000 1000\n",
    )
    .expect("write a config");
    let template = bed.dir().join("template");
    let text = "#!/bin/sh\nfor arg; do case $arg in --path=*) path=${arg#*=};; esac; done\n\
                echo \"$*\" >\"$path/called\"; cat /proc/self/uid_map >>\"$path/called\"\n";
    std::fs::write(&template, text).expect("write a template");
    bed.host(&format!("chmod 755 {0} {0}/..  {1}", bed.dir().display(), template.display()));
    let name = bed.name();
    let path = |path: &std::path::Path| path.to_str().expect("a path of ASCII letters").to_owned();
    let args = ["-n", &name, "-f", &path(&config), "-t", &path(&template), "--", "more"];
    bed.run("lxc-create", &args).env("PATH", "/usr/sbin:/sbin:/nowhere:/bin").output().ok();
    let called = std::fs::read_to_string(format!("/var/lib/lxc/{name}/called")).expect("the template's note");
    assert!(called.contains(" more --mapped-uid 1000 --mapped-gid 1000\n"), "{called}");
    assert!(called.contains("700000       1000\n"), "{called}");
    bed.tool("lxc-destroy", &["-n", &name]).ok();
}

fn init(bed: &Bed, args: &[&str]) -> Output {
    let init = bed.tools().bin().join("../sbin/init.lxc").display().to_string();
    let words = [&["-p", "-f", "--mount-proc", "--kill-child", &init][..], args].concat();
    Run::new(Path::new("/usr/bin/unshare"), &words).output()
}

#[test]
fn init_says_what_is_missing() {
    let bed = Bed::new();
    assert_eq!(init(&bed, &["-n", "x"]).expect(1).stderr, "lxc-init: missing command\n");
    let out = init(&bed, &["-n", "x", "--", "/no/such"]).expect(255);
    assert_eq!(out.stderr, "lxc-init: execve(/no/such): No such file or directory\n");
}

#[test]
fn init_forwards_alarms() {
    let bed = Bed::new();
    let script = "trap 'echo got; exit 3' ALRM; kill -ALRM 1; sleep 1; echo end";
    assert_eq!(init(&bed, &["-n", "x", "--", "sh", "-c", script]).expect(3).stdout, "got\n");
}

//! `lxc-attach`: exit codes, environment, ids, namespaces, bytes through pipes and terminals.

use std::time::Duration;

use compliance::{Bed, without_source};
use sha2::{Digest, Sha256};

const MEGABYTES: usize = 200;

#[test]
fn exit_codes() {
    let bed = Bed::new();
    let c = bed.container().file("root/plain", "no program\n").start();
    for (command, code) in [
        (&["/bin/true"][..], 0),
        (&["/bin/false"], 1),
        (&["/bin/sh", "-c", "exit 42"], 42),
        (&["/bin/sh", "-c", "kill -KILL $$"], 137),
        (&["/bin/sh", "-c", "kill -TERM $$"], 143),
        (&["/root/plain"], 126),
        (&["/bin/nosuch"], 127),
        (&["nosuch"], 127),
    ] {
        let out = c.attach(command);
        assert_eq!(out.code, code, "{command:?}: {}", out.stderr);
    }
    c.kill();
}

#[test]
fn a_stopped_container() {
    let bed = Bed::new();
    let c = bed.container().make();
    let out = c.attach(&["true"]).expect(1);
    assert_eq!(out.stdout, "");
    let first = without_source(out.stderr.lines().next().unwrap_or_default());
    assert!(first.starts_with(&format!("lxc-attach: {}: ", c.name())), "{first}");
}

#[test]
fn outputs_and_input_are_apart() {
    let bed = Bed::new();
    let c = bed.container().start();
    let out = c.run("lxc-attach", &["--", "sh", "-c", "cat; echo wrong >&2"]).input("given\n").output().ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("given\n", "wrong\n"));
    c.kill();
}

#[test]
fn all_namespaces_are_the_containers() {
    let bed = Bed::new();
    let c = bed.container().start();
    let inside = c.sh("for n in mnt uts ipc net pid cgroup; do readlink /proc/self/ns/$n; done");
    let init = c.init();
    let outside =
        bed.host(&format!("for n in mnt uts ipc net pid cgroup; do readlink /proc/{init}/ns/$n; done"));
    assert_eq!(inside, outside);
    // On cgroup2 an attached process may be in a group of its own below the container's.
    assert_eq!(
        c.sh("cat /proc/self/cgroup | cut -d: -f2,3 | sed s,^:/.lxc,:/, | sort"),
        c.sh("cat /proc/1/cgroup | cut -d: -f2,3 | sort")
    );
    c.kill();
}

#[test]
fn some_namespaces() {
    let bed = Bed::new();
    let c = bed.container().start();
    let host = bed.host("readlink /proc/1/ns/mnt");
    let out = c.tool(
        "lxc-attach",
        &["-s", "NETWORK|UTSNAME", "--", "/bin/sh", "-c", "hostname; readlink /proc/self/ns/mnt"],
    );
    assert_eq!(out.ok().stdout, format!("{}\n{host}\n", c.name()));
    let out = c.tool("lxc-attach", &["-s", "uts", "--", "/bin/hostname"]);
    assert_eq!(out.ok().stdout, format!("{}\n", c.name()));
    c.kill();
}

#[test]
fn environment() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.environment = CONFIGURED=yes").start();
    let env = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--", "env"]);
        let out = c.run("lxc-attach", &all).env("CALLER", "c").env("OTHER", "o").output().ok();
        out.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let has = |lines: &[String], line: &str| lines.iter().any(|l| l == line);
    let kept = env(&[]);
    for line in ["CALLER=c", "OTHER=o", "container=lxc", "CONFIGURED=yes"] {
        assert!(has(&kept, line), "{line}: {kept:?}");
    }
    let mut cleared = env(&["--clear-env"]);
    cleared.retain(|l| !l.starts_with("PWD=") && !l.starts_with("SHLVL="));
    cleared.sort();
    assert!(has(&cleared, "container=lxc") && !has(&cleared, "CALLER=c"), "{cleared:?}");
    assert!(
        has(&cleared, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        "{cleared:?}"
    );
    let some = env(&["--clear-env", "--keep-var", "CALLER", "-v", "MORE=a b", "--set-var=LAST=x"]);
    for line in ["CALLER=c", "MORE=a b", "LAST=x", "container=lxc"] {
        assert!(has(&some, line), "{line}: {some:?}");
    }
    assert!(!has(&some, "OTHER=o"), "{some:?}");
    c.kill();
}

#[test]
fn ids() {
    let bed = Bed::new();
    let c = bed.container().start();
    let out = c.tool("lxc-attach", &["-u", "1000", "-g", "1000", "--", "id"]).ok();
    assert!(out.stdout.starts_with("uid=1000(user) gid=1000(user)"), "{}", out.stdout);
    assert_eq!(c.sh("id -u; id -g; id -G"), "0\n0\n0");
    c.kill();
}

/// Who attaches is seen inside before it executes the program: a directory of the host that it has open then is a
/// way out of the container (`/proc/PID/fd/N/../..`).
#[test]
fn nothing_of_the_host_is_open_inside() {
    let bed = Bed::new();
    let c = bed.container().start();
    let look = "while [ ! -e /stop ]; do ls -l /proc/[0-9]*/fd 2>/dev/null; done | grep -m 1 /sys/fs/cgroup";
    let looking = c.run("lxc-attach", &["--", "/bin/sh", "-c", look]).spawn();
    for _ in 0..200 {
        c.attach(&["/bin/true"]).ok();
    }
    c.attach(&["/bin/touch", "/stop"]).ok();
    assert_eq!(looking.output().stdout, "");
    c.kill();
}

#[test]
fn working_directory() {
    let bed = Bed::new();
    let c = bed.container().start();
    let out = c.run("lxc-attach", &["--", "pwd"]).dir(std::path::Path::new("/etc")).output().ok();
    assert_eq!(out.stdout, "/etc\n");
    let out = c.run("lxc-attach", &["--", "pwd"]).dir(std::path::Path::new("/boot")).output().ok();
    assert_eq!(out.stdout, "/\n");
    c.kill();
}

#[test]
fn capabilities_and_no_new_privs() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.cap.keep = chown setuid\nlxc.no_new_privs = 1").start();
    let status = "grep -E '^(CapBnd|NoNewPrivs)' /proc/self/status";
    assert_eq!(c.sh(status), "CapBnd:\t0000000000000081\nNoNewPrivs:\t1");
    let out = c.tool("lxc-attach", &["-e", "--", "/bin/sh", "-c", status]).ok();
    assert!(!out.stdout.contains("CapBnd:\t0000000000000081"), "{}", out.stdout);
    let out = c.tool("lxc-attach", &["--elevated-privileges=CAP", "--", "/bin/sh", "-c", status]).ok();
    assert!(!out.stdout.contains("CapBnd:\t0000000000000081"), "{}", out.stdout);
    c.kill();
}

#[test]
fn elevated_cgroup_stays_outside() {
    let bed = Bed::new();
    let c = bed.container().start();
    let out = c
        .tool(
            "lxc-attach",
            &["--elevated-privileges=CGROUP", "-s", "UTSNAME", "--", "/bin/cat", "/proc/self/cgroup"],
        )
        .ok();
    assert!(!out.stdout.contains(c.name()), "{}", out.stdout);
    let out = c.tool("lxc-attach", &["-s", "UTSNAME", "--", "/bin/cat", "/proc/self/cgroup"]).ok();
    assert!(!out.stdout.contains(c.name()), "-s means -e: {}", out.stdout);
    c.kill();
}

#[test]
fn personality() {
    let bed = Bed::new();
    let c = bed.container().start();
    assert_eq!(c.tool("lxc-attach", &["-a", "i686", "--", "uname", "-m"]).ok().stdout, "i686\n");
    c.kill();
}

#[test]
fn bytes_through_a_pipe() {
    let bed = Bed::new();
    let c = bed.container().start();
    let mut data = vec![0; MEGABYTES << 20];
    fill(&mut data);
    let want = Sha256::digest(&data);
    let (out, code) = c.run("lxc-attach", &["--", "cat"]).input(data).limit(Duration::from_secs(60)).bytes();
    assert_eq!(code, 0);
    assert_eq!(out.len(), MEGABYTES << 20);
    assert_eq!(Sha256::digest(&out), want);
    c.kill();
}

#[test]
fn bytes_through_a_terminal() {
    let bed = Bed::new();
    let c = bed.container().start();
    // Raw, so that the inner line discipline changes nothing. The outer one still makes CR LF of a line
    // feed, so the bytes are all values but that one.
    let script = format!(
        "stty raw -echo; printf go:; tr -d '\\n' </dev/urandom | head -c {} | tee /tmp/sent; \
         sha256sum </tmp/sent >/root/sum; rm /tmp/sent; cat >/dev/null",
        MEGABYTES << 20
    );
    let mut terminal = c.terminal("lxc-attach", &["--", "/bin/sh", "-c", &script]);
    terminal.expect("go:");
    let got = terminal.take(MEGABYTES << 20, Duration::from_secs(60));
    let hash: String = Sha256::digest(&got).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(c.wait_file("root/sum").split(' ').next().unwrap_or_default(), hash);
    drop(terminal);
    c.kill();
}

/// Bytes that no buffer boundary can hide in: a counter, mixed.
fn fill(data: &mut [u8]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for chunk in data.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_ne_bytes()[..chunk.len()]);
    }
}

#[test]
fn a_shell_with_job_control() {
    let bed = Bed::new();
    let c = bed.container().start();
    let mut shell = c.terminal("lxc-attach", &["--clear-env", "-v", "PS1=prompt> ", "--", "/bin/sh"]);
    shell.expect("prompt> ");
    shell.send(b"tty; stty size\n");
    let said = shell.expect("prompt> ");
    assert!(said.contains("/dev/") && said.contains("40 100"), "{said}");
    shell.send(b"sleep 1000\n");
    std::thread::sleep(Duration::from_millis(200));
    shell.send(b"\x1a");
    shell.expect("Stopped");
    shell.expect("prompt> ");
    shell.send(b"jobs; bg\n");
    shell.expect("prompt> ");
    shell.send(b"kill %1; fg\n");
    shell.expect("prompt> ");
    shell.send(b"sleep 1000\n");
    std::thread::sleep(Duration::from_millis(200));
    shell.send(b"\x03");
    shell.expect("prompt> ");
    shell.resize(33, 77);
    std::thread::sleep(Duration::from_millis(200));
    shell.send(b"stty size\n");
    shell.expect("33 77");
    shell.send(b"exit 9\n");
    assert_eq!(shell.finish().0, 9);
    c.kill();
}

#[test]
fn the_login_shell_is_the_default() {
    let bed = Bed::new();
    let c = bed.container().start();
    let out = c.run("lxc-attach", &[]).input("echo $0 $((40 + 2)); exit 5\n").output().expect(5);
    assert!(out.stdout.contains("42"), "{}", out.stdout);
    c.kill();
}

/// `lxc-attach` of a shell on a terminal, with some of its streams redirected.
fn redirected(c: &compliance::Container<'_>, bed: &Bed, before: &str, after: &str) -> compliance::Terminal {
    let attach = bed.tools().path("lxc-attach");
    let line = format!("{before} {} -n {} -- {after}", attach.display(), c.name());
    compliance::Terminal::run(std::path::Path::new("/bin/sh"), &["-c", &line])
}

#[test]
fn an_input_that_is_no_terminal_is_the_programs_own() {
    let bed = Bed::new();
    let c = bed.container().start();
    let file = bed.dir().join("shown");
    for _ in 0..5 {
        let after = format!("sh >{}", file.display());
        let (code, _) = redirected(&c, &bed, "echo 'echo $((40 + 2))' |", &after).finish();
        assert_eq!(code, 0);
        assert_eq!(std::fs::read_to_string(&file).expect("the output"), "42\n");
    }
    c.kill();
}

#[test]
fn an_output_that_is_no_terminal_is_the_programs_own() {
    let bed = Bed::new();
    let c = bed.container().start();
    let file = bed.dir().join("shown");
    let after = format!("/bin/sh -c 'echo ready >&2; exec cat' >{}", file.display());
    let mut terminal = redirected(&c, &bed, "", &after);
    terminal.expect("ready");
    terminal.send(b"typed\n");
    terminal.expect("typed");
    terminal.send(b"\x04");
    assert_eq!(terminal.finish().0, 0);
    assert_eq!(std::fs::read_to_string(&file).expect("the output"), "typed\n");
    c.kill();
}

#[test]
fn what_the_terminal_showed_can_be_logged() {
    let bed = Bed::new();
    let c = bed.container().start();
    let log = bed.dir().join("pty.log");
    let path = log.to_str().expect("a path of ASCII letters").to_owned();
    let terminal = c.terminal("lxc-attach", &["-L", &path, "--", "/bin/echo", "for the log"]);
    assert_eq!(terminal.finish().0, 0);
    assert!(std::fs::read_to_string(&log).expect("the log").contains("for the log"));
    // 5.0 makes it 600, 7.0 is said to make it 640.
    let mode = bed.host(&format!("stat -c %a {path}"));
    assert!(["600", "640"].contains(&mode.as_str()), "{mode}");
    c.kill();
}

#[test]
fn many_at_once() {
    let bed = Bed::new();
    let c = bed.container().start();
    let running: Vec<_> = (0..20)
        .map(|n| c.run("lxc-attach", &["--", "/bin/sh", "-c", &format!("echo {n}; exit {n}")]).spawn())
        .collect();
    for (n, one) in running.into_iter().enumerate() {
        let out = one.output();
        assert_eq!((out.stdout, out.code), (format!("{n}\n"), i32::try_from(n).expect("small")));
    }
    c.kill();
}

#[test]
fn proc_and_sys_anew() {
    let bed = Bed::new();
    let c = bed.container().start();
    // Without the container's mounts, /proc is the host's, but for -R.
    let names = "PID|NETWORK";
    let count = |more: &[&str]| {
        let args = [&["-s", names], more, &["--", "sh", "-c", "echo $(ls -d /proc/[0-9]* | wc -l)"]].concat();
        let said = c.tool("lxc-attach", &args).ok().stdout;
        said.trim_end().parse::<u32>().unwrap_or_else(|_| panic!("{args:?}: {said:?}"))
    };
    assert!(count(&["-R"]) <= 6, "the container's processes");
    let links = c.tool("lxc-attach", &["-s", names, "--remount-sys-proc", "--", "ls", "/sys/class/net"]).ok();
    assert_eq!(links.stdout, "lo\n");
    c.kill();
}

#[test]
fn another_configuration() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.environment = FROM=own").start();
    let other = bed.dir().join("config");
    std::fs::write(&other, "lxc.environment = FROM=other\n").expect("write a config");
    let path = other.to_str().expect("a path of ASCII letters");
    for args in [&["-f", path][..], &["--rcfile", path]] {
        let all = [args, &["--", "sh", "-c", "echo $FROM"]].concat();
        assert_eq!(c.tool("lxc-attach", &all).ok().stdout, "other\n", "{args:?}");
    }
    c.tool("lxc-attach", &["-f", "/no/such/file", "--", "true"]).expect(1);
    c.kill();
}

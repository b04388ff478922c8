//! `lxc-unshare` and `lxc-usernsexec`: programs in new namespaces, without a container.

use compliance::Bed;

/// Arguments, what is printed, the exit code.
type Case<'a> = (&'a [&'a str], &'a str, i32);

fn all(bed: &Bed, tool: &str, cases: &[Case<'_>]) {
    for (args, stdout, code) in cases {
        let out = bed.tool(tool, args).expect(*code);
        assert_eq!(out.stdout, *stdout, "{tool} {args:?}: {}", out.stderr);
        assert_eq!(out.stderr.is_empty(), *code == 0, "{tool} {args:?}: {}", out.stderr);
    }
}

#[test]
fn namespaces() {
    let bed = Bed::new();
    all(
        &bed,
        "lxc-unshare",
        &[
            (&["-s", "UTSNAME", "--", "true"], "", 0),
            (&["-s", "UTSNAME", "true"], "", 0),
            (&["-s", "MOUNT|PID", "--", "sh", "-c", "echo $$"], "1\n", 0),
            (&["--namespaces=pid", "--", "sh", "-c", "echo $$"], "1\n", 0),
            (&["-s", "UTSNAME|", "--", "true"], "", 0),
            (&["-s", "UTSNAME", "-H", "new", "--", "hostname"], "new\n", 0),
            (&["-n", "name", "-s", "UTSNAME", "--hostname", "new", "--", "hostname"], "new\n", 0),
            (&["-s", "USER", "--", "cat", "/proc/self/uid_map"], "", 0),
            (
                &["-s", "USER", "-u", "1", "--", "cat", "/proc/self/uid_map", "/proc/self/gid_map"],
                "         1          0          1\n",
                0,
            ),
            (&["-s", "USER", "-u", "daemon", "--", "id", "-u"], "1\n", 0),
            (&["-s", "UTSNAME", "-d", "--", "true"], "", 0),
        ],
    );
    let host = bed.host("hostname");
    assert_ne!(host, "new", "the host's own name has changed");
}

#[test]
fn new_ones_are_new() {
    let bed = Bed::new();
    for (word, name) in [
        ("MOUNT", "mnt"),
        ("UTSNAME", "uts"),
        ("IPC", "ipc"),
        ("USER", "user"),
        ("NETWORK", "net"),
        ("PID", "pid"),
        ("cgroup", "cgroup"),
    ] {
        let link = format!("/proc/self/ns/{name}");
        let out = bed.tool("lxc-unshare", &["-s", word, "--", "readlink", &link]).ok().stdout;
        assert_ne!(out.trim_end(), bed.host(&format!("readlink {link}")), "{word}");
    }
}

#[test]
fn mounts_stay_inside() {
    let bed = Bed::new();
    let dir = bed.dir();
    let dir = dir.to_str().expect("a path of ASCII letters");
    let script = format!("mount -t tmpfs tmpfs {dir}; touch {dir}/inside; ls {dir}");
    let out = bed.tool("lxc-unshare", &["-s", "MOUNT", "--", "sh", "-c", &script]).ok();
    assert_eq!(out.stdout, "inside\n");
    assert_eq!(bed.host(&format!("ls {dir}")), "");
}

#[test]
fn a_link_moves_along() {
    let bed = Bed::new();
    bed.host("ip link add tounshare type veth peer name tounshare2");
    // Debian's moves the links while the program runs already.
    let show = "until ip link show tounshare2; do sleep 0.1; done >/dev/null 2>&1; ip -br link";
    let args = ["-s", "NETWORK", "-i", "tounshare", "--ifname", "tounshare2", "--", "sh", "-c", show];
    let out = bed.tool("lxc-unshare", &args).ok().stdout;
    let names: Vec<&str> = out.lines().filter_map(|line| line.split([' ', '@']).next()).collect();
    assert_eq!(names, ["lo", "tounshare2", "tounshare"], "{out}");
}

#[test]
fn what_unshare_refuses() {
    let bed = Bed::new();
    for args in [
        &[][..],
        &["-s", "UTSNAME"],
        &["--", "true"],
        &["-s", "", "--", "true"],
        &["-s", "NOSUCH", "--", "true"],
        &["-H", "new", "-s", "MOUNT", "--", "true"],
        &["-s", "MOUNT", "-i", "lo", "--", "true"],
        &["-s", "UTSNAME", "-M", "--", "true"],
        &["-s", "USER", "-u", "no-such-user", "--", "true"],
        &["-s", "UTSNAME", "--", "/no/such/program"],
        &["-s", "UTSNAME", "--", "false"],
        &["-s", "UTSNAME", "--", "sh", "-c", "exit 7"],
        &["-s", "UTSNAME", "--", "sh", "-c", "kill -9 $$"],
    ] {
        bed.tool("lxc-unshare", args).expect(1);
    }
}

/// The line of a map as the kernel prints it.
fn line(inside: u32, outside: u32, count: u32) -> String {
    format!("{inside:>10} {outside:>10} {count:>10}\n")
}

#[test]
fn maps() {
    let bed = Bed::new();
    let show = ["--", "cat", "/proc/self/uid_map", "/proc/self/gid_map"];
    let shown = |options: &[&str]| bed.tool("lxc-usernsexec", &[options, &show].concat()).ok().stdout;
    let granted = line(0, 700_000, 1_000_000);
    assert_eq!(shown(&[]), granted.clone() + &granted, "what /etc/subuid grants");
    let ten = line(0, 700_000, 10);
    assert_eq!(shown(&["-m", "b:0:700000:10"]), ten.clone() + &ten);
    let own = line(10, 0, 1);
    assert_eq!(shown(&["-s", "-m", "b:0:700000:10"]), [ten.clone(), own.clone(), ten.clone(), own].concat());
    assert_eq!(
        shown(&["-m", "u:0:700000:10", "-m", "g:0:700100:5", "-m", "u:20:700020:1"]),
        [ten, line(20, 700_020, 1), line(0, 700_100, 5)].concat()
    );
}

#[test]
fn who_the_program_is() {
    let bed = Bed::new();
    let out = bed.tool("lxc-usernsexec", &["-m", "b:0:700000:10", "--", "id"]).ok().stdout;
    assert_eq!(out, "uid=0(root) gid=0(root) groups=0(root)\n");
    let script = "for n in user mnt uts; do readlink /proc/self/ns/$n; done";
    let inside = bed.tool("lxc-usernsexec", &["--", "sh", "-c", script]).ok().stdout;
    let outside = bed.host(script);
    let mut same = inside.lines().zip(outside.lines()).map(|(a, b)| a == b);
    assert_eq!([same.next(), same.next(), same.next()], [Some(false), Some(false), Some(true)]);
    bed.tool("lxc-usernsexec", &["--", "sh", "-c", "exit 5"]).expect(5);
    let out = bed.run("lxc-usernsexec", &[]).input("echo from $0; exit 3\n").output().expect(3);
    assert_eq!(out.stdout, "from /bin/sh\n");
}

#[test]
fn what_usernsexec_refuses() {
    let bed = Bed::new();
    let program = bed.tools().path("lxc-usernsexec").display().to_string();
    for (args, said) in [
        (&["-Z"][..], "invalid option -- 'Z'"),
        (&["--help"], "invalid option -- '-'"),
        (&["-m"], "option requires an argument -- 'm'"),
    ] {
        let out = bed.tool("lxc-usernsexec", args).expect(1);
        assert_eq!((out.stdout.as_str(), out.stderr), ("", format!("{program}: {said}\n")));
    }
    for args in [
        &["-m", "x", "--", "true"][..],
        &["-m", "b:0:700000", "--", "true"],
        &["-m", "b:0:7x:4", "--", "true"],
        &["-m", "0:700000:4", "--", "true"],
        &["-m", "b:0:700000:10", "-m", "b:1:700000:10", "--", "true"],
        &["-m", "u:0:700000:10", "--", "true"],
        &["-m", "b:0:700000:10", "--", "/no/such/program"],
    ] {
        let out = bed.tool("lxc-usernsexec", args).expect(1);
        assert_eq!(out.stdout, "", "{args:?}");
    }
    bed.host("echo other:700000:10 >/etc/subuid");
    bed.tool("lxc-usernsexec", &["--", "true"]).expect(1);
    bed.tool("lxc-usernsexec", &["-h"]).ok();
}

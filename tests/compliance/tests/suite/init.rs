//! `init.lxc`: process 1 of application containers, run here in a PID namespace without a container.

use std::path::Path;
use std::time::{Duration, Instant};

use compliance::{Bed, Output, Run};

/// Runs it as process 1. Never without a namespace: it signals everybody.
fn about(bed: &Bed, args: &[&str]) -> Run {
    let init = bed.tools().bin().join("../sbin/init.lxc").display().to_string();
    let mut words = vec!["-p", "-f", "--mount-proc", "--kill-child", &init];
    words.extend(args);
    Run::new(Path::new("/usr/bin/unshare"), &words)
}

fn init(bed: &Bed, args: &[&str]) -> Output {
    about(bed, args).output()
}

fn sh(bed: &Bed, script: &str) -> Output {
    init(bed, &["-n", "x", "--", "sh", "-c", script])
}

#[test]
fn how_it_is_called() {
    let bed = Bed::new();
    for args in [
        &["-n", "x", "--", "true"][..],
        &["--name=x", "true"],
        &["--na", "x", "--", "true"],
        &["-qn", "x", "-P", "/path", "--", "true"],
        &["-n", "x", "-o", "/log", "-l", "DEBUG", "--", "true"],
        &["true", "-n", "x"],
    ] {
        let out = init(&bed, args).ok();
        assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""), "{args:?}");
    }
    let version = init(&bed, &["--ver"]).ok();
    assert_eq!(version.stdout, bed.tool("lxc-info", &["--version"]).ok().stdout);
    let usage = init(&bed, &["--usage"]).ok();
    let want = "Usage: lxc-init [-n|--name=NAME] [-h|--help] [--usage] [--version]\n\
                \t\t[-q|--quiet] [-P|--lxcpath=LXCPATH]\n";
    assert_eq!((usage.stdout.as_str(), usage.stderr.as_str()), ("", want));
    for option in ["-h", "--help"] {
        let help = init(&bed, &[option]).ok();
        assert!(help.stderr.starts_with("Usage: lxc-init --name=NAME -- COMMAND\n\n"), "{}", help.stderr);
        assert_eq!(help.stdout, "");
    }
}

#[test]
fn what_it_refuses() {
    let bed = Bed::new();
    let program = bed.tools().bin().join("../sbin/init.lxc").display().to_string();
    for (args, said) in [
        (&["-?"][..], "invalid option -- '?'"),
        (&["-n", "x", "-Z"], "invalid option -- 'Z'"),
        (&["--bogus"], "unrecognized option '--bogus'"),
        (&["--logfile=x"], "unrecognized option '--logfile=x'"),
        (&["--quiet=1"], "option '--quiet' doesn't allow an argument"),
        (&["-n"], "option requires an argument -- 'n'"),
        (&["--name"], "option '--name' requires an argument"),
    ] {
        let out = init(&bed, args).expect(1);
        let want = format!("{program}: {said}\nUsage: lxc-init --name=NAME -- COMMAND\n");
        assert!(out.stderr.starts_with(&want), "{args:?}: {}", out.stderr);
    }
    for args in [&[][..], &["x", "--", "true"], &["--", "true"]] {
        let out = init(&bed, args).expect(1);
        assert_eq!(out.stderr, "lxc-init: missing container name, use --name option\n", "{args:?}");
    }
    init(&bed, &["-n", "x"]).expect(1);
    init(&bed, &["-n", "x", "--"]).expect(1);
}

#[test]
fn exit_codes() {
    let bed = Bed::new();
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("(sleep 0.3; exit 9) & exit 4", 4),
    ] {
        sh(&bed, script).expect(code);
    }
    let out = init(&bed, &["-n", "x", "--", "/no/such/program"]).expect(255);
    assert!(out.stderr.contains("/no/such/program"), "{}", out.stderr);
    let out = init(&bed, &["-q", "-n", "x", "--", "/no/such/program"]).expect(255);
    assert_eq!(out.stderr, "");
}

#[test]
fn who_is_who() {
    let bed = Bed::new();
    // The shell reads its own mask: while it makes a child, all signals are blocked.
    let script = "echo $$; tr '\\0' '\\n' </proc/1/cmdline; cut -d' ' -f5,6 /proc/$$/stat; \
                  while read -r line; do case $line in SigBlk*) echo \"$line\";; esac; done </proc/$$/status";
    let out = sh(&bed, script).ok().stdout;
    let want = "2\ninit\n2 2\nSigBlk:\t0000000000000000\n";
    assert_eq!(out, want);
    assert_eq!(sh(&bed, "(sleep 0.3; echo late) &").ok().stdout, "late\n", "orphans are waited for");
}

/// Says when it is ready, then what comes.
fn traps(signal: &str) -> String {
    format!(
        "trap 'echo got {signal}; exit 3' {signal}; echo ready >&2; i=0\n\
             while [ $i -lt 15 ]; do sleep 0.1; i=$((i + 1)); done; echo end"
    )
}

/// Sends a signal to the process 1 whose command runs `script`, from outside.
fn signalled(bed: &Bed, script: &str, signal: &str) -> (Output, Duration) {
    let mark = bed.dir().join(format!("mark{signal}"));
    let script = script.replace(">&2", &format!(">{}", mark.display()));
    let running = about(bed, &["-n", "x", "--", "sh", "-c", &script]).spawn();
    compliance::wait_until("the command is ready", Duration::from_secs(5), || mark.exists());
    std::thread::sleep(Duration::from_millis(50));
    let begin = Instant::now();
    let word = mark.display().to_string();
    // The one whose parent is unshare: its own command line is "init" or that of the program.
    bed.host(&format!(
        "pid=$(pgrep -f -- '^(sh|/bin/sh) -c trap .*{word}' | head -n1); kill -{signal} $(ps -o ppid= -p $pid)"
    ));
    (running.output(), begin.elapsed())
}

#[test]
fn signals_go_to_the_command() {
    let bed = Bed::new();
    for signal in ["USR1", "USR2", "INT", "QUIT", "WINCH", "CONT", "40"] {
        let (out, _) = signalled(&bed, &traps(signal), signal);
        assert_eq!((out.stdout.as_str(), out.code), (&*format!("got {signal}\n"), 3), "{}", out.stderr);
    }
    let (out, _) = signalled(&bed, &traps("HUP"), "HUP");
    assert_eq!((out.stdout.as_str(), out.code), ("end\n", 0), "a hangup goes to nobody");
}

#[test]
fn signals_from_inside_count_too() {
    let bed = Bed::new();
    let out = sh(&bed, "trap 'echo got; exit 3' USR1; kill -USR1 1; sleep 1; echo end").expect(3);
    assert_eq!(out.stdout, "got\n");
    let out = sh(&bed, "trap 'echo got; exit 3' TERM; kill -PWR 1; sleep 1 & wait; echo end").expect(3);
    assert_eq!(out.stdout, "got\n");
}

#[test]
fn the_end_is_asked_for_and_then_forced() {
    let bed = Bed::new();
    for signal in ["PWR", "TERM"] {
        let (out, took) = signalled(&bed, &traps("TERM"), signal);
        assert_eq!((out.stdout.as_str(), out.code), ("got TERM\n", 3), "{signal}: {}", out.stderr);
        assert!(took < Duration::from_millis(900), "{signal}: {took:?}");
    }
    let stubborn = "trap '' TERM; echo ready >&2; while :; do sleep 0.2; done";
    let (out, took) = signalled(&bed, stubborn, "PWR");
    assert_eq!(out.code, 137, "{}", out.stderr);
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
}

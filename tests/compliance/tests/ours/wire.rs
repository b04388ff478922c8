//! Nothing that anybody does delays an answer of the monitor.

use std::fs;
use std::time::{Duration, Instant};

use compliance::{Bed, CommandSocket, Container, Helper, View};

const GET_TTY_FD: i32 = 0;
const STOP: i32 = 2;
const GET_STATE: i32 = 3;
const GET_INIT_PID: i32 = 4;
const ADD_STATE_CLIENT: i32 = 10;
const FREEZE: i32 = 15;
const UNFREEZE: i32 = 16;

/// The state that a container's monitor tells at once.
#[track_caller]
fn told(c: &Container<'_>) -> i64 {
    let begin = Instant::now();
    let state = CommandSocket::call(c.name(), GET_STATE, 0, b"");
    assert!(begin.elapsed() < Duration::from_millis(500), "an answer after {:?}", begin.elapsed());
    assert_eq!(state.ret, 0);
    state.number
}

#[track_caller]
fn wait_told(c: &Container<'_>, state: i64) {
    compliance::wait_until("the monitor listens", Duration::from_secs(5), || {
        CommandSocket::open(c.name()).is_some()
    });
    compliance::wait_until("the state", Duration::from_secs(5), || told(c) == state);
}

/// A hook that says that it has begun, and ends when it may.
fn slow_hook(bed: &Bed, kind: &str) -> String {
    let dir = bed.dir().display().to_string();
    format!("lxc.hook.{kind} = sh -c 'touch {dir}/begun; until [ -e {dir}/go ]; do sleep 0.02; done'")
}

fn begun(bed: &Bed) {
    let file = bed.dir().join("begun");
    compliance::wait_until("the hook begins", Duration::from_secs(5), || file.exists());
}

fn go(bed: &Bed) {
    fs::write(bed.dir().join("go"), "").expect("write a file");
}

#[test]
fn hooks_delay_no_answer_at_the_start() {
    for kind in ["pre-start", "pre-mount", "mount", "start-host"] {
        let bed = Bed::new();
        let hook = slow_hook(&bed, kind);
        let c = bed.container().config(&format!("lxc.hook.version = 1\n{hook}")).make();
        let start = c.run("lxc-start", &[]).spawn();
        begun(&bed);
        assert_eq!(told(&c), 1, "STARTING in {kind}");
        // What only a container that runs can answer waits for it.
        let pid = CommandSocket::open(c.name()).expect("a monitor");
        pid.send(GET_INIT_PID, 0, b"");
        let running = CommandSocket::open(c.name()).expect("a monitor");
        running.send(ADD_STATE_CLIENT, 0, &flags(2));
        assert_eq!(running.reply().expect("an answer").ret, 8);
        assert_eq!(c.state(), "STARTING");
        go(&bed);
        let init = pid.reply().expect("an answer").number;
        let (message, _) = running.receive(264).expect("a message");
        assert_eq!(i32::from_ne_bytes(message[260..264].try_into().expect("four bytes")), 2, "RUNNING");
        running.expect_end(Duration::from_secs(5));
        start.output().ok();
        assert_eq!(init, i64::from(c.init()));
        c.kill();
    }
}

fn flags(state: usize) -> Vec<u8> {
    (0..8).flat_map(|at| i32::from(at == state).to_ne_bytes()).collect()
}

#[test]
fn a_start_that_fails_ends_what_waits_for_it() {
    let bed = Bed::new();
    let hook = slow_hook(&bed, "pre-start");
    let c = bed.container().config(&format!("{hook}\nlxc.hook.pre-start = false")).make();
    let start = c.run("lxc-start", &[]).spawn();
    begun(&bed);
    let pid = CommandSocket::open(c.name()).expect("a monitor");
    pid.send(GET_INIT_PID, 0, b"");
    go(&bed);
    assert!(pid.reply().is_none(), "a process id of nobody");
    start.output().expect(1);
    assert!(CommandSocket::open(c.name()).is_none());
}

#[test]
fn hooks_delay_no_answer_at_the_end() {
    for (kind, state) in [("stop", 3), ("post-stop", 0)] {
        let bed = Bed::new();
        let hook = slow_hook(&bed, kind);
        let c = bed.container().config(&format!("lxc.hook.version = 1\n{hook}")).start();
        let early = CommandSocket::open(c.name()).expect("a monitor");
        let idle = CommandSocket::open(c.name()).expect("a monitor");
        let stopping = CommandSocket::open(c.name()).expect("a monitor");
        stopping.send(STOP, 0, b"");
        begun(&bed);
        // Who is connected is answered.
        let begin = Instant::now();
        early.send(GET_STATE, 0, b"");
        assert_eq!(early.reply().expect("an answer").number, state, "{kind}");
        assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
        if kind == "stop" {
            assert_eq!(told(&c), state);
            let pid = CommandSocket::open(c.name()).expect("a monitor");
            pid.send(GET_INIT_PID, 0, b"");
            assert!(pid.reply().is_none(), "init is dead");
        } else {
            assert!(CommandSocket::open(c.name()).is_none(), "the socket is closed");
        }
        go(&bed);
        for waiting in [idle, stopping] {
            waiting.expect_end(Duration::from_secs(5));
        }
    }
}

#[test]
fn a_hook_may_ask_and_start_anew() {
    let bed = Bed::new();
    let tools = bed.tools().path("lxc-info");
    let note = bed.dir().join("note");
    let script = format!("#!/bin/sh\n{} -n $LXC_NAME -sH >>{}\n", tools.display(), note.display());
    let hook = bed.dir().join("hook");
    fs::write(&hook, script).expect("a hook");
    bed.host(&format!("chmod +x {}", hook.display()));
    let hooks: Vec<String> = ["pre-start", "start-host", "stop", "post-stop"]
        .map(|kind| format!("lxc.hook.{kind} = {}", hook.display()))
        .to_vec();
    let c = bed.container().config(&hooks.join("\n")).start();
    c.kill();
    assert_eq!(fs::read_to_string(&note).expect("a note"), "STARTING\nSTARTING\nSTOPPING\nSTOPPED\n");
}

/// Connects so many times, says so, and waits.
const CROWD: &str = "import socket,resource,signal,sys\nn=int(sys.argv[2])\n\
    resource.setrlimit(resource.RLIMIT_NOFILE,(n+50,n+50))\nl=[]\n\
    for _ in range(n):\n s=socket.socket(socket.AF_UNIX)\n s.connect('\\0'+sys.argv[1])\n l.append(s)\n\
    print('x',flush=True)\nsignal.pause()";

#[test]
fn ten_thousand_idle_connections() {
    let bed = Bed::new();
    let c = bed.container().start();
    let monitor = compliance::process_parent(c.init());
    bed.host(&format!("prlimit --pid {monitor} --nofile=1024:1024"));
    let name = format!("/var/lib/lxc/{}/command", c.name());
    // Somebody who waits for an answer is not the one who makes room.
    let waiting = CommandSocket::open(c.name()).expect("a monitor");
    waiting.send(ADD_STATE_CLIENT, 0, &flags(3));
    assert_eq!(waiting.reply().expect("an answer").ret, 8);
    let _crowd = Helper::python(0, CROWD, &[&name, "10000"]);
    let _strangers = Helper::python(65534, CROWD, &[&name, "2000"]);
    let open = fs::read_dir(format!("/proc/{monitor}/fd")).expect("a monitor").count();
    assert!(open < 1000, "{open} descriptors");
    for _ in 0..100 {
        assert_eq!(told(&c), 2);
    }
    assert_eq!(c.sh("echo alive"), "alive");
    c.kill();
    assert!(waiting.receive(264).is_some(), "STOPPING is told");
}

#[test]
fn a_full_pipe_delays_no_answer() {
    let bed = Bed::new();
    let (log, console) = (bed.dir().join("log"), bed.dir().join("console"));
    bed.host(&format!("mkfifo {} {}", log.display(), console.display()));
    // Readers that never read.
    let script = "import os,signal,sys\nfds=[os.open(p,os.O_RDONLY|os.O_NONBLOCK) for p in sys.argv[1:]]\n\
                  print('x',flush=True)\nsignal.pause()";
    let paths = [log.display().to_string(), console.display().to_string()];
    let _reader = Helper::python(0, script, &[&paths[0], &paths[1]]);
    let c = bed
        .container()
        .config(&format!("lxc.console.logfile = {}", paths[1]))
        .at_boot("head -c 300000 /dev/zero | tr '\\0' x >/dev/console; echo >/root/said")
        .make();
    // Fills the pipe of the log.
    bed.host(&format!("dd if=/dev/zero of={} oflag=nonblock bs=4096 2>/dev/null || true", paths[0]));
    c.tool("lxc-start", &["-l", "TRACE", "-o", &paths[0]]).ok();
    c.wait_file("root/said");
    for _ in 0..20 {
        assert_eq!(told(&c), 2);
    }
    c.kill();
}

#[test]
fn a_console_client_that_does_not_read() {
    let bed = Bed::new();
    let c = bed
        .container()
        .at_boot("until [ -e /root/go ]; do sleep 0.05; done; head -c 2000000 /dev/zero | tr '\\0' x >/dev/console; echo >/root/said")
        .start();
    let holder = CommandSocket::open(c.name()).expect("a monitor");
    holder.send(GET_TTY_FD, 0, b"");
    let console = holder.reply().expect("an answer").fds.pop().expect("a terminal");
    fs::write(c.rootfs().join("root/go"), "").expect("write a file");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        assert_eq!(told(&c), 2);
    }
    // In time the container goes on without the one who does not read.
    c.wait_file("root/said");
    drop((holder, console));
    compliance::wait_until("the console is free again", Duration::from_secs(5), || {
        CommandSocket::call(c.name(), GET_TTY_FD, 0, b"").ret == 0
    });
    c.kill();
}

#[test]
fn a_console_client_that_reads_slowly_gets_all() {
    use std::io::Read;
    let bed = Bed::new();
    let c = bed
        .container()
        .at_boot("until [ -e /root/go ]; do sleep 0.05; done; head -c 400000 /dev/zero | tr '\\0' x >/dev/console; echo >/root/said")
        .start();
    let holder = CommandSocket::open(c.name()).expect("a monitor");
    holder.send(GET_TTY_FD, 0, b"");
    let mut console = fs::File::from(holder.reply().expect("an answer").fds.pop().expect("a terminal"));
    fs::write(c.rootfs().join("root/go"), "").expect("write a file");
    let mut got = 0;
    let mut buffer = [0; 4096];
    while got < 400_000 {
        let n = console.read(&mut buffer).expect("output");
        got += buffer[..n].iter().filter(|b| **b == b'x').count();
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(got, 400_000);
    c.kill();
}

#[test]
fn a_stopped_init_and_what_is_typed_at_it() {
    let bed = Bed::new();
    let c = bed.container().start();
    let init = c.init();
    let holder = CommandSocket::open(c.name()).expect("a monitor");
    holder.send(GET_TTY_FD, 0, b"");
    let console = holder.reply().expect("an answer").fds.pop().expect("a terminal");
    // Raw, so that the terminal does not throw lines away that are too long.
    c.sh("stty raw </dev/console");
    bed.host(&format!("kill -STOP {init}"));
    rustix::io::ioctl_fionbio(&console, true).expect("non-blocking");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        while rustix::io::write(&console, &[b'x'; 4096]).is_ok() {}
        assert_eq!(told(&c), 2);
    }
    c.kill();
    assert_eq!(c.state(), "STOPPED");
}

#[test]
fn a_foreground_terminal_that_does_not_read() {
    let bed = Bed::new();
    let c = bed
        .container()
        .at_boot("head -c 2000000 /dev/zero | tr '\\0' x >/dev/console; echo >/root/said")
        .make();
    let _terminal = c.terminal("lxc-start", &["-F"]);
    wait_told(&c, 2);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        assert_eq!(told(&c), 2);
    }
    c.wait_file("root/said");
    c.kill();
}

#[test]
fn requests_in_parts() {
    let bed = Bed::new();
    let c = bed.container().start();
    let slow = CommandSocket::open(c.name()).expect("a monitor");
    let request = [&7_i32.to_ne_bytes()[..], &13_i32.to_ne_bytes(), &[0; 8], b"lxc.uts.name\0"].concat();
    for byte in request {
        assert!(slow.send_raw(&[byte]));
        assert_eq!(told(&c), 2);
    }
    assert_eq!(slow.reply().expect("an answer").data, format!("{}\0", c.name()).as_bytes());
    c.kill();
}

/// Stops the monitor while something happens: it finds all of it at once.
fn at_once(c: &Container<'_>, happens: impl FnOnce()) {
    let monitor = compliance::process_parent(c.init());
    // All who are connected are known.
    assert_eq!(told(c), 2);
    c.bed().host(&format!("kill -STOP {monitor}"));
    std::thread::sleep(Duration::from_millis(50));
    happens();
    c.bed().host(&format!("kill -CONT {monitor}"));
}

#[test]
fn what_is_let_go_of_is_free_for_who_asks_next() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.tty.max = 1").start();
    let first = CommandSocket::open(c.name()).expect("a monitor");
    first.send(GET_TTY_FD, 1, b"");
    assert_eq!(first.reply().expect("an answer").ret, 0);
    let next = CommandSocket::open(c.name()).expect("a monitor");
    at_once(&c, || {
        drop(first);
        next.send(GET_TTY_FD, 1, b"");
    });
    assert_eq!(next.reply().expect("an answer").ret, 0, "the terminal was free");
    c.kill();
}

#[test]
fn who_freezes_what_another_thaws_is_told() {
    let bed = Bed::with(View::Unified);
    let c = bed.container().start();
    c.sh("for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 60 >/dev/null 2>&1 </dev/null & done");
    for _ in 0..5 {
        let freezing = CommandSocket::open(c.name()).expect("a monitor");
        let thawing = CommandSocket::open(c.name()).expect("a monitor");
        at_once(&c, || {
            freezing.send(FREEZE, -1, b"");
            thawing.send(UNFREEZE, -1, b"");
        });
        assert_eq!(thawing.reply().expect("an answer").ret, 0);
        // It may have been frozen for a moment.
        let told = freezing.reply().expect("an answer").ret;
        assert!(told == 0 || told == -125, "{told}");
    }
    assert_eq!(c.sh("echo alive"), "alive");
    c.kill();
}

#[test]
fn the_start_leaves_no_socket_open() {
    let bed = Bed::new();
    let c = bed.container().start();
    let monitor = compliance::process_parent(c.init());
    let open = bed.host(&format!("ls -l /proc/{monitor}/fd"));
    assert_eq!(open.matches("socket:").count(), 1, "besides the command socket: {open}");
    c.kill();
}

fn switches(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a monitor");
    let of = |line: &str| line.split(':').nth(1).and_then(|n| n.trim().parse::<u64>().ok());
    status.lines().filter(|l| l.contains("ctxt_switches")).filter_map(of).sum()
}

#[test]
fn an_idle_monitor_sleeps() {
    for view in [View::Host, View::Unified] {
        let bed = Bed::with(view);
        let c = bed.container().config("lxc.console.buffer.size = auto").start();
        c.sh("true");
        let monitor = compliance::process_parent(c.init());
        // Clients that are connected wake nobody either.
        let _idle = CommandSocket::open(c.name()).expect("a monitor");
        std::thread::sleep(Duration::from_millis(300));
        let before = switches(monitor);
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(switches(monitor), before, "the monitor has been awake");
        c.kill();
    }
}

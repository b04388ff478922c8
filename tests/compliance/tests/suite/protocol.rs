//! What other programs rely on: the command socket byte by byte, the monitor's title, its children.

use std::time::Duration;

use compliance::{Bed, CommandSocket};

const GET_TTY_FD: i32 = 0;
const STOP: i32 = 2;
const GET_STATE: i32 = 3;
const GET_INIT_PID: i32 = 4;
const GET_CLONE_FLAGS: i32 = 5;
const GET_CGROUP: i32 = 6;
const GET_CONFIG_ITEM: i32 = 7;
const GET_NAME: i32 = 8;
const GET_LXCPATH: i32 = 9;
const ADD_STATE_CLIENT: i32 = 10;
const CONSOLE_LOG: i32 = 11;
const GET_INIT_PIDFD: i32 = 18;
const GET_LIMIT_CGROUP: i32 = 19;
const GET_DEVPTS_FD: i32 = 21;
const UNKNOWN: i32 = 99;

fn text(data: &[u8]) -> &str {
    let (last, rest) = data.split_last().expect("a text");
    assert_eq!(*last, 0, "a text ends with NUL");
    std::str::from_utf8(rest).expect("a text")
}

#[test]
fn questions() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.signal.halt = SIGUSR1").start();
    let name = c.name();
    let call = |command, number, payload: &[u8]| CommandSocket::call(name, command, number, payload);
    let state = call(GET_STATE, 0, b"");
    assert_eq!((state.ret, state.number, state.data.len()), (0, 2, 0));
    assert_eq!(call(GET_INIT_PID, 0, b"").number, i64::from(c.init()));
    // CLONE_NEWNS, CGROUP, UTS, IPC, PID and NET.
    assert_eq!(call(GET_CLONE_FLAGS, 0, b"").number, 0x6e02_0000);
    assert_eq!(text(&call(GET_NAME, 0, b"").data), name);
    assert_eq!(text(&call(GET_LXCPATH, 0, b"").data), "/var/lib/lxc");
    for command in [GET_CGROUP, GET_LIMIT_CGROUP] {
        assert_eq!(text(&call(command, 0, b"memory\0").data), format!("/lxc.payload.{name}"));
    }
    let item = call(GET_CONFIG_ITEM, 0, b"lxc.uts.name\0");
    assert_eq!((item.ret, text(&item.data)), (0, name));
    assert_eq!(call(GET_CONFIG_ITEM, 0, b"lxc.nosuch\0").ret, -1);
    let pidfd = call(GET_INIT_PIDFD, 0, b"");
    assert_eq!((pidfd.ret, pidfd.fds.len()), (0, 1));
    let devpts = call(GET_DEVPTS_FD, 0, b"");
    assert_eq!((devpts.ret, devpts.fds.len()), (0, 1));
    assert_eq!(call(UNKNOWN, 0, b"").ret, -38);
    c.kill();
    assert!(CommandSocket::open(name).is_none());
}

#[test]
fn state_clients() {
    let bed = Bed::new();
    let c = bed.container().start();
    let flags = |wanted: &[usize]| {
        let mut data = Vec::new();
        for state in 0..8 {
            data.extend(i32::from(wanted.contains(&state)).to_ne_bytes());
        }
        data
    };
    let now = CommandSocket::call(c.name(), ADD_STATE_CLIENT, 0, &flags(&[2]));
    assert_eq!((now.ret, now.number), (2, 2), "RUNNING already");
    let socket = CommandSocket::open(c.name()).expect("a monitor");
    socket.send(ADD_STATE_CLIENT, 0, &flags(&[3]));
    let registered = socket.reply().expect("an answer");
    assert_eq!((registered.ret, registered.number), (8, 8));
    c.kill();
    let (message, _) = socket.receive(264).expect("a message");
    assert_eq!(i32::from_ne_bytes(message[0..4].try_into().expect("four bytes")), 0);
    assert!(message[4..].starts_with(c.name().as_bytes()));
    assert_eq!(i32::from_ne_bytes(message[260..264].try_into().expect("four bytes")), 3, "STOPPING");
    assert_eq!(CommandSocket::open(c.name()).map(|_| ()), None);
}

#[test]
fn terminals_are_handed_out() {
    let bed = Bed::new();
    let c = bed.container().without("lxc.tty.max").config("lxc.tty.max = 1").start();
    let first = CommandSocket::open(c.name()).expect("a monitor");
    first.send(GET_TTY_FD, -1, b"");
    let reply = first.reply().expect("an answer");
    assert_eq!((reply.ret, reply.number, reply.fds.len()), (0, 1, 1));
    assert_eq!(CommandSocket::call(c.name(), GET_TTY_FD, -1, b"").ret, -9, "all are taken");
    assert_eq!(CommandSocket::call(c.name(), GET_TTY_FD, 7, b"").ret, -9, "no such terminal");
    drop(first);
    compliance::wait_until("the terminal is free again", Duration::from_secs(5), || {
        CommandSocket::call(c.name(), GET_TTY_FD, 1, b"").ret == 0
    });
    c.kill();
}

#[test]
fn stop_answers_with_the_end() {
    let bed = Bed::new();
    let c = bed.container().start();
    let socket = CommandSocket::open(c.name()).expect("a monitor");
    socket.send(STOP, 0, b"");
    socket.expect_end(Duration::from_secs(5));
}

#[test]
fn the_end_comes_after_post_stop() {
    let bed = Bed::new();
    let note = bed.dir().join("note");
    let c = bed
        .container()
        .config(&format!(
            "lxc.hook.version = 1\nlxc.hook.post-stop = sh -c 'sleep 0.5; echo done >{}'",
            note.display()
        ))
        .start();
    let socket = CommandSocket::open(c.name()).expect("a monitor");
    socket.send(GET_STATE, 0, b"");
    drop(socket.reply());
    // Connections that have not sent a request yet hear of the end too.
    let waiting = CommandSocket::open(c.name()).expect("a monitor");
    c.tool("lxc-stop", &["-k"]).ok();
    waiting.expect_end(Duration::from_secs(5));
    assert_eq!(bed.host(&format!("cat {}", note.display())), "done");
}

#[test]
fn the_ring_buffer_of_the_console() {
    let bed = Bed::new();
    let c = bed.container().start();
    // clear, read, read_max, write_logfile.
    let request = |read: bool| {
        let mut data = vec![0, u8::from(read), 0, 0, 0, 0, 0, 0];
        data.extend(0_u64.to_ne_bytes());
        data.extend([0; 8]);
        data
    };
    assert_eq!(CommandSocket::call(c.name(), CONSOLE_LOG, 0, &request(true)).ret, -14, "there is no buffer");
    c.kill();
    let c = bed
        .container()
        .config("lxc.console.buffer.size = auto")
        .init("echo to the console; exec sleep 1000")
        .start();
    compliance::wait_until("text in the buffer", Duration::from_secs(5), || {
        let reply = CommandSocket::call(c.name(), CONSOLE_LOG, 0, &request(true));
        reply.data == b"to the console\r\n"
    });
    c.kill();
}

#[test]
fn the_monitor() {
    let bed = Bed::new();
    let c = bed.container().start();
    let monitor = compliance::process_parent(c.init());
    let line = bed.host(&format!("tr '\\0' '\\n' </proc/{monitor}/cmdline"));
    assert_eq!(line, format!("[lxc monitor] /var/lib/lxc {}", c.name()));
    assert_eq!(compliance::process_parent(monitor), 1);
    assert_eq!(bed.host(&format!("readlink /proc/{monitor}/cwd")), "/");
    assert_eq!(
        bed.host(&format!("for n in 0 1 2; do readlink /proc/{monitor}/fd/$n; done")),
        "/dev/null\n/dev/null\n/dev/null"
    );
    assert_eq!(
        bed.host(&format!("cut -d' ' -f6 /proc/{monitor}/stat")),
        monitor.to_string(),
        "a session leader"
    );
    c.kill();
}

#[test]
fn others_may_not_ask() {
    let bed = Bed::new();
    let c = bed.container().start();
    let script = format!(
        "import socket,struct\ns=socket.socket(socket.AF_UNIX)\ns.connect('\\0/var/lib/lxc/{}/command')\n\
         s.sendall(struct.pack('iiq',{GET_INIT_PID},0,0))\nprint(struct.unpack('iiq',s.recv(16))[0])",
        c.name()
    );
    let out = compliance::Run::new(
        std::path::Path::new("setpriv"),
        &["--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-c", &script],
    )
    .output()
    .ok();
    assert_eq!(out.stdout, "-1\n");
    c.kill();
}

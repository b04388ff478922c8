//! What programs built on LXC take for granted, written as they do it.

use std::time::Duration;

use compliance::{Bed, CommandSocket, Container, Run, View};

const STOP: i32 = 2;
const GET_STATE: i32 = 3;
const GET_CGROUP: i32 = 6;
const ADD_STATE_CLIENT: i32 = 10;
const SERVE_STATE: i32 = 12;
const ADD_LISTENER: i32 = 13;
const ADD_DEVICE: i32 = 14;
const FREEZE: i32 = 15;
const UNFREEZE: i32 = 16;
const CGROUP2_FD: i32 = 17;
const GET_LIMIT_CGROUP: i32 = 19;
const LIMIT_CGROUP2_FD: i32 = 20;
const NOTIFY_FD: i32 = 22;
const CGROUP_CTX: i32 = 23;
const CGROUP_FD: i32 = 24;
const LIMIT_CGROUP_FD: i32 = 25;
const SCOPE: i32 = 26;

/// One request of a Perl program: header and payload in two sends, credentials left to the kernel, which is asked
/// to show them.
const PERL: &str = r#"
use strict; use Socket;
my ($name, $cmd, $data) = @ARGV;
# An argument holds no NUL.
$data = pack('Z*', $data) if length($data);
socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
setsockopt($s, SOL_SOCKET, 16, 1) or die "SO_PASSCRED: $!";
connect($s, pack('Sa*', PF_UNIX, "\0/var/lib/lxc/$name/command")) or die "connect: $!";
defined(send($s, pack('i!i!L!', $cmd, length($data), 0), 0)) or die "send: $!";
length($data) and (defined(send($s, $data, 0)) or die "send: $!");
my $head = '';
defined(recv($s, $head, 16, 0)) or die "recv: $!";
my ($ret, $len, $number) = unpack('i!i!L!', $head);
my $text = '';
$len and (defined(recv($s, $text, $len, 0)) or die "recv: $!");
print "$ret ", ($len ? unpack('Z*', $text) : $number & 0xffffffff), "\n";
"#;

fn perl(c: &Container<'_>, command: i32, data: &str) -> String {
    let args = ["-e", PERL, c.name(), &command.to_string(), data];
    Run::new(std::path::Path::new("perl"), &args).output().ok().stdout.trim_end().to_owned()
}

/// `struct cgroup_fd` for a controller, cut to a length.
fn cgroup_fd(controller: &str, length: usize) -> Vec<u8> {
    let mut data = vec![0; 88];
    data[12..16].copy_from_slice(&(-9_i32).to_ne_bytes());
    data[16..16 + controller.len()].copy_from_slice(controller.as_bytes());
    data.truncate(length);
    data
}

fn word(data: &[u8], at: usize) -> i32 {
    i32::from_ne_bytes(data[at..at + 4].try_into().expect("four bytes"))
}

#[test]
fn a_perl_client() {
    let bed = Bed::new();
    let c = bed.container().start();
    assert_eq!(perl(&c, GET_STATE, ""), "0 2");
    for command in [GET_CGROUP, GET_LIMIT_CGROUP] {
        assert_eq!(perl(&c, command, "memory"), format!("0 /lxc.payload.{}", c.name()));
    }
    // On a host that is not purely unified there is no freezing by the monitor.
    for command in [FREEZE, UNFREEZE] {
        assert_eq!(perl(&c, command, ""), "-2 0");
    }
    c.kill();
}

#[test]
fn freezing_by_command() {
    let bed = Bed::with(View::Unified);
    let c = bed.container().at_boot("while :; do echo >>/root/ticks; sleep 0.02; done &").start();
    c.wait_file("root/ticks");
    for timeout in [0, 5, -1] {
        let done = CommandSocket::call(c.name(), FREEZE, timeout, b"");
        assert_eq!((done.ret, done.number), (0, 0));
        let events = format!("cat /sys/fs/cgroup/lxc.payload.{}/cgroup.events", c.name());
        compliance::wait_until("frozen", Duration::from_secs(5), || bed.host(&events).contains("frozen 1"));
        // The state is what the one who freezes says it is.
        assert_eq!(CommandSocket::call(c.name(), GET_STATE, 0, b"").number, 2);
        assert_eq!(CommandSocket::call(c.name(), UNFREEZE, timeout, b"").ret, 0);
        compliance::wait_until("thawed", Duration::from_secs(5), || bed.host(&events).contains("frozen 0"));
    }
    c.kill();
}

#[test]
fn a_client_may_tell_the_state() {
    let bed = Bed::new();
    let c = bed.container().start();
    // THAWED is RUNNING.
    for (told, kept) in [(5, 5), (6, 6), (7, 2), (2, 2)] {
        assert_eq!(CommandSocket::call(c.name(), SERVE_STATE, told, b"").ret, 0);
        assert_eq!(CommandSocket::call(c.name(), GET_STATE, 0, b"").number, kept);
    }
    c.kill();
}

#[test]
fn the_structure_of_all_cgroups() {
    for (view, layout, utilities) in [(View::Host, 1, 0), (View::Unified, 2, 3)] {
        let bed = Bed::with(view);
        let c = bed.container().start();
        let whole = CommandSocket::call(c.name(), CGROUP_CTX, 0, &[0; 96]);
        assert_eq!((whole.ret, whole.data.len()), (0, 96));
        assert_eq!((word(&whole.data, 0), word(&whole.data, 4)), (layout, utilities), "{view:?}");
        let count = usize::try_from(word(&whole.data, 8)).expect("a count");
        assert!(count > 0 && count == whole.fds.len(), "{count} of {}", whole.fds.len());
        // Clients of other versions know less of the structure, or more.
        for length in [0, 1, 4, 12, 95, 104] {
            let reply = CommandSocket::call(c.name(), CGROUP_CTX, 0, &vec![0; length]);
            let expected = length.min(96);
            assert_eq!((reply.ret, reply.data.len(), reply.fds.len()), (0, expected, count));
            assert_eq!(reply.data[..expected.min(12)], whole.data[..expected.min(12)]);
        }
        c.kill();
    }
}

#[test]
fn the_structure_of_one_cgroup() {
    let bed = Bed::new();
    let c = bed.container().start();
    for command in [CGROUP_FD, LIMIT_CGROUP_FD] {
        let call = |data: &[u8]| CommandSocket::call(c.name(), command, 0, data);
        for length in [80, 79, 24] {
            let reply = call(&cgroup_fd("memory", length));
            assert_eq!((reply.ret, reply.data.len(), reply.fds.len()), (0, length, 1));
            // Layout, what the monitor can do, and the magic number of cgroup v1.
            assert_eq!([0, 4, 8].map(|at| word(&reply.data, at)), [1, 0, 0x27_e0eb]);
            assert_eq!(&reply.data[16..23], b"memory\0");
        }
        assert_eq!(call(&cgroup_fd("", 80)).ret, -22);
        assert_eq!(call(&cgroup_fd("memory", 16)).ret, -22);
        assert_eq!(call(&cgroup_fd("memory", 88)).ret, -22);
        assert_eq!(call(&cgroup_fd("nosuch", 80)).ret, -2);
    }
    for command in [CGROUP2_FD, LIMIT_CGROUP2_FD] {
        assert_eq!(CommandSocket::call(c.name(), command, 0, b"").ret, -22);
    }
    c.kill();
    drop(bed);
    let bed = Bed::with(View::Unified);
    let c = bed.container().start();
    for command in [CGROUP2_FD, LIMIT_CGROUP2_FD] {
        let reply = CommandSocket::call(c.name(), command, 0, b"");
        assert_eq!((reply.ret, reply.fds.len()), (0, 1));
    }
    c.kill();
}

#[test]
fn device_rules() {
    let bed = Bed::with(View::Unified);
    let c = bed.container().start();
    let rule = |kind: u8, access: &[u8], allow: i32| {
        let mut data = vec![0; 40];
        data[0] = kind;
        data[4..8].copy_from_slice(&1_i32.to_ne_bytes());
        data[8..12].copy_from_slice(&3_i32.to_ne_bytes());
        data[12..12 + access.len()].copy_from_slice(access);
        data[16..20].copy_from_slice(&allow.to_ne_bytes());
        data
    };
    let call = |data: &[u8]| CommandSocket::call(c.name(), ADD_DEVICE, 0, data).ret;
    assert_eq!(call(&rule(b'c', b"rwm", 1)), 0);
    assert_eq!(call(&rule(b'x', b"rwm", 1)), -1);
    assert_eq!(call(&rule(b'c', b"xyz", 1)), -1);
    assert_eq!(call(&rule(b'c', b"rwm", 2)), -1);
    assert_eq!(call(&rule(b'c', b"rwm", 1)[..39]), -22);
    c.sh("echo >/dev/null");
    c.kill();
}

#[test]
fn what_there_is_not() {
    let bed = Bed::new();
    let c = bed.container().start();
    assert_eq!(CommandSocket::call(c.name(), NOTIFY_FD, 0, b"").ret, -9);
    assert_eq!(CommandSocket::call(c.name(), SCOPE, 0, b"").ret, -22);
    // A listener comes with a byte of its own; there is no proxy for it.
    let socket = CommandSocket::open(c.name()).expect("a monitor");
    socket.send(ADD_LISTENER, 3, b"");
    socket.send_fd(std::fs::File::open("/dev/null").expect("/dev/null").into());
    assert_eq!(socket.reply().expect("an answer").ret, -22);
    // Unknown controllers are answered with the end.
    let socket = CommandSocket::open(c.name()).expect("a monitor");
    socket.send(GET_CGROUP, 0, b"nosuch\0");
    assert!(socket.reply().is_none());
    assert_eq!(CommandSocket::call(c.name(), ADD_STATE_CLIENT, 0, &[0; 31]).ret, -22);
    c.kill();
}

#[test]
fn stop_comes_back_after_the_last_hook() {
    let bed = Bed::new();
    let note = bed.dir().join("note");
    let hook = format!(
        "lxc.hook.version = 1\nlxc.hook.post-stop = sh -c 'sleep 0.5; echo done >{}'",
        note.display()
    );
    let c = bed.container().config(&hook).start();
    c.stop();
    assert_eq!(bed.host(&format!("cat {}", note.display())), "done");
}

#[test]
fn nobody_finds_the_socket_in_the_last_hook() {
    let bed = Bed::new();
    let note = bed.dir().join("note");
    let script = bed.dir().join("hook");
    let text = format!(
        "#!/usr/bin/python3\nimport socket,os\ns=socket.socket(socket.AF_UNIX)\n\
         r=s.connect_ex('\\0/var/lib/lxc/'+os.environ['LXC_NAME']+'/command')\n\
         open('{}','w').write(str(r))\n",
        note.display()
    );
    std::fs::write(&script, text).expect("a hook");
    bed.host(&format!("chmod +x {}", script.display()));
    let c = bed.container().config(&format!("lxc.hook.post-stop = {}", script.display())).start();
    let waiting = CommandSocket::open(c.name()).expect("a monitor");
    waiting.send(STOP, 0, b"");
    waiting.expect_end(Duration::from_secs(10));
    assert_eq!(bed.host(&format!("cat {}", note.display())), "111", "ECONNREFUSED");
}

//! A seccomp notify proxy, and a container for it.

use crate::{Bed, Container};

/// Takes connections on the socket `argv[1]`, one after the other. Of each message it prints the header, the files
/// behind the descriptors and the cookie; it answers as `argv[2]` says: with an errno, `die` or `hang`.
pub const PROXY: &str = r#"
import os, socket, struct, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1]); s.listen(5)
print('ready', flush=True)
while True:
    c, _ = s.accept()
    while True:
        data, fds, _, _ = socket.recv_fds(c, 65536, 8)
        if not data: break
        zero, monitor, init, notif, resp, inner, pad, cookie = struct.unpack('<QiiHHHHQ', data[:32])
        names = [os.readlink('/proc/self/fd/%d' % fd) for fd in fds]
        pid = struct.unpack('<QI', data[32:44])[1]
        ours = [n.replace('/%d' % pid, '/PID') for n in names]
        rest = data[32 + notif + resp:]
        print(zero, monitor, init, notif, resp, inner, cookie, len(data), *ours, rest.decode(), flush=True)
        for fd in fds: os.close(fd)
        if sys.argv[2] == 'hang': time.sleep(1000)
        if sys.argv[2] == 'die': break
        c.send(data[:32 + notif] + struct.pack('<QqiI', 0, 0, -int(sys.argv[2]), 0))
    c.close()
"#;

/// A container whose `mkdir` is decided by a proxy, and the proxy's socket.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn container(bed: &Bed) -> (Container<'_>, String) {
    let policy = bed.dir().join("policy");
    std::fs::write(&policy, "2\ndenylist\nmkdir notify\nmkdirat notify\n").expect("write a policy");
    let socket = bed.dir().join("proxy").display().to_string();
    let c = bed
        .container()
        .config(&format!(
            "lxc.seccomp.profile = {}\nlxc.seccomp.notify.proxy = unix:{socket}\nlxc.seccomp.notify.cookie = crumbs",
            policy.display()
        ))
        .make();
    (c, socket)
}

//! Users who have nothing to say to a container.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use compliance::Bed;

/// A Python program of the user nobody, ended when dropped.
struct Nobody(Child);

impl Nobody {
    /// Runs until it has written a line.
    fn ready(script: &str) -> Nobody {
        let child = Command::new("setpriv")
            .args([
                "--reuid",
                "65534",
                "--regid",
                "65534",
                "--clear-groups",
                "/usr/bin/python3",
                "-c",
                script,
            ])
            .stdout(Stdio::piped())
            .spawn();
        let mut nobody = Nobody(child.expect("setpriv"));
        let mut byte = [0; 1];
        nobody.0.stdout.as_mut().expect("a pipe").read_exact(&mut byte).expect("a line");
        nobody
    }
}

impl Drop for Nobody {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn idle_connections_lock_nobody_out() {
    let bed = Bed::new();
    let c = bed.container().start();
    let _idle = Nobody::ready(&format!(
        "import socket,resource,signal\nresource.setrlimit(resource.RLIMIT_NOFILE,(1024,1024))\nl=[]\n\
         for _ in range(1000):\n s=socket.socket(socket.AF_UNIX)\n\
         \x20s.connect('\\0{}/{}/command')\n l.append(s)\nprint('x',flush=True)\nsignal.pause()",
        "/var/lib/lxc",
        c.name()
    ));
    let monitor = compliance::process_parent(c.init());
    let open = bed.host(&format!("ls /proc/{monitor}/fd | wc -l"));
    assert!(open.trim().parse::<u32>().expect("a number") < 100, "{open} descriptors");
    assert_eq!(c.state(), "RUNNING");
    c.kill();
}

#[test]
fn who_squats_on_the_command_socket_is_not_believed() {
    let bed = Bed::new();
    let c = bed.container().make();
    // Says that init is process 1 of the host, whatever is asked.
    let _squatter = Nobody::ready(&format!(
        "import socket,struct\ns=socket.socket(socket.AF_UNIX)\ns.bind('\\0{}/{}/command')\ns.listen()\n\
         print('x',flush=True)\nwhile True:\n c,_=s.accept()\n try:\n  c.recv(64)\n\
         \x20 c.sendall(struct.pack('iiq',0,0,1))\n except OSError: pass",
        "/var/lib/lxc",
        c.name()
    ));
    let info = c.tool("lxc-info", &["-pH"]);
    assert_eq!(info.stdout, "", "a process id of a stranger");
    let stop = c.tool("lxc-stop", &["-k"]);
    assert_ne!(stop.code, 0, "{stop:?}");
    let attach = c.tool("lxc-attach", &["--", "/bin/true"]);
    assert_ne!(attach.code, 0, "{attach:?}");
}

#[test]
fn who_squats_on_a_hashed_name_delays_nobody() {
    let bed = Bed::new();
    let c = bed.container().start();
    // One says its name a byte at a time, the other takes no connection.
    let _squatter = Nobody::ready(
        "import socket,struct,time\n\
         f=socket.socket(socket.AF_UNIX)\nf.bind('\\0lxc/fedcba9876543210/command')\nf.listen(0)\n\
         g=socket.socket(socket.AF_UNIX)\ng.connect('\\0lxc/fedcba9876543210/command')\n\
         s=socket.socket(socket.AF_UNIX)\ns.bind('\\0lxc/0123456789abcdef/command')\ns.listen()\n\
         print('x',flush=True)\nwhile True:\n c,_=s.accept()\n try:\n  c.recv(64)\n\
         \x20 c.sendall(struct.pack('iiq',0,8000,0))\n\
         \x20 for _ in range(8000):\n   c.sendall(b'a')\n   time.sleep(0.5)\n except OSError: pass",
    );
    let begin = Instant::now();
    let active = bed.run("lxc-ls", &["-1", "--active"]).limit(Duration::from_secs(8)).output().ok();
    assert!(begin.elapsed() < Duration::from_secs(2), "a list after {:?}", begin.elapsed());
    assert_eq!(active.stdout.trim(), c.name());
    c.kill();
}

#[test]
fn who_squats_on_the_daemons_socket_is_not_believed() {
    let bed = Bed::new();
    // Says that a container runs.
    let _squatter = Nobody::ready(
        "import socket,struct\ns=socket.socket(socket.AF_UNIX)\n\
         s.bind('\\0lxc/ad055575fe28ddd5//var/lib/lxc')\ns.listen()\n\
         print('x',flush=True)\nwhile True:\n c,_=s.accept()\n try:\n\
         \x20 c.sendall(struct.pack('i256si',0,b'forged',2))\n except OSError: pass",
    );
    let told = bed.run("lxc-monitor", &[]).limit(Duration::from_secs(8)).output();
    assert_ne!(told.code, 0, "{told:?}");
    assert_eq!(told.stdout, "");
    assert!(told.stderr.contains("user 65534"), "{told:?}");
}

//! Containers that one implementation has started, in the hands of the other's tools: both ways, on hosts with
//! all hierarchies and with cgroup2 alone.

use std::time::Duration;

use compliance::{Bed, Container, Output, Run, Side, Terminal, Tools, View, wait_until};

/// A container, started by the bed's tools, and the other side's tools.
struct Mixed<'a> {
    c: &'a Container<'a>,
    other: &'a Tools,
    view: View,
}

impl Mixed<'_> {
    fn run(&self, tool: &str, args: &[&str]) -> Run {
        let all = [&["-n", self.c.name()][..], args].concat();
        Run::new(&self.other.path(tool), &all)
    }

    /// The other side's tool.
    #[track_caller]
    fn tool(&self, tool: &str, args: &[&str]) -> Output {
        self.run(tool, args).output()
    }

    /// The same tool of the side that has started the container.
    fn own(&self, tool: &str, args: &[&str]) -> Output {
        self.c.tool(tool, args)
    }

    /// What is said by the other side's tool.
    #[track_caller]
    fn said(&self, tool: &str, args: &[&str]) -> String {
        self.tool(tool, args).ok().stdout
    }

    fn terminal(&self, tool: &str, args: &[&str]) -> Terminal {
        let all = [&["-n", self.c.name()][..], args].concat();
        Terminal::run(&self.other.path(tool), &all)
    }

    fn state(&self) -> String {
        self.said("lxc-info", &["-sH"]).trim_end().to_owned()
    }
}

/// Runs `check` on a running container for both sides and both views. Afterwards the container may have ended.
fn everywhere(config: &str, check: impl Fn(&Mixed<'_>)) {
    let Some(upstream) = Tools::upstream() else {
        panic!("Debian's LXC is not installed: apt-get install lxc")
    };
    let ours = Tools::under_test();
    for view in [View::Host, View::Unified] {
        for (starter, other) in [(&upstream, &ours), (&ours, &upstream)] {
            eprintln!("started by {:?}, {view:?}", starter.side());
            let bed = Bed::make(starter.clone(), view);
            let c = bed.container().config(config).start();
            c.wait_ready();
            check(&Mixed { c: &c, other, view });
            // 2: it has ended already.
            let code = c.tool("lxc-stop", &["-k"]).code;
            assert!(code == 0 || code == 2, "{code}");
            c.wait("STOPPED");
        }
    }
}

const NETWORK: &str = "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up\n\
                       lxc.net.0.ipv4.address = 10.0.3.9/24";

#[test]
fn info() {
    everywhere(NETWORK, |m| {
        // Of a cgroup2 without controllers, ours alone tell the time that processors have worked.
        let labels = |text: &str| -> Vec<String> {
            let labels = compliance::fields(text).into_iter().map(|(label, _)| label);
            labels.filter(|label| m.view == View::Host || label != "CPU use").collect()
        };
        assert_eq!(labels(&m.said("lxc-info", &[])), labels(&m.own("lxc-info", &[]).ok().stdout));
        for args in [&["-s"][..], &["-p"], &["-i"], &["-sH"], &["-pH"], &["-iH"], &["-c", "lxc.uts.name"]] {
            assert_eq!(m.said("lxc-info", args), m.own("lxc-info", args).ok().stdout, "{args:?}");
        }
    });
}

#[test]
fn ls() {
    everywhere(NETWORK, |m| {
        for args in [&["-1"][..], &["-1", "--running"], &["-1", "--active"], &["-1", "--stopped"], &["-f"]] {
            let said = Run::new(&m.other.path("lxc-ls"), args).output().ok().stdout;
            assert_eq!(said, m.c.bed().tool("lxc-ls", args).ok().stdout, "{args:?}");
        }
        let table =
            Run::new(&m.other.path("lxc-ls"), &["-f", "-F", "name,state,pid,ipv4"]).output().ok().stdout;
        let init = m.c.init().to_string();
        let cells: Vec<&str> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        assert_eq!(cells, [m.c.name(), "RUNNING", &init, "10.0.3.9"], "{table}");
    });
}

#[test]
fn attach() {
    everywhere("lxc.environment = FROM=config", |m| {
        assert_eq!(m.said("lxc-attach", &["--", "sh", "-c", "hostname; echo $FROM"]), {
            format!("{}\nconfig\n", m.c.name())
        });
        m.tool("lxc-attach", &["--", "sh", "-c", "exit 7"]).expect(7);
        m.tool("lxc-attach", &["--", "sh", "-c", "kill -9 $$"]).expect(137);
        let echoed = m.run("lxc-attach", &["--", "cat"]).input("text\n").output().ok().stdout;
        assert_eq!(echoed, "text\n");
        assert_eq!(m.said("lxc-attach", &["-u", "1000", "-g", "1000", "--", "id", "-u"]), "1000\n");
        let of = |script: &str| m.said("lxc-attach", &["--", "sh", "-c", script]);
        let own = |script: &str| m.own("lxc-attach", &["--", "sh", "-c", script]).ok().stdout;
        for script in [
            "cat /proc/self/cgroup",
            "for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done",
            "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status",
            "cat /proc/self/attr/current 2>/dev/null || true",
            "pwd; umask",
        ] {
            assert_eq!(of(script), own(script), "{script}");
        }
        let mut terminal = m.terminal("lxc-attach", &["--", "sh", "-c", "tty; read a; echo got $a"]);
        terminal.expect("/dev/");
        terminal.send(b"word\n");
        terminal.expect("got word");
        assert_eq!(terminal.finish().0, 0);
    });
}

#[test]
fn cgroup() {
    everywhere("", |m| {
        // The unified view has no controllers here, and without one Debian's tool finds no file.
        let (item, value, sides) = match m.view {
            View::Unified => ("cgroup.max.descendants", "30", [m.other, m.c.bed().tools()]),
            _ => ("pids.max", "100", [m.other, m.other]),
        };
        let tools = sides.iter().find(|tools| m.view == View::Host || tools.side() == Side::Ours);
        let tool = tools.expect("one of the sides is ours").path("lxc-cgroup");
        let ask = |args: &[&str]| Run::new(&tool, &[&["-n", m.c.name()][..], args].concat()).output();
        assert_eq!(ask(&[item]).ok().stdout, "max\n\n");
        assert_eq!(ask(&[item, value]).ok().stdout, "");
        assert_eq!(ask(&[item]).ok().stdout, format!("{value}\n\n"));
        if m.view == View::Host {
            assert_eq!(m.own("lxc-cgroup", &[item]).ok().stdout, format!("{value}\n\n"));
        }
        m.tool("lxc-cgroup", &["no.such.file"]).expect(1);
        m.tool("lxc-cgroup", &[item, "nonsense"]).expect(1);
    });
}

#[test]
fn freeze_unfreeze_and_wait() {
    everywhere("", |m| {
        let frozen = m.run("lxc-wait", &["-s", "FROZEN", "-t", "20"]).spawn();
        std::thread::sleep(Duration::from_millis(200));
        m.tool("lxc-freeze", &[]).ok();
        frozen.output().ok();
        assert_eq!((m.state(), m.c.state()), ("FROZEN".to_owned(), "FROZEN".to_owned()));
        m.tool("lxc-wait", &["-s", "RUNNING", "-t", "1"]).expect(1);
        m.tool("lxc-unfreeze", &[]).ok();
        m.tool("lxc-wait", &["-s", "RUNNING", "-t", "5"]).ok();
        // One freezes, the other thaws.
        m.own("lxc-freeze", &[]).ok();
        assert_eq!(m.state(), "FROZEN");
        m.tool("lxc-unfreeze", &[]).ok();
        assert_eq!(m.c.state(), "RUNNING");
        let stopped = m.run("lxc-wait", &["-s", "STOPPED", "-t", "20"]).spawn();
        std::thread::sleep(Duration::from_millis(200));
        m.own("lxc-stop", &["-k"]).ok();
        stopped.output().ok();
    });
}

#[test]
fn stop() {
    everywhere("", |m| {
        m.tool("lxc-stop", &["-t", "10"]).ok();
        assert_eq!((m.state(), m.c.state()), ("STOPPED".to_owned(), "STOPPED".to_owned()));
        m.tool("lxc-stop", &[]).expect(2);
    });
    everywhere("", |m| {
        m.tool("lxc-stop", &["-k"]).ok();
        assert_eq!(m.c.state(), "STOPPED");
    });
    everywhere("", |m| {
        m.tool("lxc-stop", &["--nowait"]).ok();
        m.c.wait("STOPPED");
    });
    everywhere("lxc.signal.halt = SIGCONT", |m| {
        m.tool("lxc-stop", &["--nokill", "-t", "1"]).expect(1);
        assert_eq!(m.state(), "RUNNING");
        m.tool("lxc-stop", &["-t", "1"]).ok();
    });
}

#[test]
fn reboot() {
    everywhere("", |m| {
        let first = m.c.init();
        m.tool("lxc-stop", &["-r", "-t", "10"]).ok();
        wait_until("another init", Duration::from_secs(10), || {
            let pid = m.tool("lxc-info", &["-pH"]).stdout;
            pid.trim_end().parse::<u32>().is_ok_and(|pid| pid != first)
        });
        m.c.wait("RUNNING");
    });
}

#[test]
fn console() {
    let Some(upstream) = Tools::upstream() else {
        panic!("Debian's LXC is not installed: apt-get install lxc")
    };
    let ours = Tools::under_test();
    for view in [View::Host, View::Unified] {
        for (starter, other) in [(&upstream, &ours), (&ours, &upstream)] {
            let bed = Bed::make(starter.clone(), view);
            let boot =
                "while :; do setsid sh -c 'PS1=\"TTY> \" exec sh -i </dev/tty1 >/dev/tty1 2>&1'; done &\n";
            let c = bed.container().without("lxc.tty.max").config("lxc.tty.max = 2\nlxc.autodev = 1");
            let c = c.at_boot(boot).start();
            c.wait_file("etc/booted");
            let m = Mixed { c: &c, other, view };
            let mut console = m.terminal("lxc-console", &["-t", "1"]);
            console.expect("Connected to tty 1\r\n");
            console.nudge(b"\n", "TTY> ");
            console.send(b"echo $((40 + 2))\n");
            console.expect("42");
            assert_eq!(c.terminal("lxc-console", &["-t", "1"]).finish().0, 1, "it is taken");
            console.send(b"\x01q");
            assert_eq!(console.finish().0, 0);
            let mut again = c.terminal("lxc-console", &["-t", "1"]);
            again.expect("Connected to tty 1\r\n");
            again.nudge(b"\n", "TTY> ");
            again.send(b"\x01q");
            assert_eq!(again.finish().0, 0);
            c.kill();
        }
    }
}

#[test]
fn start_and_destroy_of_what_runs() {
    everywhere("", |m| {
        m.tool("lxc-start", &[]).ok();
        m.tool("lxc-destroy", &[]).expect(1);
        m.tool("lxc-destroy", &["-f"]).ok();
        assert!(!m.c.dir().exists());
    });
}

#[test]
fn autostart() {
    everywhere("lxc.start.auto = 1\nlxc.start.delay = 3", |m| {
        let run = |args: &[&str]| Run::new(&m.other.path("lxc-autostart"), args).output();
        let name = m.c.name();
        assert_eq!(run(&["-L", "-r"]).ok().stdout, format!("{name} 3\n"));
        assert_eq!(run(&["-L"]).ok().stdout, "");
        assert_eq!(run(&["-L", "-s"]).ok().stdout, format!("{name}\n"));
        run(&["-s", "-t", "10"]).ok();
        assert_eq!(m.c.state(), "STOPPED");
    });
}

#[test]
fn monitor() {
    everywhere("", |m| {
        let name = m.c.name();
        let watching = m.run("lxc-monitor", &[]).spawn();
        wait_until("the daemon", Duration::from_secs(5), || {
            let sockets = std::fs::read_to_string("/proc/1/net/unix").expect("/proc/1/net/unix");
            // One end listens, the other is the tool's.
            sockets.lines().filter(|line| line.ends_with("//var/lib/lxc")).count() >= 2
        });
        m.own("lxc-stop", &["-t", "10"]).ok();
        m.own("lxc-start", &[]).ok();
        std::thread::sleep(Duration::from_millis(300));
        // Either side's tool ends either side's daemon.
        m.c.bed().tool("lxc-monitor", &["-Q"]).ok();
        let said = watching.output().expect(1).stdout;
        for state in ["STOPPING", "STOPPED", "STARTING", "RUNNING"] {
            assert!(said.contains(&format!("'{name}' changed state to [{state}]\n")), "{state}: {said}");
        }
    });
}

#[test]
fn device() {
    everywhere("lxc.autodev = 1", |m| {
        m.tool("lxc-device", &["--", "add", "/dev/kmsg"]).ok();
        assert_eq!(m.c.sh("stat -c '%F %t:%T' /dev/kmsg"), "character special file 1:b");
        m.own("lxc-device", &["--", "del", "/dev/kmsg"]).ok();
        m.tool("lxc-attach", &["--", "test", "-e", "/dev/kmsg"]).expect(1);
        m.tool("lxc-device", &["--", "frob", "/dev/kmsg"]).expect(1);
        m.tool("lxc-device", &["--", "add", "/dev/no-such-device"]).expect(1);
    });
}

#[test]
fn execute() {
    let Some(upstream) = Tools::upstream() else {
        panic!("Debian's LXC is not installed: apt-get install lxc")
    };
    let ours = Tools::under_test();
    for view in [View::Host, View::Unified] {
        for (starter, other) in [(&upstream, &ours), (&ours, &upstream)] {
            let bed = Bed::make(starter.clone(), view);
            let c = bed.container().make();
            c.tool(
                "lxc-execute",
                &["-d", "--", "/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"],
            )
            .ok();
            let m = Mixed { c: &c, other, view };
            assert_eq!(m.state(), "RUNNING");
            assert_eq!(m.said("lxc-attach", &["--", "echo", "in"]), "in\n");
            m.tool("lxc-stop", &["-t", "10"]).ok();
            assert_eq!(c.state(), "STOPPED");
        }
    }
}

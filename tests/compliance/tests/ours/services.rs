//! What service managers and log keepers want: sd_notify(3), the journal, log files that are renamed.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use compliance::{Bed, wait_until};

/// The next datagram.
fn next(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 16384];
    let length = socket.recv(&mut bytes).expect("a message");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn listen(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    socket
}

#[test]
fn a_service_is_ready_when_its_container_runs() {
    let bed = Bed::new();
    let path = bed.dir().join("notify");
    let socket = listen(&path);
    let c = bed.container().config("lxc.hook.start-host = sh -c 'sleep 1'").make();
    let running = c.run("lxc-start", &["-F"]).env("NOTIFY_SOCKET", &path.display().to_string()).spawn();
    assert!(next(&socket).starts_with("READY=1\n"));
    assert_eq!(c.tool("lxc-info", &["-sH"]).ok().stdout, "RUNNING\n");
    c.wait_ready();
    c.tool("lxc-stop", &["-r"]).ok();
    assert_eq!(next(&socket), "STATUS=The container reboots");
    assert!(next(&socket).starts_with("READY=1\n"));
    c.stop();
    assert!(next(&socket).starts_with("STOPPING=1\n"));
    running.output().ok();
    // In the background nobody waits for it; and a socket that is gone is no reason not to start.
    c.run("lxc-start", &["-d"]).env("NOTIFY_SOCKET", &path.display().to_string()).output().ok();
    c.kill();
    socket.set_nonblocking(true).expect("a socket");
    assert!(socket.recv(&mut [0; 16]).is_err());
    let running = c.run("lxc-start", &["-F"]).env("NOTIFY_SOCKET", "/nosuch").spawn();
    wait_until("it runs", Duration::from_secs(10), || c.tool("lxc-info", &["-sH"]).stdout == "RUNNING\n");
    c.stop();
    running.output().ok();
}

#[test]
fn logs_go_to_the_journal() {
    let bed = Bed::new();
    bed.host("mount -t tmpfs tmpfs /run; mkdir -p /run/lxc /run/systemd/journal");
    let c = bed.container().config("lxc.log.file = journal\nlxc.log.level = INFO").make();
    let out = c.tool("lxc-start", &[]).expect(1);
    assert!(out.stderr.contains("/run/systemd/journal/socket"), "{}", out.stderr);
    let socket = listen(Path::new("/run/systemd/journal/socket"));
    c.start().ok();
    let mut said = String::new();
    while !said.contains("MESSAGE=the container runs\n") {
        said = next(&socket);
        assert!(said.contains("\nSYSLOG_IDENTIFIER=lxc-start\n"), "{said}");
        assert!(said.contains(&format!("\nLXC_CONTAINER={}\n", c.name())), "{said}");
        assert!(said.contains("\nPRIORITY=6\n"), "{said}");
    }
    c.kill();
    assert!(!Path::new("journal").exists());
    c.tool("lxc-start", &["-o", "journal", "-s", "lxc.log.file = ", "-s", "lxc.init.cmd = /nosuch"])
        .expect(1);
    while !said.contains("\nPRIORITY=3\n") {
        said = next(&socket);
    }
    assert!(said.contains("/nosuch"), "{said}");
}

#[test]
fn log_files_are_opened_anew_on_request() {
    let bed = Bed::new();
    let dir = bed.dir();
    let file = |name: &str| dir.join(name);
    let c = bed
        .container()
        .config(&format!(
            "lxc.log.file = {}\nlxc.log.level = INFO\nlxc.console.logfile = {}",
            file("log").display(),
            file("console").display()
        ))
        .start();
    let text = |name: &str| std::fs::read_to_string(file(name)).unwrap_or_default();
    c.sh("echo first >/dev/console");
    wait_until("the console's log", Duration::from_secs(5), || text("console").contains("first"));
    for name in ["log", "console"] {
        std::fs::rename(file(name), file(&format!("{name}.1"))).expect("a log");
    }
    bed.tool("lxc-autostart", &["--reopen-logs"]).ok();
    c.sh("echo second >/dev/console");
    wait_until("the console's new log", Duration::from_secs(5), || text("console").contains("second"));
    assert!(!text("console").contains("first") && text("console.1").contains("first"));
    c.kill();
    wait_until("the new log", Duration::from_secs(5), || text("log").contains("init"));
    assert!(text("log.1").contains("the container runs") && !text("log.1").contains("has ended"));
    // Nobody runs: nothing to do.
    bed.tool("lxc-autostart", &["--reopen-logs"]).ok();
}

#[test]
fn upstreams_monitors_cannot_open_their_logs_anew() {
    let Some(upstream) = compliance::Tools::upstream() else { return };
    let bed = Bed::new();
    let c = bed.container().make();
    compliance::Run::new(&upstream.path("lxc-start"), &["-n", c.name()]).output().ok();
    let out = bed.tool("lxc-autostart", &["--reopen-logs"]).expect(1);
    assert!(out.stderr.contains(c.name()), "{}", out.stderr);
    c.kill();
}

/// A file of the installation.
fn installed(bed: &Bed, below: &str) -> std::path::PathBuf {
    bed.tools().bin().join("..").join(below)
}

#[test]
fn units_are_sound() {
    let bed = Bed::new();
    if bed.host("command -v systemd-analyze || true").is_empty() {
        return;
    }
    for unit in ["lxc.service", "lxc@.service", "lxc-monitord.service"] {
        let file = installed(&bed, "lib/systemd/system").join(unit);
        let args = ["verify", "--recursive-errors=no", "--man=no", &file.display().to_string()];
        let out = compliance::Run::new(Path::new("/usr/bin/systemd-analyze"), &args).output().ok();
        assert_eq!(out.stderr, "", "{unit}");
        let text = std::fs::read_to_string(&file).expect("a unit");
        assert!(!text.contains("@PREFIX@"), "{text}");
    }
}

#[test]
fn the_openrc_script_starts_and_stops() {
    let bed = Bed::new();
    let script = installed(&bed, "share/lxc/service/lxc.openrc");
    bed.host(&format!(
        "mkdir {0}/default; mount --bind {0}/default /etc/default; mount -t tmpfs tmpfs /run/lock",
        bed.dir().display()
    ));
    let c = bed.container().config("lxc.start.auto = 1").make();
    let run = |what: &str| {
        bed.host(&format!(
            "ebegin() {{ echo \"$1\"; }}; eend() {{ return $1; }}; . {}; {what}",
            script.display()
        ))
    };
    assert_eq!(run("start"), "Starting containers");
    c.wait_ready();
    run("reopen_logs");
    run("reload");
    c.wait_ready();
    assert_eq!(run("stop"), "Stopping containers");
    assert_eq!(c.tool("lxc-info", &["-sH"]).ok().stdout, "STOPPED\n");
}

#[test]
fn logrotate_and_tmpfiles_read_their_files() {
    let bed = Bed::new();
    let logrotate = installed(&bed, "share/lxc/service/logrotate");
    let text = std::fs::read_to_string(&logrotate).expect("a file");
    assert!(text.contains("--reopen-logs") && !text.contains("@PREFIX@"), "{text}");
    if !bed.host("command -v logrotate || true").is_empty() {
        bed.host(&format!(
            "cp {0} {1}/conf; chmod 644 {1}/conf; logrotate -d {1}/conf",
            logrotate.display(),
            bed.dir().display()
        ));
    }
    if !bed.host("command -v systemd-tmpfiles || true").is_empty() {
        let root = bed.dir().join("root");
        let conf = installed(&bed, "lib/tmpfiles.d/lxc.conf");
        bed.host(&format!("mkdir {0}; mkdir -p {0}/usr/lib/tmpfiles.d {0}/etc; cp {1} {0}/usr/lib/tmpfiles.d/; cp /etc/passwd /etc/group {0}/etc; \
            systemd-tmpfiles --root={0} --create lxc.conf", root.display(), conf.display()));
        for made in ["run/lxc", "var/lib/lxc", "var/log/lxc"] {
            assert!(root.join(made).is_dir(), "{made}");
        }
    }
}

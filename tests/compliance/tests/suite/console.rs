//! `lxc-console`, the console's log and its terminal.

use std::time::Duration;

use compliance::{Bed, Container, wait_until};

/// A shell on each of two terminals and on the console.
fn with_shells(bed: &Bed) -> Container<'_> {
    let shell = "while :; do setsid sh -c 'PS1=\"TTY> \" exec sh -i <TTY >TTY 2>&1'; done &\n";
    let boot: String =
        ["/dev/tty1", "/dev/tty2", "/dev/console"].iter().map(|tty| shell.replace("TTY", tty)).collect();
    let c = bed
        .container()
        .without("lxc.tty.max")
        .config("lxc.tty.max = 2\nlxc.autodev = 1")
        .at_boot(&boot)
        .start();
    c.wait_file("etc/booted");
    c
}

#[test]
fn a_terminal_and_back() {
    let bed = Bed::new();
    let c = with_shells(&bed);
    let mut console = c.terminal("lxc-console", &[]);
    console.expect("Connected to tty 1\r\n");
    console.expect("Type <Ctrl+a q> to exit the console, <Ctrl+a Ctrl+a> to enter Ctrl+a itself");
    console.nudge(b"\n", "/dev/tty1> ");
    console.send(b"echo $((40 + 2))\n");
    console.expect("42");
    console.send(b"\x01q");
    assert_eq!(console.finish().0, 0);
    c.kill();
}

#[test]
fn a_chosen_terminal_and_escape() {
    let bed = Bed::new();
    let c = with_shells(&bed);
    let mut console = c.terminal("lxc-console", &["-t", "2", "-e", "b"]);
    console.expect("Connected to tty 2\r\n");
    console.expect("Type <Ctrl+b q> to exit the console");
    console.nudge(b"\n", "/dev/tty2> ");
    console.send(b"\x02q");
    assert_eq!(console.finish().0, 0);
    c.kill();
}

#[test]
fn the_console_itself() {
    let bed = Bed::new();
    let c = with_shells(&bed);
    let mut console = c.terminal("lxc-console", &["-t", "0"]);
    console.expect("Connected to tty 0\r\n");
    console.nudge(b"\n", "/dev/console> ");
    console.send(b"\x01q");
    assert_eq!(console.finish().0, 0);
    c.kill();
}

#[test]
fn busy_and_missing_terminals() {
    let bed = Bed::new();
    let c = with_shells(&bed);
    let mut first = c.terminal("lxc-console", &["-t", "1"]);
    first.expect("Connected to tty 1");
    assert_eq!(c.terminal("lxc-console", &["-t", "1"]).finish().0, 1);
    assert_eq!(c.terminal("lxc-console", &["-t", "9"]).finish().0, 1);
    first.send(b"\x01q");
    assert_eq!(first.finish().0, 0);
    c.kill();
}

#[test]
fn the_end_of_the_container_ends_it() {
    let bed = Bed::new();
    let c = with_shells(&bed);
    let mut console = c.terminal("lxc-console", &["-t", "1"]);
    console.expect("Connected to tty 1");
    c.kill();
    assert_eq!(console.finish().0, 0);
}

const TALKS: &str =
    "i=0; while [ $i -lt 200 ]; do echo line $i of the console; i=$((i+1)); done; exec sleep 1000";

#[test]
fn a_log_file() {
    let bed = Bed::new();
    let log = bed.dir().join("console.log");
    let c = bed.container().init(TALKS).config(&format!("lxc.console.logfile = {}", log.display())).start();
    wait_until("the last line", Duration::from_secs(5), || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.ends_with("line 199 of the console\r\n"))
    });
    let text = std::fs::read_to_string(&log).expect("the log");
    assert!(text.starts_with("line 0 of the console\r\n"), "{text}");
    c.kill();
}

#[test]
fn a_log_file_that_rotates() {
    let bed = Bed::new();
    let log = bed.dir().join("console.log");
    let c = bed
        .container()
        .init(&TALKS.replace("200", "2000"))
        .config(&format!(
            "lxc.console.logfile = {}\nlxc.console.size = 4096\nlxc.console.rotate = 1",
            log.display()
        ))
        .start();
    wait_until("the last line", Duration::from_secs(5), || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("line 1999 of the console"))
    });
    let size = |path: &str| std::fs::metadata(path).map(|m| m.len()).unwrap_or_default();
    let rotated = format!("{}.1", log.display());
    assert!(size(&rotated) > 0, "{rotated}");
    assert!(size(&log.display().to_string()) <= 4096);
    c.kill();
}

#[test]
fn the_buffer_is_written_at_the_end() {
    let bed = Bed::new();
    let log = bed.dir().join("console.log");
    let c = bed
        .container()
        .init(TALKS)
        .config(&format!(
            "lxc.console.buffer.size = 4096\nlxc.console.size = 65536\nlxc.console.logfile = {}",
            log.display()
        ))
        .start();
    std::thread::sleep(Duration::from_millis(300));
    c.kill();
    let text = std::fs::read_to_string(&log).expect("the log");
    assert!(text.ends_with("line 199 of the console\r\n"), "{text}");
}

#[test]
fn a_console_on_a_file() {
    let bed = Bed::new();
    let file = bed.dir().join("console");
    std::fs::write(&file, "").expect("write a file");
    let c = bed.container().make();
    let path = file.to_str().expect("a path of ASCII letters");
    c.tool("lxc-start", &["-L", path, "--", "/bin/sh", "-c", "echo said; exec sleep 1000"]).ok();
    wait_until("the line", Duration::from_secs(5), || {
        std::fs::read_to_string(&file).is_ok_and(|t| t == "said\r\n")
    });
    c.kill();
}

#[test]
fn the_foreground_is_a_console() {
    let bed = Bed::new();
    let c = bed.container().make();
    let mut terminal =
        c.terminal("lxc-start", &["-F", "--", "/bin/sh", "-c", "tty; stty size; read a; echo got $a"]);
    terminal.expect("40 100\r");
    terminal.send(b"word\n");
    terminal.expect("got word");
    assert_eq!(terminal.finish().0, 0);
}

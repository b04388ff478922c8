//! `lxc-top`: the text of batch mode, its order, and the terminal.

use compliance::{Bed, Container, Terminal};
use rustix::process::Signal;

const HEADER: &str = "time_ms,container,cpu_nanos,cpu_sys_userhz,cpu_user_userhz,blkio_bytes,blkio_iops,\
                      mem_used_bytes,memsw_used_bytes,kernel_mem_used_bytes";

/// The first look of batch mode on a terminal: a row for each of so many containers.
fn rows(bed: &Bed, args: &[&str], count: usize) -> Vec<Vec<String>> {
    let mut all = vec!["-b", "-d", "100"];
    all.extend(args);
    let mut terminal = Terminal::run(&bed.tools().path("lxc-top"), &all);
    assert_eq!(terminal.expect("\r\n"), HEADER);
    (0..count).map(|_| terminal.expect("\r\n").split(',').map(str::to_owned).collect()).collect()
}

fn names(rows: &[Vec<String>]) -> Vec<&str> {
    rows.iter().map(|row| row[1].as_str()).collect()
}

/// Two containers of which the second uses more of everything, and one that does not run.
fn three(bed: &Bed) -> [Container<'_>; 3] {
    let all = [bed.container().start(), bed.container().start(), bed.container().make()];
    all[1].sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
    // Written to a tmpfs, it stays memory of the container.
    all[1].sh("mkdir -p /big && mount -t tmpfs tmpfs /big && dd if=/dev/zero of=/big/x bs=1M count=8 2>/dev/null; ls /big");
    all
}

#[test]
fn rows_of_batch_mode() {
    let bed = Bed::new();
    let [a, b, _] = three(&bed);
    let rows = rows(&bed, &[], 2);
    assert_eq!(names(&rows), [a.name(), b.name()]);
    let now = bed.host("date +%s%3N").parse::<u64>().expect("a number");
    for row in &rows {
        assert_eq!(row.len(), 10, "{row:?}");
        let number = |at: usize| row[at].parse::<u64>().unwrap_or_else(|e| panic!("{row:?}: {e}"));
        assert!(number(0) <= now && number(0) + 60_000 > now, "{row:?}");
        assert!(number(2) > 0 && number(7) > 0 && number(9) > 0, "{row:?}");
        assert!(number(8) >= number(7), "memory and swap: {row:?}");
    }
    let ticks = rows[1][4].parse::<u64>().expect("a number");
    let nanoseconds = rows[1][2].parse::<u64>().expect("a number");
    assert!(ticks * 10_000_000 <= nanoseconds + 20_000_000, "{rows:?}");
    a.kill();
    b.kill();
}

#[test]
fn orders() {
    let bed = Bed::new();
    let [a, b, _] = three(&bed);
    let (up, down) = ([a.name(), b.name()], [b.name(), a.name()]);
    for (args, want) in [
        (&["-s", "n"][..], up),
        (&["-s", "name"], up),
        (&["-s", "n", "-r"], down),
        (&["-s", "c"], down),
        (&["-s", "c", "-r"], up),
        (&["-s", "m"], down),
        (&["--sort=s"], down),
        (&["--sort=m", "--reverse"], up),
        (&["-s", "x"], up),
        (&["-s", "x", "-r"], down),
    ] {
        assert_eq!(names(&rows(&bed, args, 2)), want, "{args:?}");
    }
    a.kill();
    b.kill();
}

#[test]
fn again_and_again() {
    let bed = Bed::new();
    let c = bed.container().start();
    let mut terminal = Terminal::run(&bed.tools().path("lxc-top"), &["--batch", "--delay", "1"]);
    terminal.expect(HEADER);
    for _ in 0..3 {
        terminal.expect(&format!(",{},", c.name()));
    }
    // ^C is content.
    terminal.send(b"\x03");
    assert_eq!(terminal.finish().0, 0);
    c.kill();
}

#[test]
fn the_live_view_ends_by_a_key_or_a_signal() {
    let bed = Bed::new();
    let c = bed.container().start();
    for (key, code) in [(&b"q"[..], 0), (b"\x03", 0), (b"\x1c", 0)] {
        let mut terminal = Terminal::run(&bed.tools().path("lxc-top"), &["-d", "1"]);
        terminal.expect(c.name());
        terminal.send(key);
        assert_eq!(terminal.finish().0, code, "{key:?}");
    }
    c.kill();
}

#[test]
fn the_live_view_needs_a_terminal() {
    let bed = Bed::new();
    let out = bed.tool("lxc-top", &[]).expect(1);
    assert_eq!(out.stderr, "stdin is not a tty\nFailed to setup terminal\n");
}

#[test]
fn bad_options() {
    let bed = Bed::new();
    for args in [&["-d", "x"][..], &["-d"], &["-s"]] {
        assert_eq!(bed.tool("lxc-top", args).expect(1).stdout, "", "{args:?}");
    }
    // Nothing but the first folder is shown, but more may be given.
    let out = bed.run("lxc-top", &["-P", "/var/lib/lxc", "-P", "/nosuch", "-b", "-d", "100"]).spawn();
    std::thread::sleep(std::time::Duration::from_millis(200));
    out.signal(Signal::INT);
    let out = out.output();
    assert!(!out.stderr.contains("only accepts 1"), "{}", out.stderr);
}

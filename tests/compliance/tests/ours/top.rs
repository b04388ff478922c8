//! `lxc-top`: the live page in a real terminal, metrics, and batch mode without a terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use compliance::{Bed, Container, Run, wait_until};
use rustix::process::Signal;

/// A terminal of tmux, in which one shell command runs.
struct Tmux {
    socket: String,
}

impl Tmux {
    fn run(bed: &Bed, width: u32, height: u32, command: &str) -> Tmux {
        // A server that is ending keeps its socket for a while.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let socket = bed.dir().join(format!("tmux{}", MADE.fetch_add(1, Ordering::Relaxed)));
        let tmux = Tmux { socket: socket.display().to_string() };
        tmux.ask(&["new-session", "-d", "-x", &width.to_string(), "-y", &height.to_string(), command]);
        tmux
    }

    fn ask(&self, args: &[&str]) -> String {
        let mut all = vec!["-u", "-S", &self.socket, "-f", "/dev/null"];
        all.extend(args);
        Run::new(Path::new("/usr/bin/tmux"), &all).env("LANG", "C.UTF-8").output().ok().stdout
    }

    fn keys(&self, keys: &[&str]) {
        self.ask(&[&["send-keys"], keys].concat());
    }

    fn resize(&self, width: u32, height: u32) {
        self.ask(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }

    fn page(&self) -> Vec<String> {
        self.ask(&["capture-pane", "-p"]).lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Waits until the page is as it should be, and hands it back.
    #[track_caller]
    fn wait(&self, what: &str, holds: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut last = Vec::new();
        let end = std::time::Instant::now() + Duration::from_secs(10);
        while std::time::Instant::now() < end {
            last = self.page();
            if holds(&last) {
                return last;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{what}: {}", last.join("\n"))
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let kill = ["-S", &self.socket, "kill-server"];
        drop(std::process::Command::new("/usr/bin/tmux").args(kill).output());
    }
}

/// The containers on a page, in its order.
fn listed(page: &[String]) -> Vec<&str> {
    page.iter()
        .skip(2)
        .take_while(|line| !line.is_empty() && !line.starts_with("q quit"))
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

fn command(bed: &Bed) -> String {
    format!("LANG=C.UTF-8 {} -d 1", bed.tools().path("lxc-top").display())
}

fn busy<'a>(bed: &'a Bed) -> Container<'a> {
    bed.container()
        .init("while :; do i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; sleep 0.01; done")
        .start()
}

#[test]
fn pages_of_two_sizes() {
    let bed = Bed::new();
    let quiet = bed.container().start();
    let busy = busy(&bed);
    let tmux = Tmux::run(&bed, 80, 24, &command(&bed));
    let page = tmux.wait("rates", |page| {
        page.len() == 24 && page[0].contains("2 running") && !page[0].contains("CPU -")
    });
    for title in
        ["NAME▴", "CPU%", "MEM", "READ/s", "WRIT/s", "TASKS", "PSI:CPU", "PSI:MEM", "PSI:IO", "CPU HISTORY"]
    {
        assert!(page[1].contains(title), "{title}: {}", page[1]);
    }
    assert_eq!(listed(&page), [quiet.name(), busy.name()]);
    assert!(page[3].ends_with(['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']), "its history: {}", page[3]);
    assert!(page[23].starts_with("q quit") && page[23].ends_with("1-2 of 2"), "{}", page[23]);
    assert!(page.iter().all(|line| line.chars().count() <= 80));
    tmux.resize(200, 50);
    let page = tmux.wait("a wide page", |page| page.len() == 50 && page[1].contains("KMEM"));
    for title in ["USER%", "SYS%", "SWAP", "KMEM", "RX/s", "TX/s"] {
        assert!(page[1].contains(title), "{title}: {}", page[1]);
    }
    assert_eq!(page.iter().filter(|line| line.starts_with("q quit")).count(), 1);
    assert!(page[49].starts_with("q quit") && page[49].ends_with("1-2 of 2"), "{}", page[49]);
    for (width, height) in [(60, 5), (20, 3), (3, 2), (1, 1)] {
        tmux.resize(width, height);
        std::thread::sleep(Duration::from_millis(300));
    }
    tmux.resize(80, 24);
    tmux.wait("the old page", |page| page.len() == 24 && listed(page) == [quiet.name(), busy.name()]);
    quiet.kill();
    busy.kill();
}

#[test]
fn keys_sort_and_containers_come_and_go() {
    let bed = Bed::new();
    let quiet = bed.container().start();
    let busy = busy(&bed);
    let tmux = Tmux::run(&bed, 100, 30, &command(&bed));
    tmux.wait("rates", |page| {
        page.len() == 30 && page[0].contains("2 running") && !page[0].contains("CPU -")
    });
    tmux.keys(&["c"]);
    tmux.wait("by processor", |page| {
        page[1].contains("CPU%▾") && listed(page) == [busy.name(), quiet.name()]
    });
    tmux.keys(&["c"]);
    tmux.wait("the reverse", |page| page[1].contains("CPU%▴") && listed(page) == [quiet.name(), busy.name()]);
    tmux.keys(&["n", "r"]);
    tmux.wait("names from z", |page| {
        page[1].contains("NAME▾") && listed(page) == [busy.name(), quiet.name()]
    });
    tmux.keys(&["r"]);
    let new = bed.container().start();
    tmux.wait("a new one", |page| listed(page) == [quiet.name(), busy.name(), new.name()]);
    quiet.kill();
    tmux.wait("one that ended", |page| listed(page) == [busy.name(), new.name()]);
    // Ended and started again between two looks.
    new.kill();
    new.start().ok();
    tmux.wait("one that began anew", |page| listed(page) == [busy.name(), new.name()]);
    busy.kill();
    new.kill();
    tmux.wait("none", |page| page[2] == "No container is running.");
}

#[test]
fn the_terminal_is_given_back() {
    let bed = Bed::new();
    let c = bed.container().start();
    let top = bed.tools().path("lxc-top").display().to_string();
    let (dir, name) = (bed.dir().display().to_string(), c.name().to_owned());
    for (how, code) in [("q", "0"), ("C-c", "0"), ("TERM", "143"), ("HUP", "129")] {
        let script = format!(
            "stty -g >{dir}/before; echo before; {top} -d 1; echo \"ended $?\"; stty -g >{dir}/after; sleep 100"
        );
        let tmux = Tmux::run(&bed, 80, 24, &script);
        tmux.wait("the page", |page| page.len() == 24 && page[2].starts_with(&name));
        if how.chars().all(char::is_uppercase) {
            let pid = bed.host("grep -lz '^[^ ]*lxc-top$' /proc/[0-9]*/cmdline | cut -d/ -f3");
            bed.host(&format!("kill -{how} {pid}"));
        } else {
            tmux.keys(&[how]);
        }
        let page = tmux.wait("the end", |page| page.iter().any(|line| line.contains("ended")));
        assert_eq!(page[0], "before", "{how}: the screen of before");
        assert_eq!(page.iter().find(|line| line.contains("ended")), Some(&format!("ended {code}")), "{how}");
        wait_until("stty", Duration::from_secs(5), || Path::new(&format!("{dir}/after")).exists());
        assert_eq!(bed.host(&format!("cat {dir}/before")), bed.host(&format!("cat {dir}/after")), "{how}");
        assert_eq!(
            tmux.ask(&["display-message", "-p", "#{cursor_flag} #{wrap_flag}"]).trim(),
            "1 1",
            "{how}"
        );
        bed.host(&format!("rm {dir}/before {dir}/after"));
    }
    c.kill();
}

/// Stopped and continued, the page is there again.
#[test]
fn it_can_be_suspended() {
    let bed = Bed::new();
    let c = bed.container().start();
    let top = bed.tools().path("lxc-top").display().to_string();
    let tmux = Tmux::run(&bed, 80, 24, "exec bash --norc -i");
    tmux.keys(&[&format!("PS1='prompt> '; {top} -d 1"), "Enter"]);
    let shows = |page: &[String]| page.len() == 24 && page[2].starts_with(c.name());
    tmux.wait("the page", shows);
    tmux.keys(&["C-z"]);
    tmux.wait("the shell", |page| page.iter().any(|line| line.contains("Stopped")));
    tmux.keys(&["fg", "Enter"]);
    tmux.wait("the page again", shows);
    tmux.keys(&["q"]);
    tmux.wait("the shell again", |page| page.iter().any(|line| line.starts_with("prompt>")));
    c.kill();
}

/// Debian's prints as many rows as a terminal has, and none without a terminal.
#[test]
fn batch_mode_needs_no_terminal() {
    let bed = Bed::new();
    let made: Vec<_> = (0..3).map(|_| bed.container().start()).collect();
    let tool = bed.run("lxc-top", &["-b", "-d", "1"]).spawn();
    std::thread::sleep(Duration::from_millis(1500));
    tool.signal(Signal::INT);
    let out = tool.output().ok();
    let names: Vec<&str> = out.stdout.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    let want: Vec<&str> = made.iter().chain(&made).map(Container::name).collect();
    assert_eq!(names, want);
    assert_eq!(out.stderr, "");
    made.iter().for_each(Container::kill);
}

#[test]
fn figures_without_v1() {
    let bed = Bed::with(compliance::View::Unified);
    let c = busy(&bed);
    std::thread::sleep(Duration::from_millis(500));
    let tool = bed.run("lxc-top", &["-b", "-d", "100"]).spawn();
    std::thread::sleep(Duration::from_millis(300));
    tool.signal(Signal::INT);
    let out = tool.output().ok();
    let row: Vec<&str> = out.stdout.lines().nth(1).expect("a row").split(',').collect();
    assert!(row[2].parse::<u64>().expect("a number") > 0, "{row:?}");
    assert!(bed.tool("lxc-info", &["-n", c.name(), "-S"]).ok().stdout.contains("CPU use:"));
    c.kill();
}

/// What a scraper checks: each family once with its metadata before its samples, no sample twice, the end mark.
fn families(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut current: Option<(String, String)> = None;
    let body = text.strip_suffix("# EOF\n").expect("the end mark");
    for line in body.lines() {
        if let Some(meta) = line.strip_prefix("# ") {
            let words: Vec<&str> = meta.splitn(3, ' ').collect();
            let [keyword, name, value] = words[..] else { panic!("{line}") };
            match keyword {
                "TYPE" => {
                    assert!(families.insert(name.to_owned(), Vec::new()).is_none(), "{name} twice");
                    assert!(["counter", "gauge"].contains(&value), "{line}");
                    current = Some((name.to_owned(), value.to_owned()));
                }
                "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                "HELP" => assert!(!value.is_empty()),
                _ => panic!("{line}"),
            }
            assert_eq!(current.as_ref().map(|(current, _)| current.as_str()), Some(name), "{line}");
        } else {
            let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("{line}"));
            let (labels, value) = rest.split_once("} ").unwrap_or_else(|| panic!("{line}"));
            let (family, kind) = current.as_ref().expect("a family");
            let suffix = if kind == "counter" { "_total" } else { "" };
            assert_eq!(name, format!("{family}{suffix}"), "{line}");
            assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
            assert!(seen.insert((name.to_owned(), labels.to_owned())), "{line}: twice");
            families.get_mut(family).expect("a family").push(line.to_owned());
        }
    }
    families
}

#[test]
fn metrics() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config(
            "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up\nlxc.net.0.veth.pair = tvom
             lxc.cgroup.memory.limit_in_bytes = 100M",
        )
        .start();
    let d = bed.container().start();
    let families = families(&bed.tool("lxc-top", &["--format", "openmetrics"]).ok().stdout);
    assert_eq!(families["lxc_containers"], ["lxc_containers{lxcpath=\"/var/lib/lxc\"} 2"]);
    let label = format!("lxcpath=\"/var/lib/lxc\",container=\"{}\"", c.name());
    assert_eq!(
        families["lxc_container_memory_limit_bytes"],
        [format!("lxc_container_memory_limit_bytes{{{label}}} 104857600")]
    );
    for (family, count) in [
        ("lxc_container_cpu_seconds", 2),
        ("lxc_container_cpu_mode_seconds", 4),
        ("lxc_container_memory_bytes", 2),
        ("lxc_container_io_bytes", 4),
        ("lxc_container_io_operations", 4),
        ("lxc_container_pids", 2),
        ("lxc_container_pressure_seconds", 12),
        ("lxc_container_pressure_ratio", 36),
        ("lxc_container_network_bytes", 2),
    ] {
        assert_eq!(families[family].len(), count, "{family}: {:?}", families[family]);
    }
    assert!(families["lxc_container_network_bytes"][0].contains("link=\"tvom\",direction=\"transmit\""));
    // Once, also in batch mode, unless an interval is given.
    bed.tool("lxc-top", &["-b", "--format", "openmetrics"]).ok();
    let tool = bed.run("lxc-top", &["-b", "-d", "1", "--format", "openmetrics"]).spawn();
    std::thread::sleep(Duration::from_millis(1500));
    tool.signal(Signal::INT);
    assert_eq!(tool.output().ok().stdout.matches("# EOF\n").count(), 2);
    c.kill();
    d.kill();
}

#[test]
fn metrics_of_nothing() {
    let bed = Bed::new();
    let families = families(&bed.tool("lxc-top", &["--format", "openmetrics"]).ok().stdout);
    assert_eq!(families["lxc_containers"], ["lxc_containers{lxcpath=\"/var/lib/lxc\"} 0"]);
}

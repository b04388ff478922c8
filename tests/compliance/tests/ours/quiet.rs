//! A clean start has nothing to say.

use compliance::{Bed, View};

fn nothing_above_info(view: View, config: &str) {
    let bed = Bed::with(view);
    let c = bed.container().config(config).make();
    let log = bed.dir().join("log");
    let path = log.to_str().expect("a path of ASCII letters");
    let out = c.tool("lxc-start", &["-l", "INFO", "-o", path]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    c.sh("true");
    c.stop();
    let text = std::fs::read_to_string(&log).expect("the log");
    assert!(!text.is_empty(), "INFO says nothing at all");
    let loud: Vec<&str> = text
        .lines()
        .filter(|line| {
            !["TRACE", "DEBUG", "INFO"].contains(&line.split_whitespace().nth(3).unwrap_or_default())
        })
        .collect();
    assert!(loud.is_empty(), "{}", loud.join("\n"));
}

const STOCK: &str = "lxc.include = /usr/share/lxc/config/common.conf
                     lxc.net.0.type = veth
                     lxc.net.0.link = lxcbr0
                     lxc.net.0.flags = up";

#[test]
fn the_stock_configuration() {
    nothing_above_info(View::Host, STOCK);
}

#[test]
fn the_stock_configuration_on_unified() {
    nothing_above_info(View::Unified, STOCK);
}

#[test]
fn the_stock_configuration_on_legacy() {
    nothing_above_info(View::Legacy, STOCK);
}

/// What the start needed, heap and stack, is given back before the monitor begins to wait. KiB.
#[test]
fn a_monitor_holds_little_memory_of_its_own() {
    const MOST: u64 = 320;
    let bed = Bed::new();
    let c = bed.container().config(STOCK).make();
    c.start().ok();
    let monitor = compliance::process_parent(c.init());
    let rollup = bed.host(&format!("cat /proc/{monitor}/smaps_rollup"));
    let line = rollup.lines().find(|line| line.starts_with("Private_Dirty:")).expect("Private_Dirty");
    let held: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    assert!(held > 0 && held <= MOST, "{held} KiB of its own, at most {MOST} KiB are wanted");
    c.stop();
}

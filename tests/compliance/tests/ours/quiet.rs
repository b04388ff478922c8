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

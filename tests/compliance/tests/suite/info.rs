//! `lxc-info`: its lines, labels and units.

use compliance::{Bed, fields};

#[test]
fn a_name_nobody_knows() {
    let bed = Bed::new();
    let out = bed.tool("lxc-info", &["-n", "nosuch"]).expect(1);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", "nosuch doesn't exist\n"));
}

#[test]
fn stopped() {
    let bed = Bed::new();
    let c = bed.container().make();
    let out = c.tool("lxc-info", &[]).ok();
    assert_eq!(out.stdout, format!("Name:           {}\nState:          STOPPED\n", c.name()));
    assert_eq!(out.stderr, "");
    for option in ["-p", "-i", "-S"] {
        assert_eq!(c.tool("lxc-info", &[option]).ok().stdout, "", "{option}");
    }
}

#[test]
fn running() {
    let bed = Bed::new();
    let c = bed
        .container()
        .config(
            "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up\nlxc.net.0.veth.pair = tvinfo
             lxc.net.0.ipv4.address = 10.0.3.77/24\nlxc.net.0.ipv6.address = fd00:3::77/64",
        )
        .start();
    let text = c.tool("lxc-info", &[]).ok().stdout;
    let labels: Vec<String> = fields(&text).into_iter().map(|(label, _)| label).collect();
    let want = [
        "Name",
        "State",
        "PID",
        "IP",
        "IP",
        "CPU use",
        "BlkIO use",
        "Memory use",
        "KMem use",
        "Link",
        " TX bytes",
        " RX bytes",
        " Total bytes",
    ];
    assert_eq!(labels, want, "{text}");
    assert!(text.contains("\nIP:             10.0.3.77\nIP:             fd00:3::77\n"), "{text}");
    assert!(text.contains("\nLink:           tvinfo\n"), "{text}");
    let of = |wanted: &str| fields(&text).into_iter().find(|(label, _)| label == wanted).expect("a line").1;
    assert!(of("CPU use").ends_with(" seconds"), "{text}");
    let memory = of("Memory use");
    assert!(["KiB", "MiB", "bytes"].iter().any(|unit| memory.ends_with(unit)), "{text}");
    assert_eq!(c.tool("lxc-info", &["-iH"]).ok().stdout, "10.0.3.77\nfd00:3::77\n");
    c.kill();
}

#[test]
fn bare_values() {
    let bed = Bed::new();
    let c = bed.container().start();
    let init = c.init();
    assert_eq!(c.tool("lxc-info", &["-sH"]).ok().stdout, "RUNNING\n");
    assert_eq!(c.tool("lxc-info", &["-p"]).ok().stdout, format!("PID:            {init}\n"));
    assert_eq!(
        c.tool("lxc-info", &["-spH"]).ok().stdout,
        format!("State:          RUNNING\nPID:            {init}\n")
    );
    let text = c.tool("lxc-info", &["-SH"]).ok().stdout;
    for (label, value) in fields(&text) {
        assert!(value.bytes().all(|b| b.is_ascii_digit()), "{label}: {value:?}");
    }
    c.kill();
}

#[test]
fn config_values() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.cap.drop = sys_time sys_module\nlxc.start.order = 7").make();
    assert_eq!(c.tool("lxc-info", &["-c", "lxc.start.order"]).ok().stdout, "lxc.start.order = 7\n");
    assert_eq!(c.tool("lxc-info", &["-H", "-c", "lxc.start.order"]).ok().stdout, "7\n");
    assert_eq!(
        c.tool("lxc-info", &["-c", "lxc.cap.drop"]).ok().stdout,
        "lxc.cap.drop = sys_time\nsys_module\n\n"
    );
    assert_eq!(
        c.tool("lxc-info", &["-c", "lxc.start.order", "-c", "lxc.uts.name"]).ok().stdout,
        format!("lxc.start.order = 7\nlxc.uts.name = {}\n", c.name())
    );
    assert_eq!(c.tool("lxc-info", &["-c", "lxc.signal.halt"]).ok().stdout, "lxc.signal.halt = 0\n");
    let out = c.tool("lxc-info", &["-c", "lxc.nosuch"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", "lxc.nosuch invalid\n"));
}

//! `lxc-ls`: columns, filters, selections.

use compliance::{Bed, Container};

fn two(bed: &Bed) -> (Container<'_>, Container<'_>) {
    let first = bed.container().config("lxc.start.auto = 1\nlxc.group = grpa\nlxc.group = grpb").make();
    let second = bed
        .container()
        .config(
            "lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up\nlxc.net.0.ipv4.address = 10.0.3.9/24",
        )
        .start();
    (first, second)
}

#[test]
fn nothing_to_list() {
    let bed = Bed::new();
    for args in [&[][..], &["-f"], &["-1"], &["-P", "/nosuch"]] {
        let out = bed.tool("lxc-ls", args).ok();
        assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""), "{args:?}");
    }
}

#[test]
fn names() {
    let bed = Bed::new();
    let (a, b) = two(&bed);
    let both = format!("{}\n{}\n", a.name(), b.name());
    assert_eq!(bed.tool("lxc-ls", &["-1"]).ok().stdout, both);
    assert_eq!(bed.tool("lxc-ls", &[]).ok().stdout, format!("{}\n{}\n", a.name(), b.name()));
    for (args, want) in [
        (&["-1", "--running"][..], vec![&b]),
        (&["-1", "--active"], vec![&b]),
        (&["-1", "--stopped"], vec![&a]),
        (&["-1", "--frozen"], vec![]),
        (&["-1", "--defined"], vec![&a, &b]),
        (&["-1", "-g", "grpa"], vec![&a]),
        (&["-1", "-g", "grpa,grpb"], vec![&a]),
        (&["-1", "-g", "grpa,other"], vec![]),
        (&["-1", "--filter", "^z.*1$"], vec![&b]),
        (&["-1", "1$"], vec![&b]),
        (&["-1", "["], vec![]),
    ] {
        let want: String = want.iter().map(|c| format!("{}\n", c.name())).collect();
        assert_eq!(bed.tool("lxc-ls", args).ok().stdout, want, "{args:?}");
    }
    b.tool("lxc-freeze", &[]).ok();
    assert_eq!(bed.tool("lxc-ls", &["-1", "--frozen"]).ok().stdout, format!("{}\n", b.name()));
    b.kill();
}

#[test]
fn the_table() {
    let bed = Bed::new();
    let (a, b) = two(&bed);
    let width = a.name().len();
    let want = format!(
        "{:width$} STATE   AUTOSTART GROUPS     IPV4     IPV6 UNPRIVILEGED \n\
         {} STOPPED 1         grpa, grpb -        -    false        \n\
         {} RUNNING 0         -          10.0.3.9 -    false        \n",
        "NAME",
        a.name(),
        b.name()
    );
    assert_eq!(bed.tool("lxc-ls", &["-f"]).ok().stdout, want);
    b.kill();
}

#[test]
fn chosen_columns() {
    let bed = Bed::new();
    let (a, b) = two(&bed);
    let init = b.init().to_string();
    let width = a.name().len();
    let pid = init.len().max(3);
    let want = format!(
        "{:width$} {:pid$} INTERFACE \n{} {:pid$} -         \n{} {init:pid$} eth0, lo  \n",
        "NAME",
        "PID",
        a.name(),
        "-",
        b.name()
    );
    let got = bed.tool("lxc-ls", &["-f", "-F", "name, pid ,INTERFACE"]).ok().stdout;
    assert!(got == want || got == want.replace("eth0, lo ", "lo, eth0 "), "{got}");
    let out = bed.tool("lxc-ls", &["-f", "-F", "nosuch"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", "Invalid key: nosuch\n"));
    b.kill();
}

#[test]
fn names_on_a_terminal_share_lines() {
    let bed = Bed::new();
    let made: Vec<_> = (0..3).map(|_| bed.container().make()).collect();
    let terminal = compliance::Terminal::run(&bed.tools().path("lxc-ls"), &[]);
    let (code, shown) = terminal.finish();
    assert_eq!(code, 0);
    let want: String = made.iter().map(|c| format!("{} ", c.name())).collect();
    assert_eq!(shown, format!("{want}\r\n"));
}

/// A container in the root directory of another.
fn nest(outer: &std::path::Path, name: &str) -> std::path::PathBuf {
    let root = outer.join("var/lib/lxc").join(name).join("rootfs");
    std::fs::create_dir_all(&root).expect("a nested container");
    let text = format!(
        "lxc.uts.name = {name}\nlxc.rootfs.path = dir:/var/lib/lxc/{name}/rootfs\nlxc.start.auto = 1\nlxc.group = gg\n"
    );
    std::fs::write(root.with_file_name("config"), text).expect("its config");
    root
}

#[test]
fn containers_in_stopped_ones() {
    let bed = Bed::new();
    let c = bed.container().make();
    let inner = nest(&c.rootfs(), "inner1");
    nest(&c.rootfs(), "inner2");
    nest(&inner, "third");
    let name = c.name();
    let all = format!("{name}\n{name}/inner1\n{name}/inner1/third\n{name}/inner2\n");
    let first = format!("{name}\n{name}/inner1\n{name}/inner2\n");
    for (args, want) in [
        (&["--nesting", "-1"][..], all.as_str()),
        (&["--nesting=1", "-1"], &first),
        (&["--nesting=0", "-1"], &format!("{name}\n")),
        (&["--nesting=x", "-1"], &all),
        (&["--nesting=-3", "-1"], &all),
        (&["--nesting", "-1", "--stopped"], &all),
        (&["--nesting", "-1", "--defined"], &all),
        (&["--nesting", "-1", "--running"], ""),
        (&["--nesting", "-1", "--filter", "inner"], ""),
        (&["--nesting", "-1", "--filter", name], &format!("{name}\n")),
        (&["--nesting", "-1", "-g", "gg"], ""),
    ] {
        assert_eq!(bed.tool("lxc-ls", args).ok().stdout, want, "{args:?}");
    }
    let width = name.len();
    let row = |name: &str, auto: u8, groups: &str| {
        format!("{name:width$} STOPPED {auto}         {groups:6} -    -    false        \n")
    };
    let want = format!("{:width$} STATE   AUTOSTART GROUPS IPV4 IPV6 UNPRIVILEGED \n", "NAME")
        + &row(name, 0, "-")
        + &row("\\inner1", 1, "gg")
        + &row(" \\third", 1, "gg")
        + &row("\\inner2", 1, "gg");
    assert_eq!(bed.tool("lxc-ls", &["--nesting", "-f"]).ok().stdout, want);
}

#[test]
fn short_names() {
    let bed = Bed::new();
    bed.host("cd /var/lib/lxc; mkdir a bb; touch a/config bb/config");
    assert_eq!(bed.tool("lxc-ls", &[]).ok().stdout, "a   \nbb  \n");
    assert_eq!(bed.tool("lxc-ls", &["-1"]).ok().stdout, "a\nbb\n");
    let (_, shown) = compliance::Terminal::run(&bed.tools().path("lxc-ls"), &[]).finish();
    assert_eq!(shown, "a    bb   \r\n");
}

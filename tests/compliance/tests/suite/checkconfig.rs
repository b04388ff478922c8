//! `lxc-checkconfig`: its lines for kernels of all ages and each layout of cgroups.

use std::path::PathBuf;

use compliance::{Bed, Run, Terminal, Tools, View};

/// What is said with this configuration, without what differs by right: version and place of the program.
fn said(tools: &Tools, config: Option<&str>) -> (String, i32) {
    let mut run = Run::new::<&str>(&tools.path("lxc-checkconfig"), &[]);
    if let Some(config) = config {
        run = run.env("CONFIG", config);
    }
    let out = run.output();
    (scrubbed(&out.stdout, tools), out.code)
}

fn scrubbed(text: &str, tools: &Tools) -> String {
    let place = tools.path("lxc-checkconfig").display().to_string();
    let mut text = text.replace(&place, "PROGRAM");
    if let Some(version) = text.strip_prefix("LXC version ").and_then(|rest| rest.split(['\r', '\n']).next())
    {
        text = text.replacen(&version.to_owned(), "VERSION", 1);
    }
    text
}

/// The tools under test and Debian's say the same; what they say.
fn same(bed: &Bed, config: Option<&str>) -> (String, i32) {
    let got = said(bed.tools(), config);
    if let Some(upstream) = Tools::upstream() {
        assert_eq!(got, said(&upstream, config), "{config:?}");
    }
    got
}

fn kernel(bed: &Bed, name: &str, text: &str) -> String {
    let file: PathBuf = bed.dir().join(name);
    std::fs::write(&file, text).expect("a kernel's configuration");
    file.display().to_string()
}

fn this_kernel(view: View) {
    let bed = Bed::with(view);
    let (text, code) = same(&bed, None);
    assert_eq!(code, 0);
    assert!(text.starts_with("LXC version VERSION\n\n--- Namespaces ---\nNamespaces: enabled\n"), "{text}");
    assert!(
        text.contains("\n--- Control groups ---\nCgroups: enabled\nCgroup namespace: enabled\n"),
        "{text}"
    );
    assert!(text.ends_with("\nusage : CONFIG=/path/to/config PROGRAM\n\n"), "{text}");
}

#[test]
fn this_kernel_here() {
    this_kernel(View::Host);
}

#[test]
fn this_kernel_on_unified() {
    this_kernel(View::Unified);
}

#[test]
fn this_kernel_on_legacy() {
    this_kernel(View::Legacy);
}

#[test]
fn kernels_of_all_ages() {
    let bed = Bed::new();
    let own = bed.host("zcat /proc/config.gz");
    let own_ptys = ["4.7.0", "4.19.5", "5.0.0", "6.12.3-rc1"];
    for version in ["2.6.32", "2.6.33", "3.5.7", "3.6.0", "4.6.1"].into_iter().chain(own_ptys) {
        let head = format!("# Linux/x86 {version} Kernel Configuration");
        let text: String = own
            .lines()
            .map(|line| if line.starts_with("# Linux/") { format!("{head}\n") } else { format!("{line}\n") })
            .collect();
        let (text, code) = same(&bed, Some(&kernel(&bed, "aged", &text)));
        assert_eq!(code, 0, "{version}");
        assert_eq!(text.contains("Multiple /dev/pts instances:"), !own_ptys.contains(&version), "{version}");
    }
}

#[test]
fn bare_and_modular_kernels() {
    let bed = Bed::new();
    let (text, code) = same(&bed, Some(&kernel(&bed, "empty", "")));
    assert_eq!(code, 0);
    assert!(
        text.contains("WARNING: Unable to detect version from configuration, assuming latest\n\n"),
        "{text}"
    );
    assert!(text.contains("\nNamespaces: required\nUtsname namespace: missing\n"), "{text}");
    let own = bed.host("zcat /proc/config.gz");
    same(&bed, Some(&kernel(&bed, "modules", &own.replace("=y", "=m"))));
    same(&bed, Some(&kernel(&bed, "single", &own.replace("CONFIG_SMP=y", ""))));
    same(
        &bed,
        Some(&kernel(
            &bed,
            "odd",
            "CONFIG_VETH=n\nCONFIG_BRIDGE=\"y\"\n CONFIG_MACVLAN=y\n# CONFIG_NET_NS is not set\n",
        )),
    );
    let packed = bed.dir().join("packed");
    bed.host(&format!("cp /proc/config.gz {}", packed.display()));
    let (text, _) = same(&bed, Some(&packed.display().to_string()));
    assert!(text.contains("\nNamespaces: enabled\n"), "{text}");
}

#[test]
fn no_configuration() {
    let bed = Bed::new();
    for path in ["/nosuch", "/var/tmp"] {
        let (text, code) = same(&bed, Some(path));
        assert_eq!(code, 1);
        assert_eq!(
            text,
            format!("LXC version VERSION\nKernel configuration not found at {path}; searching...\n")
        );
    }
    let out = bed.run("lxc-checkconfig", &[]).env("CONFIG", "/nosuch").output();
    assert!(
        out.stderr.starts_with("lxc-checkconfig: unable to retrieve kernel configuration\n"),
        "{}",
        out.stderr
    );
}

#[test]
fn without_programs_for_id_maps() {
    let bed = Bed::new();
    bed.host("mount -t tmpfs tmpfs /mnt; cp /usr/bin/newuidmap /mnt/; chmod u-s /mnt/newuidmap; mount --bind /mnt/newuidmap /usr/bin/newuidmap");
    let (text, _) = same(&bed, None);
    assert!(
        text.contains("\nUser namespace: enabled\nWarning: newuidmap is not setuid-root\nNetwork"),
        "{text}"
    );
}

#[test]
fn colours() {
    let bed = Bed::new();
    let shown = |tools: &Tools| {
        let (code, shown) = Terminal::run(&tools.path("lxc-checkconfig"), &[]).finish();
        (scrubbed(&shown, tools), code)
    };
    let got = shown(bed.tools());
    assert!(got.0.contains("Namespaces: \x1b[1;32menabled\x1b[0;39m\r\n"), "{:?}", got.0);
    if let Some(upstream) = Tools::upstream() {
        assert_eq!(got, shown(&upstream));
    }
}

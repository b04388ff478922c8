//! `lxc-snapshot`.

use std::collections::BTreeSet;
use std::fs;

use compliance::{Bed, Container};

fn names(dir: &std::path::Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Whether a text looks like `2026:11:22 01:14:58`.
fn is_time(text: &str) -> bool {
    let form = "dddd:dd:dd dd:dd:dd";
    text.len() == form.len()
        && text.chars().zip(form.chars()).all(|(c, f)| if f == 'd' { c.is_ascii_digit() } else { c == f })
}

#[test]
fn made_listed_removed() {
    let bed = Bed::new();
    let c = bed.container().file("etc/hostname", "first\n").config("lxc.environment = A=b\n\n# end").make();
    let dir = c.dir().join("snaps");
    let list = || c.tool("lxc-snapshot", &["-L"]).ok().stdout;
    assert_eq!(list(), "No snapshots\n");
    for _ in 0..2 {
        let out = c.tool("lxc-snapshot", &[]).ok();
        assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    }
    assert_eq!(names(&dir), ["snap0", "snap1"]);
    let own = dir.join("snap0");
    let own = own.display();
    assert_eq!(
        bed.host(&format!("stat -c %a {} {own} {own}/config {own}/ts {own}/rootfs", dir.display())),
        "755\n770\n640\n644\n755"
    );
    let ts = fs::read_to_string(dir.join("snap0/ts")).expect("a time");
    assert!(is_time(&ts), "{ts:?}");
    let text = fs::read_to_string(dir.join("snap0/config")).expect("a config");
    let before = fs::read_to_string(c.dir().join("config")).expect("the config");
    let kept: String = before
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("lxc.rootfs.path"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(text, format!("{kept}lxc.rootfs.path = dir:{own}/rootfs\n"));
    assert_eq!(fs::read_to_string(dir.join("snap0/rootfs/etc/hostname")).expect("a name"), "first\n");
    let lines: BTreeSet<String> = list().lines().map(str::to_owned).collect();
    let line = |n: u32| {
        let ts = fs::read_to_string(dir.join(format!("snap{n}/ts"))).expect("a time");
        format!("snap{n} ({}) {ts}", dir.display())
    };
    assert_eq!(lines, BTreeSet::from([line(0), line(1)]));
    // A gap is filled.
    c.tool("lxc-snapshot", &["-d", "snap0"]).ok();
    c.tool("lxc-snapshot", &["-d", "snap0"]).expect(1);
    c.tool("lxc-snapshot", &[]).ok();
    assert_eq!(names(&dir), ["snap0", "snap1"]);
    c.tool("lxc-destroy", &[]).expect(1);
    // Words on the side are not needed, and the last of the tasks counts.
    c.tool("lxc-snapshot", &["some", "words"]).ok();
    assert_eq!(c.tool("lxc-snapshot", &["-d", "ALL", "-L"]).ok().stdout.lines().count(), 3);
    // As many letters as are given.
    c.tool("lxc-snapshot", &["-d", "AL"]).ok();
    assert!(!dir.exists());
    assert_eq!(list(), "No snapshots\n");
}

#[test]
fn comments() {
    let bed = Bed::new();
    let c = bed.container().make();
    let comment = bed.dir().join("comment");
    bed.host(&format!("printf 'two\\nlines' >{0}; chmod 604 {0}", comment.display()));
    let comment = comment.to_str().expect("a path of ASCII letters");
    c.tool("lxc-snapshot", &["-c", comment]).ok();
    let kept = c.dir().join("snaps/snap0/comment");
    assert_eq!(bed.host(&format!("cat {0}; echo; stat -c %a {0}", kept.display())), "two\nlines\n604");
    let plain = c.tool("lxc-snapshot", &["-L"]).ok().stdout;
    assert_eq!(c.tool("lxc-snapshot", &["-L", "-C"]).ok().stdout, format!("{plain}two\nlines"));
    c.tool("lxc-snapshot", &["-c", "/no/such/file"]).expect(1);
    // Without -L it is a snapshot that is made.
    assert_eq!(c.tool("lxc-snapshot", &["-C"]).ok().stdout, "");
}

#[test]
fn what_is_not_there() {
    let bed = Bed::new();
    for args in [&["-L"][..], &[], &["-r", "snap0"], &["-d", "ALL"]] {
        let out = bed.tool("lxc-snapshot", &[&["-n", "nosuch"], args].concat()).expect(1);
        assert_eq!(out.stdout, "", "{args:?}");
    }
    let c = bed.container().make();
    for args in [&["-r", "snap0"][..], &["-r", "snap0", "-N", "new"], &["-d", "snap0"]] {
        c.tool("lxc-snapshot", args).expect(1);
    }
    assert!(!c.dir().join("snaps").exists() && c.rootfs().join("bin").exists());
    assert_eq!(names(std::path::Path::new("/var/lib/lxc")), [c.name()]);
}

#[test]
fn restored() {
    let bed = Bed::new();
    let c = bed
        .container()
        .file("etc/state", "old\n")
        .file("etc/hostname", "first\n")
        .config("lxc.net.0.type = veth\nlxc.net.0.hwaddr = 10:66:6a:01:02:03")
        .make();
    c.tool("lxc-snapshot", &[]).ok();
    bed.host(&format!("cd {}; echo new >etc/state; touch added; rm etc/passwd", c.rootfs().display()));
    c.append("lxc.environment = LATE=1");
    // Another container of it.
    let (new, newer) = (Container::known(&bed, &bed.name()), Container::known(&bed, &bed.name()));
    c.tool("lxc-snapshot", &["-r", "snap0", "-N", new.name()]).ok();
    assert_eq!((new.read("etc/state"), new.read("etc/hostname")), ("old\n".into(), new.name().into()));
    let text = fs::read_to_string(new.dir().join("config")).expect("a config");
    assert!(
        text.ends_with(&format!(
            "lxc.rootfs.path = dir:{}\nlxc.uts.name = {}\n",
            new.rootfs().display(),
            new.name()
        )),
        "{text}"
    );
    assert!(!text.contains("10:66:6a:01:02:03") && !text.contains("LATE"), "{text}");
    assert!(!new.dir().join("ts").exists() && !new.dir().join("lxc_rdepends").exists());
    c.tool("lxc-snapshot", &["-r", "snap0", newer.name()]).ok();
    assert!(newer.dir().exists());
    c.tool("lxc-snapshot", &["-r", "snap0", "one", "too-many"]).expect(1);
    c.tool("lxc-snapshot", &["-r", "snap0", new.name()]).expect(1);
    // The container itself, when it does not run.
    c.start().ok();
    c.tool("lxc-snapshot", &["-r", "snap0"]).expect(1);
    assert_eq!(c.state(), "RUNNING");
    c.kill();
    assert_eq!(c.read("etc/state"), "new\n");
    let out = c.tool("lxc-snapshot", &["-r", "snap0"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert_eq!((c.read("etc/state"), c.read("etc/hostname")), ("old\n".into(), c.name().into()));
    assert!(!c.rootfs().join("added").exists() && c.rootfs().join("etc/passwd").exists());
    assert_eq!(names(&c.dir()), ["config", "rootfs", "snaps"]);
    let text = fs::read_to_string(c.dir().join("config")).expect("a config");
    assert!(
        text.ends_with(&format!(
            "lxc.rootfs.path = dir:{}\nlxc.uts.name = {}\n",
            c.rootfs().display(),
            c.name()
        )),
        "{text}"
    );
    assert!(!text.contains("10:66:6a:01:02:03") && !text.contains("LATE"), "{text}");
    c.start().ok();
    c.kill();
    c.tool("lxc-destroy", &["-s"]).ok();
    assert!(!c.dir().exists());
}

#[test]
fn overlays() {
    let bed = Bed::new();
    let base = bed.container().make();
    let c = Container::known(&bed, &bed.name());
    base.tool("lxc-copy", &["-s", "-N", c.name()]).ok();
    let delta = c.dir().join("overlay/delta");
    let write = |text: &str| fs::write(delta.join("state"), text).expect("write into the layer");
    write("one");
    c.tool("lxc-snapshot", &[]).ok();
    write("two");
    let snap = c.dir().join("snaps/snap0");
    let text = fs::read_to_string(snap.join("config")).expect("a config");
    let line =
        format!("lxc.rootfs.path = overlay:{}:{}/overlay/delta\n", base.rootfs().display(), snap.display());
    assert!(text.ends_with(&line), "{text}");
    assert_eq!(fs::read_to_string(snap.join("overlay/delta/state")).expect("a layer"), "one");
    // The lower container knows of the snapshot; the container and its snapshot do not need each other.
    let read = |path: std::path::PathBuf| fs::read_to_string(path).unwrap_or_default();
    let all = format!("/var/lib/lxc\n{}\n{}\nsnap0\n", c.name(), c.dir().join("snaps").display());
    assert_eq!(read(base.dir().join("lxc_snapshots")), all);
    let entry = format!("/var/lib/lxc\n{}\n", base.name());
    assert_eq!(
        (read(snap.join("lxc_rdepends")), read(c.dir().join("lxc_rdepends"))),
        (entry.clone(), entry.clone())
    );
    assert!(!c.dir().join("lxc_snapshots").exists());
    let new = Container::known(&bed, &bed.name());
    c.tool("lxc-snapshot", &["-r", "snap0", "-N", new.name()]).ok();
    assert_eq!(read(new.dir().join("overlay/delta/state")), "one");
    assert_eq!(
        read(new.dir().join("lxc_rdepends")),
        format!("{entry}{}\nsnap0\n", c.dir().join("snaps").display())
    );
    c.tool("lxc-snapshot", &["-d", "snap0"]).expect(1);
    assert!(snap.join("config").exists());
    c.tool("lxc-snapshot", &["-r", "snap0"]).ok();
    assert_eq!(read(delta.join("state")), "one");
    c.start().ok();
    assert_eq!(c.sh("cat /state"), "one");
    c.kill();
    new.tool("lxc-destroy", &[]).ok();
    c.tool("lxc-snapshot", &["-d", "snap0"]).ok();
    c.tool("lxc-destroy", &[]).ok();
    base.tool("lxc-destroy", &[]).ok();
}

#[test]
fn hooks_of_snapshots() {
    let bed = Bed::new();
    let note = bed.dir().join("note");
    let hook = |kind: &str| {
        format!("lxc.hook.{kind} = echo {kind} $LXC_NAME $LXC_CONFIG_FILE >>{}; :", note.display())
    };
    let c = bed.container().config(&format!("{}\n{}", hook("clone"), hook("destroy"))).make();
    let noted = || {
        let text = fs::read_to_string(&note).unwrap_or_default();
        drop(fs::remove_file(&note));
        text
    };
    let (own, snap) = (c.dir().join("config"), c.dir().join("snaps/snap0/config"));
    let (own, snap) = (own.display(), snap.display());
    c.tool("lxc-snapshot", &[]).ok();
    assert_eq!(noted(), format!("clone snap0 {snap}\n"));
    c.tool("lxc-snapshot", &["-r", "snap0"]).ok();
    assert_eq!(noted(), format!("destroy {0} {own}\nclone {0} {own}\n", c.name()));
    c.tool("lxc-snapshot", &["-d", "snap0"]).ok();
    assert_eq!(noted(), format!("destroy snap0 {snap}\n"));
    c.tool("lxc-snapshot", &[]).ok();
    noted();
    c.tool("lxc-destroy", &["-s"]).ok();
    assert_eq!(noted(), format!("destroy snap0 {snap}\ndestroy {} {own}\n", c.name()));
}

#[test]
fn the_old_place_of_snapshots() {
    let bed = Bed::new();
    let other = bed.dir().join("containers");
    let path = other.display().to_string();
    let c = bed.container().make();
    bed.host(&format!("mkdir {path} {path}snaps; mv {} {path}/", c.dir().display()));
    bed.host(&format!("sed -i s,/var/lib/lxc/,{path}/, {path}/{}/config", c.name()));
    let run =
        |args: &[&str]| bed.tool("lxc-snapshot", &[&["-P", path.as_str(), "-n", c.name()], args].concat());
    run(&[]).ok();
    assert!(other.with_file_name("containerssnaps").join(c.name()).join("snap0/config").exists());
    let listed = run(&["-L"]).ok().stdout;
    assert!(listed.starts_with(&format!("snap0 ({path}snaps/{}) ", c.name())), "{listed}");
    bed.tool("lxc-destroy", &["-P", &path, "-n", c.name()]).expect(1);
    run(&["-d", "ALL"]).ok();
    bed.tool("lxc-destroy", &["-P", &path, "-n", c.name()]).ok();
}

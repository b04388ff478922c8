//! `lxc-copy`: copies, snapshots that share files, new names, containers for one run.

use std::fs;
use std::path::Path;
use std::time::Duration;

use compliance::{Bed, Container, wait_until};

/// Every file below a directory with type, mode, owner, times, links, contents and attributes: one line each.
fn tree(bed: &Bed, dir: &Path) -> String {
    bed.host(&format!(
        "cd {}
         find . -type d -printf '%P %y %m %U %G %T@\\n' -o -printf '%P %y %m %U %G %s %n %l %T@\\n' | sort
         find . -type f -exec sha256sum {{}} + | sort -k2
         find . \\( -type b -o -type c \\) -exec stat -c '%n %t %T' {{}} + | sort
         getfattr -R -h -d -m '^(user|trusted|security)' . | sort",
        dir.display()
    ))
}

/// Files of all kinds.
fn furnish(c: &Container<'_>) {
    c.bed().host(&format!(
        "cd {}
         mkdir -p a/b 'with blank'; echo one >a/one; ln a/one a/b/two; ln -s /etc/passwd a/absolute; ln -s ../a a/loop
         ln -s nowhere a/dangling; mkfifo a/fifo; mknod a/null c 1 3; mknod a/disk b 7 200; mknod a/white c 0 0
         busybox sh -c 'busybox nc -l -U -p a/socket & sleep 0.2; kill $!' 2>/dev/null || true
         truncate -s 50M a/sparse; echo tail >>a/sparse
         echo x >'with blank/q\"uote'; chmod 4755 a/one; chown 1000:1001 a/one; chown -h 12:13 a/dangling
         echo cap >a/cap; setcap cap_net_raw+ep a/cap 2>/dev/null || true
         setfattr -n user.note -v hello a/one; setfattr -n trusted.note -v hello a/b; setfattr -h -n trusted.l -v x a/loop
         chmod 1777 a/b; touch -h -d '2001-02-03 04:05:06.123456789' a/dangling; touch -d '2002-02-03 04:05:06.5' a/one
         echo {} >etc/hostname; touch -d '2003-02-03 04:05:06' a/b a 'with blank' .",
        c.rootfs().display(),
        c.name()
    ));
}

/// Debian's LXC leaves times alone that differ by less than a second from now.
fn age(bed: &Bed, dir: &Path) {
    bed.host(&format!(
        "find {} -depth -mmin -5 -exec touch -h -d '2004-05-06 07:08:09.25' {{}} +",
        dir.display()
    ));
}

fn config(c: &Container<'_>) -> String {
    fs::read_to_string(c.dir().join("config")).expect("the config")
}

/// The copy that is to be.
fn named<'a>(bed: &'a Bed) -> Container<'a> {
    Container::known(bed, &bed.name())
}

#[test]
fn all_files_are_copied() {
    let bed = Bed::new();
    let c = bed.container().make();
    furnish(&c);
    age(&bed, &c.rootfs());
    let copy = named(&bed);
    let out = c.tool("lxc-copy", &["-N", copy.name(), "-K"]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert_eq!(tree(&bed, &copy.rootfs()), tree(&bed, &c.rootfs()));
    let blocks = bed.host(&format!("stat -c %b {}/a/sparse", copy.rootfs().display()));
    assert!(blocks.parse::<u32>().expect("blocks") < 1000, "the hole is filled: {blocks}");
    assert_eq!(
        bed.host(&format!("stat -c '%a %u' {0} {0}/config {0}/rootfs", copy.dir().display())),
        "770 0\n640 0\n755 0"
    );
    assert!(!copy.dir().join("partial").exists());
}

#[test]
fn the_new_configuration() {
    let bed = Bed::new();
    let name = bed.name();
    let dir = format!("/var/lib/lxc/{name}");
    bed.host(&format!(
        "mkdir -p {dir}/rootfs/etc; echo {name} >{dir}/rootfs/etc/hostname; echo '# table' >{dir}/fstab; chmod 640 {dir}/fstab
         printf '#!/bin/sh\\n' >{dir}/hook; chmod 750 {dir}/hook
         cat >{dir}/config <<'END'
# a comment

lxc.rootfs.path = {dir}/rootfs
lxc.uts.name = {name}
  lxc.tty.max = 0
lxc.net.0.type = veth
lxc.net.0.hwaddr=10:66:6a:01:02:03
lxc.net.1.type = empty

lxc.hook.pre-start = {dir}/hook
lxc.hook.stop = /bin/true {dir}/hook
lxc.mount.fstab = {dir}/fstab
lxc.mount.entry = overlay m overlay lowerdir={dir}/l,upperdir={dir}/u,workdir={dir}/w 0 0
lxc.mount.entry = {dir}/x mnt none bind 0 0
lxc.environment = PLACE={dir}
not for lxc
END"
    ));
    let c = Container::known(&bed, &name);
    let copy = named(&bed);
    c.tool("lxc-copy", &["-N", copy.name()]).ok();
    let new = copy.dir();
    let new = new.display();
    let text = config(&copy);
    let line = text.lines().find(|line| line.starts_with("lxc.net.0.hwaddr=")).expect("an address");
    let address = line.split_once('=').expect("a value").1;
    assert_ne!(address, "10:66:6a:01:02:03");
    assert!(
        address.len() == 17 && ["10:66:6a:", "00:16:3e:"].iter().any(|p| address.starts_with(p)),
        "{address}"
    );
    let expected = format!(
        "# a comment\n  lxc.tty.max = 0\nlxc.net.0.type = veth\nlxc.net.0.hwaddr={address}\nlxc.net.1.type = empty\n\
         lxc.hook.pre-start = {new}/hook\nlxc.hook.stop = /bin/true {dir}/hook\n\
         lxc.mount.entry = overlay m overlay lowerdir={dir}/l,upperdir={new}/u,workdir={new}/w 0 0\n\
         lxc.mount.entry = {dir}/x mnt none bind 0 0\nlxc.environment = PLACE={dir}\nnot for lxc\n\
         lxc.rootfs.path = dir:{new}/rootfs\nlxc.uts.name = {0}\nlxc.mount.fstab = {new}/fstab\n",
        copy.name()
    );
    assert_eq!(text, expected);
    assert_eq!(bed.host(&format!("cat {new}/fstab; stat -c %a {new}/fstab {new}/hook")), "# table\n640\n750");
    assert_eq!(fs::read(copy.rootfs().join("etc/hostname")).expect("a host name"), copy.name().as_bytes());
    let kept = named(&bed);
    c.tool("lxc-copy", &["-N", kept.name(), "--keepname", "--keepmac"]).ok();
    let text = config(&kept);
    assert!(text.contains("lxc.net.0.hwaddr=10:66:6a:01:02:03\n"), "{text}");
    assert!(text.starts_with(&format!("# a comment\nlxc.uts.name = {name}\n  lxc.tty.max")), "{text}");
    assert_eq!(kept.read("etc/hostname"), format!("{name}\n"));
}

#[test]
fn a_copy_starts() {
    let bed = Bed::new();
    let c = bed.container().make();
    let copy = named(&bed);
    c.tool("lxc-copy", &["-N", copy.name()]).ok();
    copy.start().ok();
    assert_eq!(copy.sh("hostname"), copy.name());
    copy.kill();
    copy.tool("lxc-destroy", &[]).ok();
    assert!(c.rootfs().join("bin/busybox").exists());
}

#[test]
fn into_another_folder() {
    let bed = Bed::new();
    let c = bed.container().make();
    let other = bed.dir().join("containers");
    let path = other.to_str().expect("a path of ASCII letters");
    let name = bed.name();
    c.tool("lxc-copy", &["-N", &name, "-p", path]).expect(1);
    assert!(!other.exists(), "the folder is not made");
    bed.host(&format!("mkdir {path}"));
    c.tool("lxc-copy", &["-N", &name, "-p", path]).ok();
    let text = fs::read_to_string(other.join(&name).join("config")).expect("the config");
    assert!(text.contains(&format!("lxc.rootfs.path = dir:{path}/{name}/rootfs\n")), "{text}");
    bed.tool("lxc-start", &["-P", path, "-n", &name]).ok();
    bed.tool("lxc-stop", &["-P", path, "-n", &name, "-k"]).ok();
    // An overlay becomes a directory of its own there.
    let shared = named(&bed);
    c.tool("lxc-copy", &["-s", "-N", shared.name()]).ok();
    shared.tool("lxc-copy", &["-N", shared.name(), "-p", path]).ok();
    let text = fs::read_to_string(other.join(shared.name()).join("config")).expect("the config");
    assert!(text.contains(&format!("lxc.rootfs.path = dir:{path}/{}/rootfs\n", shared.name())), "{text}");
}

#[test]
fn what_is_refused_leaves_nothing() {
    let bed = Bed::new();
    let c = bed.container().make();
    let shared = named(&bed);
    c.tool("lxc-copy", &["-s", "-N", shared.name()]).ok();
    let bare = bed.container().without("lxc.rootfs.path").make();
    let new = named(&bed);
    let n = new.name();
    let cases: &[(&str, &[&str])] = &[
        ("nosuch", &["-N", n]),
        (c.name(), &[]),
        (c.name(), &["-N", c.name()]),
        (c.name(), &["-N", shared.name()]),
        (c.name(), &["-N", "a/b"]),
        (c.name(), &["-N", n, "-B", "nosuch"]),
        (c.name(), &["-N", n, "-B", "overlay"]),
        (c.name(), &["-N", n, "-B", "dir", "-s"]),
        (c.name(), &["-N", n, "-B", "lvm"]),
        (c.name(), &["-N", n, "-R"]),
        (c.name(), &["-N", n, "-e", "-B", "dir"]),
        (c.name(), &["-N", n, "-e", "-m", "bind="]),
        (c.name(), &["-N", n, "-e", "-m", "bind=/a:/b:x"]),
        (c.name(), &["-N", n, "-e", "-m", "bind=/a:/b:ro:/c"]),
        (c.name(), &["-N", n, "-e", "-m", "overlay=/a:/b:ro"]),
        (shared.name(), &["-N", n]),
        (bare.name(), &["-N", n]),
        (bare.name(), &["-s", "-N", n]),
    ];
    let before = bed.host("find /var/lib/lxc -not -path '*/rootfs/*' | sort; cat /var/lib/lxc/*/lxc_*");
    for (name, args) in cases {
        let mut all = vec!["-n", name];
        all.extend(*args);
        let out = bed.tool("lxc-copy", &all).expect(1);
        assert!(out.stdout.is_empty() || args.contains(&"-m"), "{args:?}: {}", out.stdout);
        let after = bed.host("find /var/lib/lxc -not -path '*/rootfs/*' | sort; cat /var/lib/lxc/*/lxc_*");
        assert_eq!(after, before, "{name} {args:?}");
    }
}

#[test]
fn a_container_that_runs() {
    let bed = Bed::new();
    let c = bed.container().start();
    let copy = named(&bed);
    c.tool("lxc-copy", &["-N", copy.name()]).expect(1);
    c.tool("lxc-copy", &["-N", copy.name(), "-R"]).expect(1);
    c.tool("lxc-copy", &["-N", copy.name(), "-R", "-a"]).expect(1);
    c.tool("lxc-snapshot", &[]).expect(1);
    assert!(!copy.dir().exists());
    c.tool("lxc-copy", &["-N", copy.name(), "-a"]).ok();
    assert!(copy.rootfs().join("bin/busybox").exists());
    let shared = named(&bed);
    c.tool("lxc-copy", &["-N", shared.name(), "--allowrunning", "-s"]).ok();
    c.kill();
}

/// What the file of dependencies in a container's folder says.
fn list(c: &Container<'_>, file: &str) -> String {
    fs::read_to_string(c.dir().join(file)).unwrap_or_default().replace('\n', " ")
}

#[test]
fn snapshots_share_and_depend() {
    let bed = Bed::new();
    let c = bed.container().file("etc/hostname", "first\n").make();
    let (a, b) = (named(&bed), named(&bed));
    c.tool("lxc-copy", &["-s", "-N", a.name()]).ok();
    let (root, delta) = (c.rootfs().display().to_string(), a.dir().join("overlay/delta"));
    assert!(config(&a).contains(&format!("lxc.rootfs.path = overlay:{root}:{}\n", delta.display())));
    assert_eq!(fs::read_to_string(delta.join("etc/hostname")).expect("a name"), a.name());
    assert_eq!(c.read("etc/hostname"), "first\n");
    a.start().ok();
    a.sh("rm /etc/passwd; rmdir /mnt; mkdir -p /var/x; rm -rf /var; mkdir /var; echo new >/var/new");
    a.kill();
    assert!(c.rootfs().join("etc/passwd").exists());
    a.tool("lxc-copy", &["-s", "-N", b.name()]).ok();
    let entry = |c: &Container<'_>| format!("/var/lib/lxc {} ", c.name());
    assert_eq!(list(&c, "lxc_snapshots"), entry(&a) + &entry(&b));
    assert_eq!(list(&a, "lxc_snapshots"), entry(&b));
    assert_eq!(list(&a, "lxc_rdepends"), entry(&c));
    assert_eq!(list(&b, "lxc_rdepends"), entry(&c) + &entry(&a));
    b.start().ok();
    assert_eq!(b.sh("cat /var/new; ls /etc/passwd /mnt 2>/dev/null || echo gone"), "new\ngone");
    b.kill();
    // As a directory of its own it shows the same.
    let plain = named(&bed);
    b.tool("lxc-copy", &["-B", "dir", "-N", plain.name()]).ok();
    assert!(!plain.rootfs().join("etc/passwd").exists() && !plain.rootfs().join("mnt").exists());
    assert_eq!(plain.read("var/new"), "new\n");
    assert_eq!(list(&plain, "lxc_rdepends"), "");
    for needed in [&c, &a] {
        needed.tool("lxc-destroy", &[]).expect(1);
        needed.tool("lxc-destroy", &["-s"]).expect(1);
        needed.tool("lxc-snapshot", &["-r", "snap0"]).expect(1);
    }
    b.tool("lxc-destroy", &[]).ok();
    assert_eq!(list(&c, "lxc_snapshots"), entry(&a));
    assert!(!a.dir().join("lxc_snapshots").exists());
    a.tool("lxc-destroy", &[]).ok();
    assert!(!c.dir().join("lxc_snapshots").exists());
    c.tool("lxc-destroy", &[]).ok();
}

#[test]
fn new_names() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.net.0.type = veth\nlxc.net.0.hwaddr = 10:66:6a:01:02:03").make();
    furnish(&c);
    age(&bed, &c.rootfs().join("a"));
    let before = tree(&bed, &c.rootfs().join("a"));
    let renamed = named(&bed);
    c.tool("lxc-copy", &["-R", "-N", renamed.name()]).ok();
    assert!(!c.dir().exists());
    let text = config(&renamed);
    assert!(text.contains(&format!("lxc.uts.name = {}\n", renamed.name())), "{text}");
    assert!(text.contains("hwaddr = 10:66:6a:01:02:03\n"), "{text}");
    assert_eq!(renamed.read("etc/hostname"), renamed.name());
    assert_eq!(tree(&bed, &renamed.rootfs().join("a")), before);
    renamed.start().ok();
    renamed.kill();
    renamed.tool("lxc-snapshot", &[]).ok();
    renamed.tool("lxc-copy", &["-R", "-N", c.name()]).expect(1);
    renamed.tool("lxc-snapshot", &["-d", "snap0"]).ok();
    // The last of the tasks counts.
    renamed.tool("lxc-copy", &["-R", "-s", "-N", c.name()]).ok();
    assert!(renamed.dir().exists() && c.dir().join("overlay").exists());
}

const HOOK: &str = "#!/bin/sh
{ echo \"$@\"; echo \"$LXC_NAME $LXC_SRC_NAME $LXC_CONFIG_FILE $LXC_ROOTFS_PATH\"
  cat $LXC_ROOTFS_MOUNT/etc/hostname; grep -c rootfs.path $LXC_CONFIG_FILE
  echo hook >$LXC_ROOTFS_MOUNT/by-hook; } >NOTE
exit $(cat CODE)
";

#[test]
fn clone_hooks() {
    let bed = Bed::new();
    let (note, code, hook) = (bed.dir().join("note"), bed.dir().join("code"), bed.dir().join("hook"));
    let text = HOOK.replace("NOTE", &note.to_string_lossy()).replace("CODE", &code.to_string_lossy());
    fs::write(&hook, text).expect("write a hook");
    bed.host(&format!("chmod 755 {}; echo 0 >{}", hook.display(), code.display()));
    let c = bed
        .container()
        .file("etc/hostname", "first\n")
        .config(&format!("lxc.hook.clone = {}", hook.display()))
        .make();
    let noted = || fs::read_to_string(&note).expect("the hook's note");
    let copy = named(&bed);
    c.tool("lxc-copy", &["-N", copy.name(), "--", "more", "words"]).ok();
    let (n, s, dir) = (copy.name(), c.name(), copy.dir().display().to_string());
    assert_eq!(
        noted(),
        format!("{n} lxc clone more words\n{n} {s} {dir}/config dir:{dir}/rootfs\nfirst\n1\n")
    );
    assert_eq!(copy.read("by-hook"), "hook\n");
    let shared = named(&bed);
    c.tool("lxc-copy", &["-s", "-N", shared.name()]).ok();
    assert!(noted().contains(&format!(" overlay:{}:", c.rootfs().display())), "{}", noted());
    assert!(shared.dir().join("overlay/delta/by-hook").exists() && !c.rootfs().join("by-hook").exists());
    // One that fails undoes it all.
    fs::write(&code, "3\n").expect("write the code");
    let failed = named(&bed);
    for args in [&["-N", failed.name()][..], &["-s", "-N", failed.name()], &["-R", "-N", failed.name()]] {
        let entries = list(&shared, "lxc_rdepends") + &list(&c, "lxc_snapshots");
        shared.tool("lxc-copy", &[&["-B", "dir"], args].concat()).expect(1);
        c.tool("lxc-copy", args).expect(1);
        assert!(!failed.dir().exists(), "{args:?}");
        assert_eq!(list(&shared, "lxc_rdepends") + &list(&c, "lxc_snapshots"), entries, "{args:?}");
        assert!(c.rootfs().join("bin/busybox").exists(), "{args:?}");
    }
    c.tool("lxc-snapshot", &[]).expect(1);
    assert!(!c.dir().join("snaps/snap0").exists());
}

/// The only container besides `c`, made by `lxc-copy -e`.
fn other<'a>(bed: &'a Bed, c: &Container<'_>) -> Container<'a> {
    let names = bed.host("ls /var/lib/lxc");
    let name = names.lines().find(|name| *name != c.name()).unwrap_or_else(|| panic!("{names}"));
    Container::known(bed, name)
}

fn gone(c: &Container<'_>) {
    wait_until("the monitor removes the container", Duration::from_secs(5), || !c.dir().exists());
}

#[test]
fn for_one_run() {
    let bed = Bed::new();
    let c = bed.container().file("etc/hostname", "first\n").make();
    let out = c.tool("lxc-copy", &["-e"]).ok();
    let e = other(&bed, &c);
    assert_eq!(out.stdout, format!("Created {} as clone of {}\n", e.name(), c.name()));
    let random = e.name().strip_prefix(&format!("{}_", c.name())).expect("a name that begins so");
    assert!(random.len() == 6 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{random}");
    assert_eq!(e.state(), "RUNNING");
    assert!(config(&e).ends_with(&format!("lxc.uts.name = {}\nlxc.ephemeral = 1\n", e.name())));
    assert_eq!(e.sh("hostname; touch /new; cat /etc/hostname"), format!("{0}\n{0}", e.name()));
    e.tool("lxc-stop", &["-t", "10"]).ok();
    gone(&e);
    assert!(!c.dir().join("lxc_snapshots").exists() && !c.rootfs().join("new").exists());
    let named = named(&bed);
    let out = c.tool("lxc-copy", &["-q", "-e", "-D", "-K", "-N", named.name()]).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    assert!(!config(&named).contains("ephemeral"));
    assert_eq!(named.sh("hostname"), c.name());
    named.kill();
    assert!(named.dir().join("config").exists());
}

#[test]
fn a_command_in_a_container_for_one_run() {
    let bed = Bed::new();
    let c = bed.container().make();
    let e = named(&bed);
    let script = "hostname; echo $PATH $container ${LEAK-none}; exit 3";
    let run = c.run("lxc-copy", &["-q", "-e", "-N", e.name(), "--", "sh", "-c", script]);
    let out = run.env("LEAK", "leak").output().ok();
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(out.stdout, format!("{}\n{path} lxc none\n", e.name()));
    gone(&e);
}

#[test]
fn a_run_that_fails() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.init.cmd = /no/such/init").make();
    let (e, kept) = (named(&bed), named(&bed));
    c.tool("lxc-copy", &["-e", "-N", e.name()]).expect(1);
    gone(&e);
    c.tool("lxc-copy", &["-e", "-D", "-N", kept.name()]).expect(1);
    assert!(kept.dir().join("config").exists());
}

#[test]
fn a_run_in_the_foreground() {
    let bed = Bed::new();
    let c = bed.container().init("echo from inside; exit 6").make();
    let e = named(&bed);
    let out = c.tool("lxc-copy", &["-e", "-F", "-N", e.name()]).ok();
    assert!(
        out.stdout.contains(&format!("Created {} as clone of {}\n", e.name(), c.name())),
        "{}",
        out.stdout
    );
    gone(&e);
}

#[test]
fn a_run_that_is_destroyed() {
    let bed = Bed::new();
    let c = bed.container().make();
    let e = named(&bed);
    c.tool("lxc-copy", &["-e", "-N", e.name()]).ok();
    e.tool("lxc-destroy", &[]).expect(1);
    c.tool("lxc-destroy", &["-f"]).expect(1);
    e.tool("lxc-destroy", &["-f"]).ok();
    gone(&e);
    c.tool("lxc-destroy", &[]).ok();
}

#[test]
fn changes_in_memory() {
    let bed = Bed::new();
    let c = bed.container().file("etc/hostname", "first\n").make();
    let e = named(&bed);
    let out = c.tool("lxc-copy", &["-e", "-t", "-N", e.name()]).ok();
    assert_eq!(
        out.stdout,
        format!(
            "Created {} as clone of {}\nContainer is placed on tmpfs.\n\
             Rebooting will cause all changes made to it to be lost!\n",
            e.name(),
            c.name()
        )
    );
    let text = config(&e);
    let line = text.lines().find(|line| line.starts_with("lxc.hook.pre-mount = ")).expect("a hook");
    let hook = line.split_once(" = ").expect("a value").1;
    assert!(hook.starts_with(&format!("{}/pre-start-", e.dir().display())), "{hook}");
    assert_eq!(bed.host(&format!("stat -c %a {hook}")), "755");
    assert_eq!(e.sh("echo x >/new; cat /etc/hostname"), e.name());
    assert!(!e.dir().join("overlay/delta/new").exists(), "it is on the disk");
    e.kill();
    gone(&e);
}

#[test]
fn more_of_the_host() {
    let bed = Bed::new();
    let c = bed.container().make();
    let source = bed.dir().join("source");
    bed.host(&format!("mkdir {0}; echo hello >{0}/file", source.display()));
    let s = source.display();
    let e = named(&bed);
    let mounts = format!("bind={s}:/seen:ro,overlay={s}:/own");
    let file = format!("bind={s}/file");
    c.tool("lxc-copy", &["-e", "-N", e.name(), "-m", &mounts, "-m", &file]).ok();
    let text = config(&e);
    let entries: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("lxc.mount.entry = ")).collect();
    assert_eq!(entries.len(), 3, "{text}");
    assert_eq!(entries[0], format!("{s} seen none bind,optional,ro,create=dir 0 0"));
    let dir = e.dir();
    let dir = dir.display();
    assert!(entries[1].starts_with(&format!("{s} own overlay lowerdir={s},upperdir={dir}/delta#")), "{text}");
    assert!(entries[1].contains(&format!(",workdir={dir}/work#")), "{text}");
    assert!(entries[1].ends_with(",create=dir"), "{text}");
    let shown = format!(
        "{s}/file {} none bind,optional,rw,create=file 0 0",
        format!("{s}/file").trim_start_matches('/')
    );
    assert_eq!(entries[2], shown);
    assert_eq!(e.sh(&format!("cat /seen/file /own/file {s}/file")), "hello\nhello\nhello");
    assert_eq!(e.sh("touch /seen/x 2>/dev/null || echo refused; touch /own/x; ls /own"), "refused\nfile\nx");
    assert!(!source.join("x").exists());
    e.kill();
    gone(&e);
}

#[test]
fn containers_with_ids_of_their_own() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.idmap = u 0 700000 65536\nlxc.idmap = g 0 700000 65536").make();
    bed.host(&format!(
        "chown -R 700000:700000 {0}/rootfs; chown 700005 {0}/rootfs/etc/passwd; chmod 755 {0}",
        c.dir().display()
    ));
    age(&bed, &c.rootfs());
    let (copy, shared) = (named(&bed), named(&bed));
    c.tool("lxc-copy", &["-N", copy.name()]).ok();
    assert_eq!(tree(&bed, &copy.rootfs()), tree(&bed, &c.rootfs()));
    assert_eq!(
        bed.host(&format!("stat -c %u:%g {0} {0}/config", copy.dir().display())),
        "700000:700000\n0:0"
    );
    c.tool("lxc-copy", &["-s", "-N", shared.name()]).ok();
    let owners = bed.host(&format!(
        "cd {}; stat -c %u:%g . rootfs overlay overlay/delta overlay/work",
        shared.dir().display()
    ));
    assert_eq!(owners, ["700000:700000"; 5].join("\n"));
    for container in [&copy, &shared] {
        container.start().ok();
        assert_eq!(container.sh("stat -c %u /etc/passwd; touch /new && echo made"), "5\nmade");
        container.kill();
    }
}

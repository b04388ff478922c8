//! Copies and snapshots: what Debian's LXC loses, and what is left when something fails or is killed half-way.

use std::fs;
use std::path::Path;
use std::time::Duration;

use compliance::{Bed, Container, wait_until};
use rustix::process::Signal;

fn named(bed: &Bed) -> Container<'_> {
    Container::known(bed, &bed.name())
}

fn config(c: &Container<'_>) -> String {
    fs::read_to_string(c.dir().join("config")).expect("the config")
}

/// All of `/var/lib/lxc` but what is in root file systems.
fn listing(bed: &Bed) -> String {
    bed.host(
        "cd /var/lib/lxc; find . -path '*/rootfs/*' -prune -o -print | sort; cat */lxc_* 2>/dev/null || :",
    )
}

/// A container whose copy takes a while.
fn large(bed: &Bed) -> Container<'_> {
    let c = bed.container().make();
    bed.host(&format!(
        "cd {}; mkdir many; cd many; seq 1 80 | while read d; do mkdir $d; (cd $d; seq 1 250 | xargs touch); done",
        c.rootfs().display()
    ));
    c
}

/// Kills a tool with `kill -9` as soon as `begun` exists.
fn killed(c: &Container<'_>, tool: &str, args: &[&str], begun: &Path, signal: Signal) -> i32 {
    let mut run = c.run(tool, args).spawn();
    wait_until("the work has begun", Duration::from_secs(10), || begun.exists());
    assert!(run.alive(), "{tool} was too fast for this test");
    run.signal(signal);
    run.output().code
}

#[test]
fn a_killed_copy_is_recognised_and_cleared_away() {
    let bed = Bed::new();
    let c = large(&bed);
    for args in [&[][..], &["-s"]] {
        let copy = named(&bed);
        let begun =
            if args.is_empty() { copy.rootfs().join("many") } else { copy.dir().join("lxc_rdepends") };
        if args == ["-s"] {
            // A snapshot is quick: its hook takes the time.
            c.append("lxc.hook.clone = sleep 20; :");
        }
        let all = [args, &["-N", copy.name()]].concat();
        assert_eq!(killed(&c, "lxc-copy", &all, &begun, Signal::KILL), 128 + 9);
        let mark = copy.dir().join("partial");
        assert!(mark.exists() && copy.dir().join("config").exists(), "the mark of an unfinished copy");
        wait_until("the working process ends", Duration::from_secs(5), || {
            let size = || bed.host(&format!("find {} | wc -l", copy.dir().display()));
            let before = size();
            std::thread::sleep(Duration::from_millis(50));
            before == size()
        });
        // It is no source, and it does not start.
        let again = named(&bed);
        let out = copy.tool("lxc-copy", &["-N", again.name()]).expect(1);
        assert!(out.stderr.contains("its creation was broken off"), "{}", out.stderr);
        copy.tool("lxc-snapshot", &[]).expect(1);
        assert!(mark.exists());
        match args {
            // The next copy of that name takes its place.
            [] => {
                c.tool("lxc-copy", &["-N", copy.name()]).ok();
                assert!(!mark.exists());
                let count = |c: &Container<'_>| bed.host(&format!("find {} | wc -l", c.rootfs().display()));
                assert_eq!(count(&copy), count(&c));
                copy.start().ok();
                copy.kill();
            }
            // A start clears it away, and the entries that others have of it.
            _ => {
                assert!(c.dir().join("lxc_snapshots").exists());
                let out = copy.start().expect(1);
                assert!(out.stderr.contains("its creation was broken off"), "{}", out.stderr);
                assert!(!copy.dir().exists() && !c.dir().join("lxc_snapshots").exists());
            }
        }
        assert!(c.rootfs().join("many/40/250").exists(), "the first container is whole");
    }
}

#[test]
fn destroy_clears_away_what_a_killed_copy_left() {
    let bed = Bed::new();
    let c = large(&bed);
    // An include may say where the first container's files are: they are not the copy's to remove.
    let include = bed.dir().join("include");
    fs::write(&include, format!("lxc.rootfs.path = dir:{}\n", c.rootfs().display())).expect("an include");
    c.append(&format!("lxc.include = {}", include.display()));
    let copy = named(&bed);
    killed(&c, "lxc-copy", &["-N", copy.name()], &copy.rootfs().join("many"), Signal::KILL);
    copy.tool("lxc-destroy", &[]).ok();
    assert!(!copy.dir().exists() && c.rootfs().join("many/40/250").exists());
}

#[test]
fn an_interrupted_copy_leaves_nothing() {
    let bed = Bed::new();
    let c = large(&bed);
    c.append("lxc.hook.clone = sleep 20; :");
    let before = listing(&bed);
    let copy = named(&bed);
    // As a terminal does: to the whole group.
    let tool = bed.tools().path("lxc-copy");
    let script = format!(
        "setsid {} -n {} -N {} & for i in $(seq 200); do [ -e {}/many ] && break; sleep 0.05; done; kill -INT -$!; wait $!",
        tool.display(),
        c.name(),
        copy.name(),
        copy.rootfs().display()
    );
    let out = compliance::Run::new(Path::new("/bin/bash"), &["-c", &script]).output();
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert_eq!(listing(&bed), before);
}

#[test]
fn a_copy_in_progress_is_left_alone() {
    let bed = Bed::new();
    let go = bed.dir().join("go");
    let hook = format!("lxc.hook.clone = sh -c 'until [ -e {} ]; do sleep 0.05; done'", go.display());
    let c = bed.container().config(&hook).make();
    let copy = named(&bed);
    let run = c.run("lxc-copy", &["-N", copy.name()]).spawn();
    let ready = || copy.dir().join("partial").exists() && copy.dir().join("config").exists();
    wait_until("the copy is there", Duration::from_secs(10), ready);
    for (tool, args) in [
        ("lxc-start", &[][..]),
        ("lxc-destroy", &[]),
        ("lxc-destroy", &["-f"]),
        ("lxc-copy", &["-N", "another"]),
        ("lxc-snapshot", &[]),
        ("lxc-create", &["-t", "none"]),
    ] {
        let out = copy.tool(tool, args).expect(1);
        assert!(out.stderr.contains("partial"), "{tool}: {}", out.stderr);
    }
    let other = bed.container().make();
    let out = other.tool("lxc-copy", &["-N", copy.name()]).expect(1);
    assert!(out.stderr.contains("partial"), "{}", out.stderr);
    fs::write(&go, "").expect("write a file");
    run.output().ok();
    copy.start().ok();
    copy.kill();
}

#[test]
fn a_killed_renaming_keeps_the_container() {
    let bed = Bed::new();
    let c = bed.container().file("etc/hostname", "first\n").config("lxc.hook.clone = sleep 20; :").make();
    let new = named(&bed);
    killed(&c, "lxc-copy", &["-R", "-N", new.name()], &new.rootfs().join("sbin/init"), Signal::KILL);
    assert_eq!(c.read("etc/hostname"), "first\n");
    c.start().ok();
    c.kill();
    assert!(new.dir().join("partial").exists());
    new.start().expect(1);
    assert!(!new.dir().exists() && c.rootfs().join("sbin/init").exists());
}

#[test]
fn several_at_a_time() {
    let bed = Bed::new();
    let c = bed.container().make();
    let name = bed.name();
    let copies: Vec<_> = (0..3).map(|_| c.run("lxc-copy", &["-N", &name]).spawn()).collect();
    let mut codes: Vec<i32> = copies.into_iter().map(|run| run.output().code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 1, 1]);
    let copy = Container::known(&bed, &name);
    assert!(copy.rootfs().join("sbin/init").exists() && !copy.dir().join("partial").exists());
    copy.start().ok();
    copy.kill();
    let snapshots: Vec<_> = (0..3).map(|_| c.run("lxc-snapshot", &[]).spawn()).collect();
    for run in snapshots {
        run.output().ok();
    }
    let out = c.tool("lxc-snapshot", &["-L"]).ok().stdout;
    let names: Vec<&str> = out.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["snap0", "snap1", "snap2"]);
    // Each is written down with the container that all need.
    let runs: Vec<_> = (0..3).map(|_| c.run("lxc-copy", &["-s", "-N", &bed.name()]).spawn()).collect();
    for run in runs {
        run.output().ok();
    }
    let list = fs::read_to_string(c.dir().join("lxc_snapshots")).expect("a list");
    assert_eq!(list.lines().count(), 6, "{list}");
}

#[test]
fn a_killed_snapshot_is_not_listed_and_its_number_is_used_again() {
    let bed = Bed::new();
    let c = large(&bed);
    let snap = c.dir().join("snaps/snap0");
    killed(&c, "lxc-snapshot", &[], &snap.join("rootfs/many"), Signal::KILL);
    assert!(snap.join("partial").exists());
    assert_eq!(c.tool("lxc-snapshot", &["-L"]).ok().stdout, "No snapshots\n");
    c.tool("lxc-snapshot", &["-r", "snap0"]).expect(1);
    c.tool("lxc-snapshot", &[]).ok();
    assert!(c.tool("lxc-snapshot", &["-L"]).ok().stdout.starts_with("snap0 "));
    assert!(!snap.join("partial").exists());
}

#[test]
fn a_killed_restoration_changes_nothing() {
    let bed = Bed::new();
    let c = large(&bed);
    c.tool("lxc-snapshot", &[]).ok();
    fs::write(c.rootfs().join("state"), "new").expect("write a file");
    let before = config(&c);
    let stage = c.dir().join(".restore");
    killed(&c, "lxc-snapshot", &["-r", "snap0"], &stage.join("rootfs/many"), Signal::KILL);
    assert_eq!((config(&c), c.read("state")), (before, "new".to_owned()));
    c.start().ok();
    c.kill();
    wait_until("the working process ends", Duration::from_secs(5), || {
        let count = || bed.host(&format!("find {} | wc -l", stage.display()));
        let before = count();
        std::thread::sleep(Duration::from_millis(50));
        before == count()
    });
    c.tool("lxc-snapshot", &["-r", "snap0"]).ok();
    assert!(!stage.exists() && !c.rootfs().join("state").exists());
    assert!(c.rootfs().join("many/40/250").exists());
}

#[test]
fn a_failing_hook_takes_a_restoration_back() {
    let bed = Bed::new();
    let c = bed.container().file("etc/hostname", "first\n").make();
    bed.host(&format!("printf '#!/bin/sh\\nexit 3\\n' >{0}/hook; chmod 755 {0}/hook", c.dir().display()));
    c.tool("lxc-snapshot", &[]).ok();
    let snap = c.dir().join("snaps/snap0/config");
    bed.host(&format!("echo 'lxc.hook.clone = false' >>{}", snap.display()));
    bed.host(&format!(
        "echo 'lxc.hook.stop = {}/hook' >>{}",
        c.dir().join("snaps/snap0").display(),
        snap.display()
    ));
    bed.host(&format!("cp -p {}/hook {}/", c.dir().display(), c.dir().join("snaps/snap0").display()));
    fs::write(c.rootfs().join("state"), "new").expect("write a file");
    let (before, files) = (config(&c), listing(&bed));
    let out = c.tool("lxc-snapshot", &["-r", "snap0"]).expect(1);
    assert!(out.stderr.contains("hook clone"), "{}", out.stderr);
    assert_eq!((config(&c), c.read("state"), listing(&bed)), (before, "new".to_owned(), files));
    assert_eq!(c.read("etc/hostname"), "first\n");
}

#[test]
fn restoring_keeps_other_files_and_mends_hooks() {
    let bed = Bed::new();
    let c = bed.container().make();
    let hook = c.dir().join("hook");
    bed.host(&format!("printf '#!/bin/sh\\nexit 0\\n' >{0}; chmod 755 {0}", hook.display()));
    c.append(&format!("lxc.hook.stop = {}", hook.display()));
    let shared = named(&bed);
    c.tool("lxc-copy", &["-s", "-N", shared.name()]).ok();
    shared.tool("lxc-snapshot", &[]).ok();
    let own = shared.dir().join("hook");
    fs::write(&own, "broken").expect("write the hook");
    fs::write(shared.dir().join("notes"), "mine").expect("write a file");
    // Debian's LXC stops half-way here: files are in its way.
    shared.tool("lxc-snapshot", &["-r", "snap0"]).ok();
    assert_eq!(fs::read_to_string(&own).expect("the hook"), "#!/bin/sh\nexit 0\n");
    assert_eq!(fs::read_to_string(shared.dir().join("notes")).expect("a file"), "mine");
    assert!(config(&shared).contains(&format!("lxc.hook.stop = {}\n", own.display())));
}

#[test]
fn a_snapshot_whose_comment_is_missing_is_not_made() {
    let bed = Bed::new();
    let c = bed.container().make();
    let before = listing(&bed);
    let out = c.tool("lxc-snapshot", &["-c", "/no/such/file"]).expect(1);
    assert!(out.stderr.contains("/no/such/file"), "{}", out.stderr);
    assert_eq!(listing(&bed), before);
}

#[test]
fn snapshots_are_listed_by_number() {
    let bed = Bed::new();
    let c = bed.container().make();
    for _ in 0..11 {
        c.tool("lxc-snapshot", &[]).ok();
    }
    let out = c.tool("lxc-snapshot", &["-L"]).ok().stdout;
    let names: Vec<&str> = out.lines().filter_map(|line| line.split(' ').next()).collect();
    let expected: Vec<String> = (0..11).map(|n| format!("snap{n}")).collect();
    assert_eq!(names, expected);
}

#[test]
fn access_lists_and_times_are_kept() {
    let bed = Bed::new();
    let c = bed.container().make();
    bed.host(&format!(
        "cd {}; setfacl -m u:5:rw,g:7:r etc/passwd; mkdir shared; setfacl -d -m u:5:rwx shared; touch shared/x",
        c.rootfs().display()
    ));
    let copy = named(&bed);
    c.tool("lxc-copy", &["-N", copy.name()]).ok();
    let look = |c: &Container<'_>| {
        bed.host(&format!("cd {}; getfacl -R . ; find . -printf '%P %T@\\n' | sort", c.rootfs().display()))
    };
    assert!(look(&copy).contains("default:user:games:rwx"), "{}", look(&copy));
    assert_eq!(look(&copy), look(&c));
}

#[test]
fn hooks_with_arguments_or_in_folders() {
    let bed = Bed::new();
    let c = bed.container().make();
    let dir = c.dir().display().to_string();
    bed.host(&format!(
        "mkdir {dir}/hooks; printf '#!/bin/sh\\nexit 0\\n' >{dir}/hooks/x; chmod 755 {dir}/hooks/x"
    ));
    c.append(&format!("lxc.hook.pre-start = {dir}/hooks/x one two\nlxc.hook.stop = {dir}/hooks/x"));
    let copy = named(&bed);
    c.tool("lxc-copy", &["-N", copy.name()]).ok();
    let new = copy.dir().display().to_string();
    let text = config(&copy);
    assert!(
        text.contains(&format!(
            "lxc.hook.pre-start = {new}/hooks/x one two\nlxc.hook.stop = {new}/hooks/x\n"
        )),
        "{text}"
    );
    assert_eq!(bed.host(&format!("stat -c %a {new}/hooks/x")), "755");
    copy.start().ok();
    copy.kill();
}

#[test]
fn overlays_of_several_directories() {
    let bed = Bed::new();
    let c = bed.container().make();
    let top = bed.dir().join("top");
    bed.host(&format!("mkdir {0}; echo x >{0}/from-top", top.display()));
    let (root, delta) = (c.rootfs().display().to_string(), c.dir().join("overlay/delta"));
    bed.host(&format!("mkdir -p {}; sed -i /rootfs.path/d {}/config", delta.display(), c.dir().display()));
    c.append(&format!("lxc.rootfs.path = overlay:{}:{root}:{}", top.display(), delta.display()));
    let copy = named(&bed);
    c.tool("lxc-copy", &["-s", "-N", copy.name()]).ok();
    copy.start().ok();
    assert_eq!(copy.sh("cat /from-top; ls /bin/busybox"), "x\n/bin/busybox");
    copy.kill();
}

#[test]
fn an_overlay_gets_a_new_name() {
    let bed = Bed::new();
    let base = bed.container().make();
    let (c, new) = (named(&bed), named(&bed));
    base.tool("lxc-copy", &["-s", "-N", c.name()]).ok();
    fs::write(c.dir().join("overlay/delta/own"), "x").expect("write into the layer");
    c.tool("lxc-copy", &["-R", "-N", new.name()]).ok();
    assert!(!c.dir().exists());
    let list = |c: &Container<'_>, file: &str| fs::read_to_string(c.dir().join(file)).unwrap_or_default();
    assert_eq!(list(&base, "lxc_snapshots"), format!("/var/lib/lxc\n{}\n", new.name()));
    assert_eq!(list(&new, "lxc_rdepends"), format!("/var/lib/lxc\n{}\n", base.name()));
    new.start().ok();
    assert_eq!(new.sh("cat /own"), "x");
    new.kill();
    new.tool("lxc-destroy", &[]).ok();
    base.tool("lxc-destroy", &[]).ok();
}

#[test]
fn an_overlay_takes_its_lower_directory_along() {
    let bed = Bed::new();
    let c = bed.container().make();
    let (delta, new) = (c.dir().join("overlay/delta"), named(&bed));
    fs::create_dir_all(&delta).expect("a layer");
    fs::write(delta.join("own"), "x").expect("write into the layer");
    bed.host(&format!("sed -i /rootfs.path/d {}/config", c.dir().display()));
    c.append(&format!("lxc.rootfs.path = overlay:{}:{}", c.rootfs().display(), delta.display()));
    c.tool("lxc-copy", &["-R", "-N", new.name()]).ok();
    assert!(!c.dir().exists());
    new.start().ok();
    assert_eq!(new.sh("cat /own"), "x");
    new.kill();
}

#[test]
fn a_failing_destroy_hook_takes_a_new_name_back() {
    let bed = Bed::new();
    let base = bed.container().make();
    let (c, new) = (named(&bed), named(&bed));
    base.tool("lxc-copy", &["-s", "-N", c.name()]).ok();
    c.append("lxc.hook.destroy = /bin/false");
    let before = listing(&bed);
    c.tool("lxc-copy", &["-R", "-N", new.name()]).expect(1);
    assert_eq!(listing(&bed), before);
    c.start().ok();
    c.kill();
}

#[test]
fn a_killed_snapshot_is_made_anew() {
    let bed = Bed::new();
    let c = bed.container().make();
    c.append("lxc.hook.clone = sleep 20; :");
    let copy = named(&bed);
    let begun = copy.dir().join("lxc_rdepends");
    killed(&c, "lxc-copy", &["-s", "-N", copy.name()], &begun, Signal::KILL);
    assert!(copy.dir().join("partial").exists() && c.dir().join("lxc_snapshots").exists());
    bed.host(&format!("sed -i /hook.clone/d {}/config", c.dir().display()));
    c.tool("lxc-copy", &["-s", "-N", copy.name()]).ok();
    assert!(!copy.dir().join("partial").exists());
    copy.start().ok();
    copy.kill();
    copy.tool("lxc-destroy", &[]).ok();
    assert!(!c.dir().join("lxc_snapshots").exists());
}

#[test]
fn files_in_a_folder_without_a_container_stay() {
    let bed = Bed::new();
    let c = bed.container().make();
    c.append("lxc.hook.clone = /bin/false");
    let copy = named(&bed);
    let own = copy.dir().join("overlay/delta/own");
    fs::create_dir_all(own.parent().expect("its folder")).expect("a folder");
    fs::write(&own, "kept").expect("a file");
    for args in [&["-s"][..], &[]] {
        c.tool("lxc-copy", &[args, &["-N", copy.name()]].concat()).expect(1);
        assert_eq!(fs::read_to_string(&own).expect("the file"), "kept");
        assert_eq!(fs::read_dir(copy.dir()).expect("the folder").count(), 1);
    }
}

#[test]
fn a_root_whose_path_does_not_hold_the_name() {
    let bed = Bed::new();
    let c = bed.container().make();
    let root = bed.dir().join("elsewhere");
    bed.host(&format!("mv {} {}; chmod 711 {1}", c.rootfs().display(), root.display()));
    bed.host(&format!("sed -i /rootfs.path/d {}/config", c.dir().display()));
    c.append(&format!("lxc.rootfs.path = {}", root.display()));
    let (copy, shared) = (named(&bed), named(&bed));
    c.tool("lxc-copy", &["-N", copy.name()]).ok();
    c.tool("lxc-copy", &["-s", "-N", shared.name()]).ok();
    let modes = format!("stat -c %a {} {}/overlay/delta", copy.rootfs().display(), shared.dir().display());
    assert_eq!(bed.host(&modes), "711\n711");
    for container in [&copy, &shared] {
        container.start().ok();
        assert_eq!(container.sh("hostname"), container.name());
        container.kill();
    }
}

#[test]
fn a_new_name_in_another_folder() {
    let bed = Bed::new();
    let c = bed.container().make();
    let other = bed.dir().join("containers");
    fs::create_dir(&other).expect("a folder");
    let path = other.to_str().expect("a path of ASCII letters");
    c.tool("lxc-copy", &["-R", "-N", c.name(), "-p", path]).ok();
    assert!(!c.dir().exists() && other.join(c.name()).join("rootfs/bin/busybox").exists());
}

#[test]
fn a_hook_that_fails_keeps_a_renamed_container_as_it_was() {
    let bed = Bed::new();
    let c = bed
        .container()
        .file("etc/hostname", "first\n")
        .config("lxc.hook.clone = sh -c 'echo x >>$LXC_ROOTFS_MOUNT/etc/passwd; exit 3'")
        .make();
    let passwd = c.read("etc/passwd");
    let before = listing(&bed);
    c.tool("lxc-copy", &["-R", "-N", named(&bed).name()]).expect(1);
    assert_eq!(
        (listing(&bed), c.read("etc/passwd"), c.read("etc/hostname")),
        (before, passwd, "first\n".into())
    );
}

#[test]
fn mounts_that_mean_nothing_are_refused() {
    let bed = Bed::new();
    let c = bed.container().make();
    let before = listing(&bed);
    for args in
        [&["-e", "-m", "bnd=/etc"][..], &["-e", "-t", "-D"], &["-e", "-t", "-B", "dir"], &["-N", ".."]]
    {
        c.tool("lxc-copy", args).expect(1);
        assert_eq!(listing(&bed), before, "{args:?}");
    }
}

#[test]
fn snapshots_stay_when_a_container_cannot_be_destroyed() {
    let bed = Bed::new();
    let c = bed.container().make();
    c.tool("lxc-snapshot", &[]).ok();
    c.tool("lxc-copy", &["-s", "-N", named(&bed).name()]).ok();
    let before = listing(&bed);
    c.tool("lxc-destroy", &["-s"]).expect(1);
    assert_eq!(listing(&bed), before);
}

#[test]
fn who_waited_for_another_destruction_destroys_nothing() {
    let bed = Bed::new();
    let c = bed.container().make();
    let log = bed.dir().join("hooks");
    c.append(&format!("lxc.hook.destroy = sh -c 'echo x >> {}; sleep 1'", log.display()));
    let first = c.run("lxc-destroy", &[]).spawn();
    wait_until("the hook runs", Duration::from_secs(10), || log.exists());
    let out = c.tool("lxc-destroy", &[]).expect(1);
    assert!(out.stderr.contains("not defined any more"), "{}", out.stderr);
    assert_eq!(first.output().code, 0);
    assert_eq!(fs::read_to_string(&log).expect("the hook's file"), "x\n");
}

#[test]
fn a_running_container_goes_with_its_snapshots() {
    let bed = Bed::new();
    let c = bed.container().make();
    c.tool("lxc-snapshot", &[]).ok();
    c.start().ok();
    c.tool("lxc-destroy", &["-s"]).expect(1);
    assert!(c.dir().join("snaps/snap0/config").exists());
    let needed = c.dir().join("snaps/snap0/lxc_snapshots");
    fs::write(&needed, "/x\ny\n").expect("a list");
    c.tool("lxc-destroy", &["-f", "-s"]).expect(1);
    assert_eq!(c.sh("echo runs"), "runs");
    fs::remove_file(&needed).expect("remove the list");
    c.tool("lxc-destroy", &["-f", "-s"]).ok();
    assert!(!c.dir().exists());
}

#[test]
fn a_copy_of_what_contains_it_is_refused() {
    let bed = Bed::new();
    let c = bed.container().make();
    let inside = c.rootfs().join("inside");
    fs::create_dir(&inside).expect("a folder");
    let path = inside.to_str().expect("a path of ASCII letters");
    let out = c.tool("lxc-copy", &["-N", "new", "-p", path]).expect(1);
    assert!(out.stderr.contains("Too many levels"), "{}", out.stderr);
    assert!(!inside.join("new").exists());
}

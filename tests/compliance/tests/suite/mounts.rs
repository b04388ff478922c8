//! Mounts: the root, the automatic ones, the entries and their options.

use compliance::{Bed, Draft, Tools, View};

/// The mount table inside, without what differs from one container to the next.
fn table(draft: Draft<'_>) -> Vec<String> {
    let c = draft.start();
    let text = c.sh("cat /proc/1/mountinfo");
    c.kill();
    let mut lines: Vec<String> = text.lines().map(|line| shape(line, c.name())).collect();
    lines.sort();
    lines
}

/// Root, place, options, propagation kind, type and superblock options of a mountinfo line.
fn shape(line: &str, name: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let dash = words.iter().position(|word| *word == "-").expect("a dash in mountinfo");
    let tags: Vec<&str> =
        words[6..dash].iter().map(|tag| tag.split(':').next().unwrap_or_default()).collect();
    let root = words[3].find("/rootfs").map_or(words[3], |at| &words[3][at..]);
    let root = if words[dash + 1] == "devpts" { "/PTY" } else { root };
    format!("{root} {} {} {tags:?} {} {}", words[4], words[5], words[dash + 1], words[dash + 3])
        .replace(name, "NAME")
}

/// The same container under the tools under test and under upstream has the same mounts.
fn same_as_upstream(config: &str) {
    let Some(upstream) = Tools::upstream() else {
        panic!("Debian's LXC is not installed: nothing to compare with");
    };
    let want = {
        let bed = Bed::make(upstream, View::Host);
        table(bed.container().config(config))
    };
    let bed = Bed::new();
    let got = table(bed.container().config(config));
    assert_eq!(got.join("\n"), want.join("\n"), "{config}");
}

#[test]
fn automatic_proc_and_sys() {
    for tokens in ["proc sys", "proc:rw sys:rw", "proc:mixed sys:ro", "proc:mixed sys:mixed"] {
        same_as_upstream(&format!("lxc.mount.auto =\nlxc.mount.auto = {tokens}"));
    }
}

#[test]
fn automatic_cgroups() {
    for token in ["cgroup:mixed", "cgroup:ro", "cgroup:rw"] {
        same_as_upstream(&format!("lxc.mount.auto = {token}"));
        same_as_upstream(&format!("lxc.mount.auto = {token}:force"));
    }
}

#[test]
fn automatic_cgroups_in_full() {
    for token in ["cgroup-full:mixed", "cgroup-full:ro", "cgroup-full:rw"] {
        same_as_upstream(&format!("lxc.mount.auto = {token}:force"));
    }
}

#[test]
fn automatic_dev() {
    same_as_upstream("lxc.autodev = 1\nlxc.autodev.tmpfs.size = 600000");
    same_as_upstream("lxc.autodev = 0");
}

#[test]
fn the_common_configuration() {
    same_as_upstream("lxc.include = /usr/share/lxc/config/common.conf");
}

#[test]
fn entries_with_options() {
    let bed = Bed::new();
    bed.host(&format!(
        "mkdir -p {0}/a/b; echo data >{0}/a/b/file; mount -t tmpfs inner {0}/a/b; echo inner >{0}/a/b/file",
        bed.dir().display()
    ));
    let dir = bed.dir();
    let dir = dir.display();
    let c = bed
        .container()
        .config(&format!(
            "lxc.mount.entry = {dir}/a mnt/bind none bind,create=dir 0 0
             lxc.mount.entry = {dir}/a mnt/rbind none rbind,create=dir 0 0
             lxc.mount.entry = {dir}/a/b/file mnt/file none bind,ro,create=file 0 0
             lxc.mount.entry = tmpfs mnt/tmp tmpfs size=64k,mode=1700,create=dir 0 0
             lxc.mount.entry = /nosuch mnt/nosuch none bind,optional,create=dir 0 0
             lxc.mount.entry = root mnt/relative none bind,relative,create=dir 0 0
             lxc.mount.entry = {dir}/a mnt/with\\040blank none bind,create=dir 0 0
             lxc.mount.entry = {dir}/a mnt/private none rbind,rprivate,create=dir 0 0
             lxc.mount.entry = {dir}/a /var/lib/lxc/{0}/rootfs/mnt/absolute none bind,create=dir 0 0
             lxc.mount.entry = proc mnt/proc proc nodev,noexec,nosuid,create=dir 0 0",
            bed.id().to_owned() + "00"
        ))
        .file("root/mark", "mark\n")
        .start();
    assert_eq!(c.sh("ls /mnt/bind/b; cat /mnt/rbind/b/file /mnt/file"), "file\ninner\ninner");
    assert_eq!(
        c.sh("cat /mnt/relative/mark; ls -d '/mnt/with blank/b' /mnt/absolute/b"),
        "mark\n/mnt/absolute/b\n/mnt/with blank/b"
    );
    assert_eq!(c.sh("stat -c %a /mnt/tmp"), "1700");
    assert_eq!(c.sh("ls /mnt/nosuch | wc -l; ls -d /mnt/proc/1"), "0\n/mnt/proc/1");
    c.attach(&["sh", "-c", "echo more >/mnt/file"]).expect(1);
    let options = |at: &str| c.sh(&format!("grep ' {at} ' /proc/1/mountinfo | cut -d' ' -f6"));
    assert!(options("/mnt/file").starts_with("ro"), "{}", options("/mnt/file"));
    c.kill();
}

#[test]
fn an_fstab_comes_before_the_entries() {
    let bed = Bed::new();
    let fstab = bed.dir().join("fstab");
    std::fs::write(&fstab, "# comment\n\ntmpfs mnt tmpfs mode=755 0 0\n").expect("write an fstab");
    let c = bed
        .container()
        .config(&format!(
            "lxc.mount.fstab = {}\nlxc.mount.entry = tmpfs mnt/in tmpfs mode=700,create=dir 0 0",
            fstab.display()
        ))
        .start();
    assert_eq!(c.sh("grep -E ' /mnt(/in)? ' /proc/1/mounts | cut -d' ' -f2"), "/mnt\n/mnt/in");
    c.kill();
}

#[test]
fn an_entry_that_cannot_be_made_fails_the_start() {
    let bed = Bed::new();
    for entry in
        ["/nosuch mnt none bind 0 0", "tmpfs nosuch tmpfs defaults 0 0", "tmpfs mnt tmpfs nosuch=1 0 0"]
    {
        let c = bed.container().config(&format!("lxc.mount.entry = {entry}")).make();
        assert_eq!(c.start().code, 1, "{entry}");
    }
}

#[test]
fn entries_do_not_follow_links_out_of_the_root() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.mount.entry = tmpfs mnt/link/dir tmpfs create=dir 0 0").make();
    bed.host(&format!(
        "ln -s {} {}/mnt/link; mkdir {}/dir",
        bed.dir().display(),
        c.rootfs().display(),
        bed.dir().display()
    ));
    c.start().expect(1);
}

#[test]
fn the_root_is_read_only_on_wish() {
    let bed = Bed::new();
    let c = bed.container().config("lxc.rootfs.options = ro\nlxc.init.cmd = /bin/sleep 1000").start();
    c.attach(&["touch", "/root/file"]).expect(1);
    assert!(
        c.sh("grep ' / / ' /proc/1/mountinfo; grep ' /.* / ' /proc/1/mountinfo | head -n1").contains(" ro")
    );
    c.kill();
}

#[test]
fn the_host_is_not_to_be_seen() {
    let bed = Bed::new();
    let c = bed.container().start();
    let table = c.sh("cat /proc/1/mountinfo");
    let outside: Vec<&str> = table.lines().filter(|line| line.contains("/var/lib/lxc ")).collect();
    assert!(outside.is_empty(), "{table}");
    assert_eq!(c.sh("ls /.. | sort | head -n1; ls / | grep -c lxc_ || true").lines().last(), Some("0"));
    c.kill();
}

#[test]
fn mounts_inside_stay_inside() {
    let bed = Bed::new();
    let c = bed.container().start();
    c.sh("mount -t tmpfs inside /mnt; touch /mnt/file");
    assert_eq!(bed.host(&format!("grep -c inside /proc/1/mounts || ls {}/mnt", c.rootfs().display())), "0");
    c.kill();
}

#[test]
fn shared_mounts_reach_the_container() {
    let bed = Bed::new();
    let dir = bed.dir().join("shared");
    let at = dir.display();
    bed.host(&format!("mkdir -p {at}; mount -t tmpfs shared {at}; mount --make-shared {at}"));
    let c =
        bed.container().config(&format!("lxc.mount.auto = shmounts:{at}:/shmounts\nlxc.autodev = 1")).start();
    bed.host(&format!("mkdir {at}/new; mount -t tmpfs late {at}/new; touch {at}/new/file"));
    assert_eq!(c.sh("ls /shmounts/new"), "file");
    c.kill();
    bed.host(&format!("umount {at}/new {at}"));
}

#[test]
fn an_overlay_root() {
    let bed = Bed::new();
    let c = bed.container().file("root/mark", "below\n").make();
    let delta = bed.dir().join("delta");
    bed.host(&format!(
        "mkdir {}; sed -i 's|lxc.rootfs.path.*|lxc.rootfs.path = overlay:{}:{}|' {}/config",
        delta.display(),
        c.rootfs().display(),
        delta.display(),
        c.dir().display()
    ));
    c.start().ok();
    assert_eq!(c.sh("cat /root/mark; echo above >/root/mark; cat /root/mark"), "below\nabove");
    c.kill();
    assert_eq!(c.read("root/mark"), "below\n");
}

//! Storage on a real kernel: overlays, trees that resist removal, the pin file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod rootfs_bed;

use std::path::{Path, PathBuf};
use std::process::Command;

use lxc_host::rootfs::{guest, host};
use lxc_host::storage::{self, Backend, Ids, Overlay, Source, remove_tree};
use lxc_sys::clone::InGuest;
use lxc_types::StorageKind;
use lxc_types::mount::MountOptions;
use rootfs_bed::{Bed, ROOT, USER, flags, inside, read, table};
use rustix::mount::MountFlags;

fn tmpfs(at: &Path) {
    std::fs::create_dir_all(at).unwrap();
    rustix::mount::mount("x", at, "tmpfs", MountFlags::empty(), None).unwrap();
}

fn overlay(bed: &Bed, source: &str, options: &str, ids: Ids) -> Result<PathBuf, String> {
    let guest = InGuest::for_tests();
    guest::isolate(&guest).unwrap();
    let at = guest::prepare(&guest, &bed.spec()).unwrap();
    let source = Source { kind: Some(StorageKind::Overlay), path: source.into() };
    let options: MountOptions = options.parse().unwrap();
    let backend = storage::open(&source).unwrap();
    backend
        .mount(at.point(), &options, ids)
        .map_err(|e| format!("{e}: {}", std::error::Error::source(&e).unwrap()))?;
    let rootfs = guest::mounted(&guest, at).unwrap();
    guest::check_root(&guest, &rootfs).unwrap();
    Ok(rootfs.root().path().to_owned())
}

#[test]
fn several_lower_directories() {
    inside("several_lower_directories", ROOT, |bed| {
        tmpfs(&bed.dir.join("d"));
        let (a, b) = (bed.source("a"), bed.source("b"));
        std::fs::write(b.join("only-b"), "b").unwrap();
        let upper = bed.dir.join("d/x/delta");
        let source = format!("{}:{}:{}", a.display(), b.display(), upper.display());
        let root = overlay(bed, &source, "ro,noatime", Ids::Initial).unwrap();
        assert_eq!(read(root.join("file")), "a");
        assert_eq!(read(root.join("only-b")), "b");
        assert!(upper.is_dir() && bed.dir.join("d/x/work").is_dir());
        assert_eq!(flags(&root.display().to_string()), "ro,noatime");
        assert!(std::fs::write(root.join("file"), "new").is_err());
    });
}

#[test]
fn the_hosts_root_below() {
    inside("the_hosts_root_below", ROOT, |bed| {
        let upper = bed.dir.join("c/overlay/delta");
        let root = overlay(bed, &format!("/:{}", upper.display()), "", Ids::Initial).unwrap();
        assert!(root.join("usr/bin").is_dir());
        std::fs::write(root.join("etc/lxc-rs-test-of-the-hosts-root"), "x").unwrap();
        assert!(!Path::new("/etc/lxc-rs-test-of-the-hosts-root").exists());
        assert_eq!(read(upper.join("etc/lxc-rs-test-of-the-hosts-root")), "x");
    });
}

#[test]
fn names_with_commas_and_blanks() {
    inside("names_with_commas_and_blanks", ROOT, |bed| {
        tmpfs(&bed.dir.join("d"));
        let lower = bed.source("lo,wer \\x");
        let upper = bed.dir.join("d/del,ta=1/u p");
        let root =
            overlay(bed, &format!("{}:{}", lower.display(), upper.display()), "", Ids::Initial).unwrap();
        assert_eq!(read(root.join("file")), "lo,wer \\x");
        std::fs::write(root.join("new"), "x").unwrap();
        assert_eq!(read(upper.join("new")), "x");
    });
}

#[test]
fn an_overlay_in_a_user_namespace() {
    inside("an_overlay_in_a_user_namespace", USER, |bed| {
        tmpfs(&bed.dir.join("d"));
        let lower = bed.source("lower");
        std::fs::create_dir(lower.join("sub")).unwrap();
        std::fs::write(lower.join("sub/old"), "x").unwrap();
        let upper = bed.dir.join("d/delta");
        let root =
            overlay(bed, &format!("{}:{}", lower.display(), upper.display()), "", Ids::Mapped).unwrap();
        assert!(table()[&root.display().to_string()].4.contains("userxattr"));
        // A directory that was removed and made again must not show what is below it.
        std::fs::remove_dir_all(root.join("sub")).unwrap();
        std::fs::create_dir(root.join("sub")).unwrap();
        assert_eq!(std::fs::read_dir(root.join("sub")).unwrap().count(), 0);
    });
}

#[test]
fn failures_name_the_storage() {
    inside("failures_name_the_storage", ROOT, |bed| {
        let e =
            overlay(bed, &format!("/gone:{}", bed.dir.join("u").display()), "", Ids::Initial).unwrap_err();
        assert!(
            e.starts_with("cannot mount overlay:/gone:") && e.ends_with("No such file or directory"),
            "{e}"
        );
        let guest = InGuest::for_tests();
        let at = guest::prepare(&guest, &bed.spec()).unwrap();
        let gone = storage::Directory::new(Path::new("/gone/rootfs"));
        let e = gone.mount(at.point(), &MountOptions::default(), Ids::Initial).unwrap_err();
        let cause = std::error::Error::source(&e).unwrap().to_string();
        assert_eq!(
            (e.to_string().as_str(), cause.as_str()),
            ("cannot mount dir:/gone/rootfs", "open_tree(/gone/rootfs): No such file or directory")
        );
    });
}

#[test]
fn trees_that_resist_removal() {
    inside("trees_that_resist_removal", ROOT, |bed| {
        let tree = bed.dir.join("tree");
        std::fs::create_dir_all(tree.join("a/b")).unwrap();
        for file in ["a/immutable", "a/b/append"] {
            std::fs::write(tree.join(file), "x").unwrap();
        }
        let mark = |flag: &str, file: &str| {
            assert!(Command::new("chattr").arg(flag).arg(tree.join(file)).status().unwrap().success());
        };
        mark("+i", "a/immutable");
        mark("+a", "a/b/append");
        mark("+i", "a/b");
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        // Another file system below is left alone, with its files.
        std::fs::create_dir_all(tree.join("a/mounted")).unwrap();
        tmpfs(&tree.join("a/mounted"));
        std::fs::write(tree.join("a/mounted/file"), "x").unwrap();
        let e = remove_tree(&tree).unwrap_err();
        assert_eq!(e.on(), tree.join("a/mounted").display().to_string());
        assert_eq!(read(tree.join("a/mounted/file")), "x");
        rustix::mount::unmount(tree.join("a/mounted"), rustix::mount::UnmountFlags::DETACH).unwrap();
        remove_tree(&tree).unwrap();
    });
}

#[test]
fn an_overlay_loses_only_its_changes() {
    inside("an_overlay_loses_only_its_changes", ROOT, |bed| {
        let lower = bed.source("lower");
        let upper = bed.source("d/delta");
        let backend = Overlay::parse(Path::new(&format!("{}:{}", lower.display(), upper.display()))).unwrap();
        backend.destroy().unwrap();
        assert!(!upper.exists());
        assert_eq!(read(lower.join("file")), "lower");
    });
}

#[test]
fn the_pin_holds_the_root_writable() {
    inside("the_pin_holds_the_root_writable", ROOT, |bed| {
        let fs = bed.dir.join("fs");
        tmpfs(&fs);
        let spec = lxc_host::rootfs::RootfsSpec { pin: Some(fs.clone()), ..bed.spec() };
        let remount = || rustix::mount::mount_remount(&fs, MountFlags::RDONLY, "").is_ok();
        // A link by that name is the container's; it is replaced, not followed.
        std::os::unix::fs::symlink("/etc/lxc-rs-test-of-the-pin", fs.join(".lxc_keep")).unwrap();
        let lease = host::Lease::take(&spec).unwrap();
        assert!(lease.is_pinned() && !Path::new("/etc/lxc-rs-test-of-the-pin").exists());
        assert!(!fs.join(".lxc_keep").exists(), "the file has no name any more");
        assert!(!remount(), "the file system became read-only below an open file");
        lease.release();
        assert!(remount());
        // A read-only file system needs no pin.
        assert!(!host::Lease::take(&spec).unwrap().is_pinned());
        assert!(!host::Lease::take(&bed.spec()).unwrap().is_pinned());
    });
}

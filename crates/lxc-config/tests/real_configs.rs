//! Configs that exist in the world are read without error and without loss.

mod support;

use std::path::{Path, PathBuf};

use lxc_config::config::{NamespaceChoice, NetKind, Origin};
use lxc_config::{Config, Context, Diagnostic, Document, interpret, parse, parse_flattened};

fn load(path: &Path) -> (Document, Config, Vec<Diagnostic>) {
    let (mut document, mut problems) = parse(path, &mut support::read);
    assert_eq!(document.to_text(), std::fs::read(path).expect("the config is there"), "{}", path.display());
    document.fill_hwaddrs(&mut || 5);
    let (config, more) = interpret(&document, &Context::default());
    problems.extend(more);
    (document, config, problems)
}

/// The config of another process that gets the flattened text is the same, origins included.
fn check_flattened(document: &Document, config: &Config) {
    let (again, problems) = parse_flattened(&document.flatten());
    assert_eq!(problems, []);
    let (again, _) = interpret(&again, &Context::default());
    assert_eq!(again, *config);
}

/// A config that is written anew means the same, but for the origins.
fn check_written(config: &Config) {
    let text = config.to_text();
    let (document, problems) = Document::from_text(Path::new("/new"), text.as_bytes(), &mut support::read);
    assert_eq!(problems, []);
    let (again, problems) = interpret(&document, &Context::default());
    assert_eq!(problems, []);
    assert_eq!(again.to_text(), text);
    for key in config.keys("") {
        assert_eq!(again.get(&key), config.get(&key), "{key}");
    }
}

#[test]
fn every_config_of_the_distribution() {
    let folder = Path::new("/usr/share/lxc/config");
    assert!(folder.is_dir(), "{} is missing: install the package \"lxc\"", folder.display());
    let mut folders = vec![folder.to_path_buf()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "conf") {
                let (document, config, problems) = load(&path);
                let problems: Vec<_> = problems.iter().map(Diagnostic::to_string).collect();
                assert_eq!(problems, [""; 0], "{}", path.display());
                check_flattened(&document, &config);
                check_written(&config);
                count += 1;
            }
        }
    }
    assert!(count >= 40, "only {count} configs below {}", folder.display());
}

#[test]
fn a_busybox_container() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/busybox.conf");
    let (document, config, problems) = load(&path);
    assert_eq!(problems, []);
    check_flattened(&document, &config);
    check_written(&config);
    assert_eq!(config.uts.name.as_ref().unwrap().value, "bb");
    assert_eq!(config.terminal.ttys, 5);
    assert_eq!(config.mounts.entries.len(), 7);
    let Origin::File(span) = &config.mounts.entries[6].origin else { panic!("no origin") };
    assert_eq!((span.line, span.column, &*span.file), (33, 1, path.as_path()));
    assert!(matches!(config.net[0].kind, NetKind::Veth(_)));
    assert_eq!(config.get("lxc.rootfs.path").unwrap(), "/var/lib/lxc/bb/rootfs");
    assert_eq!(config.get("lxc.mount.auto").unwrap(), "proc:mixed sys:ro cgroup:mixed");
}

#[test]
fn an_android_container() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/android.conf");
    let (document, config, problems) = load(&path);
    assert_eq!(problems, []);
    check_flattened(&document, &config);
    check_written(&config);
    assert!(!config.mounts.autodev);
    assert_eq!(config.get("lxc.mount.auto").unwrap(), "proc:mixed sys:ro cgroup:rw:force");
    assert_eq!(config.get("lxc.console.path").unwrap(), "none");
    assert_eq!(config.namespaces.choice, NamespaceChoice::Default);
}

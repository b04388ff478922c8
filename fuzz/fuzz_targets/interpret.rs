//! Any text has a meaning, and that meaning survives writing, flattening and showing.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use lxc_config::document::{Content, ReadError};
use lxc_config::{Context, Document, interpret, parse_flattened, words};

fn missing(_: &Path) -> Result<Content, ReadError> {
    Err(ReadError::Missing)
}

fuzz_target!(|bytes: &[u8]| {
    let (mut document, _) = Document::from_text(Path::new("/c/config"), bytes, &mut missing);
    document.fill_hwaddrs(&mut || 7);
    let (config, problems) = interpret(&document, &Context::default());
    for problem in &problems {
        assert_eq!(problem.to_string().lines().count(), 1, "{problem:?}");
    }

    let (again, _) = parse_flattened(&document.flatten());
    assert_eq!(interpret(&again, &Context::default()), (config.clone(), problems));

    let written = config.to_text();
    let (rewritten, _) = Document::from_text(Path::new("/new"), written.as_bytes(), &mut missing);
    let (reread, problems) = interpret(&rewritten, &Context::default());
    assert!(problems.iter().all(|problem| !problem.is_error()), "{problems:?}\n{written}");
    assert_eq!(reread.to_text(), written);

    let mut changed = config.clone();
    for entry in document.entries() {
        let shown = changed.get(entry.key);
        assert_eq!(shown.is_err(), shown.is_err_and(|error| !error.to_string().is_empty()));
        if changed.clear(entry.key).is_ok() && entry.key.starts_with("lxc.net.") {
            changed.keys(entry.key);
        }
    }
    config.init.cmd.iter().for_each(|cmd| drop(words::split(&cmd.value)));
});

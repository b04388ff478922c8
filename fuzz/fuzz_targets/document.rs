//! Any bytes are kept, changed lines stay single lines, and the flattened text reads back.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use lxc_config::document::{Content, ReadError};
use lxc_config::{Document, parse_flattened};

fuzz_target!(|bytes: &[u8]| {
    // An include brings the text itself, under a name that does not look like a cycle.
    let mut left = 3;
    let mut read = |_: &Path| {
        left -= 1;
        if left > 0 { Ok(Content::File(bytes.to_vec())) } else { Err(ReadError::Missing) }
    };
    let (mut document, _) = Document::from_text(Path::new("/c/config"), bytes, &mut read);
    assert_eq!(document.to_text(), bytes);

    let (again, problems) = parse_flattened(&document.flatten());
    assert!(problems.is_empty(), "{problems:?}");
    assert!(again.entries().eq(document.entries()));

    let text = String::from_utf8_lossy(bytes);
    let (key, value) = text.split_once('=').unwrap_or((&text, ""));
    let before = document.entries().count();
    if document.append(key, value).is_ok() {
        let saved = document.to_text();
        let (reloaded, _) = Document::from_text(Path::new("/c/config"), &saved, &mut |_: &Path| {
            Err::<Content, _>(ReadError::Missing)
        });
        // Nothing but this one line is new, and it says what it was told to.
        if key != "lxc.include" {
            let last = reloaded.entries().last().expect("a line was added");
            assert_eq!((last.key, last.value), (key, value));
            assert_eq!(document.entries().count(), before + 1);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        parse_flattened(text);
    }
});

//! What holds for any text.

use std::path::Path;

use lxc_config::document::{Content, ReadError};
use lxc_config::edit::{self, Surroundings};
use lxc_config::{Context, Document, interpret, keys, parse_flattened};
use proptest::prelude::*;

/// One include that exists, so that arbitrary configs reach it now and then.
fn read(path: &Path) -> Result<Content, ReadError> {
    match path.to_str() {
        Some("/i") => Ok(Content::File(b"lxc.group = i\nlxc.net.1.type = veth\n# x\n".to_vec())),
        _ => Err(ReadError::Missing),
    }
}

fn load(text: &[u8]) -> Document {
    Document::from_text(Path::new("/c/config"), text, &mut read).0
}

/// A name of the table with something at its variable place.
fn key() -> impl Strategy<Value = String> {
    let names: Vec<&str> = keys::all().map(|key| key.name).collect();
    (prop::sample::select(names), 0..3_u32, "[a-z.]{0,6}").prop_map(|(name, number, word)| {
        let name = name.replace("[i]", &number.to_string());
        match name.split_once('<') {
            Some((stem, _)) => format!("{stem}{word}"),
            None => name,
        }
    })
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        prop::sample::select(vec![
            "0",
            "1",
            "veth",
            "10.0.0.1/8",
            "net",
            "a b c",
            "u 0 1 2",
            "none",
            "kill",
            "5s",
            "/i",
            "A=b",
            "/x/y",
            "10:66:6a:xx:xx:xx",
            "proc sys",
            "\"q\"",
            "' '",
            " x ",
            "DEBUG",
            "SIGTERM",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ]
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (key(), value(), "[ \t]{0,2}", "[ \t]{0,2}").prop_map(|(k, v, a, b)| format!("{a}{k}{b}={a}{v}{b}")),
        1 => Just("lxc.include = /i".to_owned()),
        1 => ".{0,20}",
    ]
}

fn config() -> impl Strategy<Value = String> {
    prop::collection::vec((line(), prop::sample::select(vec!["\n", "\r\n", "\n\n", "\r"])), 0..20)
        .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
}

proptest! {
    #[test]
    fn bytes_survive(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(load(&bytes).to_text(), bytes);
    }

    #[test]
    fn configs_survive(text in config()) {
        prop_assert_eq!(load(text.as_bytes()).to_text(), text.as_bytes());
    }

    #[test]
    fn flattening_keeps_the_meaning(text in config()) {
        let mut document = load(text.as_bytes());
        document.fill_hwaddrs(&mut || 7);
        let (again, problems) = parse_flattened(&document.flatten());
        prop_assert!(problems.is_empty(), "{:?}", problems);
        prop_assert_eq!(
            interpret(&again, &Context::default()),
            interpret(&document, &Context::default())
        );
    }

    #[test]
    fn written_configs_mean_the_same(text in config()) {
        let (config, _) = interpret(&load(text.as_bytes()), &Context::default());
        let written = config.to_text();
        let (again, problems) = interpret(&load(written.as_bytes()), &Context::default());
        prop_assert!(problems.iter().all(|problem| !problem.is_error()), "{:?}\n{}", problems, written);
        prop_assert_eq!(again.to_text(), written);
        for key in config.keys("") {
            prop_assert_eq!(again.get(&key), config.get(&key));
        }
    }

    /// After any changes the text that is saved, and the text for another process, mean what the
    /// changed config means.
    #[test]
    fn text_and_meaning_change_together(
        text in config(),
        changes in prop::collection::vec((key(), value(), any::<bool>()), 1..6),
    ) {
        let mut document = load(text.as_bytes());
        document.fill_hwaddrs(&mut || 7);
        let (mut config, _) = interpret(&document, &Context::default());
        for (key, value, clear) in changes {
            let before = (document.clone(), config.clone());
            let mut random = || 7;
            let mut around =
                Surroundings { reader: &mut read, random: &mut random, context: Context::default() };
            let result = match clear {
                true => edit::clear(&mut document, &mut config, &key),
                false => edit::set(&mut document, &mut config, &key, &value, &mut around).map(drop),
            };
            if result.is_err() {
                prop_assert_eq!(&(document.clone(), config.clone()), &before);
            }
            let lines = |document: &Document| String::from_utf8_lossy(&document.to_text()).lines().count();
            prop_assert!(lines(&document) <= lines(&before.0) + 1);
            let (flat, _) = parse_flattened(&document.flatten());
            let (replayed, _) = interpret(&flat, &Context::default());
            prop_assert_eq!(replayed.to_text(), config.to_text(), "after {} = {:?}", key, value);
            let saved = document.to_text();
            if !String::from_utf8_lossy(&saved).contains("lxc.include") {
                let (reloaded, _) = interpret(&load(&saved), &Context::default());
                prop_assert_eq!(reloaded.to_text(), config.to_text(), "after {} = {:?}", key, value);
            }
        }
    }
}

//! What `lxc-copy -m` takes: `bind=SOURCE[:TARGET][:ro|rw]` and `overlay=SOURCE[:TARGET]`, joined by commas.

use std::path::{Path, PathBuf};

use lxc_core::ephemeral::{ExtraMount, Shown};

/// The mounts of one option; the text of the complaint.
pub fn parse(text: &str) -> Result<Vec<ExtraMount>, String> {
    text.split(',').map(one).collect()
}

fn one(text: &str) -> Result<ExtraMount, String> {
    let refused = |why: &str| format!("--mount (-m): \"{text}\": {why}");
    let (kind, rest) = text.split_once('=').unwrap_or((text, ""));
    let parts: Vec<&str> = rest.split(':').collect();
    if kind != "bind" && kind != "overlay" {
        return Err(refused("it must begin with bind= or overlay="));
    }
    let (source, target, option) = match (kind, parts.as_slice()) {
        (_, [source]) => (source, source, None),
        ("bind", [source, word]) if access(word).is_some() => (source, source, access(word)),
        (_, [source, target]) => (source, target, None),
        ("bind", [source, target, word]) => {
            (source, target, Some(access(word).ok_or_else(|| refused("the last part must be ro or rw"))?))
        }
        _ => return Err(refused("too many parts")),
    };
    if source.is_empty() || target.is_empty() {
        return Err(refused("a part is empty"));
    }
    let shown = match kind {
        "bind" => Shown::Bind(option.unwrap_or("rw").to_owned()),
        _ => Shown::Overlay,
    };
    Ok(ExtraMount { source: rooted(source), target: rooted(target), shown })
}

/// `ro` or `rw`, or the beginning of one.
fn access(word: &str) -> Option<&'static str> {
    ["ro", "rw"].into_iter().find(|full| !word.is_empty() && full.starts_with(word))
}

/// From the root, as upstream reads what is relative.
fn rooted(text: &str) -> PathBuf {
    Path::new("/").join(text).components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str, target: &str, option: &str) -> ExtraMount {
        ExtraMount { source: source.into(), target: target.into(), shown: Shown::Bind(option.into()) }
    }

    fn overlay(source: &str, target: &str) -> ExtraMount {
        ExtraMount { source: source.into(), target: target.into(), shown: Shown::Overlay }
    }

    #[test]
    fn forms() {
        for (text, mount) in [
            ("bind=/a", bind("/a", "/a", "rw")),
            ("bind=/a:/b", bind("/a", "/b", "rw")),
            ("bind=/a:ro", bind("/a", "/a", "ro")),
            ("bind=/a:r", bind("/a", "/a", "ro")),
            ("bind=/a:/b:rw", bind("/a", "/b", "rw")),
            ("bind=a//b/:c", bind("/a/b", "/c", "rw")),
            ("overlay=/a", overlay("/a", "/a")),
            ("overlay=/a:ro", overlay("/a", "/ro")),
        ] {
            assert_eq!(parse(text), Ok(vec![mount]), "{text}");
        }
        assert_eq!(parse("bind=/a,overlay=/b").unwrap().len(), 2);
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "",
            "bind",
            "bind=",
            "bind=/a:",
            "bind=/a:/b:x",
            "bind=/a:/b:ro:/c",
            "overlay=/a:/b:ro",
            "aufs=/a",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

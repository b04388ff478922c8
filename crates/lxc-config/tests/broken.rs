//! What a user reads when a config has a mistake: one line that names file, line and key.
//!
//! Each config of `fixtures/broken.txt` has one mistake, in its last line.

use std::path::Path;

use lxc_config::document::{Content, ReadError};
use lxc_config::{Context, Diagnostic, Document, interpret};

fn read(path: &Path) -> Result<Content, ReadError> {
    match path.to_str() {
        Some("/broken-include") => Ok(Content::File(b"# fine\nlxc.tty.maks = 4\n".to_vec())),
        Some("/c/config") => Ok(Content::File(Vec::new())),
        _ => Err(ReadError::Missing),
    }
}

fn problems(text: &str) -> Vec<Diagnostic> {
    let (document, mut problems) = Document::from_text(Path::new("/c/config"), text.as_bytes(), &mut read);
    problems.extend(interpret(&document, &Context::default()).1);
    problems.retain(Diagnostic::is_error);
    problems
}

#[test]
fn the_first_line_says_it_all() {
    let mut shown = String::new();
    let configs: Vec<_> =
        include_str!("fixtures/broken.txt").split("%%\n").filter(|c| !c.is_empty()).collect();
    assert!(configs.len() >= 100);
    for config in configs {
        let line = config.lines().last().unwrap();
        let number = config.lines().count();
        let key = line.trim().split([' ', '=']).next().unwrap();
        let problems = problems(config);
        assert_eq!(problems.len(), 1, "{line}: {problems:?}");
        let text = problems[0].to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        if line.contains("/broken-include") {
            assert!(text.starts_with("/broken-include:2:1: lxc.tty.maks: "), "{text}");
        } else {
            let column = 1 + line.len() - line.trim_start().len();
            assert!(text.starts_with(&format!("/c/config:{number}:{column}: {key}")), "{text}");
        }
        shown.push_str(&format!("{line}\n    {text}\n"));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn all_mistakes_are_told() {
    let text = "lxc.uts.nmae = a\nlxc.uts.name = good\nlxc.tty.max = x\nlxc.foo\n";
    let (document, parsed) = Document::from_text(Path::new("/c/config"), text.as_bytes(), &mut read);
    let (config, interpreted) = interpret(&document, &Context::default());
    assert_eq!((parsed.len(), interpreted.len()), (1, 2));
    assert_eq!(config.get("lxc.uts.name").unwrap(), "good");
}

#[test]
fn warnings() {
    let text = "lxc.net.0.link = bridge0123456789\nlxc.net.0.flags = yes\nlxc.net.0.type = veth\n\
                lxc.autodev.tmpfs.size = 1M\nlxc.console.size = 5000\nlxc.net.0.ipv4.address = 192.168.1.10\n\
                lxc.net.7.name = eth7\nlxc.mount.entry = nonsense\n";
    let (document, _) = Document::from_text(Path::new("/c/config"), text.as_bytes(), &mut read);
    let (config, problems) = interpret(&document, &Context::default());
    assert!(problems.iter().all(|problem| !problem.is_error()), "{problems:?}");
    let shown: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    insta::assert_snapshot!(shown);
    assert_eq!(config.mounts.autodev_size, 500_000);
    assert_eq!(config.get("lxc.console.size").unwrap(), "8192");
    assert_eq!(config.get("lxc.net.0.ipv4.address").unwrap(), "192.168.1.10/24");
}

//! What is odd in a config although it can be read, besides what is wrong in it: for those who mend files.

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::document::{Document, Entry};
use crate::interpret::interpret;
use crate::keys::{self, Context, KeyError, Shape};
use crate::origin::{Origin, Span};

/// What kind of oddity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A line or file that cannot be read, or a value that does not fit.
    Invalid,
    /// A key that nobody knows.
    Unknown,
    /// A key's name from before LXC 2.1.
    Legacy,
    /// A line that a later one takes back.
    Shadowed,
    /// Lines that exclude each other.
    Contradictory,
    /// A line without effect, for want of another.
    Idle,
    /// Something that this host lacks.
    Lacking,
}

impl Rule {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Invalid => "invalid",
            Rule::Unknown => "unknown",
            Rule::Legacy => "legacy",
            Rule::Shadowed => "shadowed",
            Rule::Contradictory => "contradictory",
            Rule::Idle => "idle",
            Rule::Lacking => "lacking",
        }
    }
}

/// One oddity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub rule: Rule,
    /// What and where.
    pub diagnostic: Diagnostic,
}

/// Keys that do nothing without another, and the value that the other must have, if not any.
const NEEDS: [(&str, &str, Option<&str>); 10] = [
    ("lxc.apparmor.raw", "lxc.apparmor.profile", Some("generated")),
    ("lxc.apparmor.allow_nesting", "lxc.apparmor.profile", Some("generated")),
    ("lxc.rootfs.options", "lxc.rootfs.path", None),
    ("lxc.rootfs.managed", "lxc.rootfs.path", None),
    ("lxc.console.rotate", "lxc.console.logfile", None),
    ("lxc.console.size", "lxc.console.logfile", None),
    ("lxc.seccomp.allow_nesting", "lxc.seccomp.profile", None),
    ("lxc.seccomp.notify.proxy", "lxc.seccomp.profile", None),
    ("lxc.seccomp.notify.cookie", "lxc.seccomp.notify.proxy", None),
    ("lxc.selinux.context.keyring", "lxc.selinux.context", None),
];

/// Gives a document's meaning and all that is odd in it, in the order of the lines. `before` are the problems of
/// reading it.
pub fn lint(document: &Document, before: Vec<Diagnostic>, context: &Context<'_>) -> (Config, Vec<Finding>) {
    let (config, problems) = interpret(document, context);
    let mut findings: Vec<Finding> = before.into_iter().chain(problems).map(classify).collect();
    let entries: Vec<Entry<'_>> = document.entries().collect();
    findings.extend(shadowed(&entries, document));
    findings.extend(excluding(&entries));
    findings.extend(idle(&entries));
    (config, findings)
}

fn classify(diagnostic: Diagnostic) -> Finding {
    let rule = match diagnostic.key.as_deref().map(keys::find) {
        Some(Err(KeyError::Unknown { .. })) => Rule::Unknown,
        Some(Err(KeyError::Renamed { .. })) => Rule::Legacy,
        Some(Err(KeyError::Value { .. }) | Ok(_)) | None => Rule::Invalid,
    };
    Finding { rule, diagnostic }
}

fn span<'a>(entry: &Entry<'a>) -> Option<&'a Span> {
    match entry.origin {
        Origin::File(span) => Some(span),
        Origin::Program => None,
    }
}

fn warning(rule: Rule, entry: &Entry<'_>, text: String) -> Finding {
    let mut diagnostic = Diagnostic::warning(text).with_key(entry.key);
    diagnostic.origin = span(entry).cloned();
    Finding { rule, diagnostic }
}

/// Lines that a later line takes back. A line of the file itself may change what an include says: that is what
/// includes are for.
fn shadowed(entries: &[Entry<'_>], document: &Document) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let Some(own) = span(entry) else { continue };
        let Ok((key, _)) = keys::find(entry.key) else { continue };
        let later = entries.iter().skip(at + 1).find(|later| takes_back(later, entry, key.shape));
        let Some(by) = later.and_then(span) else { continue };
        if by.file == own.file || *own.file == *document.path() {
            found.push(warning(Rule::Shadowed, entry, format!("{by} takes this back")));
        }
    }
    found
}

/// Whether nothing of `entry` is left after `later`.
fn takes_back(later: &Entry<'_>, entry: &Entry<'_>, shape: Shape) -> bool {
    if later.key == entry.key {
        return match shape {
            Shape::Single => true,
            Shape::List => later.value.is_empty() && !entry.value.is_empty(),
            Shape::Group | Shape::Action => false,
        };
    }
    // An empty group clears all that is below it.
    let below = entry.key.strip_prefix(later.key).is_some_and(|rest| rest.starts_with('.'));
    below && later.value.is_empty() && keys::find(later.key).is_ok_and(|(key, _)| key.shape == Shape::Group)
}

/// Keys that exclude each other.
fn excluding(entries: &[Entry<'_>]) -> Vec<Finding> {
    let last =
        |key: &str| entries.iter().rfind(|entry| entry.key == key).filter(|entry| !entry.value.is_empty());
    let mut found = Vec::new();
    for (a, b) in [("lxc.namespace.clone", "lxc.namespace.keep"), ("lxc.cap.drop", "lxc.cap.keep")] {
        if let (Some(a), Some(b)) = (last(a), last(b)) {
            found.push(warning(Rule::Contradictory, b, format!("it excludes {}, {}", a.key, a.origin)));
        }
    }
    found
}

/// Lines that do nothing for want of another.
fn idle(entries: &[Entry<'_>]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, needed, wanted) in NEEDS {
        let Some(entry) = entries.iter().rfind(|entry| entry.key == key) else { continue };
        if entry.value.is_empty() || entry.value == "0" {
            continue;
        }
        let other = entries.iter().rfind(|entry| entry.key == needed);
        let there = match wanted {
            None => other.is_some_and(|other| !other.value.is_empty()),
            Some(wanted) => other.is_some_and(|other| other.value == wanted),
        };
        if !there {
            let wanted = wanted.map(|wanted| format!(" = {wanted}")).unwrap_or_default();
            found.push(warning(Rule::Idle, entry, format!("it does nothing without {needed}{wanted}")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::document::{Content, ReadError};

    /// `FILE:LINE RULE` of each finding.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let mut reader = |path: &Path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| Content::File(text.as_bytes().to_vec())).ok_or(ReadError::Missing)
        };
        let (document, before) = crate::parse(Path::new(files[0].0), &mut reader);
        let (_, findings) = lint(&document, before, &Context::default());
        let place = |span: &Span| format!("{}:{}", span.file.display(), span.line);
        findings
            .iter()
            .map(|f| {
                format!("{} {}", f.diagnostic.origin.as_ref().map(place).unwrap_or_default(), f.rule.as_str())
            })
            .collect()
    }

    #[test]
    fn what_cannot_be_read() {
        let text = "lxc.uts.nmae = a\nlxc.utsname = a\nlxc.tty.max = many\nlxc.nothing\n";
        let mut all = found(&[("/a", text)]);
        all.sort();
        assert_eq!(all, ["/a:1 unknown", "/a:2 legacy", "/a:3 invalid", "/a:4 unknown"]);
    }

    #[test]
    fn shadows() {
        let text = "lxc.uts.name = a\nlxc.cap.drop = mknod\nlxc.uts.name = b\nlxc.cap.drop = sys_time\n";
        assert_eq!(found(&[("/a", text)]), ["/a:1 shadowed"]);
        let text =
            "lxc.cap.drop = mknod\nlxc.cap.drop =\nlxc.net.0.type = veth\nlxc.net.0.flags = up\nlxc.net =\n";
        assert_eq!(found(&[("/a", text)]), ["/a:1 shadowed", "/a:3 shadowed", "/a:4 shadowed"]);
    }

    #[test]
    fn includes_may_be_changed_but_must_not_change() {
        let common = ("/common", "lxc.tty.max = 4\nlxc.pty.max = 1\n");
        assert!(found(&[("/a", "lxc.include = /common\nlxc.tty.max = 1\n"), common]).is_empty());
        assert_eq!(found(&[("/a", "lxc.tty.max = 1\nlxc.include = /common\n"), common]), ["/a:1 shadowed"]);
    }

    #[test]
    fn lines_that_want_others() {
        assert_eq!(found(&[("/a", "lxc.apparmor.raw = deny /x rw,\n")]), ["/a:1 idle"]);
        let text =
            "lxc.apparmor.profile = generated\nlxc.apparmor.allow_nesting = 1\nlxc.console.rotate = 0\n";
        assert!(found(&[("/a", text)]).is_empty());
        let text = "lxc.namespace.keep = net\nlxc.namespace.clone = ipc\n";
        assert!(found(&[("/a", text)]).contains(&"/a:1 contradictory".to_owned()));
    }
}

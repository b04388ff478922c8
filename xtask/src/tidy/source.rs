//! Sizes, names, `unsafe`, and words that ask for a reference.

use super::Finding;

const MAX_LINES: usize = 1000;

/// Where `unsafe` may be.
const UNSAFE_IN: &[&str] = &["lxc-sys", "liblxc", "pam-cgfs"];

/// A helper lives with its only user or gets a name.
const NO_NAMES: &[&str] = &["utils.rs", "util.rs", "common.rs", "helpers.rs", "misc.rs"];

/// Checks that hold for each text file. `root` is where the tree lies on this machine, which means nothing elsewhere.
pub fn check_any(place: &str, text: &str, root: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in numbered(text) {
        if root.len() > 1 && line.contains(root) {
            findings
                .push(Finding::new(format!("{place}:{number}"), format!("{root}: a path of this machine")));
        }
    }
    findings
}

/// Checks for Rust files.
pub fn check_rust(place: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings.push(Finding::new(place, format!("{lines} lines; {MAX_LINES} is the most")));
    }
    if NO_NAMES.iter().any(|name| place.ends_with(&format!("/{name}"))) {
        findings.push(Finding::new(place, "a name that says nothing"));
    }
    let tells = text.starts_with("//!") || text.starts_with("#!") || place.ends_with("/tests.rs");
    if !tells {
        findings.push(Finding::new(place, "the file does not begin by saying what it is for"));
    }
    let package = package_of(place);
    // A crate's tests may fork to be on both sides.
    let test = place.starts_with("crates/") && place.contains("/tests/");
    if uses_of_unsafe(text) > 0 && !UNSAFE_IN.contains(&package) && !test {
        findings.push(Finding::new(place, format!("unsafe has no place in {package}")));
    }
    findings.extend(todos(place, text));
    findings.extend(fallbacks(place, text));
    findings
}

/// `crates/lxc-sys/src/ns.rs` is of `lxc-sys`.
pub fn package_of(place: &str) -> &str {
    let mut parts = place.split('/');
    match (parts.next(), parts.next()) {
        (Some("crates" | "tests"), Some(name)) => name,
        (Some(first), _) => first,
        (None, _) => place,
    }
}

/// How often the keyword is used: blocks, functions, traits, extern blocks.
pub fn uses_of_unsafe(text: &str) -> usize {
    text.lines().map(code_of).map(|code| words(&code).filter(|word| *word == "unsafe").count()).sum()
}

/// Open ends carry the number of an issue.
fn todos(place: &str, text: &str) -> Vec<Finding> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    numbered(text)
        .filter(|(_, line)| line.contains("//"))
        .filter(|(_, line)| words(line).any(|word| marks.contains(&word)))
        .filter(|(_, line)| {
            !line.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
        .map(|(number, _)| {
            Finding::new(format!("{place}:{number}"), "an open end without the number of an issue")
        })
        .collect()
}

/// A comment about a fallback names the kernel version that lets us delete it.
fn fallbacks(place: &str, text: &str) -> Vec<Finding> {
    if !place.starts_with("crates/lxc-sys/") && !place.starts_with("crates/lxc-host/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, comment) in comments(text) {
        let about = comment.contains("Fallback")
            || comment.contains("fallback for ")
            || comment.contains("fallbacks");
        if about && !names_a_version(&comment) {
            findings
                .push(Finding::new(format!("{place}:{number}"), "a fallback that names no kernel version"));
        }
    }
    findings
}

/// Whether there is `Linux 5.11` or the like.
fn names_a_version(comment: &str) -> bool {
    comment.split("Linux ").skip(1).any(|rest| {
        let number: String = rest.chars().skip_while(|c| c.is_alphabetic() || *c == ' ').collect();
        let mut parts = number.split(|c: char| !c.is_ascii_digit());
        parts.next().is_some_and(|p| !p.is_empty()) && parts.next().is_some_and(|p| !p.is_empty())
    })
}

/// Runs of comment lines, joined, with the number of the first.
fn comments(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (number, line) in numbered(text) {
        let comment = line.trim_start().strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!']));
        match (comment, found.last_mut()) {
            (Some(comment), Some((_, all))) if inside => all.push_str(comment),
            (Some(comment), _) => found.push((number, comment.to_owned())),
            (None, _) => {}
        }
        inside = comment.is_some();
    }
    found
}

/// A line without its comment and the contents of its strings. Good enough for one line at a time:
/// strings over several lines hold no `unsafe` here.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut string = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if string => drop(chars.next()),
            '"' => string = !string,
            '/' if !string && chars.peek() == Some(&'/') => break,
            _ if !string => code.push(c),
            _ => {}
        }
    }
    code
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

#[cfg(test)]
mod tests {
    use super::{check_any, check_rust, package_of, uses_of_unsafe};

    fn wrong(place: &str, text: &str) -> Vec<String> {
        check_rust(place, text).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn unsafe_is_seen_in_code_only() {
        let text = "//! About unsafe code.\nlet a = \"unsafe\"; // unsafe\nunsafe { f() }\nunsafe fn g() {}\nunsafe_code();\n";
        assert_eq!(uses_of_unsafe(text), 2);
        assert!(wrong("crates/lxc-sys/src/a.rs", text).is_empty());
        assert_eq!(wrong("crates/lxc-core/src/a.rs", text), ["unsafe has no place in lxc-core"]);
    }

    #[test]
    fn files_have_a_limit_and_a_beginning() {
        let long = format!("//! Text.\n{}", "\n".repeat(1000));
        assert_eq!(wrong("crates/a/src/b.rs", &long), ["1001 lines; 1000 is the most"]);
        assert_eq!(wrong("crates/a/src/b.rs", "fn f() {}\n").len(), 1);
        assert_eq!(wrong("crates/a/src/utils.rs", "//! Text.\n"), ["a name that says nothing"]);
    }

    #[test]
    fn open_ends_have_an_issue() {
        let mark = concat!("TO", "DO");
        assert_eq!(wrong("crates/a/src/b.rs", &format!("//! Text.\n// {mark}: later\n")).len(), 1);
        assert!(wrong("crates/a/src/b.rs", &format!("//! Text.\n// {mark}(#12): later\n")).is_empty());
    }

    #[test]
    fn fallbacks_name_a_kernel() {
        let with = "//! Text.\n\n// Fallback for Linux before 5.11:\n// one by one.\n";
        assert!(wrong("crates/lxc-sys/src/b.rs", with).is_empty());
        let over_lines = "//! Text.\n\n// Fallback: needless\n// from Linux 4.20 on.\n";
        assert!(wrong("crates/lxc-sys/src/b.rs", over_lines).is_empty());
        let without = "//! Text.\n\n// Fallback for old kernels.\n";
        assert_eq!(wrong("crates/lxc-sys/src/b.rs", without).len(), 1);
    }

    #[test]
    fn paths_of_a_machine() {
        let found = |text| check_any("README.md", text, "/home/me/tree").len();
        assert_eq!((found("see /home/me/tree/notes\n"), found("see /var/lib/lxc\n")), (1, 0));
        assert!(check_any("README.md", "see /etc\n", "/").is_empty());
    }

    #[test]
    fn packages() {
        assert_eq!(package_of("crates/lxc-sys/src/ns.rs"), "lxc-sys");
        assert_eq!(package_of("tests/compliance/src/lib.rs"), "compliance");
        assert_eq!(package_of("xtask/src/main.rs"), "xtask");
    }
}

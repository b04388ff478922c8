//! The dependency arrows: a crate uses crates of lower lines only.

use super::Finding;

/// What each package may use of this workspace. The lines of the map in ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("lxc-sys", &[]),
    ("lxc-types", &[]),
    ("lxc-config", &["lxc-types"]),
    ("lxc-host", &["lxc-sys", "lxc-types"]),
    ("lxc-core", &["lxc-sys", "lxc-types", "lxc-config", "lxc-host"]),
    ("lxc-image", &["lxc-sys", "lxc-types", "lxc-config", "lxc-host"]),
    ("pam-cgfs", &["lxc-sys", "lxc-types", "lxc-config", "lxc-host"]),
    ("lxc-tools", &["lxc-sys", "lxc-types", "lxc-config", "lxc-core", "lxc-image"]),
    ("lxc-helpers", &["lxc-sys", "lxc-types", "lxc-config", "lxc-core"]),
    ("liblxc", &["lxc-sys", "lxc-types", "lxc-config", "lxc-core"]),
    ("compliance", &[]),
    ("xtask", &["lxc-types", "lxc-config", "lxc-tools"]),
];

/// What privileged and in-container programs must not carry.
const NOT_IN_HELPERS: &[&str] =
    &["clap", "serde", "serde_json", "ureq", "rustls", "annotate-snippets", "tokio", "netlink-packet-route"];

/// What would make threads or an executor in the engine.
const NOT_IN_ENGINE: &[&str] = &["tokio", "async-std", "smol", "rayon", "futures", "anyhow"];

const ENGINE: &[&str] = &["lxc-sys", "lxc-types", "lxc-config", "lxc-host", "lxc-core"];

/// Checks one `Cargo.toml`.
pub fn check(place: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let sections = sections(text);
    let name = sections
        .iter()
        .filter(|(section, _)| *section == "package")
        .find_map(|(_, line)| line.strip_prefix("name = "))
        .map(|name| name.trim_matches('"'));
    let Some(name) = name else {
        return vec![Finding::new(place, "the package has no name")];
    };
    let has = |section: &str, start: &str| {
        sections.iter().any(|(s, line)| *s == section && line.starts_with(start))
    };
    if !has("package", "license") {
        findings.push(Finding::new(place, "the package has no licence"));
    }
    if !has("lints", "workspace = true") && name != "compliance" {
        findings.push(Finding::new(place, "the package does not take the workspace's lints"));
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(package, _)| *package == name) else {
        findings.push(Finding::new(place, format!("{name} has no place in the map of crates")));
        return findings;
    };
    for (section, line) in &sections {
        let Some(used) = dependency(section, line) else { continue };
        let ours = ARROWS.iter().any(|(package, _)| *package == used);
        if ours && !allowed.contains(&used) {
            findings.push(Finding::new(place, format!("{name} must not use {used}")));
        }
        let product = !section.contains("dev-dependencies");
        let refused = (name == "lxc-helpers" && NOT_IN_HELPERS.contains(&used))
            || (ENGINE.contains(&name) && NOT_IN_ENGINE.contains(&used));
        if product && refused {
            findings.push(Finding::new(place, format!("{name} must not carry {used}")));
        }
    }
    findings
}

/// The lines of a manifest with the section each is in, without comments and blank ones.
fn sections(text: &str) -> Vec<(&str, &str)> {
    let mut section = "";
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim_matches(['[', ']']);
            // [dependencies.NAME] is a dependency by itself.
            lines.push((section, ""));
        } else if !line.is_empty() && !line.starts_with('#') {
            lines.push((section, line));
        }
    }
    lines
}

/// The package that a line names as a dependency.
fn dependency<'a>(section: &'a str, line: &'a str) -> Option<&'a str> {
    if let Some((kind, name)) = section.rsplit_once('.')
        && kind.ends_with("dependencies")
    {
        return line.is_empty().then_some(name);
    }
    let name = line.split(['=', '.', ' ']).next().filter(|name| !name.is_empty())?;
    section.ends_with("dependencies").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::check;

    fn manifest(name: &str, dependencies: &str) -> String {
        format!(
            "[package]\nname = \"{name}\"\nlicense.workspace = true\n\n[dependencies]\n{dependencies}\n\n[lints]\nworkspace = true\n"
        )
    }

    fn wrong(name: &str, dependencies: &str) -> Vec<String> {
        check("Cargo.toml", &manifest(name, dependencies)).into_iter().map(|f| f.what).collect()
    }

    #[test]
    fn arrows_point_down() {
        assert!(wrong("lxc-core", "lxc-sys.workspace = true\nlxc-host.workspace = true").is_empty());
        assert_eq!(wrong("lxc-host", "lxc-config.workspace = true"), ["lxc-host must not use lxc-config"]);
        assert_eq!(
            wrong("lxc-host", "lxc-core = { path = \"../lxc-core\" }"),
            ["lxc-host must not use lxc-core"]
        );
        assert_eq!(wrong("lxc-tools", "lxc-host.workspace = true"), ["lxc-tools must not use lxc-host"]);
    }

    #[test]
    fn all_kinds_of_sections_count() {
        for section in ["dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            let text = manifest("lxc-types", "") + &format!("[{section}]\nlxc-sys.workspace = true\n");
            assert_eq!(check("Cargo.toml", &text).len(), 1, "{section}");
        }
        let text = manifest("lxc-types", "") + "[dependencies.lxc-sys]\nworkspace = true\n";
        assert_eq!(check("Cargo.toml", &text).len(), 1);
    }

    #[test]
    fn helpers_stay_small() {
        assert_eq!(wrong("lxc-helpers", "clap.workspace = true"), ["lxc-helpers must not carry clap"]);
        assert_eq!(wrong("lxc-core", "tokio = \"1\""), ["lxc-core must not carry tokio"]);
    }

    #[test]
    fn licence_lints_and_place() {
        let text = "[package]\nname = \"lxc-sys\"\n";
        assert_eq!(check("Cargo.toml", text).len(), 2);
        assert_eq!(wrong("lxc-new", ""), ["lxc-new has no place in the map of crates"]);
    }
}

//! Manual pages, made from the tables that the programs themselves use.

mod container_conf;
mod overview;
mod tool;

use lxc_tools::described::Described;

/// All pages: the file's name and the text.
pub fn pages(tools: &[Described]) -> Vec<(String, String)> {
    let mut pages = vec![
        ("lxc.container.conf.5".to_owned(), container_conf::page()),
        ("lxc.system.conf.5".to_owned(), overview::system_conf()),
        ("lxc.conf.5".to_owned(), overview::conf()),
        ("lxc.7".to_owned(), overview::lxc(tools)),
    ];
    pages.extend(tools.iter().map(|tool| (format!("{}.1", tool.program), tool::page(tool))));
    pages
}

/// The first lines of a page.
fn head(name: &str, section: u8, about: &str) -> String {
    let about = about.strip_suffix('.').unwrap_or(about);
    format!(
        ".\\\" Made from the programs' own tables by \"cargo xtask man\". Do not edit.\n\
         .TH {} {section} \"\" lxc\\-rs \"Linux Containers\"\n.SH NAME\n{} \\- {}\n",
        escape(&name.to_uppercase()),
        escape(name),
        escape(&lower(about))
    )
}

/// The first letter small, as descriptions begin in manual pages; words in capitals stay.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

fn section(page: &mut String, title: &str) {
    page.push_str(&format!(".SH {}\n", escape(title)));
}

fn paragraph(page: &mut String, text: &str) {
    // A section begins with a paragraph by itself.
    let last = page.lines().next_back().unwrap_or_default();
    let request = if last.starts_with(".SH ") { "" } else { ".PP\n" };
    page.push_str(&format!("{request}{}\n", escape(text)));
}

/// A list of other pages, `name(section)`.
fn see_also(page: &mut String, others: &[(&str, u8)]) {
    section(page, "SEE ALSO");
    for (at, (name, number)) in others.iter().enumerate() {
        let comma = if at + 1 < others.len() { "," } else { "" };
        page.push_str(&format!(".BR {} ({number}){comma}\n", escape(name)));
    }
}

/// Text that roff prints as it is.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('~', "\\(ti").replace('\'', "\\(aq");
    let text = text.replace('^', "\\(ha").replace('`', "\\(ga");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// What a program says about a page on its input.
    fn complaints(program: &str, args: &[&str], page: &str) -> String {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{program}: {e}: contrib/packages test"));
        child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    #[test]
    fn pages_are_sound() {
        let pages = pages(&lxc_tools::described::all());
        assert!(pages.len() > 20);
        for (name, page) in &pages {
            assert_eq!(complaints("groff", &["-man", "-ww", "-Tutf8", "-z", "-rLL=78n"], page), "", "{name}");
            for line in page.lines() {
                let known = [
                    ".\\\"", ".TH ", ".SH ", ".PP", ".TP", ".EX", ".EE", ".I ", ".B ", ".BR ", ".SS ", ".nh",
                    ".ad",
                ];
                assert!(
                    !line.starts_with('.') || known.iter().any(|known| line.starts_with(known)),
                    "{name}: {line}"
                );
                assert!(!line.starts_with('\''), "{name}: {line}");
                assert!(line.is_ascii(), "{name}: {line}");
            }
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape(".a-b\\040'~"), "\\&.a\\-b\\e040\\(aq\\(ti");
        assert_eq!(lower("Run it"), "run it");
        assert_eq!(lower("NDJSON"), "NDJSON");
    }
}

//! Making two outputs comparable.

/// Replaces what differs from run to run by words.
#[derive(Debug, Default, Clone)]
pub struct Scrub {
    words: Vec<(String, String)>,
}

impl Scrub {
    /// Nothing is replaced yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces each `from` by `to`.
    #[must_use]
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        self.words.push((from.to_owned(), to.to_owned()));
        self
    }

    /// Does it.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

/// Takes the source place out of a tool's error lines: `PROG: NAME: FILE: FUNC: LINE text` becomes
/// `PROG: NAME: text`. The place is not part of what users rely on.
#[must_use]
pub fn without_source(stderr: &str) -> String {
    stderr.lines().map(|line| line_without_source(line) + "\n").collect()
}

fn line_without_source(line: &str) -> String {
    let parts: Vec<&str> = line.split(": ").collect();
    for at in 1..parts.len().saturating_sub(2) {
        let is_file = [".c", ".rs"].iter().any(|end| parts[at].ends_with(end)) && !parts[at].contains(' ');
        let rest = parts[at + 2..].join(": ");
        let number = rest.split(' ').next().unwrap_or_default();
        if is_file && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
            let head = parts[..at].join(": ");
            return format!("{head}: {}", rest[number.len()..].trim_start());
        }
    }
    line.to_owned()
}

/// The lines `LABEL: value` of an output, as pairs.
#[must_use]
pub fn fields(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(label, value)| (label.trim_end().to_owned(), value.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::without_source;

    #[test]
    fn the_source_place_goes() {
        let line = "lxc-stop: c1: ../src/lxc/tools/lxc_stop.c: main: 168 c1 is not running\n";
        assert_eq!(without_source(line), "lxc-stop: c1: c1 is not running\n");
        let line = "lxc-start: lxc_start.c: main: 267 No container config specified\n";
        assert_eq!(without_source(line), "lxc-start: No container config specified\n");
    }

    #[test]
    fn other_lines_stay() {
        for line in ["c1 doesn't exist\n", "lxc-start: No container name specified\n", "a: b.c: text: more\n"]
        {
            assert_eq!(without_source(line), line);
        }
    }
}

//! LXC's seccomp policy file, versions 1 and 2, parsed to [`lxc_types::seccomp`]'s tree.
//!
//! The format is upstream's: a version number, a policy line, then a rule a line.
//!
//! ```text
//! 2
//! denylist
//! reject_force_umount
//! [all]
//! kexec_load errno 1
//! mount errno 1 [3,0x1000,&=,0x1000]
//! ```
//!
//! Every mistake is reported, each with its line, its column and, where there is one, the word that
//! was probably meant. Names of system calls are not checked here: which exist depends on the machine.

use std::fmt;

use lxc_types::seccomp::{
    Action, ArgFilter, Compare, NamedPolicy, NumberRule, Policy, Rule, Section, Target, UnknownSection,
};

/// A mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Line in the file, counted from 1.
    pub line: u32,
    /// First wrong character of the line, counted from 1.
    pub column: u32,
    /// The line as it stands in the file.
    pub text: String,
    /// What is wrong.
    pub cause: Cause,
    /// What was probably meant.
    pub help: Option<String>,
}

impl fmt::Display for PolicyError {
    /// `line 4, column 12: "kexec_load errrno 1": …`, to be put behind the file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: \"{}\": {}", self.line, self.column, self.text, self.cause)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PolicyError {}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The file does not begin with `1` or `2`.
    #[error("a policy file starts with its version, 1 or 2")]
    Version,
    /// There is nothing behind the version.
    #[error("the policy line is missing")]
    NoPolicyLine,
    /// Version 1 knows only lists of allowed calls.
    #[error("a version 1 policy is an \"allowlist\"")]
    NotAllowlist,
    /// Version 2's policy line names no list.
    #[error("the policy line starts with \"allowlist\" or \"denylist\"")]
    NoList,
    /// The word `debug` is reserved.
    #[error("debug policies do not exist")]
    Debug,
    /// A version 1 line is not a number.
    #[error("a line of a version 1 policy starts with a system call number")]
    Number,
    /// An action that does not exist.
    #[error("\"{0}\" is no action (kill, errno N, allow, trap, notify)")]
    Action(String),
    /// `errno` without its number, or one that does not fit.
    #[error("errno needs a number from 0 to 65535")]
    Errno,
    /// A header of no known architecture.
    #[error(transparent)]
    Section(#[from] UnknownSection),
    /// A bracket that is no `[index,value,op]` or `[index,value,op,mask]`.
    #[error("an argument filter is [index,value,op] or [index,value,op,mask]")]
    ArgShape,
    /// System calls have six arguments, and a rule may look at each of them once.
    #[error("\"{0}\" is no argument index from 0 to 5, each used once")]
    ArgIndex(String),
    /// Not an unsigned 64 bit number.
    #[error("\"{0}\" is no unsigned 64 bit number")]
    ArgValue(String),
    /// A comparison that does not exist.
    #[error("\"{0}\" is no comparison (!= < <= == >= > &=)")]
    ArgCompare(String),
}

/// Reads a policy file's text. Rules below a section that `runs_here` refuses are passed over
/// unread, as upstream does, so a file may hold what only another machine understands.
///
/// # Errors
/// All mistakes of the file in its order; never empty.
pub fn parse(text: &str, runs_here: impl Fn(Section) -> bool) -> Result<Policy, Vec<PolicyError>> {
    let mut errors = Vec::new();
    let policy = match header(text) {
        Ok(Header::Numbers(lines)) => Policy::Numbers(numbers(lines, &mut errors)),
        Ok(Header::Named { default, rule_default, lines }) => {
            let rules = rules(lines, rule_default, runs_here, &mut errors);
            Policy::Named(NamedPolicy { default, rules })
        }
        Err(error) => return Err(vec![error]),
    };
    if errors.is_empty() { Ok(policy) } else { Err(errors) }
}

/// A line of the file and where it stands.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: u32,
    text: &'a str,
}

impl Line<'_> {
    /// An error at `part`, which is a piece of this line.
    fn error(&self, part: &str, cause: Cause) -> PolicyError {
        let offset = (part.as_ptr().addr()).saturating_sub(self.text.as_ptr().addr());
        let before = self.text.get(..offset).unwrap_or(self.text);
        let column = u32::try_from(before.chars().count()).unwrap_or(u32::MAX - 1) + 1;
        let help = help(&cause);
        PolicyError { line: self.number, column, text: self.text.to_owned(), cause, help }
    }
}

/// The word that was probably meant.
fn help(cause: &Cause) -> Option<String> {
    match cause {
        Cause::Action(word) => nearest(word, ["kill", "errno", "allow", "trap", "notify"].into_iter()),
        Cause::Section(UnknownSection(name)) => {
            let archs = lxc_types::seccomp::Arch::ALL.iter().map(|(_, name)| *name);
            nearest(&name.to_ascii_lowercase(), archs.chain(["all"]))
        }
        _ => None,
    }
}

/// The candidate that is at most two edits away from `word` (one, if that is short).
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let word = word.split_ascii_whitespace().next()?;
    let limit = word.chars().count().div_ceil(3).clamp(1, 2);
    let distances = candidates.map(|c| (edits(word, c), c));
    let (distance, best) = distances.min_by_key(|(d, c)| (*d, c.len().abs_diff(word.len())))?;
    (distance <= limit).then(|| format!("did you mean \"{best}\"?"))
}

/// How many single-character edits lead from one word to the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let change = row[j] + usize::from(a != *b);
            next.push(change.min(row[j + 1] + 1).min(next[j] + 1));
        }
        row = next;
    }
    row[to.len()]
}

enum Header<'a> {
    Numbers(Lines<'a>),
    Named { default: Action, rule_default: Action, lines: Lines<'a> },
}

/// The lines of a file from some line on.
struct Lines<'a> {
    rest: &'a str,
    number: u32,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (text, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        let line = Line { number: self.number, text };
        self.rest = rest;
        self.number += 1;
        Some(line)
    }
}

/// Version and policy line. Upstream reads the version with `scanf`, which passes over any blanks and
/// newlines behind it: the policy line is what follows them.
fn header(text: &str) -> Result<Header<'_>, PolicyError> {
    let first = Line { number: 1, text: text.lines().next().unwrap_or_default() };
    let start = text.trim_start();
    let digits = start.find(|c: char| !c.is_ascii_digit()).unwrap_or(start.len());
    let (version, behind) = start.split_at(digits);
    let version = version.trim_start_matches('0');
    if version != "1" && version != "2" {
        return Err(first.error(first.text, Cause::Version));
    }
    let rest = behind.trim_start();
    let skipped = text.len() - rest.len();
    let newlines = text.get(..skipped).unwrap_or_default().matches('\n').count();
    let number = u32::try_from(newlines).unwrap_or(u32::MAX - 1) + 1;
    let mut lines = Lines { rest, number };
    let Some(line) = lines.next() else { return Err(first.error("", Cause::NoPolicyLine)) };
    if let Some(at) = line.text.find("debug") {
        return Err(line.error(line.text.get(at..).unwrap_or_default(), Cause::Debug));
    }
    if version == "1" {
        return if line.text.contains("allowlist") {
            Ok(Header::Numbers(lines))
        } else {
            Err(line.error(line.text, Cause::NotAllowlist))
        };
    }
    let (default, rule_default) = policy_line(line)?;
    Ok(Header::Named { default, rule_default, lines })
}

/// What happens to calls without a rule, and to calls of a rule without an action.
fn policy_line(line: Line<'_>) -> Result<(Action, Action), PolicyError> {
    let starts = |words: [&str; 2]| words.iter().any(|word| line.text.starts_with(word));
    let (default, rule_default) = if starts(["denylist", "blacklist"]) {
        (Action::Allow, Action::Kill)
    } else if starts(["allowlist", "whitelist"]) {
        (Action::Kill, Action::Allow)
    } else {
        return Err(line.error(line.text, Cause::NoList));
    };
    let rest = line.text.split_once(' ').map_or("", |(_, rest)| rest.trim());
    if rest.is_empty() {
        return Ok((default, rule_default));
    }
    let default = action(rest).map_err(|cause| line.error(rest, cause))?;
    Ok((default, rule_default))
}

fn numbers(lines: Lines<'_>, errors: &mut Vec<PolicyError>) -> Vec<NumberRule> {
    let mut rules = Vec::new();
    for line in lines {
        let start = line.text.trim_start();
        let digits = start.find(|c: char| !c.is_ascii_digit()).unwrap_or(start.len());
        match start.get(..digits).unwrap_or_default().parse() {
            Ok(number) => rules.push(NumberRule { number, line: line.number }),
            Err(_) => errors.push(line.error(start, Cause::Number)),
        }
    }
    rules
}

fn rules(
    lines: Lines<'_>,
    default: Action,
    runs_here: impl Fn(Section) -> bool,
    errors: &mut Vec<PolicyError>,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut section = Section::All;
    let mut relevant = true;
    for line in lines {
        if line.text.is_empty() || line.text.starts_with('#') {
            continue;
        }
        if line.text.starts_with('[') {
            match header_of_section(line.text) {
                Ok(found) => {
                    section = found;
                    relevant = runs_here(section);
                }
                Err(cause) => errors.push(line.error(line.text, cause)),
            }
            continue;
        }
        if !relevant {
            continue;
        }
        match rule(line, section, default) {
            Ok(found) => rules.extend(found),
            Err(error) => errors.push(error),
        }
    }
    rules
}

fn header_of_section(text: &str) -> Result<Section, Cause> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match inner {
        Some(name) => Ok(name.parse()?),
        None => Err(Cause::Section(UnknownSection(text.trim_matches(['[', ']', ' ', '\r']).to_owned()))),
    }
}

/// A rule, or nothing for a line that begins with a blank and an action: its name is empty, and no
/// system call has an empty name.
fn rule(line: Line<'_>, section: Section, default: Action) -> Result<Option<Rule>, PolicyError> {
    if line.text.starts_with("reject_force_umount") {
        let (target, action) = (Target::ForceUmount, Action::Errno(13));
        return Ok(Some(Rule { section, target, action, args: Vec::new(), line: line.number }));
    }
    let (name, rest) = line.text.split_once(' ').unwrap_or((line.text, ""));
    let rest = rest.trim_start();
    let action = if rest.is_empty() || rest.starts_with('#') {
        default
    } else {
        action(rest).map_err(|cause| line.error(rest, cause))?
    };
    let args = args(line)?;
    if name.is_empty() {
        return Ok(None);
    }
    Ok(Some(Rule { section, target: Target::Syscall(name.to_owned()), action, args, line: line.number }))
}

/// Only the beginning of the word counts, as in upstream: `allowed` is `allow`.
fn action(text: &str) -> Result<Action, Cause> {
    if text.starts_with("kill") {
        Ok(Action::Kill)
    } else if let Some(rest) = text.strip_prefix("errno") {
        let rest = rest.trim_start();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..digits).unwrap_or_default().parse().map(Action::Errno).map_err(|_| Cause::Errno)
    } else if text.starts_with("allow") {
        Ok(Action::Allow)
    } else if text.starts_with("trap") {
        Ok(Action::Trap)
    } else if text.starts_with("notify") {
        Ok(Action::Notify)
    } else {
        Err(Cause::Action(text.trim_end().to_owned()))
    }
}

/// The brackets of a line, beginning at the first one. A missing `]` at the end of the line is
/// forgiven, as upstream does.
fn args(line: Line<'_>) -> Result<Vec<ArgFilter>, PolicyError> {
    let mut filters: Vec<ArgFilter> = Vec::new();
    let mut rest = line.text.find('[').and_then(|at| line.text.get(at..)).unwrap_or_default();
    while !rest.is_empty() {
        let Some(inner) = rest.strip_prefix('[') else { return Err(line.error(rest, Cause::ArgShape)) };
        let (inner, behind) = inner.split_once(']').unwrap_or((inner, ""));
        let filter = arg(line, inner)?;
        if filters.iter().any(|earlier| earlier.index == filter.index) {
            return Err(line.error(inner, Cause::ArgIndex(filter.index.to_string())));
        }
        filters.push(filter);
        rest = behind.trim_start();
    }
    Ok(filters)
}

fn arg(line: Line<'_>, inner: &str) -> Result<ArgFilter, PolicyError> {
    let mut fields = inner.split(',');
    let (Some(index), Some(value), Some(op)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(line.error(inner, Cause::ArgShape));
    };
    let mask = fields.next();
    if fields.next().is_some() {
        return Err(line.error(inner, Cause::ArgShape));
    }
    let number = |text: &str, cause: fn(String) -> Cause| {
        unsigned(text.trim()).ok_or_else(|| line.error(text, cause(text.trim().to_owned())))
    };
    let wide = number(index, Cause::ArgIndex)?;
    let index = match u8::try_from(wide) {
        Ok(small @ 0..=5) => small,
        _ => return Err(line.error(index, Cause::ArgIndex(index.trim().to_owned()))),
    };
    let value = number(value, Cause::ArgValue)?;
    let mask = mask.map_or(Ok(0), |mask| number(mask, Cause::ArgValue))?;
    let compare =
        compare(op.trim(), mask).ok_or_else(|| line.error(op, Cause::ArgCompare(op.trim().to_owned())))?;
    Ok(ArgFilter { index, compare, value })
}

fn compare(op: &str, mask: u64) -> Option<Compare> {
    Some(match op {
        "!=" | "SCMP_CMP_NE" => Compare::NotEqual,
        "<" | "SCMP_CMP_LT" => Compare::Less,
        "<=" | "SCMP_CMP_LE" => Compare::LessOrEqual,
        "==" | "SCMP_CMP_EQ" => Compare::Equal,
        ">=" | "SCMP_CMP_GE" => Compare::GreaterOrEqual,
        ">" | "SCMP_CMP_GT" => Compare::Greater,
        "&=" | "SCMP_CMP_MASKED_EQ" => Compare::MaskedEqual(mask),
        _ => return None,
    })
}

/// A C integer without sign: decimal, `0x` hexadecimal or `0` octal.
fn unsigned(text: &str) -> Option<u64> {
    let (digits, radix) = if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        (hex, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        (text, 8)
    } else {
        (text, 10)
    };
    // from_str_radix would take a sign.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests;

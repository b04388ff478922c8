//! Device rules: `c 1:3 rwm`, `a`, `/dev/null rw`, as `lxc.cgroup.devices.*` and
//! `lxc.cgroup2.devices.*` hold them.

use std::fmt;
use std::str::FromStr;

/// Which device nodes a rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// Both, written `a`.
    Any,
    /// Block devices, written `b`.
    Block,
    /// Character devices, written `c`.
    Char,
}

/// What may be done with a device: a set of mknod (`m`), read (`r`) and write (`w`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceAccess(u8);

impl DeviceAccess {
    /// Making the node, written `m`. The bits are the kernel's `BPF_DEVCG_ACC_*`.
    pub const MKNOD: DeviceAccess = DeviceAccess(1);
    /// Opening it for reading, written `r`.
    pub const READ: DeviceAccess = DeviceAccess(2);
    /// Opening it for writing, written `w`.
    pub const WRITE: DeviceAccess = DeviceAccess(4);
    /// All three.
    pub const ALL: DeviceAccess = DeviceAccess(7);

    /// The set with the members of `other` added.
    #[must_use]
    pub fn with(self, other: DeviceAccess) -> Self {
        DeviceAccess(self.0 | other.0)
    }

    /// Whether every member of `other` is in this set.
    pub fn contains(self, other: DeviceAccess) -> bool {
        other.0 & !self.0 == 0
    }

    /// The kernel's bits: 1 mknod, 2 read, 4 write.
    pub fn bits(self) -> u8 {
        self.0
    }

    fn of_letters(letters: &str) -> Option<Self> {
        let mut set = DeviceAccess::default();
        for letter in letters.chars() {
            set = set.with(match letter {
                'r' => DeviceAccess::READ,
                'w' => DeviceAccess::WRITE,
                'm' => DeviceAccess::MKNOD,
                _ => return None,
            });
        }
        Some(set)
    }
}

impl fmt::Display for DeviceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in
            [(DeviceAccess::READ, "r"), (DeviceAccess::WRITE, "w"), (DeviceAccess::MKNOD, "m")]
        {
            if self.contains(bit) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// One rule about device nodes: kind, numbers (`None` is `*`) and access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceRule {
    /// Block, character or any.
    pub kind: DeviceKind,
    /// The major number, or any.
    pub major: Option<u32>,
    /// The minor number, or any.
    pub minor: Option<u32>,
    /// What the rule is about.
    pub access: DeviceAccess,
}

/// The value of a `devices.allow` or `devices.deny` key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceInput {
    /// `a`: the whole list is replaced by its default.
    All,
    /// `c 1:3 rwm`.
    Rule(DeviceRule),
    /// `/dev/null rwm`: the node is looked up when the rule is applied.
    Path {
        /// The device node on the host, absolute.
        path: String,
        /// What the rule is about.
        access: DeviceAccess,
    },
}

/// Why a text is no device rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRuleError {
    /// The first field is none of `a`, `b`, `c` and no absolute path.
    #[error("the device rule \"{0}\" starts with none of \"a\", \"b\", \"c\" or \"/\"")]
    Kind(String),
    /// Not of the form `TYPE MAJOR:MINOR ACCESS`.
    #[error("the device rule \"{0}\" is not of the form \"TYPE MAJOR:MINOR ACCESS\"")]
    Fields(String),
    /// A device number does not parse.
    #[error("\"{0}\" is not a device number")]
    Number(String),
    /// The access is empty, too long, or has other letters than `r`, `w`, `m`.
    #[error("\"{0}\" is not a device access: one to three of \"r\", \"w\", \"m\"")]
    Access(String),
}

impl DeviceInput {
    /// A rule as the command protocol carries it: type letter, numbers below zero for `*`, access
    /// letters; type `a` with empty access is [`DeviceInput::All`].
    ///
    /// # Errors
    /// Unknown type or access letters.
    pub fn from_wire(kind: u8, major: i32, minor: i32, access: &str) -> Result<Self, DeviceRuleError> {
        let letter = char::from(kind);
        let kind = kind_of(letter).ok_or_else(|| DeviceRuleError::Kind(letter.to_string()))?;
        if access.is_empty() && kind == DeviceKind::Any {
            return Ok(DeviceInput::All);
        }
        let access = access_of(access)?;
        let (major, minor) = (u32::try_from(major).ok(), u32::try_from(minor).ok());
        Ok(DeviceInput::Rule(DeviceRule { kind, major, minor, access }))
    }
}

impl FromStr for DeviceInput {
    type Err = DeviceRuleError;

    /// Reads upstream's grammar: fields apart by exactly one blank or tab; of the access at most
    /// three letters are read, and what follows a newline is ignored.
    fn from_str(text: &str) -> Result<Self, DeviceRuleError> {
        let line = text.split(['\n', '\0']).next().unwrap_or_default();
        if line == "a" {
            return Ok(DeviceInput::All);
        }
        if line.starts_with('/') {
            return path_form(line);
        }
        let mut chars = line.chars();
        let kind = chars.next().and_then(kind_of).ok_or_else(|| DeviceRuleError::Kind(text.to_owned()))?;
        let fields = || DeviceRuleError::Fields(text.to_owned());
        let rest = chars.as_str().strip_prefix([' ', '\t']).ok_or_else(fields)?;
        let (numbers, access) = rest.split_once([' ', '\t']).ok_or_else(fields)?;
        let (major, minor) = numbers.split_once(':').ok_or_else(fields)?;
        let access = access.get(..3).unwrap_or(access);
        Ok(DeviceInput::Rule(DeviceRule {
            kind,
            major: number(major)?,
            minor: number(minor)?,
            access: access_of(access)?,
        }))
    }
}

/// `/PATH ACCESS`, any blanks between, text after the access ignored.
fn path_form(line: &str) -> Result<DeviceInput, DeviceRuleError> {
    let (path, rest) = line.split_once([' ', '\t']).ok_or_else(|| DeviceRuleError::Access(String::new()))?;
    let access = rest.split([' ', '\t']).find(|word| !word.is_empty()).unwrap_or_default();
    Ok(DeviceInput::Path { path: path.to_owned(), access: access_of(access)? })
}

fn kind_of(letter: char) -> Option<DeviceKind> {
    match letter {
        'a' => Some(DeviceKind::Any),
        'b' => Some(DeviceKind::Block),
        'c' => Some(DeviceKind::Char),
        _ => None,
    }
}

fn access_of(letters: &str) -> Result<DeviceAccess, DeviceRuleError> {
    let wrong = || DeviceRuleError::Access(letters.to_owned());
    if letters.is_empty() || letters.len() > 3 {
        return Err(wrong());
    }
    DeviceAccess::of_letters(letters).ok_or_else(wrong)
}

fn number(text: &str) -> Result<Option<u32>, DeviceRuleError> {
    if text == "*" {
        return Ok(None);
    }
    let wrong = || DeviceRuleError::Number(text.to_owned());
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    text.parse().map(Some).map_err(|_| wrong())
}

impl fmt::Display for DeviceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DeviceKind::Any => 'a',
            DeviceKind::Block => 'b',
            DeviceKind::Char => 'c',
        };
        write!(f, "{kind} ")?;
        write_number(f, self.major)?;
        f.write_str(":")?;
        write_number(f, self.minor)?;
        write!(f, " {}", self.access)
    }
}

fn write_number(f: &mut fmt::Formatter<'_>, number: Option<u32>) -> fmt::Result {
    match number {
        Some(number) => write!(f, "{number}"),
        None => f.write_str("*"),
    }
}

impl fmt::Display for DeviceInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceInput::All => f.write_str("a"),
            DeviceInput::Rule(rule) => rule.fmt(f),
            DeviceInput::Path { path, access } => write!(f, "{path} {access}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn round_trip() {
        for text in ["a", "a *:* rwm", "c 1:3 rwm", "b *:* m", "c 136:* rw", "/dev/null rwm", "/dev/a-b w"] {
            assert_eq!(text.parse::<DeviceInput>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn letters_in_any_order_and_what_follows_is_ignored() {
        assert_eq!("c 1:3 mrw".parse::<DeviceInput>().unwrap().to_string(), "c 1:3 rwm");
        assert_eq!("c 1:3 rwm x".parse::<DeviceInput>().unwrap().to_string(), "c 1:3 rwm");
        assert_eq!("c 1:3 r\nx".parse::<DeviceInput>().unwrap().to_string(), "c 1:3 r");
        assert_eq!("/dev/null  rw more".parse::<DeviceInput>().unwrap().to_string(), "/dev/null rw");
    }

    #[test]
    fn refusals() {
        use DeviceRuleError as E;
        let error = |text: &str| text.parse::<DeviceInput>().unwrap_err();
        assert_eq!(error("d 1:3 rwm"), E::Kind("d 1:3 rwm".into()));
        assert_eq!(error(""), E::Kind(String::new()));
        assert_eq!(error("c  1:3 rwm"), E::Fields("c  1:3 rwm".into()));
        assert_eq!(error("c 13 rwm"), E::Fields("c 13 rwm".into()));
        assert_eq!(error("c 1:3"), E::Fields("c 1:3".into()));
        assert_eq!(error("c +1:3 r"), E::Number("+1".into()));
        assert_eq!(error("c 1:99999999999 r"), E::Number("99999999999".into()));
        assert_eq!(error("c 1:3 rx"), E::Access("rx".into()));
        assert_eq!(error("c 1:3 "), E::Access(String::new()));
        assert_eq!(error("/dev/null"), E::Access(String::new()));
    }

    #[test]
    fn from_the_wire() {
        assert_eq!(DeviceInput::from_wire(b'a', -1, -1, ""), Ok(DeviceInput::All));
        let rule = DeviceInput::from_wire(b'c', 5, -1, "rm").unwrap();
        assert_eq!(rule.to_string(), "c 5:* rm");
        assert!(DeviceInput::from_wire(b'x', 5, 1, "r").is_err());
        assert!(DeviceInput::from_wire(b'c', 5, 1, "").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
            if let Ok(input) = text.parse::<DeviceInput>() {
                prop_assert_eq!(input.to_string().parse::<DeviceInput>().unwrap(), input);
            }
        }

        #[test]
        fn any_rule_round_trips(kind in 0..3u8, major: Option<u32>, minor: Option<u32>, bits in 1..8u8) {
            let kind = [DeviceKind::Any, DeviceKind::Block, DeviceKind::Char][usize::from(kind)];
            let rule = DeviceRule { kind, major, minor, access: DeviceAccess(bits) };
            prop_assert_eq!(rule.to_string().parse::<DeviceInput>(), Ok(DeviceInput::Rule(rule)));
        }
    }
}

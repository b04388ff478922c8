//! Command lines as `getopt_long` reads them, with glibc's messages: the tools' and the container's init's.
//!
//! Long names may be abbreviated, letters may be joined, options and operands may be mixed until `--`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Never.
    None,
    /// Only if attached: `--opt=VALUE`, `-oVALUE`.
    Optional,
    /// Always: attached, or the next argument whatever it looks like.
    Needed,
}

/// An option that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// Its name; empty when it has none.
    pub long: &'a str,
    /// Its letter.
    pub short: Option<char>,
    /// Whether it has a value.
    pub value: Value,
    /// It gives way to the others where an abbreviation may mean several.
    pub yields: bool,
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The option with this place in the list, and its value.
    Option(usize, Option<OsString>),
    /// Something else.
    Operand(OsString),
    /// The two dashes: all that comes now is an operand.
    Dashes,
}

/// Reads arguments, one item a time; an error is what glibc says, without the program's name.
#[derive(Debug)]
pub struct Reader<'a> {
    known: &'a [Known<'a>],
    args: std::vec::IntoIter<OsString>,
    /// Letters that stand behind one dash, and the place of the next.
    cluster: Option<(OsString, usize)>,
    over: bool,
}

impl<'a> Reader<'a> {
    /// A reader of `args` (without the program's name).
    pub fn new(known: &'a [Known<'a>], args: Vec<OsString>) -> Self {
        Reader { known, args: args.into_iter(), cluster: None, over: false }
    }

    /// What stands behind two dashes: a name, whole or its beginning, and perhaps `=` and a value.
    fn long(&mut self, text: &[u8]) -> Result<Item, Vec<u8>> {
        let (name, attached) = match text.iter().position(|byte| *byte == b'=') {
            Some(at) => (&text[..at], Some(OsStr::from_bytes(&text[at + 1..]).to_owned())),
            None => (text, None),
        };
        let at = find_long(self.known, name).map_err(|candidates| unresolved(text, &candidates))?;
        let Known { long, value, .. } = self.known[at];
        match (value, attached) {
            (Value::None, Some(_)) => Err(format!("option '--{long}' doesn't allow an argument").into()),
            (Value::Needed, None) => match self.args.next() {
                Some(next) => Ok(Item::Option(at, Some(next))),
                None => Err(format!("option '--{long}' requires an argument").into()),
            },
            (_, attached) => Ok(Item::Option(at, attached)),
        }
    }

    /// The letter at `place` of `cluster`.
    fn letter(&mut self, cluster: OsString, place: usize) -> Result<Item, Vec<u8>> {
        let bytes = cluster.as_bytes();
        let shown = &bytes[place..=place];
        let letter = char::from(bytes[place]);
        let Some(at) = self.known.iter().position(|option| option.short == Some(letter)) else {
            return Err([b"invalid option -- '", shown, b"'"].concat());
        };
        let attached = &bytes[place + 1..];
        match (self.known[at].value, attached) {
            (Value::None, []) | (Value::Optional, []) => Ok(Item::Option(at, None)),
            (Value::None, _) => {
                self.cluster = Some((cluster, place + 1));
                Ok(Item::Option(at, None))
            }
            (Value::Needed, []) => match self.args.next() {
                Some(next) => Ok(Item::Option(at, Some(next))),
                None => Err([b"option requires an argument -- '", shown, b"'"].concat()),
            },
            (_, attached) => Ok(Item::Option(at, Some(OsStr::from_bytes(attached).to_owned()))),
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Item, Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((cluster, place)) = self.cluster.take() {
            return Some(self.letter(cluster, place));
        }
        let arg = self.args.next()?;
        let bytes = arg.as_bytes();
        if self.over || bytes.len() < 2 || !bytes.starts_with(b"-") {
            return Some(Ok(Item::Operand(arg)));
        }
        if bytes == b"--" {
            self.over = true;
            return Some(Ok(Item::Dashes));
        }
        // Where no option has a name, a second dash is a letter that nobody has.
        let names = self.known.iter().any(|option| !option.long.is_empty());
        match bytes.strip_prefix(b"--").filter(|_| names) {
            Some(long) => {
                let long = long.to_vec();
                Some(self.long(&long))
            }
            None => Some(self.letter(arg, 1)),
        }
    }
}

/// The option with this long name, or the only one with a name that begins so; else all that begin so.
fn find_long<'a>(known: &[Known<'a>], name: &[u8]) -> Result<usize, Vec<&'a str>> {
    if let Some(exact) = known.iter().position(|option| option.long.as_bytes() == name) {
        return Ok(exact);
    }
    for yields in [false, true] {
        let begins = |option: &Known<'_>| option.yields == yields && option.long.as_bytes().starts_with(name);
        let mut candidates = known.iter().enumerate().filter(|(_, option)| begins(option));
        match (candidates.next(), candidates.next()) {
            (Some((only, _)), None) => return Ok(only),
            (None, _) => {}
            _ => {
                return Err(known.iter().filter(|option| begins(option)).map(|option| option.long).collect());
            }
        }
    }
    Err(Vec::new())
}

/// What is said of a long name that means none of the options, or several.
fn unresolved(text: &[u8], candidates: &[&str]) -> Vec<u8> {
    if candidates.is_empty() {
        return [b"unrecognized option '--", text, b"'"].concat();
    }
    let mut said = [b"option '--", text, b"' is ambiguous; possibilities:"].concat();
    for long in candidates {
        said.extend_from_slice(format!(" '--{long}'").as_bytes());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn option(long: &'static str, short: Option<char>, value: Value) -> Known<'static> {
        Known { long, short, value, yields: false }
    }

    const KNOWN: [Known<'static>; 7] = [
        option("name", Some('n'), Value::Needed),
        option("state", Some('s'), Value::None),
        option("stats", Some('S'), Value::None),
        option("help", Some('h'), Value::None),
        option("help", Some('?'), Value::None),
        option("elevate", Some('e'), Value::Optional),
        Known { yields: true, ..option("naked", None, Value::None) },
    ];

    /// Options as `LONG` or `LONG=VALUE`, operands as they are; a message ends it.
    fn read(known: &[Known<'_>], args: &[&str]) -> Vec<String> {
        let mut out = Vec::new();
        for item in Reader::new(known, args.iter().map(OsString::from).collect()) {
            out.push(match item {
                Ok(Item::Operand(word)) => word.into_string().unwrap(),
                Ok(Item::Dashes) => "--".into(),
                Ok(Item::Option(at, None)) => format!("<{}{}>", known[at].long, at),
                Ok(Item::Option(at, Some(value))) => format!("<{}{at}={}>", known[at].long, value.display()),
                Err(said) => {
                    out.push(String::from_utf8(said).unwrap());
                    break;
                }
            });
        }
        out
    }

    #[test]
    fn letters() {
        for (args, want) in [
            (&["-n", "a"][..], &["<name0=a>"][..]),
            (&["-na"], &["<name0=a>"]),
            (&["-sn", "-1"], &["<state1>", "<name0=-1>"]),
            (&["-n", "--", "x"], &["<name0=-->", "x"]),
            (&["-shS"], &["<state1>", "<help3>", "<stats2>"]),
            (&["-?"], &["<help4>"]),
            (&["-e", "CAP"], &["<elevate5>", "CAP"]),
            (&["-seCAP"], &["<state1>", "<elevate5=CAP>"]),
            (&["-n"], &["option requires an argument -- 'n'"]),
            (&["-sxn"], &["<state1>", "invalid option -- 'x'"]),
        ] {
            assert_eq!(read(&KNOWN, args), want, "{args:?}");
        }
    }

    #[test]
    fn names() {
        for (args, want) in [
            (&["--name", "-a"][..], "<name0=-a>"),
            (&["--nam=a=b"], "<name0=a=b>"),
            (&["--name="], "<name0=>"),
            (&["--elev"], "<elevate5>"),
            (&["--elevate=x"], "<elevate5=x>"),
            (&["--help"], "<help3>"),
            (&["--hel"], "option '--hel' is ambiguous; possibilities: '--help' '--help'"),
            (&["--sta=x"], "option '--sta=x' is ambiguous; possibilities: '--state' '--stats'"),
            (&["--bogus=x"], "unrecognized option '--bogus=x'"),
            (&["--state=1"], "option '--state' doesn't allow an argument"),
            (&["--name"], "option '--name' requires an argument"),
            (&["--na", "x"], "<name0=x>"),
            (&["--nak"], "<naked6>"),
        ] {
            assert_eq!(read(&KNOWN, args)[0], want, "{args:?}");
        }
    }

    #[test]
    fn operands() {
        assert_eq!(
            read(&KNOWN, &["c1", "-s", "-", "--", "-n", "a"]),
            ["c1", "<state1>", "-", "--", "-n", "a"]
        );
    }

    #[test]
    fn letters_alone() {
        let known = [option("", Some('m'), Value::Needed), option("", Some('s'), Value::None)];
        assert_eq!(read(&known, &["-sm", "x", "--", "-s"]), ["<1>", "<0=x>", "--", "-s"]);
        assert_eq!(read(&known, &["--help"]), ["invalid option -- '-'"]);
    }
}

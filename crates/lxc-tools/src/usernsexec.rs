//! `lxc-usernsexec`: run a program in a new user namespace. Its options are letters only, none in common with the
//! other tools.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use lxc_core::unshare::{self, Mapped};
use lxc_sys::{proc, users};
use lxc_types::getopt::{Item, Known, Reader, Value};
use lxc_types::{IdKind, IdMap};

use crate::output;
use crate::report::{self, Failure};

const PROGRAM: &str = "lxc-usernsexec";

/// The options.
const KNOWN: [Known<'static>; 5] = [
    letter('m', Value::Needed),
    letter('h', Value::None),
    letter('s', Value::None),
    letter('u', Value::Needed),
    letter('g', Value::Needed),
];

const fn letter(short: char, value: Value) -> Known<'static> {
    Known { long: "", short: Some(short), value, yields: false }
}

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    maps: Vec<IdMap>,
    own: bool,
    uid: u32,
    gid: u32,
    argv: Vec<OsString>,
}

/// Why there is nothing to run.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Help,
    /// What getopt(3) says, without the program's name.
    Letter(Vec<u8>),
    Wrong(String),
}

/// Runs the tool; the exit code.
pub fn run(program: &OsStr, args: Vec<OsString>) -> u8 {
    let asked = match parse(args) {
        Ok(asked) => asked,
        Err(Ended::Help) => return u8::from(output::write(usage(program).as_bytes()).is_err()),
        Err(Ended::Letter(said)) => {
            report::line(&format!("{}: {}", program.display(), String::from_utf8_lossy(&said)));
            return 1;
        }
        Err(Ended::Wrong(said)) => return fail(&Failure::said(said)),
    };
    match execute(asked) {
        Ok(code) => code,
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> u8 {
    report::print(PROGRAM, None, failure);
    failure.code()
}

fn usage(program: &OsStr) -> String {
    format!(
        "Usage: {} [-h] [-s] [-m MAP]... [-u UID] [-g GID] [--] [COMMAND [ARGUMENT]...]\n\n\
         Run a program, or /bin/sh, in a new user namespace\n\n  \
         -m MAP  map ids: u, g or b (both) : first id inside : first id on the host : count\n          \
         (without -m: what /etc/subuid and /etc/subgid grant, from 0 on)\n  \
         -s      map the caller's own ids, too, behind the others\n  \
         -u UID  become this user of the namespace (default 0)\n  \
         -g GID  become this group of the namespace (default 0)\n  \
         -h      show this text\n",
        program.display()
    )
}

fn parse(args: Vec<OsString>) -> Result<Asked, Ended> {
    let mut asked = Asked::default();
    for item in Reader::new(&KNOWN, args) {
        let (at, value) = match item.map_err(Ended::Letter)? {
            Item::Option(at, value) => (at, value.unwrap_or_default()),
            Item::Operand(word) => {
                asked.argv.push(word);
                continue;
            }
            Item::Dashes => continue,
        };
        let text = value.to_string_lossy();
        match KNOWN[at].short {
            Some('h') => return Err(Ended::Help),
            Some('s') => asked.own = true,
            Some('m') => asked.maps.extend(maps(&text).map_err(Ended::Wrong)?),
            Some('u') => asked.uid = id("-u", &text).map_err(Ended::Wrong)?,
            _ => asked.gid = id("-g", &text).map_err(Ended::Wrong)?,
        }
    }
    if asked.argv.is_empty() {
        asked.argv.push("/bin/sh".into());
    }
    Ok(asked)
}

fn id(option: &str, text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{option}: \"{text}\" is no id"))
}

/// `u:0:100000:10`: one line, or two for `b`.
fn maps(text: &str) -> Result<Vec<IdMap>, String> {
    let wrong = || {
        format!("-m: \"{text}\" is no map, like b:0:100000:65536 (u, g or b, id inside, id outside, count)")
    };
    let fields: Vec<&str> = text.split(':').collect();
    let [kind, inside, outside, count] = fields[..] else { return Err(wrong()) };
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    let (inside, outside, count) = (number(inside)?, number(outside)?, number(count)?);
    let kinds: &[IdKind] = match kind {
        "u" => &[IdKind::User],
        "g" => &[IdKind::Group],
        "b" => &[IdKind::User, IdKind::Group],
        _ => return Err(wrong()),
    };
    Ok(kinds.iter().map(|kind| IdMap { kind: *kind, inside, outside, count }).collect())
}

fn execute(asked: Asked) -> Result<u8, Failure> {
    let mut maps = asked.maps;
    if maps.is_empty() {
        maps = granted()?;
    }
    if asked.own {
        maps = unshare::with_own_ids(&maps).0;
    }
    let who = Mapped { maps: &maps, uid: asked.uid, gid: asked.gid };
    let child = who.run(&asked.argv).map_err(lxc_core::Error::from)?;
    Ok(u8::try_from(child.wait()?.shell_status() & 0xff).unwrap_or(1))
}

/// What the host's files grant to the caller: the first range of users and that of groups.
fn granted() -> Result<Vec<IdMap>, Failure> {
    let uid = rustix::process::getuid().as_raw();
    let passwd = proc::read("/etc/passwd")?;
    let name = users::user_by_uid(&passwd, uid).map(|user| user.name.to_vec()).unwrap_or_default();
    let number = uid.to_string();
    let mut maps = Vec::new();
    for (kind, file) in [(IdKind::User, "/etc/subuid"), (IdKind::Group, "/etc/subgid")] {
        let text = proc::read(file)?;
        let own = |owner: &[u8]| owner == name || owner == number.as_bytes();
        let Some(range) = users::sub_ids(&text).find(|range| own(range.owner)) else {
            let shown = OsStr::from_bytes(&name).display().to_string();
            return Err(Failure::said(format!("{file} grants no ids to user {uid} {shown}"))
                .help("give maps by -m, or add a line like NAME:100000:65536 to the file"));
        };
        maps.push(IdMap { kind, inside: 0, outside: range.first, count: range.count });
    }
    Ok(maps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Result<Asked, Ended> {
        parse(words.iter().map(OsString::from).collect())
    }

    fn wrong(words: &[&str]) -> String {
        match asked(words) {
            Err(Ended::Letter(said)) => String::from_utf8(said).unwrap(),
            Err(Ended::Wrong(said)) => said,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn what_is_asked_for() {
        let both = asked(&["-sm", "b:0:100000:10", "id", "-u5", "-g", "6"]).unwrap();
        let lines: Vec<String> = both.maps.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["u 0 100000 10", "g 0 100000 10"]);
        assert_eq!((both.own, both.uid, both.gid), (true, 5, 6));
        assert_eq!(both.argv, ["id"]);
        let plain = asked(&["--", "sh", "-m"]).unwrap();
        assert_eq!((plain.maps.len(), &plain.argv[..]), (0, &["sh".into(), "-m".into()][..]));
        assert_eq!(asked(&[]).unwrap().argv, ["/bin/sh"]);
        assert_eq!(asked(&["-h", "-u", "x"]), Err(Ended::Help));
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(wrong(&["-Z"]), "invalid option -- 'Z'");
        assert_eq!(wrong(&["--help"]), "invalid option -- '-'");
        assert_eq!(wrong(&["-m"]), "option requires an argument -- 'm'");
        for map in ["x", "b:0:1", "b:0:1x:4", "0:1:2", "q:0:1:2", "u:0:1:2:3", "u:-1:1:1", ""] {
            assert!(wrong(&["-m", map]).contains("is no map"), "{map}");
        }
        assert!(wrong(&["-u", "-1"]).contains("is no id"));
    }
}

//! The command line of every tool, option by option: `--usage`, abbreviations, getopt's messages.

use compliance::{Bed, Side};

/// A tool and its own options: letter (or `-`), name, and `=` with a value to try, or `?` for an optional one.
const TOOLS: &[(&str, &str)] = &[
    (
        "lxc-attach",
        "e:elevated-privileges? a:arch=x86_64 s:namespaces=PID R:remount-sys-proc -:clear-env -:keep-env \
         -:keep-var=A v:set-var=A=b L:pty-log=/log f:rcfile=/rc u:uid=1 g:gid=1 c:context=ctx",
    ),
    ("lxc-autostart", "k:kill L:list r:reboot s:shutdown a:all A:ignore-auto g:groups=a t:timeout=1"),
    ("lxc-cgroup", ""),
    ("lxc-console", "t:tty=1 e:escape=b"),
    (
        "lxc-copy",
        "N:newname=x p:newpath=/x R:rename s:snapshot a:allowrunning F:foreground d:daemon e:ephemeral \
         m:mount=bind=/a:/b B:backingstorage=dir L:fssize=1 D:keepdata K:keepname M:keepmac t:tmpfs",
    ),
    (
        "lxc-create",
        "B:bdev=dir f:config=/c t:template=none 0:lvname=a 1:vgname=a 2:thinpool=a 3:fstype=a 4:fssize=1 \
         5:zfsroot=a 6:dir=/d 7:rbdname=a 8:rbdpool=a",
    ),
    ("lxc-destroy", "f:force s:snapshots"),
    ("lxc-device", ""),
    (
        "lxc-execute",
        "d:daemon f:rcfile=/rc s:define=lxc.uts.name=a u:uid=1 g:gid=1 -:share-net=a -:share-ipc=a -:share-uts=a \
         -:share-pid=a",
    ),
    ("lxc-freeze", ""),
    ("lxc-info", "c:config=lxc.uts.name i:ips s:state p:pid S:stats H:no-humanize"),
    (
        "lxc-ls",
        "1:line f:fancy F:fancy-format=NAME -:active -:running -:frozen -:stopped -:defined -:nesting? g:groups=a \
         -:filter=a",
    ),
    ("lxc-monitor", "Q:quit"),
    ("lxc-snapshot", "L:list r:restore=a N:newname=a d:destroy=a c:comment=/c C:showcomments"),
    (
        "lxc-start",
        "d:daemon F:foreground f:rcfile=/rc s:define=lxc.uts.name=a c:console=/c L:console-log=/l C:close-all-fds \
         p:pidfile=/p -:share-net=a -:share-ipc=a -:share-uts=a -:share-pid=a",
    ),
    ("lxc-stop", "r:reboot W:nowait t:timeout=1 k:kill -:nokill -:nolock"),
    ("lxc-top", "d:delay=1 b:batch s:sort=n r:reverse"),
    ("lxc-unfreeze", ""),
    ("lxc-unshare", "s:namespaces=PID u:user=root H:hostname=a i:ifname=a d:daemon M:remount"),
    ("lxc-wait", "s:state=STOPPED t:timeout=1"),
];

const COMMON: &str = "n:name=x h:help ?:help -:usage -:version q:quiet o:logfile=none l:logpriority=ERROR P:lxcpath=/x \
                      -:rcfile=/rc";

/// What ours have and Debian's do not: LXC 7's, and ours alone.
const OURS: &[&str] = &["rbduser", "plan", "format", "jobs", "reopen-logs", "help-and-fail"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'a> {
    None,
    Optional,
    Needed(&'a str),
}

#[derive(Debug, Clone, Copy)]
struct Opt<'a> {
    letter: Option<char>,
    long: &'a str,
    value: Value<'a>,
}

fn options(own: &'static str) -> Vec<Opt<'static>> {
    own.split_whitespace()
        .chain(COMMON.split_whitespace())
        .map(|word| {
            let (letter, rest) = word.split_once(':').expect("a letter and a name");
            let (long, value) = match (rest.split_once('='), rest.strip_suffix('?')) {
                (Some((long, value)), _) => (long, Value::Needed(value)),
                (None, Some(long)) => (long, Value::Optional),
                (None, None) => (rest, Value::None),
            };
            Opt { letter: letter.chars().next().filter(|letter| *letter != '-'), long, value }
        })
        .collect()
}

/// An option as `--usage` shows it.
fn shown(option: &Opt<'_>) -> String {
    let letter = option.letter.map(|letter| format!("-{letter}|")).unwrap_or_default();
    let upper = option.long.to_uppercase();
    let value = match option.value {
        Value::None => String::new(),
        Value::Optional => format!("[={upper}]"),
        Value::Needed(_) => format!("={upper}"),
    };
    format!("[{letter}--{}{value}]", option.long)
}

#[test]
fn usage() {
    let bed = Bed::new();
    for (tool, own) in TOOLS {
        let out = bed.tool(tool, &["--usage"]).ok();
        let mut want = format!("Usage: {tool} ");
        for (n, option) in (1..).zip(options(own)) {
            want.push_str(&shown(&option));
            want.push(' ');
            if n % 4 == 0 {
                want.push_str("\n\t");
            }
        }
        want.push('\n');
        let more = |word: &&str| OURS.iter().any(|own| word.contains(&format!("--{own}")));
        let extra = out.stderr.split_whitespace().any(|word| more(&word));
        if (bed.tools().side() == Side::Ours && extra) || *tool == "lxc-autostart" {
            // With what is ours alone left out, the same words in the same order; Debian's lxc-autostart lists
            // its -h once more.
            let mut words: Vec<&str> = out.stderr.split_whitespace().filter(|word| !more(word)).collect();
            if words.iter().filter(|word| **word == "[-h|--help]").count() > 1 {
                let at = words.iter().position(|word| *word == "[-h|--help]").expect("it is there");
                words.remove(at);
            }
            assert_eq!(words, want.split_whitespace().collect::<Vec<_>>(), "{tool}");
        } else {
            assert_eq!(out.stderr, want, "{tool}");
        }
        assert_eq!(out.stdout, "", "{tool}");
    }
}

/// What a tool says first to these arguments, without its own path; it must fail.
fn complaint(bed: &Bed, tool: &str, args: &[&str]) -> String {
    let out = bed.tool(tool, args).expect(1);
    assert_eq!(out.stdout, "", "{tool} {args:?}");
    let line = out.stderr.lines().next().unwrap_or_default();
    let program = format!("{}: ", bed.tools().path(tool).display());
    line.strip_prefix(&program).unwrap_or_else(|| panic!("{tool} {args:?}: {}", out.stderr)).to_owned()
}

#[test]
fn every_option_and_its_mistakes() {
    let bed = Bed::new();
    // That it was taken is seen from the complaint about the next word.
    let last = "unrecognized option '--no-such-option'";
    for (tool, own) in TOOLS {
        for option in options(own) {
            let long = format!("--{}", option.long);
            match option.value {
                Value::Needed(value) => {
                    assert_eq!(
                        complaint(&bed, tool, &[&long]),
                        format!("option '{long}' requires an argument")
                    );
                    let attached = format!("{long}={value}");
                    for words in [&[&*long, value][..], &[&attached]] {
                        let args = [words, &["--no-such-option"]].concat();
                        assert_eq!(complaint(&bed, tool, &args), last, "{tool} {args:?}");
                    }
                    if let Some(letter) = option.letter {
                        let short = format!("-{letter}");
                        let want = format!("option requires an argument -- '{letter}'");
                        assert_eq!(complaint(&bed, tool, &[&short]), want, "{tool}");
                        for words in [&[&*short, value][..], &[&format!("{short}{value}")]] {
                            let args = [words, &["--no-such-option"]].concat();
                            assert_eq!(complaint(&bed, tool, &args), last, "{tool} {args:?}");
                        }
                    }
                }
                Value::Optional => {
                    assert_eq!(complaint(&bed, tool, &[&long, "--no-such-option"]), last, "{tool}");
                }
                Value::None => {
                    let with = format!("{long}=1");
                    let want = format!("option '{long}' doesn't allow an argument");
                    assert_eq!(complaint(&bed, tool, &[&with]), want, "{tool}");
                    if matches!(option.long, "help" | "usage" | "version") {
                        continue;
                    }
                    assert_eq!(complaint(&bed, tool, &[&long, "--no-such-option"]), last, "{tool} {long}");
                    if let Some(letter) = option.letter {
                        let cluster = format!("-{letter}Z");
                        assert_eq!(complaint(&bed, tool, &[&cluster]), "invalid option -- 'Z'", "{tool}");
                    }
                }
            }
        }
    }
}

#[test]
fn abbreviations() {
    let bed = Bed::new();
    for (tool, own) in TOOLS {
        let options = options(own);
        let beginning = |text: &str| -> Vec<&str> {
            options.iter().map(|option| option.long).filter(|long| long.starts_with(text)).collect()
        };
        for option in &options {
            if beginning(option.long).len() > 1 || matches!(option.long, "usage" | "version") {
                continue;
            }
            let unique = (1..=option.long.len()).find(|end| beginning(&option.long[..*end]).len() == 1);
            let end = unique.expect("the whole name is one");
            let mut word = format!("--{}", &option.long[..end]);
            if let Value::Needed(value) = option.value {
                word.push_str(&format!("={value}"));
            }
            let said = complaint(&bed, tool, &[&word, "--no-such-option"]);
            assert_eq!(said, "unrecognized option '--no-such-option'", "{tool} {word}");
            let several = &option.long[..end - 1];
            if !several.is_empty() && !options.iter().any(|option| option.long == several) {
                let names: String = beginning(several).iter().map(|long| format!(" '--{long}'")).collect();
                let want = format!("option '--{several}' is ambiguous; possibilities:{names}");
                // LXC 7's, which ours have.
                let said = complaint(&bed, tool, &[&format!("--{several}")]).replace(" '--rbduser'", "");
                assert_eq!(said, want, "{tool}");
            }
        }
    }
}

#[test]
fn help_names_every_option() {
    let bed = Bed::new();
    for (tool, own) in TOOLS {
        let help = bed.tool(tool, &["--help"]).ok().stderr;
        assert!(help.starts_with(&format!("Usage: {tool} ")), "{tool}: {help}");
        for part in
            ["\nOptions", "\nCommon options :\n", "  -o, --logfile=FILE ", "  -q, --quiet ", "      --usage "]
        {
            assert!(help.contains(part), "{tool}: {part:?}: {help}");
        }
        for option in options(own) {
            // Debian's own help leaves some out, and shows others as a group.
            let named = help.contains(&format!("--{}", option.long)) || option.long.starts_with("share-");
            let left_out =
                bed.tools().side() == Side::Upstream || option.long == "name" || option.long == "rcfile";
            assert!(named || left_out, "{tool} --{}: {help}", option.long);
        }
        assert_eq!(bed.tool(tool, &["-h"]).ok().stderr, help, "{tool}");
        assert_eq!(bed.tool(tool, &["-?"]).expect(1).stderr, help, "{tool}");
        let wrong = bed.tool(tool, &["-Z"]).expect(1).stderr;
        assert!(wrong.ends_with(&help), "{tool}: after the message comes the help: {wrong}");
    }
}

#[test]
fn the_first_that_ends_counts() {
    let bed = Bed::new();
    for (tool, _) in TOOLS {
        bed.tool(tool, &["--help", "--no-such-option"]).ok();
        bed.tool(tool, &["--usage", "-?"]).ok();
        bed.tool(tool, &["--version", "--no-such-option"]).ok();
        bed.tool(tool, &["--no-such-option", "--help"]).expect(1);
        bed.tool(tool, &["-qh3"]).ok();
    }
}

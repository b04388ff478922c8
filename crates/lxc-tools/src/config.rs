//! `lxc-config`: a value of the global configuration, or a check of containers' configurations. It has no options in
//! common with the other tools.

mod check;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use lxc_core::Dirs;
use serde::Serialize;

use crate::json;
use crate::output;
use crate::report::{self, Failure};

/// The items in upstream's order: the first that begins with the argument is meant.
const ITEMS: [&str; 7] = [
    "lxc.default_config",
    "lxc.lxcpath",
    "lxc.bdev.lvm.vg",
    "lxc.bdev.lvm.thin_pool",
    "lxc.bdev.zfs.root",
    "lxc.cgroup.use",
    "lxc.cgroup.pattern",
];

/// Items that upstream does not have: not listed, and only by their whole name.
const OWN: [&str; 1] = ["lxc.autostart.jobs"];

/// Runs the tool; the exit code.
pub fn run(program: &OsStr, args: Vec<OsString>) -> u8 {
    let outcome = match args.split_first() {
        Some((first, rest)) if first == "check" => {
            options(rest).and_then(|(options, files)| match files[..] {
                [] => Err(Failure::said("check: no file is given").help("lxc-config check FILE...")),
                _ => check::run(&files, options),
            })
        }
        Some((first, _)) if first.as_encoded_bytes().starts_with(b"--format") => {
            options(&args).and_then(|(options, items)| of_items(program, options, &items))
        }
        first => text_of_item(program, first.map(|(first, _)| first.as_os_str()).unwrap_or_default()),
    };
    outcome.unwrap_or_else(|failure| {
        report::print("lxc-config", None, &failure);
        failure.code()
    })
}

/// Options that upstream does not have, and the rest of the arguments.
fn options(args: &[OsString]) -> Result<(check::Options, Vec<OsString>), Failure> {
    let mut options = check::Options::default();
    let mut rest = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let word = arg.to_string_lossy();
        let format = match word.as_ref() {
            "--" => {
                rest.extend(args.cloned());
                break;
            }
            "--strict" => {
                options.strict = true;
                continue;
            }
            "--format" => args.next().map(|next| next.to_string_lossy().into_owned()).unwrap_or_default(),
            _ => match word.strip_prefix("--format=") {
                Some(format) => format.to_owned(),
                None if word.starts_with("--") => {
                    return Err(Failure::said(format!("{word}: there is no such option")));
                }
                None => {
                    rest.push(arg.clone());
                    continue;
                }
            },
        };
        options.json = match format.as_str() {
            "text" => false,
            "json" => true,
            other => return Err(Failure::said(format!("--format: \"{other}\" is neither text nor json"))),
        };
    }
    Ok((options, rest))
}

fn text_of_item(program: &OsStr, item: &OsStr) -> Result<u8, Failure> {
    let (text, code) = answer(&program.to_string_lossy(), &item.to_string_lossy(), &|key| value(key));
    output::write(text.as_bytes())?;
    Ok(code)
}

/// `--format`: one item, or all.
fn of_items(program: &OsStr, options: check::Options, items: &[OsString]) -> Result<u8, Failure> {
    #[derive(Serialize)]
    struct Answer {
        items: BTreeMap<&'static str, Option<String>>,
    }
    if !options.json {
        return text_of_item(program, items.first().map(OsString::as_os_str).unwrap_or_default());
    }
    let mut keys = Vec::new();
    for item in items {
        let item = item.to_string_lossy();
        keys.push(find(&item).ok_or_else(|| Failure::said(format!("Unknown configuration item: {item}")))?);
    }
    if keys.is_empty() {
        keys.extend(ITEMS.into_iter().chain(OWN));
    }
    json::print("config", &Answer { items: keys.into_iter().map(|key| (key, value(key))).collect() })
}

/// The first item of upstream's that begins so, or one of ours.
fn find(item: &str) -> Option<&'static str> {
    let upstream = ITEMS.into_iter().find(|known| known.starts_with(item));
    upstream.or_else(|| OWN.into_iter().find(|own| *own == item))
}

/// What is printed for an argument, and the exit code.
fn answer(program: &str, item: &str, value: &dyn Fn(&str) -> Option<String>) -> (String, u8) {
    if matches!(item, "" | "-h" | "--help") {
        let usage = format!(
            "Usage: {program} -l: list all available configuration items\n       \
             {program} item: print configuration item\n"
        );
        return (usage, 0);
    }
    if item == "-l" {
        return (ITEMS.iter().map(|item| format!("{item}\n")).collect(), 0);
    }
    let Some(found) = find(item) else {
        return (format!("Unknown configuration item: {item}\n"), 1);
    };
    match value(found) {
        Some(value) => (format!("{value}\n"), 0),
        None => (format!("{item} is not set.\n"), 0),
    }
}

fn value(key: &str) -> Option<String> {
    Dirs::of_this_process().global.get(key).flatten().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(item: &str) -> (String, u8) {
        answer("lxc-config", item, &|key| (!key.starts_with("lxc.cgroup")).then(|| format!("<{key}>")))
    }

    #[test]
    fn answers_of_upstream() {
        assert_eq!(ask("lxc.lxcpath"), ("<lxc.lxcpath>\n".into(), 0));
        assert_eq!(ask("lxc.l"), ("<lxc.lxcpath>\n".into(), 0));
        assert_eq!(ask("l"), ("<lxc.default_config>\n".into(), 0));
        assert_eq!(ask("lxc.bdev"), ("<lxc.bdev.lvm.vg>\n".into(), 0));
        assert_eq!(ask("lxc.cgroup.use"), ("lxc.cgroup.use is not set.\n".into(), 0));
        assert_eq!(ask("lxc.cgroup.p"), ("lxc.cgroup.p is not set.\n".into(), 0));
        assert_eq!(ask("lxc.foo"), ("Unknown configuration item: lxc.foo\n".into(), 1));
        assert_eq!(ask("--usage"), ("Unknown configuration item: --usage\n".into(), 1));
    }

    #[test]
    fn help_and_list() {
        for item in ["", "-h", "--help"] {
            let (text, code) = ask(item);
            assert_eq!(code, 0);
            assert_eq!(
                text,
                "Usage: lxc-config -l: list all available configuration items\n       lxc-config item: print configuration item\n"
            );
        }
        assert_eq!(ask("-l").0.lines().count(), 7);
    }
}

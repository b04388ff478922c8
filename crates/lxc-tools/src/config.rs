//! `lxc-config`: a value of the global configuration. It has no options in common with the other tools.

use std::ffi::{OsStr, OsString};

use lxc_core::Dirs;

use crate::output;

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
    let item = args.first().map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default();
    let (text, code) = answer(&program.to_string_lossy(), &item, &|key| value(key));
    if output::write(text.as_bytes()).is_err() { 1 } else { code }
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
    let Some(found) =
        ITEMS.iter().find(|known| known.starts_with(item)).or(OWN.iter().find(|own| **own == item))
    else {
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

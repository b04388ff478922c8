//! Giving new groups of the v1 cpuset controller processors and memory nodes: without, no process
//! can enter them.

use lxc_sys::proc;
use rustix::io::Errno;

use super::dir::Dir;
use super::layout::Hierarchy;

/// What a new group below the base gets.
#[derive(Clone, Debug)]
pub struct Defaults {
    cpus: Vec<u8>,
    mems: Vec<u8>,
    /// The kernel copies the parent's values itself (`cgroup.clone_children`).
    copied: bool,
}

/// Initialises a group that we have just made below `parent` (the base, if `None`).
///
/// # Errors
/// The files cannot be read or written.
pub fn initialise(hierarchy: &Hierarchy, parent: Option<&Dir>, child: &Dir) -> lxc_sys::Result<()> {
    let defaults = match parent {
        Some(parent) => &read(hierarchy, parent)?,
        None => match hierarchy.cpuset.get() {
            Some(known) => known,
            None => {
                let fresh = read(hierarchy, hierarchy.base())?;
                hierarchy.cpuset.get_or_init(|| fresh)
            }
        },
    };
    if defaults.copied {
        return Ok(());
    }
    child.write(hierarchy.file("cpuset.cpus"), &defaults.cpus)?;
    child.write(hierarchy.file("cpuset.mems"), &defaults.mems)?;
    child.write("cgroup.clone_children", "1")
}

fn read(hierarchy: &Hierarchy, parent: &Dir) -> lxc_sys::Result<Defaults> {
    if parent.read("cgroup.clone_children")?.starts_with(b"1") {
        return Ok(Defaults { cpus: Vec::new(), mems: Vec::new(), copied: true });
    }
    let cpus = parent.read(hierarchy.file("cpuset.cpus"))?;
    let mems = parent.read(hierarchy.file("cpuset.mems"))?;
    let isolated = list("/sys/devices/system/cpu/isolated")?;
    let offline = list("/sys/devices/system/cpu/offline")?;
    let cpus = without(cpus.trim_ascii(), &[isolated.trim_ascii(), offline.trim_ascii()]);
    Ok(Defaults { cpus, mems: mems.trim_ascii().to_vec(), copied: false })
}

fn list(path: &str) -> lxc_sys::Result<Vec<u8>> {
    match proc::read(path) {
        Err(error) if error.errno() == Errno::NOENT => Ok(Vec::new()),
        other => other,
    }
}

/// A processor list without the processors of other lists. If nothing would be left, the list as it
/// is: an administrator who gives us isolated processors only means it.
fn without(cpus: &[u8], others: &[&[u8]]) -> Vec<u8> {
    let away: Vec<(u32, u32)> = others.iter().flat_map(|list| ranges(list)).collect();
    if away.is_empty() {
        return cpus.to_vec();
    }
    let mut left = ranges(cpus);
    for (from, to) in away {
        left = left.into_iter().flat_map(|range| cut(range, from, to)).collect();
    }
    if left.is_empty() { cpus.to_vec() } else { print(&left).into_bytes() }
}

/// What is left of a range when another is taken out: nothing, one or two ranges.
fn cut((first, last): (u32, u32), from: u32, to: u32) -> impl Iterator<Item = (u32, u32)> {
    let below = from.checked_sub(1).map(|end| (first, last.min(end)));
    let above = to.checked_add(1).map(|begin| (first.max(begin), last));
    [below, above].into_iter().flatten().filter(|(first, last)| first <= last)
}

/// Parses `0-3,5`; what is no number or range is left out.
fn ranges(list: &[u8]) -> Vec<(u32, u32)> {
    let text = std::str::from_utf8(list).unwrap_or_default();
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
    };
    text.split(',').filter_map(range).collect()
}

fn print(ranges: &[(u32, u32)]) -> String {
    let one = |&(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cpus: &str, others: &[&str]) -> String {
        let others: Vec<&[u8]> = others.iter().map(|o| o.as_bytes()).collect();
        String::from_utf8(without(cpus.as_bytes(), &others)).unwrap()
    }

    #[test]
    fn isolated_and_offline_processors_go() {
        assert_eq!(text("0-1", &["1", ""]), "0");
        assert_eq!(text("0-7", &["2-3", "7"]), "0-1,4-6");
        assert_eq!(text("0-3,8", &["0", "8-4294967295"]), "1-3");
        assert_eq!(text("0-3", &["", ""]), "0-3");
        assert_eq!(text("0-3", &["9"]), "0-3");
    }

    #[test]
    fn all_gone_means_all_wanted() {
        assert_eq!(text("2-3", &["2-3", ""]), "2-3");
        assert_eq!(text("2-3", &["x-y", ""]), "2-3");
    }
}

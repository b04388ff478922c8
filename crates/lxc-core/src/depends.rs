//! Which containers use files of which others. A container's `lxc_rdepends` names those it needs, its
//! `lxc_snapshots` those that need it: pairs of lines, folder of containers and name. An old `lxc_snapshots`
//! holds a number instead.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use lxc_sys::{Op, Result};
use lxc_types::Name;

use crate::{folder, lock};

/// One container, by its folder of containers and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The folder of containers.
    pub lxcpath: String,
    /// Its name.
    pub name: String,
}

impl Pair {
    /// The container `name` in `lxcpath`.
    pub fn new(lxcpath: &Path, name: &str) -> Pair {
        Pair { lxcpath: lxcpath.to_string_lossy().into_owned(), name: name.to_owned() }
    }

    fn folder(&self) -> PathBuf {
        Path::new(&self.lxcpath).join(&self.name)
    }

    /// Whether it is what a list can hold, and what is no way to other files.
    pub fn is_sound(&self) -> bool {
        let path = Path::new(&self.lxcpath);
        let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
        path.is_absolute()
            && path.components().all(plain)
            && !self.lxcpath.contains('\n')
            && self.name.parse::<Name>().is_ok()
    }
}

/// A file that lists the containers that need another one.
#[derive(Debug, PartialEq, Eq)]
enum List {
    Named(Vec<Pair>),
    Counted(u64),
}

impl List {
    fn parse(text: &str) -> List {
        text.trim().parse().map_or_else(|_| List::Named(pairs(text)), List::Counted)
    }

    fn is_empty(&self) -> bool {
        match self {
            List::Named(pairs) => pairs.is_empty(),
            List::Counted(count) => *count == 0,
        }
    }

    fn add(&mut self, child: &Pair) {
        match self {
            List::Named(pairs) if pairs.contains(child) => {}
            List::Named(pairs) => pairs.push(child.clone()),
            List::Counted(count) => *count += 1,
        }
    }

    fn remove(&mut self, child: &Pair) {
        match self {
            List::Named(pairs) => pairs.retain(|pair| pair != child),
            List::Counted(count) => *count = count.saturating_sub(1),
        }
    }

    fn to_text(&self) -> String {
        match self {
            List::Named(pairs) => text_of(pairs),
            List::Counted(count) => count.to_string(),
        }
    }
}

fn pairs(text: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut lines = text.lines();
    while let (Some(lxcpath), Some(name)) = (lines.next(), lines.next()) {
        pairs.push(Pair { lxcpath: lxcpath.to_owned(), name: name.to_owned() });
    }
    pairs
}

fn text_of(pairs: &[Pair]) -> String {
    pairs.iter().map(|pair| format!("{}\n{}\n", pair.lxcpath, pair.name)).collect()
}

fn clones_file(folder: &Path) -> PathBuf {
    folder.join("lxc_snapshots")
}

fn read(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(String::new()),
        other => other.op("read", path),
    }
}

/// The list of the containers that need the one in `folder`, if it names any.
///
/// # Errors
/// A list that cannot be read.
pub fn clones_of(folder: &Path) -> Result<Option<PathBuf>> {
    let file = clones_file(folder);
    Ok((!List::parse(&read(&file)?).is_empty()).then_some(file))
}

/// The containers that the one in `folder` needs.
///
/// # Errors
/// A list that cannot be read.
pub fn needed_by(folder: &Path) -> Result<Vec<Pair>> {
    Ok(pairs(&read(&folder.join("lxc_rdepends"))?))
}

/// Writes down that the container in `folder` needs `parents`; theirs is [`add_clone`].
///
/// # Errors
/// The list cannot be written.
pub fn write_needed(folder: &Path, parents: &[Pair]) -> Result<()> {
    if parents.is_empty() {
        return Ok(());
    }
    replace(&folder.join("lxc_rdepends"), &text_of(parents))
}

/// Tells a container that `child` needs it. `held`: the caller has its lock.
///
/// # Errors
/// Its list cannot be changed.
pub fn add_clone(run: &Path, parent: &Pair, child: &Pair, held: bool) -> Result<()> {
    change(run, parent, held, |list| list.add(child))
}

/// Tells a container that `child` needs it no more.
///
/// # Errors
/// Its list cannot be changed.
pub fn remove_clone(run: &Path, parent: &Pair, child: &Pair, held: bool) -> Result<()> {
    change(run, parent, held, |list| list.remove(child))
}

fn change(run: &Path, parent: &Pair, held: bool, how: impl FnOnce(&mut List)) -> Result<()> {
    let folder = parent.folder();
    if !parent.is_sound() || !folder.is_dir() {
        log::debug!("{} is gone, or no container", folder.display());
        return Ok(());
    }
    let _lock = if held { None } else { Some(lock::take(run, Path::new(&parent.lxcpath), &parent.name)?) };
    let file = clones_file(&folder);
    let mut list = List::parse(&read(&file)?);
    how(&mut list);
    if !list.is_empty() {
        return replace(&file, &list.to_text());
    }
    match std::fs::remove_file(&file) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other.op("unlink", &file),
    }
}

/// A new file in place of the old one, so that nobody reads half of it.
fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    folder::write_new(&new, text.as_bytes(), 0o666)?;
    std::fs::rename(&new, path).op("rename", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(lxcpath: &str, name: &str) -> Pair {
        Pair::new(Path::new(lxcpath), name)
    }

    fn without(text: &str, lxcpath: &str, name: &str) -> String {
        let mut list = List::parse(text);
        list.remove(&pair(lxcpath, name));
        if list.is_empty() { String::new() } else { list.to_text() }
    }

    #[test]
    fn lists() {
        let text = "/var/lib/lxc\ns1\n/var/lib/lxc\ns2\n";
        assert_eq!(without(text, "/var/lib/lxc", "s1"), "/var/lib/lxc\ns2\n");
        assert_eq!(without("/var/lib/lxc\ns1\n", "/var/lib/lxc", "s1"), "");
        assert_eq!(without("/srv\ns1\n", "/var/lib/lxc", "s1"), "/srv\ns1\n");
        assert!(!List::parse("2").is_empty() && List::parse("0\n").is_empty() && List::parse("").is_empty());
        assert_eq!(without("2", "/x", "y"), "1");
        assert_eq!(without("1\n", "/x", "y"), "");
    }

    #[test]
    fn on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let (parent, child) = (Pair::new(dir.path(), "p"), pair("/x", "c"));
        add_clone(&run, &parent, &child, false).unwrap();
        let folder = dir.path().join("p");
        assert!(!folder.exists(), "a parent that is gone does not come back");
        std::fs::create_dir(&folder).unwrap();
        add_clone(&run, &parent, &child, false).unwrap();
        add_clone(&run, &parent, &pair("/x", "d"), false).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join("lxc_snapshots")).unwrap(), "/x\nc\n/x\nd\n");
        assert!(clones_of(&folder).unwrap().is_some());
        remove_clone(&run, &parent, &child, false).unwrap();
        remove_clone(&run, &parent, &pair("/x", "d"), false).unwrap();
        assert!(clones_of(&folder).unwrap().is_none() && !folder.join("lxc_snapshots").exists());
        write_needed(&folder, std::slice::from_ref(&child)).unwrap();
        assert_eq!(needed_by(&folder).unwrap(), [child]);
    }

    #[test]
    fn what_is_no_container_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (run, outside) = (dir.path().join("run"), dir.path().join("p"));
        std::fs::create_dir(&outside).unwrap();
        let lxcpath = dir.path().display().to_string();
        for (path, name) in [(format!("/..{lxcpath}"), "p"), (lxcpath.clone(), "../p"), (lxcpath, "x/../p")] {
            std::fs::create_dir_all(dir.path().join("x")).unwrap();
            std::fs::write(outside.join("lxc_snapshots"), "/x\nc\n").unwrap();
            let parent = Pair { lxcpath: path, name: name.to_owned() };
            remove_clone(&run, &parent, &pair("/x", "c"), false).unwrap();
            assert!(outside.join("lxc_snapshots").exists() && !run.exists(), "{parent:?}");
        }
        assert!(!pair("/a\nb", "c").is_sound() && pair("/a b", "c d").is_sound());
    }
}

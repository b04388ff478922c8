//! Containers for one run: a snapshot of another one, destroyed by its monitor when it stops.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lxc_config::Document;
use lxc_sys::Op;
use lxc_types::Name;

use crate::container::{Container, Error};
use crate::copy::{self, CopyOptions};

/// How a directory of the host is shown in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As it is; the word is a mount option such as `ro`.
    Bind(String),
    /// Below a layer of the container's own, which goes with it.
    Overlay,
}

/// A directory or file of the host that the container gets to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraMount {
    /// What.
    pub source: PathBuf,
    /// Where in the container.
    pub target: PathBuf,
    /// How.
    pub shown: Shown,
}

/// What is special about the container.
#[derive(Clone, Debug, Default)]
pub struct EphemeralOptions {
    /// More of the host.
    pub mounts: Vec<ExtraMount>,
    /// Changes are kept in memory.
    pub tmpfs: bool,
    /// It is not destroyed when it stops.
    pub keep_data: bool,
}

/// A name that begins with `name` and that no container in `lxcpath` has.
///
/// # Errors
/// No name with six more characters is one.
pub fn free_name(lxcpath: &Path, name: &Name) -> Result<Name, Error> {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    loop {
        let name: Name =
            format!("{name}_{}", random_word(LETTERS)).parse().map_err(|e| Error::State(format!("{e}")))?;
        if !lxcpath.join(name.as_str()).exists() {
            return Ok(name);
        }
    }
}

fn random_word(letters: &[u8]) -> String {
    (0..6)
        .filter_map(|_| {
            let at = usize::from(crate::config_file::random_byte()) % letters.len();
            letters.get(at).map(|letter| char::from(*letter))
        })
        .collect()
}

/// Makes the container; it is not started.
///
/// # Errors
/// See [`copy::Error`]. What was made before the failure is removed again.
pub fn create(source: &Container, o: &CopyOptions, special: &EphemeralOptions) -> Result<Container, Error> {
    let host_name = (!o.keep_name).then_some(o.name.as_str());
    copy::copy_with(source, o, &mut |folder, document| {
        if special.tmpfs {
            let hook = write_hook(folder, host_name)?;
            append(document, "lxc.hook.pre-mount", &hook.to_string_lossy())?;
        }
        if !special.keep_data {
            append(document, "lxc.ephemeral", "1")?;
        }
        for mount in &special.mounts {
            append(document, "lxc.mount.entry", &entry(mount, folder)?)?;
        }
        Ok(())
    })
}

fn append(document: &mut Document, key: &str, value: &str) -> copy::Result<()> {
    document.append(key, value).map_err(|e| copy::Error::Value(e.to_string()))
}

/// A new name in `folder` that begins with `prefix`, by `make`.
fn unique(folder: &Path, prefix: &str, make: impl Fn(&Path) -> std::io::Result<()>) -> copy::Result<PathBuf> {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    loop {
        let path = folder.join(format!("{prefix}{}", random_word(LETTERS)));
        match make(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => {
                other.op("open", &path)?;
                return Ok(path);
            }
        }
    }
}

/// The program that puts the layer with the changes on a file system in memory, before it is mounted.
fn write_hook(folder: &Path, host_name: Option<&str>) -> copy::Result<PathBuf> {
    let overlay = quoted(&folder.join("overlay"));
    let mut text = format!("#! /bin/sh\nmount -n -t tmpfs -o mode=0755 none {overlay}\n");
    if let Some(name) = host_name {
        text.push_str(&format!(
            "mkdir -p {overlay}/delta/etc\necho {} > {overlay}/delta/etc/hostname\n",
            quoted(Path::new(name))
        ));
    }
    let path = unique(folder, "pre-start-", |path| {
        let mut file = std::fs::File::options().write(true).create_new(true).open(path)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.set_permissions(std::fs::Permissions::from_mode(0o755))
    })?;
    Ok(path)
}

/// A word for a shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,=#".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// A path as a field of a table of mounts.
fn field(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .map(|c| match c {
            ' ' => "\\040".to_owned(),
            '\t' => "\\011".to_owned(),
            '\\' => "\\134".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

fn entry(mount: &ExtraMount, folder: &Path) -> copy::Result<String> {
    let source = field(&mount.source);
    let target = field(mount.target.strip_prefix("/").unwrap_or(&mount.target));
    match &mount.shown {
        Shown::Bind(option) => {
            let kind = if mount.source.is_dir() { "dir" } else { "file" };
            Ok(format!("{source} {target} none bind,optional,{option},create={kind} 0 0"))
        }
        Shown::Overlay => {
            let make = |path: &Path| std::fs::DirBuilder::new().mode(0o700).create(path);
            let upper = field(&unique(folder, "delta#", make)?);
            let work = field(&unique(folder, "work#", make)?);
            Ok(format!(
                "{source} {target} overlay lowerdir={source},upperdir={upper},workdir={work},create=dir"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let dir = tempfile::tempdir().unwrap();
        let mount = |shown| ExtraMount { source: "/etc".into(), target: "/mnt/x y".into(), shown };
        assert_eq!(
            entry(&mount(Shown::Bind("ro".into())), dir.path()).unwrap(),
            "/etc mnt/x\\040y none bind,optional,ro,create=dir 0 0"
        );
        let file = ExtraMount { source: "/etc/passwd".into(), ..mount(Shown::Bind("rw".into())) };
        assert!(entry(&file, dir.path()).unwrap().ends_with("create=file 0 0"));
        let overlay = entry(&mount(Shown::Overlay), dir.path()).unwrap();
        assert!(overlay.starts_with("/etc mnt/x\\040y overlay lowerdir=/etc,upperdir="), "{overlay}");
        assert!(overlay.contains("/delta#") && overlay.contains("/work#"), "{overlay}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn names_are_free() {
        let dir = tempfile::tempdir().unwrap();
        let name = free_name(dir.path(), &"c1".parse().unwrap()).unwrap();
        assert!(name.starts_with("c1_") && name.len() == 9, "{name}");
    }

    #[test]
    fn the_hook() {
        let dir = tempfile::tempdir().unwrap();
        let path = write_hook(dir.path(), Some("n")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let overlay = dir.path().join("overlay").display().to_string();
        assert_eq!(
            text,
            format!(
                "#! /bin/sh\nmount -n -t tmpfs -o mode=0755 none {overlay}\n\
                 mkdir -p {overlay}/delta/etc\necho n > {overlay}/delta/etc/hostname\n"
            )
        );
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(quoted(Path::new("/a b'c")), "'/a b'\\''c'");
    }
}

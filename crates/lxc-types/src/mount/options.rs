//! A comma separated option string, sorted into what each part of a mount needs.

use std::fmt;
use std::str::FromStr;

use super::flags::{FlagSet, MountFlag};

/// Whether a mount shows an existing tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bind {
    /// A file system of its own.
    #[default]
    No,
    /// `bind`: one mount of an existing tree.
    One,
    /// `rbind`: with everything that is mounted below.
    Recursive,
    /// `move`: an existing mount is taken from its old place.
    Move,
}

/// How mount events travel, without their reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PropagationKind {
    /// Neither sends nor receives.
    Private,
    /// Sends to and receives from its peers.
    Shared,
    /// Receives only.
    Slave,
    /// Private, and cannot be bind mounted.
    Unbindable,
}

/// A change of a mount's propagation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Propagation {
    /// What the mount becomes.
    pub kind: PropagationKind,
    /// Whether the mounts below become it too (`rshared` and the like).
    pub recursive: bool,
}

/// What is made if the target of a mount does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Create {
    /// `create=dir`
    Directory,
    /// `create=file`
    File,
}

/// Whose ids an idmapped mount shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Idmap {
    /// `idmap=container`: the container's own user namespace.
    Container,
    /// `idmap=PATH`: a user namespace file such as `/proc/1234/ns/user`.
    Path(String),
}

/// The options of a mount entry.
///
/// Items are compared whole. Upstream compares generic options by their beginning, and so takes
/// `rootcontext=…` for `ro`; that is not copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MountOptions {
    /// Flags the mount gets.
    pub flags: FlagSet,
    /// Flags that were named to be off, such as `dev`.
    pub cleared: FlagSet,
    /// Whether an existing tree is mounted.
    pub bind: Bind,
    /// Propagation to set after mounting.
    pub propagation: Option<Propagation>,
    /// What to make if the target is missing.
    pub create: Option<Create>,
    /// `optional`: a failure of this mount is ignored.
    pub optional: bool,
    /// `relative`: the source is below the container's root.
    pub relative: bool,
    /// Whose ids the mount shows.
    pub idmap: Option<Idmap>,
    /// What the file system gets, comma separated, in order.
    pub data: String,
}

/// Why an option string is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// `idmap=` names nothing.
    #[error("\"idmap=\" needs \"container\" or the path of a user namespace")]
    EmptyIdmap,
    /// `create=` with something else than `dir` or `file`.
    #[error("\"create={0}\" is unknown, expected \"create=dir\" or \"create=file\"")]
    Create(String),
    /// A control character would reach the kernel.
    #[error("the options contain a control character")]
    Control,
    /// An option that makes no sense for the root file system.
    #[error("\"{0}\" is not possible for the root file system")]
    NotForRootfs(&'static str),
}

/// Options that are accepted and have no effect, as upstream does.
const IGNORED: [&str; 8] = ["defaults", "sync", "async", "dirsync", "lazytime", "mand", "nomand", "remount"];

impl MountOptions {
    /// The propagation options and their meaning.
    const PROPAGATION: [(&'static str, PropagationKind, bool); 8] = [
        ("private", PropagationKind::Private, false),
        ("shared", PropagationKind::Shared, false),
        ("slave", PropagationKind::Slave, false),
        ("unbindable", PropagationKind::Unbindable, false),
        ("rprivate", PropagationKind::Private, true),
        ("rshared", PropagationKind::Shared, true),
        ("rslave", PropagationKind::Slave, true),
        ("runbindable", PropagationKind::Unbindable, true),
    ];

    /// Takes one item of the list.
    fn item(&mut self, item: &str) -> Result<(), OptionsError> {
        if let Some(flag) = MountFlag::ALL.into_iter().find(|f| f.name() == item) {
            self.flags.insert(flag);
            self.cleared.remove(flag);
        } else if let Some(flag) = MountFlag::ALL.into_iter().find(|f| f.clearing_name() == Some(item)) {
            self.flags.remove(flag);
            self.cleared.insert(flag);
        } else if let Some(&(_, kind, recursive)) = Self::PROPAGATION.iter().find(|p| p.0 == item) {
            self.propagation = Some(Propagation { kind, recursive });
        } else if let Some(what) = item.strip_prefix("create=") {
            self.create = Some(match what {
                "dir" => Create::Directory,
                "file" => Create::File,
                other => return Err(OptionsError::Create(other.to_owned())),
            });
        } else if let Some(whose) = item.strip_prefix("idmap=") {
            self.idmap = Some(match whose {
                "" => return Err(OptionsError::EmptyIdmap),
                "container" => Idmap::Container,
                path => Idmap::Path(path.to_owned()),
            });
        } else {
            match item {
                "bind" => self.bind = if self.bind == Bind::Recursive { Bind::Recursive } else { Bind::One },
                "rbind" => self.bind = Bind::Recursive,
                "move" => self.bind = Bind::Move,
                "optional" => self.optional = true,
                "relative" => self.relative = true,
                ignored if IGNORED.contains(&ignored) => {}
                data => {
                    if !self.data.is_empty() {
                        self.data.push(',');
                    }
                    self.data.push_str(data);
                }
            }
        }
        Ok(())
    }

    /// Whether the mount shows an existing tree (`bind` or `rbind`).
    pub fn is_bind(&self) -> bool {
        matches!(self.bind, Bind::One | Bind::Recursive)
    }
}

impl FromStr for MountOptions {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, OptionsError> {
        if text.chars().any(char::is_control) {
            return Err(OptionsError::Control);
        }
        let mut options = MountOptions::default();
        for item in text.split(',').filter(|i| !i.is_empty()) {
            options.item(item)?;
        }
        Ok(options)
    }
}

impl fmt::Display for MountOptions {
    /// Prints a normal form: bind, flags, propagation, LXC's own, data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items: Vec<String> = Vec::new();
        match self.bind {
            Bind::No => {}
            Bind::One => items.push("bind".into()),
            Bind::Recursive => items.push("rbind".into()),
            Bind::Move => items.push("move".into()),
        }
        items.extend(self.flags.iter().map(|flag| flag.name().into()));
        items.extend(self.cleared.iter().filter_map(|flag| Some(flag.clearing_name()?.into())));
        if let Some(propagation) = self.propagation {
            items.push(propagation.to_string());
        }
        match self.create {
            None => {}
            Some(Create::Directory) => items.push("create=dir".into()),
            Some(Create::File) => items.push("create=file".into()),
        }
        if self.optional {
            items.push("optional".into());
        }
        if self.relative {
            items.push("relative".into());
        }
        match &self.idmap {
            None => {}
            Some(Idmap::Container) => items.push("idmap=container".into()),
            Some(Idmap::Path(path)) => items.push(format!("idmap={path}")),
        }
        if !self.data.is_empty() {
            items.push(self.data.clone());
        }
        if items.is_empty() {
            items.push("defaults".into());
        }
        f.write_str(&items.join(","))
    }
}

impl fmt::Display for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.recursive {
            f.write_str("r")?;
        }
        f.write_str(match self.kind {
            PropagationKind::Private => "private",
            PropagationKind::Shared => "shared",
            PropagationKind::Slave => "slave",
            PropagationKind::Unbindable => "unbindable",
        })
    }
}

/// The value of `lxc.rootfs.options`: mount options without those that only an entry can have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RootfsOptions(MountOptions);

impl RootfsOptions {
    /// The options.
    pub fn options(&self) -> &MountOptions {
        &self.0
    }
}

impl FromStr for RootfsOptions {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, OptionsError> {
        let options: MountOptions = text.parse()?;
        let refused = match (options.create, options.optional, options.relative) {
            (Some(Create::Directory), ..) => "create=dir",
            (Some(Create::File), ..) => "create=file",
            (None, true, _) => "optional",
            (None, false, true) => "relative",
            (None, false, false) => return Ok(RootfsOptions(options)),
        };
        Err(OptionsError::NotForRootfs(refused))
    }
}

impl fmt::Display for RootfsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> MountOptions {
        text.parse().unwrap()
    }

    #[test]
    fn items_are_compared_whole() {
        let o = parse("rootcontext=a:b:c,device=x,sharedX,rodeo,norelatimes");
        assert_eq!(o.flags, FlagSet::EMPTY);
        assert_eq!(o.cleared, FlagSet::EMPTY);
        assert_eq!(o.propagation, None);
        assert_eq!(o.data, "rootcontext=a:b:c,device=x,sharedX,rodeo,norelatimes");
    }

    #[test]
    fn every_flag_sets_and_clears() {
        for flag in MountFlag::ALL {
            assert_eq!(parse(flag.name()).flags, FlagSet::EMPTY.with(flag));
            let Some(clearing) = flag.clearing_name() else { continue };
            assert_eq!(parse(clearing).cleared, FlagSet::EMPTY.with(flag));
            let both = parse(&format!("{},{clearing}", flag.name()));
            assert_eq!((both.flags, both.cleared), (FlagSet::EMPTY, FlagSet::EMPTY.with(flag)));
            let again = parse(&format!("{clearing},{}", flag.name()));
            assert_eq!((again.flags, again.cleared), (FlagSet::EMPTY.with(flag), FlagSet::EMPTY));
        }
    }

    #[test]
    fn own_options_leave_the_data_alone() {
        let o = parse("size=1m,create=dir,optional,mode=755,relative,idmap=container,rbind,ro,rslave");
        assert_eq!(o.data, "size=1m,mode=755");
        assert_eq!(o.create, Some(Create::Directory));
        assert!(o.optional && o.relative);
        assert_eq!(o.idmap, Some(Idmap::Container));
        assert_eq!(o.bind, Bind::Recursive);
        let slave = Propagation { kind: PropagationKind::Slave, recursive: true };
        assert_eq!(o.propagation, Some(slave));
        assert_eq!(parse("bind,rbind").bind, Bind::Recursive);
        assert_eq!(parse("rbind,bind").bind, Bind::Recursive);
        assert_eq!(parse("nooptional,xcreate=dir").data, "nooptional,xcreate=dir");
    }

    #[test]
    fn harmless_items_vanish() {
        let o = parse("defaults,sync,async,dirsync,lazytime,mand,nomand,remount,,");
        assert_eq!(o, MountOptions::default());
        assert_eq!(o.to_string(), "defaults");
    }

    #[test]
    fn refusals() {
        assert_eq!("idmap=".parse::<MountOptions>(), Err(OptionsError::EmptyIdmap));
        assert_eq!("create=pipe".parse::<MountOptions>(), Err(OptionsError::Create("pipe".into())));
        assert_eq!("ro\nx".parse::<MountOptions>(), Err(OptionsError::Control));
        for bad in ["create=dir", "create=file", "optional", "relative"] {
            assert_eq!(bad.parse::<RootfsOptions>(), Err(OptionsError::NotForRootfs(bad)));
        }
        let fine: RootfsOptions = "ro,idmap=container,compress=zstd".parse().unwrap();
        assert_eq!(fine.options().data, "compress=zstd");
    }

    #[test]
    fn round_trip() {
        for text in [
            "bind,ro",
            "rbind,nosuid,nodev,dev,rslave,create=file,optional,relative,idmap=/proc/1/ns/user",
            "noatime,exec,private,size=1m,mode=0755",
            "move",
            "defaults",
        ] {
            let once = parse(text);
            assert_eq!(parse(&once.to_string()), once, "{text}");
        }
        assert_eq!(parse("ro,bind").to_string(), "bind,ro");
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses_or_is_refused_and_round_trips(text in "[ -~]{0,60}") {
            if let Ok(once) = text.parse::<MountOptions>() {
                proptest::prop_assert_eq!(once.to_string().parse::<MountOptions>(), Ok(once));
            }
        }
    }
}

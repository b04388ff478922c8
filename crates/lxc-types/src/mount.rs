//! Mount options, fstab entries and the tokens of `lxc.mount.auto`.

mod auto;
mod entry;
mod flags;
mod options;

pub use auto::{
    AutoMountError, AutoMounts, CgroupAccess, CgroupAuto, CgroupView, ProcAuto, SharedMount, SysAuto,
};
pub use entry::{EntryError, MountEntry, parse_fstab};
pub use flags::{FlagSet, MountFlag};
pub use options::{
    Bind, Create, Idmap, MountOptions, OptionsError, Propagation, PropagationKind, RootfsOptions,
};

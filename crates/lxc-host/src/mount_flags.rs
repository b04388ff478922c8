//! Mount flags of the configuration as the kernel's, for all that mounts.

use lxc_sys::mount::{Attributes, Reach};
use lxc_types::mount::{FlagSet, MountFlag, MountOptions, Propagation, PropagationKind};
use rustix::mount::{MountAttrFlags, MountFlags, MountPropagationFlags};

/// Flags for `mount(2)`.
pub fn mount_flags(flags: FlagSet) -> MountFlags {
    let one = |flag| match flag {
        MountFlag::ReadOnly => MountFlags::RDONLY,
        MountFlag::NoSuid => MountFlags::NOSUID,
        MountFlag::NoDev => MountFlags::NODEV,
        MountFlag::NoExec => MountFlags::NOEXEC,
        MountFlag::NoSymfollow => MountFlags::NOSYMFOLLOW,
        MountFlag::NoAtime => MountFlags::NOATIME,
        MountFlag::NoDirAtime => MountFlags::NODIRATIME,
        MountFlag::RelAtime => MountFlags::RELATIME,
        MountFlag::StrictAtime => MountFlags::STRICTATIME,
    };
    flags.iter().map(one).fold(MountFlags::empty(), |all, one| all | one)
}

/// Propagation for either API.
pub fn propagation_flags(kind: PropagationKind) -> MountPropagationFlags {
    match kind {
        PropagationKind::Private => MountPropagationFlags::PRIVATE,
        PropagationKind::Shared => MountPropagationFlags::SHARED,
        PropagationKind::Slave => MountPropagationFlags::DOWNSTREAM,
        PropagationKind::Unbindable => MountPropagationFlags::UNBINDABLE,
    }
}

/// How far a change of propagation goes.
pub fn reach_of(propagation: Propagation) -> Reach {
    if propagation.recursive { Reach::Tree } else { Reach::One }
}

/// What a bind mount's options change, propagation apart. A clone keeps the flags of its source; of those
/// only `nodev` can be taken off (by `dev`), as upstream does. Flags that are asked for are always set,
/// where upstream forgets `nosuid` and others on a bind mount whose source has none of its own.
pub fn attributes_of(options: &MountOptions) -> Attributes<'static> {
    let mut all = Attributes::default();
    for flag in options.flags.iter() {
        all.set |= match flag {
            MountFlag::ReadOnly => MountAttrFlags::MOUNT_ATTR_RDONLY,
            MountFlag::NoSuid => MountAttrFlags::MOUNT_ATTR_NOSUID,
            MountFlag::NoDev => MountAttrFlags::MOUNT_ATTR_NODEV,
            MountFlag::NoExec => MountAttrFlags::MOUNT_ATTR_NOEXEC,
            MountFlag::NoSymfollow => MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW,
            MountFlag::NoDirAtime => MountAttrFlags::MOUNT_ATTR_NODIRATIME,
            // The modes of access time are values of one field.
            MountFlag::NoAtime | MountFlag::RelAtime | MountFlag::StrictAtime => MountAttrFlags::empty(),
        };
    }
    let access = if options.flags.contains(MountFlag::NoAtime) {
        Some(MountAttrFlags::MOUNT_ATTR_NOATIME)
    } else if options.flags.contains(MountFlag::StrictAtime) {
        Some(MountAttrFlags::MOUNT_ATTR_STRICTATIME)
    } else if options.flags.contains(MountFlag::RelAtime) {
        Some(MountAttrFlags::MOUNT_ATTR_RELATIME)
    } else {
        None
    };
    if let Some(access) = access {
        all.clear |= MountAttrFlags::MOUNT_ATTR__ATIME;
        all.set |= access;
    }
    if options.cleared.contains(MountFlag::NoDev) {
        all.clear |= MountAttrFlags::MOUNT_ATTR_NODEV;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_apis_get_the_same_flags() {
        let o: MountOptions = "bind,ro,nosuid,nodev,noexec,noatime".parse().unwrap();
        assert_eq!(mount_flags(o.flags).bits(), 1 | 2 | 4 | 8 | 1024);
        let a = attributes_of(&o);
        assert_eq!(a.set.bits(), 1 | 2 | 4 | 8 | 0x10);
        assert_eq!(a.clear, MountAttrFlags::MOUNT_ATTR__ATIME);
    }

    #[test]
    fn only_dev_takes_a_flag_off() {
        let o: MountOptions = "bind,dev,exec,suid,rw,atime".parse().unwrap();
        let a = attributes_of(&o);
        assert_eq!((a.set, a.clear), (MountAttrFlags::empty(), MountAttrFlags::MOUNT_ATTR_NODEV));
    }
}

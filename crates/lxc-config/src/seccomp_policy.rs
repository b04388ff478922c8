//! LXC's seccomp policy file, versions 1 and 2, parsed to [`lxc_types::seccomp`]'s tree.

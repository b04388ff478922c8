//! Linux security modules: AppArmor, SELinux, none.

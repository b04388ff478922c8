//! The notify proxy: system calls whose rule says `notify` are decided by a program outside.

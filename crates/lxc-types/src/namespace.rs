//! Kinds of Linux namespaces and sets of them.

//! Namespaces: kinds, opening, entering.

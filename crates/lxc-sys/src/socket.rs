//! Unix sockets that carry descriptors and credentials.

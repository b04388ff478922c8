//! The container's session keyring.

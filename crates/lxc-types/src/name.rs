//! Names of containers and of network interfaces.

//! Network links of a container.

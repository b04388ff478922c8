//! States of a container.

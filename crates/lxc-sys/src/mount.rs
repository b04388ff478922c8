//! The mount calls that rustix lacks.

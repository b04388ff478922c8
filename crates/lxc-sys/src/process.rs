//! Processes: pidfds, waiting, signals, prctl, personality, descriptors.

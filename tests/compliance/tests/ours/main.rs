//! What holds for ours alone.

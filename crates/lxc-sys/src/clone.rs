//! `clone3`, its result and the proof of having one thread.

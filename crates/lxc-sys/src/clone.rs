//! `clone3`, its result and the proof of having one thread.

/// Proof that the code runs inside a container: in its first process, or in one that entered it.
///
/// A function that is right only there takes a reference to this, so that calling it in the monitor
/// does not compile.
#[derive(Debug)]
pub struct InGuest(());

impl InGuest {
    /// For a process that came into the container otherwise than through this module: the caller says
    /// that it is a child process of one thread which will not return to the host's code.
    pub fn declare() -> Self {
        InGuest(())
    }
}

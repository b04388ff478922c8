//! Undoing what was made on disk, in reverse, unless all went well.

/// A stack of undo steps. Dropping it runs them, the last one first; [`Rollback::commit`] forgets them.
#[must_use = "dropping it undoes what was done"]
#[derive(Default)]
pub struct Rollback {
    steps: Vec<(String, Step)>,
}

type Step = Box<dyn FnOnce() -> lxc_sys::Result<()>>;

impl Rollback {
    /// Nothing to undo yet.
    pub fn new() -> Self {
        Rollback::default()
    }

    /// Adds the step that undoes `what`, which was done just now.
    pub fn push(&mut self, what: impl Into<String>, undo: impl FnOnce() -> lxc_sys::Result<()> + 'static) {
        self.steps.push((what.into(), Box::new(undo)));
    }

    /// All went well: nothing is to be undone.
    pub fn commit(mut self) {
        self.steps.clear();
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        while let Some((what, undo)) = self.steps.pop() {
            if let Err(error) = undo() {
                log::error!("could not undo {what}: {error}");
            }
        }
    }
}

impl std::fmt::Debug for Rollback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|(what, _)| what)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    fn steps(commit: bool) -> Vec<u32> {
        let done = Rc::new(RefCell::new(Vec::new()));
        let mut rollback = Rollback::new();
        for n in [1, 2] {
            let done = Rc::clone(&done);
            rollback.push(format!("step {n}"), move || {
                done.borrow_mut().push(n);
                Ok(())
            });
        }
        if commit {
            rollback.commit()
        } else {
            drop(rollback)
        }
        done.take()
    }

    #[test]
    fn the_last_step_is_undone_first() {
        assert_eq!(steps(false), [2, 1]);
        assert_eq!(steps(true), [0; 0]);
    }
}

//! Work in child processes, some at a time: the tools have one thread.

use rustix::event::{PollFd, PollFlags, poll};

use lxc_sys::clone::{Child, Cloned, Request, clone};
use lxc_sys::process;

use super::schedule::Step;

/// The exit status of a child whose end cannot be found out.
const LOST: i32 = 255;

/// Runs `work` for each step, each in a child of its own, at most `jobs` at a time (`None`: no limit). `done` gets
/// each step's exit status.
///
/// # Errors
/// When no child can be made.
pub fn run(
    steps: &[Step],
    jobs: Option<usize>,
    work: &mut dyn FnMut(usize) -> u8,
    done: &mut dyn FnMut(usize, i32),
) -> Result<(), lxc_sys::Error> {
    let mut running: Vec<(usize, Child)> = Vec::new();
    let mut states = vec![Progress::Waiting; steps.len()];
    loop {
        while jobs.is_none_or(|jobs| running.len() < jobs) {
            let Some(next) = next(steps, &states) else { break };
            states[next] = Progress::Running;
            match clone(&Request::default())?.0 {
                Cloned::Monitor(child) => running.push((next, child)),
                Cloned::Guest(_) => process::leave(work(steps[next].item).into()),
            }
        }
        if running.is_empty() {
            return Ok(());
        }
        let (step, child) = running.swap_remove(first_to_end(&running));
        let status = child.wait().map_or(LOST, lxc_sys::process::Exit::shell_status);
        states[step] = Progress::Done;
        done(steps[step].item, status);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Running,
    Done,
}

/// The first step that may begin now.
fn next(steps: &[Step], states: &[Progress]) -> Option<usize> {
    let all = || steps.iter().zip(states).enumerate();
    let stage = all().find(|(_, (_, state))| **state != Progress::Done).map(|(_, (step, _))| step.stage)?;
    all()
        .filter(|(_, (step, state))| **state == Progress::Waiting && step.stage == stage)
        .find(|(_, (step, _))| step.needs.iter().all(|needed| states[*needed] == Progress::Done))
        .map(|(at, _)| at)
}

/// Waits until one of them has ended, and tells its place.
fn first_to_end(running: &[(usize, Child)]) -> usize {
    let mut fds = Vec::new();
    for (_, child) in running {
        // Fallback for Linux before 5.2, which has no pidfds: they are waited for in their order.
        let Some(pidfd) = child.pidfd() else { return 0 };
        fds.push(PollFd::from_borrowed_fd(pidfd, PollFlags::IN));
    }
    loop {
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => {}
            _ => return fds.iter().position(|fd| !fd.revents().is_empty()).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_needs_hold_steps_back() {
        let step = |item, stage, needs: &[usize]| Step { item, stage, needs: needs.to_vec() };
        let steps = [step(0, 0, &[]), step(1, 0, &[0]), step(2, 0, &[]), step(3, 1, &[])];
        use Progress::{Done, Running, Waiting};
        for (states, want) in [
            ([Waiting, Waiting, Waiting, Waiting], Some(0)),
            ([Running, Waiting, Waiting, Waiting], Some(2)),
            ([Running, Waiting, Done, Waiting], None),
            ([Done, Waiting, Running, Waiting], Some(1)),
            ([Done, Done, Running, Waiting], None),
            ([Done, Done, Done, Waiting], Some(3)),
            ([Done, Done, Done, Done], None),
        ] {
            assert_eq!(next(&steps, &states), want);
        }
    }
}

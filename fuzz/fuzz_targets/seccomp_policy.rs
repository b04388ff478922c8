//! Any text is a policy or a list of mistakes, each with its place.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lxc_config::seccomp_policy;

fuzz_target!(|text: &str| {
    for runs_here in [true, false] {
        if let Err(problems) = seccomp_policy::parse(text, |_| runs_here) {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(problem.line >= 1 && !problem.to_string().is_empty());
            }
        }
    }
});

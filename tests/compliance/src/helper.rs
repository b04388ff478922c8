//! A program that runs beside a test.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A Python program, ended when dropped.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Helper {
    /// Runs a script until it has written its first line; as another user if `uid` is not 0.
    ///
    /// # Panics
    /// When it cannot be run or ends without a line.
    #[must_use]
    #[track_caller]
    pub fn python(uid: u32, script: &str, args: &[&str]) -> Self {
        let id = uid.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--reuid", &id, "--regid", &id, "--clear-groups"]);
        command.args(["/usr/bin/python3", "-c", script]).args(args);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("setpriv (of util-linux)");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut helper = Self { child, out };
        assert_ne!(helper.line(), "", "the helper has ended");
        helper
    }

    /// Its next line, without the end of the line; empty when it has ended.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("the helper's output");
        line.trim_end().to_owned()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

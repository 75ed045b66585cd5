//! The program `keeper` as a test has it in its hands.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// What `keeper` writes as entry `n`.
pub(crate) fn value(n: usize, bytes: usize) -> String {
    let mut value = format!("{n} ").repeat(bytes / 2 + 1);
    value.truncate(bytes);
    value
}

/// The program on the store at a path. It is ended with the test, however that ends.
pub(crate) struct Keeper {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Keeper {
    pub(crate) fn start(path: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keeper"));
        command.arg(path);
        Self::run(command)
    }

    pub(crate) fn run(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin, answers }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line it says; `None` once it has ended.
    pub(crate) fn says(&mut self) -> Option<String> {
        self.answers.next().map(Result::unwrap)
    }

    pub(crate) fn asked(&mut self, line: &str) -> String {
        self.tell(line);
        self.says().unwrap()
    }

    /// Ends it with SIGKILL, and returns what it had said by then and nobody had read.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert!(!status.success(), "it ended before it was killed");
        // Its last line may be cut off, but a line is short enough to be written whole or not at all.
        self.answers.by_ref().map(Result::unwrap).collect()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

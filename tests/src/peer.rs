//! Programs that are not ours and are talked with while they run.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A program that is talked with line by line; killed when dropped.
pub struct Peer {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("it was piped"));
        Self { child, lines }
    }

    /// Tells it a line.
    ///
    /// # Panics
    /// Where it does not listen.
    pub fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("it was piped");
        writeln!(input, "{line}").expect("it listens");
    }

    /// Tells it that nothing more comes.
    pub fn hang_up(&mut self) {
        drop(self.child.stdin.take());
    }

    /// The next line it says; empty at its end.
    ///
    /// # Panics
    /// Where it is no text.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line of text");
        line.trim_end().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

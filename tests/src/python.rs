//! Programs in Python that are not ours, with packages fetched once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::{Output, note_skip, skip_without};

/// Runs one step of an installation; a machine without the means or the network skips the test.
pub fn install_step(command: &mut Command, marker: &Path) -> bool {
    if marker.exists() {
        return true;
    }
    let output = Output::of(command);
    let works = output.code == Some(0) && marker.exists();
    if !works {
        note_skip(&format!(
            "{command:?} does not work here: {}",
            output.stderr.trim()
        ));
    }
    works
}

/// A Python that has this package (`name==version`), in a folder below `folder`.
pub fn python_with(folder: &Path, package: &str) -> Option<PathBuf> {
    if skip_without("python3") {
        return None;
    }
    // Tests run side by side, and the first of them installs it.
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let _one = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let venv = folder.join(format!("python-{package}"));
    let (python, installed) = (venv.join("bin/python"), venv.join("installed"));
    let make = install_step(
        Command::new("python3").args(["-m", "venv"]).arg(&venv),
        &python,
    );
    let installed = make
        && install_step(
            Command::new("sh")
                .args(["-c", "\"$0\" -m pip install --quiet \"$1\" && : > \"$2\""])
                .arg(&python)
                .arg(package)
                .arg(&installed),
            &installed,
        );
    installed.then_some(python)
}

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

//! Runs the binary that a user would run.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A folder with nothing in it, where `postern` is run.
pub struct Postern {
    folder: TempDir,
}

/// What a finished command left.
#[derive(Debug)]
pub struct Output {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Postern {
    /// A new empty folder.
    ///
    /// # Panics
    /// Where the machine gives none.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder for the test"),
        }
    }

    /// A folder with a CA made by `ca init --no-passphrase`: `root/` and `postern-home/`.
    ///
    /// # Panics
    /// Where that fails.
    pub fn with_ca() -> Self {
        let postern = Self::new();
        let init = [
            "ca",
            "init",
            "--name",
            "Example Corp",
            "--root-dir",
            "root",
            "--no-passphrase",
        ];
        postern.run(&init).expect_code(0);
        postern
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that runs `postern` in the folder, with a clean environment and no input.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(args)
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("COLUMNS", "100")
            .stdin(Stdio::null());
        command
    }

    /// Runs `postern` to its end.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Output {
        Output::of(&mut self.command(args))
    }

    /// Runs another program in the folder to its end.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn tool(&self, program: &str, args: &[&str]) -> Output {
        Output::of(
            Command::new(program)
                .args(args)
                .current_dir(self.folder())
                .stdin(Stdio::null()),
        )
    }
}

impl Default for Postern {
    fn default() -> Self {
        Self::new()
    }
}

impl Output {
    /// Runs `command` to its end.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the program starts");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Gives the output back if the exit code is the one expected.
    ///
    /// # Panics
    /// Where it is another.
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Says so and gives true where `program` is not on this machine.
pub fn skip_without(program: &str) -> bool {
    let missing = !Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if missing {
        note_skip(&format!("{program} is not on this machine"));
    }
    missing
}

/// Says why a test is skipped.
///
/// # Panics
/// Where `tests/run` asks for a list of skips that cannot be written.
#[allow(
    clippy::print_stderr,
    reason = "the skip is for the person who reads the test's output"
)]
pub fn note_skip(why: &str) {
    let notice = format!("SKIPPED: {why}\n");
    eprint!("{notice}");
    // A test's own output is shown only where it fails; `tests/run` shows this file.
    if let Some(path) = std::env::var_os("POSTERN_TESTS_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).open(path);
        let written = file.and_then(|mut file| file.write_all(notice.as_bytes()));
        written.expect("the list of skips can be written");
    }
}

/// The binary, built once.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "postern"])
            .status();
        assert!(built.is_ok_and(|status| status.success()), "postern builds");
        // This program stands in <target>/debug/deps.
        let this = std::env::current_exe().expect("a running program has a path");
        let profile = this
            .ancestors()
            .nth(2)
            .expect("tests run from <target>/<profile>/deps");
        profile.join("postern")
    })
}

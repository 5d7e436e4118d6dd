//! Looks for a secret where it must not be: in output, argument lists, environments and files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::Output;

/// A command that ran at its loudest, and what could be seen of it from outside.
pub struct Watched {
    /// What it left.
    pub output: Output,
    /// Argument lists and environments of its children while it ran, and its own argument list.
    pub seen: Vec<u8>,
}

/// Runs a command to its end and looks at it and its children meanwhile.
///
/// # Panics
/// Where it cannot be started.
pub fn watch(command: &mut Command) -> Watched {
    command
        .env("POSTERN_LOG", "trace")
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    let id = child.id();
    let reader = std::thread::spawn(move || child.wait_with_output());
    let mut seen = Vec::new();
    while !reader.is_finished() {
        look(id, &mut seen, &["cmdline"]);
        sleep(Duration::from_millis(1));
    }
    let output = reader
        .join()
        .expect("the reader ends")
        .expect("the program ends");
    Watched {
        output: Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        seen,
    }
}

/// Whether the text holds the secret raw, in hexadecimal or in base64.
pub fn contains(text: &[u8], secret: &str) -> bool {
    // Secrets are ASCII: what is no UTF-8 around them does not hide them.
    let text = String::from_utf8_lossy(text);
    spellings(secret).iter().any(|form| text.contains(form))
}

/// The files below the folder that hold the secret in any spelling.
///
/// # Panics
/// Where one cannot be read.
pub fn files_with(folder: &Path, secret: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let what = path.symlink_metadata().expect("it is there");
        if what.is_dir() {
            found.extend(files_with(&path, secret));
        } else if what.is_file() && contains(&fs::read(&path).expect("a file"), secret) {
            found.push(path);
        }
    }
    found
}

/// The files of one process, and all of them of its children.
fn look(id: u32, seen: &mut Vec<u8>, files: &[&str]) {
    for file in files {
        // It may have ended meanwhile.
        seen.extend(fs::read(format!("/proc/{id}/{file}")).unwrap_or_default());
    }
    let tasks = fs::read_dir(format!("/proc/{id}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Ok(child) = child.parse() {
                look(child, seen, &["cmdline", "environ"]);
            }
        }
    }
}

/// Raw, hexadecimal, and base64 at each of its three alignments.
fn spellings(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|octet| format!("{octet:02x}")).collect();
    let mut forms = vec![secret.to_owned(), hex.to_ascii_uppercase(), hex];
    for padding in 0..3 {
        let text = [&vec![b'x'; padding], secret.as_bytes()].concat();
        let encoded = base64(&text);
        // The first and last characters mix with what stands around.
        let inner = &encoded[4..encoded.len() - 4];
        forms.push(inner.to_owned());
        forms.push(inner.replace('+', "-").replace('/', "_"));
    }
    forms
}

fn base64(text: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.chunks(3) {
        let octet = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = (octet(0) << 16) | (octet(1) << 8) | octet(2);
        for shift in [18, 12, 6, 0] {
            let index = usize::try_from((bits >> shift) & 63).expect("six bits");
            out.push(char::from(ALPHABET[index]));
        }
    }
    out
}

//! Other people's packages, fetched once into a folder that outlives the run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Output, note_skip, skip_without};

/// A Python that has these packages. `folder` is below the caller's `CARGO_TARGET_TMPDIR`. A machine
/// without the means or the network skips the test.
///
/// # Panics
/// Where the folder cannot be made.
pub fn python_with(folder: &Path, packages: &[&str]) -> Option<PathBuf> {
    if skip_without("python3") {
        return None;
    }
    let _alone = alone();
    std::fs::create_dir_all(folder).expect("a folder for packages");
    let python = folder.join("bin/python");
    let marker = folder.join(packages.join("+"));
    let installed = step(
        Command::new("python3").args(["-m", "venv"]).arg(folder),
        &python,
    ) && step(
        Command::new("sh")
            .arg("-c")
            .arg(
                "python=\"$0\"; marker=\"$1\"; shift; \
                 \"$python\" -m pip install --quiet \"$@\" && : > \"$marker\"",
            )
            .args([&python, &marker])
            .args(packages),
        &marker,
    );
    installed.then_some(python)
}

/// The folder, with these packages in its `node_modules`; the last of them is the proof.
///
/// # Panics
/// Where the folder cannot be made.
pub fn node_with(folder: &Path, packages: &[&str]) -> Option<PathBuf> {
    if skip_without("node") || skip_without("npm") {
        return None;
    }
    let _alone = alone();
    std::fs::create_dir_all(folder).expect("a folder for packages");
    let (name, _version) = packages.last()?.rsplit_once('@')?;
    let marker = folder.join("node_modules").join(name).join("package.json");
    let mut install = Command::new("npm");
    install
        .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(folder)
        .args(packages);
    step(&mut install, &marker).then(|| folder.to_owned())
}

/// Two tests may want the same folder.
fn alone() -> MutexGuard<'static, ()> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    INSTALLING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one step of an installation, unless what it makes is there.
fn step(command: &mut Command, marker: &Path) -> bool {
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

//! The highest that was seen of a source, kept over restarts: it never goes back.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use postern_pki::IssuerId;
use postern_pki::journal::Head;
use serde::{Deserialize, Serialize};

use super::FollowError;

/// What was seen of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marks {
    /// The last journal entry.
    pub(super) head: Option<Head>,
    /// The highest CRL number of each issuer.
    pub(super) crls: BTreeMap<IssuerId, u64>,
}

/// Whether new marks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marking {
    /// By the gateway that runs.
    Keep,
    /// By whoever only looks, perhaps as another user.
    LookOnly,
}

/// Marks with the file they are kept in.
#[derive(Debug)]
pub(super) struct MarksFile {
    path: PathBuf,
    kept: Marks,
    marking: Marking,
}

impl MarksFile {
    /// The marks of the source called `name`; none on the first start.
    pub(super) fn open(state: &Path, name: &str, marking: Marking) -> Result<Self, FollowError> {
        let path = state.join(format!("source-{name}.json"));
        let failed = |why: String| FollowError::State {
            path: path.clone(),
            why,
        };
        if marking == Marking::Keep {
            fs::create_dir_all(state).map_err(|why| failed(why.to_string()))?;
        }
        let kept = match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map_err(|why| failed(why.to_string()))?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => Marks::default(),
            Err(why) => return Err(failed(why.to_string())),
        };
        Ok(Self {
            path,
            kept,
            marking,
        })
    }

    /// What was kept.
    pub(super) fn kept(&self) -> &Marks {
        &self.kept
    }

    /// Keeps `marks`, durably, if they are new.
    pub(super) fn keep(&mut self, marks: &Marks) -> Result<(), FollowError> {
        if self.kept == *marks || self.marking == Marking::LookOnly {
            return Ok(());
        }
        replace(&self.path, marks).map_err(|why| FollowError::State {
            path: self.path.clone(),
            why: why.to_string(),
        })?;
        self.kept = marks.clone();
        Ok(())
    }
}

/// A crash leaves the old file or the new one, never half of either.
fn replace(path: &Path, marks: &Marks) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(&serde_json::to_vec(marks)?)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

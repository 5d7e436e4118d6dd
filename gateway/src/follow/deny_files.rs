//! The files of the operator's deny list.

use std::path::PathBuf;
use std::sync::Arc;

use super::deny::{DenyEntry, DenyList, parse_list};
use super::watched::{Reader, WatchedFile};
use super::{FollowError, SourceStatus};

/// All of them, each as it was when it was last good.
pub(super) struct DenyFiles {
    files: Vec<(PathBuf, WatchedFile<Vec<DenyEntry>>)>,
}

impl DenyFiles {
    pub(super) fn load(paths: &[PathBuf]) -> Result<Self, FollowError> {
        let reader: Reader<Vec<DenyEntry>> = Arc::new(|path, octets| {
            parse_list(octets).map_err(|why| FollowError::Deny {
                path: path.to_path_buf(),
                why,
            })
        });
        let files = paths.iter().map(|path| {
            let file = WatchedFile::open(path.clone(), Arc::clone(&reader))?;
            Ok((path.clone(), file))
        });
        Ok(Self {
            files: files.collect::<Result<_, FollowError>>()?,
        })
    }

    /// Whether anything changed. A bad file changes nothing: its last good content stays.
    pub(super) fn poll(&mut self) -> bool {
        let mut changed = false;
        for (_, file) in &mut self.files {
            changed |= file.poll(|_| Ok(()));
        }
        changed
    }

    pub(super) fn is_reading(&self) -> bool {
        self.files.iter().any(|(_, file)| file.is_being_read())
    }

    pub(super) fn list(&self) -> DenyList {
        let files = self.files.iter().filter_map(|(_, file)| file.content());
        DenyList::new(files.flatten())
    }

    /// Without an age: a list that nobody changes is not old.
    pub(super) fn statuses(&self) -> impl Iterator<Item = SourceStatus> {
        self.files.iter().map(|(path, file)| SourceStatus {
            name: path.display().to_string(),
            age: None,
            alarm: file.alarm().map(str::to_owned),
        })
    }
}

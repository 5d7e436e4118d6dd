//! A file that is read again whenever it changes; what was last good in it stays in force.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::FollowError;

/// Makes something of a file's octets, or says why they are not to be believed.
pub(super) type Reader<T> = Arc<dyn Fn(&Path, &[u8]) -> Result<T, FollowError> + Send + Sync>;

/// One file and what was last good in it.
pub(super) struct WatchedFile<T> {
    path: PathBuf,
    reader: Reader<T>,
    /// As it was when it was last looked into, good or not.
    version: Option<Version>,
    /// Nothing for a file that appeared and has not been good yet.
    content: Option<T>,
    reading: Option<JoinHandle<Result<T, FollowError>>>,
    trouble: Option<Trouble>,
}

/// What is wrong with it, and since when.
struct Trouble {
    since: Instant,
    why: String,
}

/// What tells one version of a file from another: one `stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    modified: (i64, i64),
    length: u64,
    inode: u64,
}

impl<T: Send + 'static> WatchedFile<T> {
    /// Reads it; one that is not good is an error.
    pub(super) fn open(path: PathBuf, reader: Reader<T>) -> Result<Self, FollowError> {
        let mut file = Self::appeared(path, reader);
        // Before it is read: a change meanwhile is seen afterwards.
        file.version = version(&file.path).ok();
        file.content = Some(read(&file.path, &file.reader)?);
        Ok(file)
    }

    /// One that was not there before; the next [`poll`](Self::poll) reads it.
    pub(super) fn appeared(path: PathBuf, reader: Reader<T>) -> Self {
        Self {
            path,
            reader,
            version: None,
            content: None,
            reading: None,
            trouble: None,
        }
    }

    /// Whether its content is another one now: a `stat` where it is not. `accept` has the last
    /// word on what was read.
    pub(super) fn poll(&mut self, accept: impl FnOnce(&T) -> Result<(), FollowError>) -> bool {
        let Some(outcome) = self.read_if_new() else {
            return false;
        };
        match outcome.and_then(|content| accept(&content).map(|()| content)) {
            Ok(content) => {
                self.content = Some(content);
                self.trouble = None;
                true
            }
            Err(error) => {
                let since = self.trouble.as_ref().map(|trouble| trouble.since);
                self.trouble = Some(Trouble {
                    since: since.unwrap_or_else(Instant::now),
                    why: error.to_string(),
                });
                false
            }
        }
    }

    /// Whether a large one is being read: it is worth asking again soon.
    pub(super) fn is_being_read(&self) -> bool {
        self.reading.is_some()
    }

    /// What was last good.
    pub(super) fn content(&self) -> Option<&T> {
        self.content.as_ref()
    }

    /// What is wrong, once it has been for longer than writing a file in place may take.
    pub(super) fn alarm(&self) -> Option<&str> {
        let trouble = self.trouble.as_ref()?;
        (trouble.since.elapsed() >= HALF_WRITTEN).then_some(trouble.why.as_str())
    }

    /// Small ones are read here. Large ones are read beside, so that neither revocations nor
    /// requests wait for them, and found finished at a later call.
    fn read_if_new(&mut self) -> Option<Result<T, FollowError>> {
        if let Some(reading) = self.reading.take_if(|reading| reading.is_finished()) {
            let panicked = |_| Err(unreadable(&self.path, "its reader panicked"));
            return Some(reading.join().unwrap_or_else(panicked));
        }
        if self.reading.is_some() {
            return None;
        }
        let version = match version(&self.path) {
            Ok(version) => version,
            Err(why) => {
                // One that is gone and comes back is read again.
                self.version = None;
                return Some(Err(unreadable(&self.path, why)));
            }
        };
        if self.version.replace(version) == Some(version) {
            return None;
        }
        if version.length <= SMALL {
            return Some(read(&self.path, &self.reader));
        }
        match read_beside(self.path.clone(), Arc::clone(&self.reader)) {
            Ok(reading) => {
                self.reading = Some(reading);
                None
            }
            Err(why) => Some(Err(unreadable(&self.path, why))),
        }
    }
}

fn read_beside<T: Send + 'static>(
    path: PathBuf,
    reader: Reader<T>,
) -> io::Result<JoinHandle<Result<T, FollowError>>> {
    std::thread::Builder::new()
        .name("postern-reader".to_owned())
        .spawn(move || {
            // On Linux a priority is a thread's own. Where it cannot be lowered it is read all
            // the same.
            if let Err(why) = rustix::process::setpriority_process(None, NICE) {
                tracing::debug!("the reader's priority stays: {why}");
            }
            read(&path, &reader)
        })
}

fn read<T>(path: &Path, reader: &Reader<T>) -> Result<T, FollowError> {
    let octets = fs::read(path).map_err(|why| unreadable(path, why))?;
    reader(path, &octets)
}

fn unreadable(path: &Path, why: impl ToString) -> FollowError {
    FollowError::Unreadable {
        path: path.to_path_buf(),
        why: why.to_string(),
    }
}

fn version(path: &Path) -> io::Result<Version> {
    let metadata = fs::metadata(path)?;
    Ok(Version {
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        length: metadata.len(),
        inode: metadata.ino(),
    })
}

/// Octets that are read and checked within a millisecond or so.
const SMALL: u64 = 64 * 1024;
/// A tenth of the processor where requests want all of it: late is better than never.
const NICE: i32 = 10;
/// What is wrong for a shorter time is somebody writing the file.
const HALF_WRITTEN: Duration = Duration::from_secs(1);

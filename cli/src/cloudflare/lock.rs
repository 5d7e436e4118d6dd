//! One writer at a time: two that compare and change the same account would make things twice.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{CommandError, Kind};

/// The right to change what is at Cloudflare; it ends when this is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct EdgeLock {
    _file: File,
}

impl EdgeLock {
    /// Waits for its turn, as long as another one may sensibly take.
    pub(crate) fn take(home: &Path) -> Result<Self, CommandError> {
        let path = home.join("edge.lock");
        let failed = |error: String| {
            let message = format!("cannot lock {}: {error}", path.display());
            CommandError::new(Kind::Failure, message)
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(error.to_string()))?;
        let began = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK) if began.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(Errno::WOULDBLOCK) => return Err(busy()),
                Err(error) => return Err(failed(error.to_string())),
            }
        }
    }
}

fn busy() -> CommandError {
    let message = format!(
        "another postern has been changing Cloudflare for {} s",
        PATIENCE.as_secs()
    );
    CommandError::new(Kind::Conflict, message).hint("wait for it, or look what holds it up")
}

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

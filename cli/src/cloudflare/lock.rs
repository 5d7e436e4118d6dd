//! One writer at a time: two that compare and change the same account, or the same token, would
//! make things twice.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use postern_pki::sha256;
use postern_policy::TokenName;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{CommandError, Kind};

/// The right to change something; it ends when this is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct Turn {
    _file: File,
}

impl Turn {
    /// For what is ours at Cloudflare: waits as long as another one may sensibly take.
    pub(crate) fn at_edge(home: &Path) -> Result<Self, CommandError> {
        Self::take(home.join("edge.lock"), "what is ours at Cloudflare")
    }

    /// For one token, from its first look at what is there to its last step.
    pub(crate) fn of_token(home: &Path, name: &TokenName) -> Result<Self, CommandError> {
        // A name may hold what no file name can.
        let hash = sha256(name.as_str().as_bytes()).to_string();
        let file = format!("token-{}.lock", hash.get(..16).unwrap_or(&hash));
        Self::take(home.join(file), &format!("token {name}"))
    }

    fn take(path: PathBuf, what: &str) -> Result<Self, CommandError> {
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
                Err(Errno::WOULDBLOCK) => return Err(busy(what)),
                Err(error) => return Err(failed(error.to_string())),
            }
        }
    }
}

fn busy(what: &str) -> CommandError {
    let message = format!(
        "another postern has been changing {what} for {} s",
        PATIENCE.as_secs()
    );
    CommandError::new(Kind::Conflict, message).hint("wait for it, or look what holds it up")
}

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

//! The folder for what must outlive the process: the pid of the one that runs, the last reload.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::event::rfc3339;
use crate::keeper::LoadError;

/// What became of the last reload; `last-reload.json` in the state folder.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct ReloadOutcome {
    /// Whether the new configuration is in force.
    pub ok: bool,
    /// When, RFC 3339 UTC.
    pub time: String,
    /// Why it was refused.
    pub error: Option<String>,
    /// The configuration in force: 1 at start, one more with each that was accepted.
    pub generation: u64,
    /// Counts the reloads of this process, refused ones too.
    pub attempt: u64,
    /// What was changed and takes a restart to come into force.
    pub needs_restart: Vec<String>,
}

impl ReloadOutcome {
    pub(crate) fn now(
        attempt: u64,
        generation: u64,
        result: Result<Vec<String>, LoadError>,
    ) -> Self {
        let time = rfc3339(SystemTime::now());
        let (ok, error, needs_restart) = match result {
            Ok(needs_restart) => (true, None, needs_restart),
            Err(error) => (false, Some(error.to_string()), Vec::new()),
        };
        Self {
            ok,
            time,
            error,
            generation,
            attempt,
            needs_restart,
        }
    }
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFolderError {
    /// It cannot be made or written to.
    #[error("cannot use the state folder {}: {source}; check `[gateway] state`", path.display())]
    Unusable {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Two processes would overwrite each other's memory.
    #[error(
        "another gateway (pid {pid}) uses the state folder {}; stop it, or give this one its own",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who uses it.
        pid: String,
    },
}

/// Why a running gateway could not be told to reload.
#[derive(Debug, thiserror::Error)]
pub enum ReloadRequestError {
    /// Nobody holds the pid file.
    #[error("no gateway is running with the state folder {}", path.display())]
    NotRunning {
        /// The folder.
        path: PathBuf,
    },
    /// The signal could not be sent.
    #[error("cannot signal the gateway (pid {pid}): {source}; are you its user?")]
    Signal {
        /// Whom.
        pid: u32,
        /// What the system says.
        source: io::Error,
    },
    /// No outcome was written.
    #[error("the gateway (pid {pid}) did not answer within {} s; see its log", waited.as_secs())]
    NoAnswer {
        /// Who was asked.
        pid: u32,
        /// For how long.
        waited: Duration,
    },
}

/// The open state folder; one process holds it at a time.
pub(crate) struct StateFolder {
    path: PathBuf,
    pid: File,
}

impl StateFolder {
    /// Makes the folder (0700) where it is missing, and holds it.
    pub(crate) fn open(path: &Path) -> Result<Self, StateFolderError> {
        let unusable = |source| StateFolderError::Unusable {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let pid_file = path.join(PID);
        let pid = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&pid_file)
            .map_err(unusable)?;
        if !hold(&pid) {
            let pid = fs::read_to_string(&pid_file).unwrap_or_default();
            let pid = match pid.trim() {
                "" => "not known yet".to_owned(),
                pid => pid.to_owned(),
            };
            return Err(StateFolderError::InUse {
                path: path.to_owned(),
                pid,
            });
        }
        // What stands there is of one that died; now that the file is held it would be believed.
        pid.set_len(0).map_err(unusable)?;
        Ok(Self {
            path: path.to_owned(),
            pid,
        })
    }

    /// Tells others whom to signal.
    pub(crate) fn write_pid(&self) -> Result<(), StateFolderError> {
        let write = || {
            self.pid.set_len(0)?;
            (&self.pid).write_all(format!("{}\n", std::process::id()).as_bytes())
        };
        write().map_err(|source| StateFolderError::Unusable {
            path: self.path.clone(),
            source,
        })
    }

    /// Nobody is to be signalled any more. The file stays: another gateway may have it open and
    /// wait for its lock, and would then hold a file that nobody finds.
    pub(crate) fn clear_pid(&self) {
        if let Err(error) = self.pid.set_len(0) {
            tracing::warn!("cannot empty the pid file: {error}");
        }
    }

    /// Leaves the outcome for `gateway reload`, whole or not at all.
    pub(crate) fn write_reload(&self, outcome: &ReloadOutcome) {
        let write = || {
            let temporary = self.path.join(format!("{LAST_RELOAD}.new"));
            let mut file = File::create(&temporary)?;
            serde_json::to_writer_pretty(&mut file, outcome)?;
            file.sync_all()?;
            fs::rename(&temporary, self.path.join(LAST_RELOAD))
        };
        if let Err(error) = write() {
            tracing::error!(
                "cannot write {LAST_RELOAD} in {}: {error}",
                self.path.display()
            );
        }
    }
}

/// Takes the lock, and tries again for a moment: [`running_pid`] takes it too, to look.
fn hold(pid: &File) -> bool {
    for _ in 0..LOCK_TRIES {
        if flock(pid, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return true;
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    flock(pid, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// The process that holds this state folder, if one does.
#[must_use]
pub fn running_pid(state: &Path) -> Option<u32> {
    let path = state.join(PID);
    let file = File::open(&path).ok()?;
    // A pid file that nobody holds is left over; its number may be anybody's by now.
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// What became of the last reload of whoever uses this state folder.
#[must_use]
pub fn last_reload(state: &Path) -> Option<ReloadOutcome> {
    serde_json::from_slice(&fs::read(state.join(LAST_RELOAD)).ok()?).ok()
}

/// Sends SIGHUP to the gateway that holds this state folder and waits for the outcome. Blocks.
///
/// # Errors
///
/// Only when there is no outcome; a refused configuration is an outcome.
pub fn request_reload(state: &Path, wait: Duration) -> Result<ReloadOutcome, ReloadRequestError> {
    let pid = running_pid(state).ok_or_else(|| ReloadRequestError::NotRunning {
        path: state.to_owned(),
    })?;
    let before = last_reload(state);
    signal(pid).map_err(|source| ReloadRequestError::Signal { pid, source })?;
    let deadline = Instant::now() + wait;
    while Instant::now() < deadline {
        match last_reload(state) {
            Some(outcome) if Some(&outcome) != before.as_ref() => return Ok(outcome),
            Some(_) | None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    Err(ReloadRequestError::NoAnswer { pid, waited: wait })
}

fn signal(pid: u32) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(kill_process(pid, Signal::HUP)?)
}

const PID: &str = "gateway.pid";
const LAST_RELOAD: &str = "last-reload.json";
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert_eq!(running_pid(&path), None);
        let held = StateFolder::open(&path).unwrap();
        held.write_pid().unwrap();
        assert_eq!(running_pid(&path), Some(std::process::id()));
        assert!(matches!(
            StateFolder::open(&path),
            Err(StateFolderError::InUse { .. })
        ));
        held.clear_pid();
        assert_eq!(running_pid(&path), None);
        drop(held);
        assert_eq!(running_pid(&path), None);
    }

    #[test]
    fn a_left_over_pid_is_nobody_even_while_the_next_one_starts() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(PID), "1\n").unwrap();
        assert_eq!(running_pid(folder.path()), None);
        let _held = StateFolder::open(folder.path()).unwrap();
        assert_eq!(running_pid(folder.path()), None);
    }

    #[test]
    fn whoever_only_looks_does_not_keep_a_gateway_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        let looking = File::create(folder.path().join(PID)).unwrap();
        flock(&looking, FlockOperation::NonBlockingLockShared).unwrap();
        let leaving = std::thread::spawn(move || {
            std::thread::sleep(LOCK_PAUSE);
            drop(looking);
        });
        assert!(StateFolder::open(folder.path()).is_ok());
        leaving.join().unwrap();
    }

    #[test]
    fn the_outcome_of_a_reload_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let held = StateFolder::open(folder.path()).unwrap();
        let outcome = ReloadOutcome::now(3, 2, Err(LoadError::new("no such file")));
        held.write_reload(&outcome);
        assert_eq!(last_reload(folder.path()), Some(outcome));
    }
}

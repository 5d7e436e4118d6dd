//! Keys that the gateway makes for itself and replaces in time: a folder in `state`, a file each,
//! called by the second from which it signs.
//!
//! A key is published before it signs, because verifiers keep the set for a while, and after it was
//! replaced, because its assertions live on.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::Keys;
use super::signing_key::{PrivatePem, SigningKey, SigningKeyError};

/// The folder, and how often a key is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyFolder {
    path: PathBuf,
    rotate_every: u64,
}

/// Why the keys of the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFolderError {
    #[error("cannot keep assertion keys in {}: {source}; check `[gateway] state`", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error("cannot use the assertion key {}: {source}; remove the file to have a new one made", path.display())]
    Key {
        path: PathBuf,
        source: SigningKeyError,
    },
}

impl KeyFolder {
    /// The folder below `state`.
    pub(crate) fn new(state: &Path, rotate_every: Duration) -> Self {
        Self {
            path: state.join(FOLDER),
            rotate_every: rotate_every.as_secs(),
        }
    }

    /// Makes the key that is due, removes those that are spent, and reads what is left.
    pub(crate) fn keep(&self, issuer: &str, now: u64) -> Result<Keys, KeyFolderError> {
        let failed = |source| self.failed(source);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(failed)?;
        let times = self.times().map_err(failed)?;
        if let Some(time) = next(&times, now, self.rotate_every) {
            self.make(time).map_err(failed)?;
        }
        let times = self.times().map_err(failed)?;
        for spent in spent(&times, now) {
            fs::remove_file(self.file(spent)).map_err(failed)?;
        }
        self.read(issuer, now)
    }

    /// The key that signs at `now` and the others.
    fn read(&self, issuer: &str, now: u64) -> Result<Keys, KeyFolderError> {
        let times = self.times().map_err(|source| self.failed(source))?;
        let signing = self.key(signing(&times, now).unwrap_or_default(), issuer)?;
        let kid = signing.published().kid.clone();
        let mut others = Vec::new();
        for time in &times {
            let key = self.key(*time, issuer)?;
            if key.published().kid != kid {
                others.push(key);
            }
        }
        let good = now..change(&times, now, self.rotate_every);
        Ok(Keys::new(signing, &others, good))
    }

    fn key(&self, time: u64, issuer: &str) -> Result<SigningKey, KeyFolderError> {
        let path = self.file(time);
        let pem = fs::read(&path).map_err(|source| self.failed(source))?;
        SigningKey::from_pem(&pem, issuer).map_err(|source| KeyFolderError::Key { path, source })
    }

    /// Whole or not at all, and never in place of another: two may ask at the same time.
    fn make(&self, time: u64) -> io::Result<()> {
        // Readable by its owner only, as `tempfile` makes them.
        let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
        file.write_all(PrivatePem::generate().as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(self.file(time)) {
            Err(why) if why.error.kind() != io::ErrorKind::AlreadyExists => Err(why.error),
            Ok(_) | Err(_) => File::open(&self.path)?.sync_all(),
        }
    }

    /// The seconds from which the keys sign, in order.
    fn times(&self) -> io::Result<Vec<u64>> {
        let mut times = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let time = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            times.extend(time.and_then(|time| time.parse::<u64>().ok()));
        }
        times.sort_unstable();
        Ok(times)
    }

    fn file(&self, time: u64) -> PathBuf {
        self.path.join(format!("{time}{SUFFIX}"))
    }

    fn failed(&self, source: io::Error) -> KeyFolderError {
        let path = self.path.clone();
        KeyFolderError::Unusable { path, source }
    }
}

/// From when a key that is to be made now signs; none where none is due.
fn next(times: &[u64], now: u64, rotate_every: u64) -> Option<u64> {
    match times.last() {
        None => Some(now),
        Some(last) if last.saturating_add(rotate_every) <= now.saturating_add(AHEAD) => {
            Some(now + AHEAD)
        }
        Some(_) => None,
    }
}

/// The key that signs at `now`: the latest that has begun to.
fn signing(times: &[u64], now: u64) -> Option<u64> {
    let begun = times.iter().rev().find(|time| **time <= now);
    begun.or(times.first()).copied()
}

/// The keys whose successors have signed for so long that no assertion of theirs is left.
fn spent(times: &[u64], now: u64) -> Vec<u64> {
    let successors = times.iter().skip(1);
    let pairs = times.iter().zip(successors);
    pairs
        .filter(|(_, successor)| successor.saturating_add(BEHIND) <= now)
        .map(|(time, _)| *time)
        .collect()
}

/// When the next key is due, begins to sign, or is spent.
fn change(times: &[u64], now: u64, rotate_every: u64) -> u64 {
    let due = times
        .last()
        .map(|last| (last + rotate_every).saturating_sub(AHEAD));
    let spent = times.iter().skip(1).map(|successor| successor + BEHIND);
    let changes = times.iter().copied().chain(due).chain(spent);
    changes.filter(|at| *at > now).min().unwrap_or(u64::MAX)
}

const FOLDER: &str = "assertion-keys";
const SUFFIX: &str = ".pem";
/// Longer than verifiers keep a set: an hour is what those for Access do.
const AHEAD: u64 = 2 * 60 * 60;
/// Much longer than an assertion lives.
const BEHIND: u64 = 60 * 60;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    #[test]
    fn a_key_is_made_ahead_signs_in_its_time_and_stays_published_behind() {
        let month = 30 * DAY;
        assert_eq!(next(&[], NOW, month), Some(NOW));
        assert_eq!(next(&[NOW], NOW + month - AHEAD - 1, month), None);
        let made = NOW + month;
        assert_eq!(next(&[NOW], made - AHEAD, month), Some(made));
        let times = [NOW, made];
        assert_eq!(next(&times, made, month), None);
        assert_eq!(signing(&times, made - 1), Some(NOW));
        assert_eq!(signing(&times, made), Some(made));
        assert_eq!(spent(&times, made + BEHIND - 1), [0_u64; 0]);
        assert_eq!(spent(&times, made + BEHIND), [NOW]);
    }

    #[test]
    fn keys_are_looked_at_again_when_something_changes() {
        let month = 30 * DAY;
        let made = NOW + month;
        assert_eq!(change(&[NOW], NOW, month), made - AHEAD);
        assert_eq!(change(&[NOW, made], made - AHEAD, month), made);
        assert_eq!(change(&[NOW, made], made, month), made + BEHIND);
        assert_eq!(change(&[made], made + BEHIND, month), made + month - AHEAD);
    }

    #[test]
    fn a_clock_that_goes_back_or_stood_still_leaves_a_key_that_signs() {
        assert_eq!(signing(&[NOW], NOW - 365 * DAY), Some(NOW));
        assert_eq!(next(&[NOW], NOW - 365 * DAY, DAY), None);
        assert_eq!(spent(&[NOW], NOW + 365 * DAY), [0_u64; 0]);
        // After a year without running the old one signs until the new one is known.
        let late = NOW + 365 * DAY;
        assert_eq!(next(&[NOW], late, DAY), Some(late + AHEAD));
        assert_eq!(signing(&[NOW, late + AHEAD], late), Some(NOW));
    }

    #[test]
    fn the_folder_keeps_its_keys_over_restarts_and_replaces_them() {
        let state = tempfile::tempdir().unwrap();
        let folder = KeyFolder::new(state.path(), Duration::from_secs(DAY));
        let kids = |now| folder.keep("https://a", now).unwrap().kids();
        let first = kids(NOW);
        assert_eq!((first.len(), kids(NOW + 1)), (1, first.clone()));
        let both = kids(NOW + DAY - AHEAD);
        assert_eq!((both.len(), &both[0]), (2, &first[0]));
        let after = kids(NOW + DAY);
        assert_eq!(
            (after.len(), &after[0], &after[1]),
            (2, &both[1], &first[0])
        );
        assert_eq!(kids(NOW + DAY + BEHIND), [both[1].clone()]);
        for file in fs::read_dir(state.path().join(FOLDER)).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_named() {
        let state = tempfile::tempdir().unwrap();
        let folder = KeyFolder::new(state.path(), Duration::from_secs(DAY));
        fs::create_dir(state.path().join(FOLDER)).unwrap();
        fs::write(folder.file(NOW), "nothing").unwrap();
        let refused = folder.keep("https://a", NOW).err().unwrap().to_string();
        assert!(refused.contains(&format!("{NOW}.pem")), "{refused}");
    }
}

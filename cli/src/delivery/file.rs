//! A file as the destination of a secret.

use std::path::{Path, PathBuf};

use postern_ca::files::{self, Access, FileError};

use super::Credentials;
use crate::error::{CommandError, Kind};

/// What becomes of a file that stands there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays as it is, and nothing is minted.
    Refused,
    /// It is replaced in one step where it holds a secret of one of these client ids, of which the
    /// new one is the successor; anything else stays.
    ReplacedIfOf(Vec<String>),
}

/// Whether a file can come into being there. Another one is made beside it and removed again.
pub(super) fn test(path: &Path, existing: &Existing) -> Result<(), CommandError> {
    if let Ok(what) = path.symlink_metadata() {
        match existing {
            Existing::Refused => return Err(FileError::Exists(path.to_path_buf()).into()),
            Existing::ReplacedIfOf(_) if !what.is_file() => {
                let message = format!("{} is no file: it would not be replaced", path.display());
                return Err(CommandError::new(Kind::Conflict, message));
            }
            Existing::ReplacedIfOf(client_ids) => refuse_other(path, client_ids)?,
        }
    }
    let probe = probe_beside(path)?;
    files::write_new(&probe, b"", Access::Owner)?;
    std::fs::remove_file(&probe).map_err(|error| {
        let message = format!("cannot remove {} again: {error}", probe.display());
        CommandError::new(Kind::Failure, message)
    })
}

/// What holds anything else than the predecessor may be the only copy of it.
fn refuse_other(path: &Path, client_ids: &[String]) -> Result<(), CommandError> {
    let there = Credentials::read(path).ok();
    if there.is_some_and(|there| client_ids.iter().any(|id| id == there.client_id())) {
        return Ok(());
    }
    let message = format!(
        "{} exists and does not hold the secret of this token: it would not be replaced",
        path.display()
    );
    Err(CommandError::new(Kind::Conflict, message)
        .hint("nothing was minted; name a new file, or a folder"))
}

/// Writes the secret.
pub(super) fn deliver(path: &Path, text: &str, existing: &Existing) -> Result<(), CommandError> {
    match existing {
        Existing::Refused => files::write_new(path, text.as_bytes(), Access::Owner)?,
        Existing::ReplacedIfOf(_) => files::replace(path, text.as_bytes(), Access::Owner)?,
    }
    Ok(())
}

fn probe_beside(path: &Path) -> Result<PathBuf, CommandError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name
        .ok_or_else(|| CommandError::usage(format!("{} does not name a file", path.display())))?;
    Ok(path.with_file_name(format!(".{name}.{}.probe", std::process::id())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn testing_a_place_leaves_nothing_behind_and_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        test(&path, &Existing::Refused).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::write(&path, "a.access:precious").unwrap();
        let ours = Existing::ReplacedIfOf(vec![String::from("a.access")]);
        assert!(test(&path, &Existing::Refused).is_err());
        test(&path, &ours).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a.access:precious");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(test(&link, &ours).is_err());
        assert!(test(&folder.path().join("missing/token"), &Existing::Refused).is_err());
    }

    #[test]
    fn what_holds_something_else_than_this_tokens_secret_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let ours = Existing::ReplacedIfOf(vec![String::from("a.access")]);
        for other in ["b.access:precious", "notes", ""] {
            std::fs::write(&path, other).unwrap();
            assert!(test(&path, &ours).is_err(), "{other}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
    }
}

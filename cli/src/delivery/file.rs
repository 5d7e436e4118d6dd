//! A file as the destination of a secret.

use std::path::{Path, PathBuf};

use postern_ca::files::{self, Access, FileError};

use crate::error::{CommandError, Kind};

/// What becomes of a file that stands there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays as it is, and nothing is minted.
    Refused,
    /// It is replaced in one step: the successor of the secret that it holds.
    Replaced,
}

/// Whether a file can come into being there. Another one is made beside it and removed again.
pub(super) fn test(path: &Path, existing: Existing) -> Result<(), CommandError> {
    match (path.symlink_metadata(), existing) {
        (Err(_), _) => {}
        (Ok(_), Existing::Refused) => return Err(FileError::Exists(path.to_path_buf()).into()),
        (Ok(what), Existing::Replaced) if what.is_file() => {}
        (Ok(_), Existing::Replaced) => {
            let message = format!("{} is no file: it would not be replaced", path.display());
            return Err(CommandError::new(Kind::Conflict, message));
        }
    }
    let probe = probe_beside(path)?;
    files::write_new(&probe, b"", Access::Owner)?;
    std::fs::remove_file(&probe).map_err(|error| {
        let message = format!("cannot remove {} again: {error}", probe.display());
        CommandError::new(Kind::Failure, message)
    })
}

/// Writes the secret.
pub(super) fn deliver(path: &Path, text: &str, existing: Existing) -> Result<(), CommandError> {
    match existing {
        Existing::Refused => files::write_new(path, text.as_bytes(), Access::Owner)?,
        Existing::Replaced => files::replace(path, text.as_bytes(), Access::Owner)?,
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
        test(&path, Existing::Refused).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::write(&path, "precious").unwrap();
        assert!(test(&path, Existing::Refused).is_err());
        test(&path, Existing::Replaced).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(test(&link, Existing::Replaced).is_err());
        assert!(test(&folder.path().join("missing/token"), Existing::Refused).is_err());
    }
}

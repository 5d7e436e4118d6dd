//! Files that appear whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone: keys and secrets, mode 0600.
    Owner,
    /// Everybody: certificates and CRLs, mode 0644.
    Everybody,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Something is there already.
    #[error("{0} exists already and is left as it is: choose another place, or move it away")]
    Exists(PathBuf),
    /// The system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { what, path, source }
    }
}

/// Writes a new file; one that exists is never touched, not even a dangling link.
///
/// The content is written and fsynced under another name first: `path` has all of it or does not
/// exist.
///
/// # Errors
/// When the file exists or cannot be written; then nothing is left behind.
pub fn write_new(path: &Path, content: &[u8], access: Access) -> Result<(), FileError> {
    let partial = write_partial(path, content, access)?;
    let linked = rename_new(&partial, path);
    linked.map_err(|source| {
        drop(fs::remove_file(&partial));
        if source.kind() == io::ErrorKind::AlreadyExists {
            FileError::Exists(path.to_path_buf())
        } else {
            FileError::Io {
                what: "create",
                path: path.to_path_buf(),
                source,
            }
        }
    })?;
    sync_dir(path)
}

/// Renames, unless something stands at `to`. Where the file system cannot (network file systems),
/// a hard link does the same; FAT can rename and cannot link.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

/// Puts `content` in the place of whatever `path` is, in one step.
///
/// # Errors
/// When it cannot be written; then `path` is as it was.
pub fn replace(path: &Path, content: &[u8], access: Access) -> Result<(), FileError> {
    let partial = write_partial(path, content, access)?;
    if let Err(source) = fs::rename(&partial, path) {
        drop(fs::remove_file(&partial));
        return Err(FileError::Io {
            what: "replace",
            path: path.to_path_buf(),
            source,
        });
    }
    sync_dir(path)
}

/// Makes a folder, and those above it, where they are missing.
///
/// # Errors
/// When the system refuses.
pub fn create_folder(path: &Path, access: Access) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    let mode = match access {
        Access::Owner => 0o700,
        Access::Everybody => 0o755,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .and_then(|()| match access {
            Access::Owner => Ok(()),
            Access::Everybody => fs::set_permissions(path, Permissions::from_mode(mode)),
        })
        .map_err(FileError::io("create", path))
}

/// Makes what happened in `path`'s folder durable.
///
/// # Errors
/// When the system cannot.
pub(crate) fn sync_dir(path: &Path) -> Result<(), FileError> {
    let folder = folder_of(path);
    File::open(&folder)
        .and_then(|folder| folder.sync_all())
        .map_err(FileError::io("sync", &folder))
}

/// Reads a file.
///
/// # Errors
/// Names the file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(FileError::io("read", path))
}

fn write_partial(path: &Path, content: &[u8], access: Access) -> Result<PathBuf, FileError> {
    let partial = partial_name(path)?;
    let mode = match access {
        Access::Owner => 0o600,
        Access::Everybody => 0o644,
    };
    // create_new is O_EXCL, which follows no link; the mode holds from the first moment on.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&partial)
        .map_err(FileError::io("create", &partial))?;
    let written = file.write_all(content).and_then(|()| match access {
        Access::Owner => Ok(()),
        // The umask may have taken what everybody is to see.
        Access::Everybody => file.set_permissions(Permissions::from_mode(mode)),
    });
    if let Err(source) = written.and_then(|()| file.sync_all()) {
        drop(fs::remove_file(&partial));
        return Err(FileError::Io {
            what: "write",
            path: path.to_path_buf(),
            source,
        });
    }
    Ok(partial)
}

fn partial_name(path: &Path) -> Result<PathBuf, FileError> {
    let mut random = [0; 8];
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(name), Ok(())) = (name, rand::fill(&mut random)) else {
        let source = io::Error::from(io::ErrorKind::InvalidFilename);
        return Err(FileError::Io {
            what: "create",
            path: path.to_path_buf(),
            source,
        });
    };
    let random = u64::from_ne_bytes(random);
    Ok(folder_of(path).join(format!(".{name}.{random:016x}.partial")))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn a_new_key_file_is_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        write_new(&path, b"secret", Access::Owner).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_existing_file_or_link_is_never_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        let link = folder.path().join("link");
        symlink(&victim, &link).unwrap();
        assert!(matches!(
            write_new(&link, b"x", Access::Owner),
            Err(FileError::Exists(_))
        ));
        assert!(!victim.exists());
        fs::write(&victim, b"old").unwrap();
        assert!(matches!(
            write_new(&victim, b"x", Access::Owner),
            Err(FileError::Exists(_))
        ));
        assert_eq!(fs::read(&victim).unwrap(), b"old");
    }
}

//! Brings `HOME/public` up to what the store says: issuers, CRLs, journal.
//!
//! The store is the truth and `public` its projection: whatever a crash left behind is completed
//! by the next command that opens the home. All of it happens under one lock.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use postern_pki::Certificate;
use postern_pki::journal::{ISSUERS_FILE, PUBLISHERS_FILE, segment_file_name};

use crate::files::{self, Access, FileError};
use crate::home::Home;
use crate::issuance::{certificate_pem, to_pem};
use crate::store::{JournalRow, Store, StoreError};

/// How many journal rows are read at a time.
const PAGE: u32 = 1024;

/// Why `public` could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file could not be read or written.
    #[error("{0}. It is recorded all the same, and published by the next command that can")]
    File(#[from] FileError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal file holds more than the store does.
    #[error(
        "{path} goes up to entry {published}, and the store only to {recorded}: the database is \
         older than what was published. Restore the newest backup; nothing was changed"
    )]
    StoreBehind {
        /// Which segment.
        path: PathBuf,
        /// The last entry published.
        published: u64,
        /// The last entry recorded.
        recorded: u64,
    },
}

/// Publishes whatever is not published yet. The CRLs come before the journal that names them.
pub(crate) fn publish(home: &Home, store: &Store) -> Result<(), PublishError> {
    let path = home.publish_lock();
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(FileError::io("open", &path))?;
    lock.lock().map_err(FileError::io("lock", &path))?;
    let issuers: Vec<_> = store
        .issuers()?
        .into_iter()
        .map(|issuer| issuer.certificate)
        .collect();
    replace_if_changed(&home.public().join(ISSUERS_FILE), pem(&issuers).as_bytes())?;
    let publishers = pem(&store.publishers()?);
    replace_if_changed(&home.public().join(PUBLISHERS_FILE), publishers.as_bytes())?;
    publish_crls(home, store)?;
    publish_journal(home, store)
}

fn pem(certificates: &[Certificate]) -> String {
    certificates.iter().map(certificate_pem).collect()
}

fn publish_crls(home: &Home, store: &Store) -> Result<(), PublishError> {
    for issuer in store.issuers()? {
        if let Some(crl) = store.crl(&issuer)? {
            let path = home.crl(issuer.role);
            replace_if_changed(&path, &crl.der)?;
            let pem = to_pem("X509 CRL", &crl.der);
            replace_if_changed(&path.with_extension("crl.pem"), pem.as_bytes())?;
        }
    }
    Ok(())
}

fn publish_journal(home: &Home, store: &Store) -> Result<(), PublishError> {
    let folder = home.journal();
    let (path, mut published) = last_published(&folder)?;
    loop {
        let rows = store.journal_after(published, PAGE)?;
        if rows.is_empty() {
            break;
        }
        for segment in rows.chunk_by(|one, next| one.segment == next.segment) {
            append(&folder, segment)?;
        }
        published = rows.last().map_or(published, |row| row.seq);
    }
    let recorded = store
        .read(crate::store::journal_head)?
        .map_or(0, |(head, _)| head.seq);
    if recorded < published {
        return Err(PublishError::StoreBehind {
            path,
            published,
            recorded,
        });
    }
    Ok(())
}

/// Appends rows of one segment, and returns when they are on the disk.
fn append(folder: &Path, rows: &[JournalRow]) -> Result<(), PublishError> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let path = folder.join(segment_file_name(first.segment));
    let is_new = !path.exists();
    let text: String = rows.iter().map(|row| row.line.as_str()).collect();
    if is_new {
        // Everybody reads it, whatever the umask says.
        files::write_new(&path, b"", Access::Everybody)?;
    }
    let mut file = OpenOptions::new()
        .append(true)
        .open(&path)
        .map_err(FileError::io("open", &path))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_data())
        .map_err(FileError::io("append to", &path))?;
    Ok(())
}

/// The newest segment and its last complete entry. A torn line at its end, left by a crash, is
/// cut off: followers never read a line without its newline.
fn last_published(folder: &Path) -> Result<(PathBuf, u64), PublishError> {
    let read = FileError::io("read", folder);
    let mut segments: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(read)?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "journal")
        })
        .collect();
    segments.sort();
    while let Some(path) = segments.pop() {
        let (complete, last) = last_line(&path)?;
        let length = fs::metadata(&path)
            .map_err(FileError::io("read", &path))?
            .len();
        if complete < length {
            let file = OpenOptions::new().write(true).open(&path);
            file.and_then(|file| file.set_len(complete))
                .map_err(FileError::io("cut", &path))?;
        }
        if let Some(seq) = last.and_then(|line| seq_of(&line)) {
            return Ok((path, seq));
        }
    }
    Ok((folder.to_path_buf(), 0))
}

/// How far the file holds complete lines, and the last of them.
fn last_line(path: &Path) -> Result<(u64, Option<String>), FileError> {
    let failed = || FileError::io("read", path);
    let mut file = File::open(path).map_err(failed())?;
    let length = file.metadata().map_err(failed())?.len();
    let mut window = 64 * 1024;
    loop {
        let start = length.saturating_sub(window);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(start)).map_err(failed())?;
        file.read_to_end(&mut tail).map_err(failed())?;
        let end = tail.iter().rposition(|octet| *octet == b'\n');
        let before = end.and_then(|end| tail[..end].iter().rposition(|octet| *octet == b'\n'));
        match (end, before) {
            (Some(end), Some(before)) => {
                let line = String::from_utf8_lossy(&tail[before + 1..end]).into_owned();
                return Ok((start + offset(end + 1), Some(line)));
            }
            (Some(end), None) if start == 0 => {
                let line = String::from_utf8_lossy(&tail[..end]).into_owned();
                return Ok((offset(end + 1), Some(line)));
            }
            (None, _) if start == 0 => return Ok((0, None)),
            _ => window = window.saturating_mul(4),
        }
    }
}

fn offset(position: usize) -> u64 {
    u64::try_from(position).unwrap_or(u64::MAX)
}

fn seq_of(line: &str) -> Option<u64> {
    let line = postern_pki::journal::Line::parse(line).ok()?;
    postern_pki::journal::Entry::parse(&line.body)
        .ok()
        .map(|entry| entry.seq)
}

fn replace_if_changed(path: &Path, content: &[u8]) -> Result<(), FileError> {
    match fs::read(path) {
        Ok(present) if present == content => Ok(()),
        _ => files::replace(path, content, Access::Everybody),
    }
}

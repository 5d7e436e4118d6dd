//! The journal's segments, as the store has them.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use postern_pki::journal::{Entry, Line, SourceAuthority, segment_file_name, segment_first_seq};
use postern_pki::{Certificate, TrustAnchors};
use rustls_pki_types::UnixTime;

use super::PublishError;
use crate::files::{self, Access, FileError};
use crate::store::{self, Connection, IssuerRecord, IssuerRole, JournalRow};

/// How many journal rows are read at a time.
const PAGE: u32 = 1024;

/// Whose signature makes a line one of ours.
pub(super) struct Ours<'a> {
    pub(super) issuers: &'a [IssuerRecord],
    pub(super) publishers: &'a [Certificate],
}

/// Appends what the newest segment does not have yet.
pub(super) fn publish(
    folder: &Path,
    connection: &Connection,
    ours: &Ours<'_>,
) -> Result<(), PublishError> {
    let mut published = published(folder, connection, ours)?;
    loop {
        let rows = store::journal_after(connection, published, PAGE)?;
        for segment in rows.chunk_by(|one, next| one.segment == next.segment) {
            append(folder, segment)?;
        }
        match rows.last() {
            Some(row) => published = row.seq,
            None => return Ok(()),
        }
    }
}

/// The last entry that stands in the newest segment as the store has it.
///
/// Whoever can write to the folder must not be able to keep us from revoking: what is not ours is
/// taken out. Only an entry that we signed and do not know stops us: then the store is the old
/// one.
fn published(folder: &Path, connection: &Connection, ours: &Ours<'_>) -> Result<u64, PublishError> {
    for path in newest_first(folder)? {
        let (complete, line) = last_line(&path)?;
        let line = line.unwrap_or_default();
        let seq = seq_of(&line);
        let row = seq
            .map(|seq| store::journal_row(connection, seq))
            .transpose()?
            .flatten();
        match (seq, row) {
            (Some(seq), Some(row)) if row.line.strip_suffix('\n') == Some(&line) => {
                cut_torn_line(&path, complete)?;
                return Ok(seq);
            }
            (Some(published), _) if ours.signed(&line) => {
                return Err(PublishError::StoreBehind { path, published });
            }
            _ => {
                if let Some(seq) = restore(&path, connection)? {
                    return Ok(seq);
                }
            }
        }
    }
    Ok(0)
}

/// Puts the store's rows in the place of a segment whose end is torn or not ours; a segment that
/// the store does not have at all is set aside.
fn restore(path: &Path, connection: &Connection) -> Result<Option<u64>, PublishError> {
    let first = segment_first_seq(path).unwrap_or_default();
    let rows = store::journal_segment(connection, first)?;
    tracing::warn!(
        "{} was torn or altered: restored from the database",
        path.display()
    );
    let Some(last) = rows.last() else {
        let aside = path.with_extension("not-ours");
        fs::rename(path, &aside).map_err(FileError::io("set aside", path))?;
        return Ok(None);
    };
    files::replace(path, text(&rows).as_bytes(), Access::Everybody)?;
    Ok(Some(last.seq))
}

impl Ours<'_> {
    /// Asked only of a line that is not the store's, so nothing is made ready for it.
    fn signed(&self, line: &str) -> bool {
        let Ok(line) = Line::parse(line) else {
            return false;
        };
        let root = self
            .issuers
            .iter()
            .filter(|issuer| issuer.role == IssuerRole::Root);
        let root: Vec<_> = root.map(|root| root.certificate.clone()).collect();
        // Validity plays no part here: a time within the issuers' will do.
        let within = self
            .issuers
            .iter()
            .map(|issuer| issuer.certificate.not_before())
            .max();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(within.unwrap_or_default()));
        let issuers: Vec<_> = self
            .issuers
            .iter()
            .map(|issuer| issuer.certificate.clone())
            .collect();
        TrustAnchors::new(root).is_ok_and(|anchors| {
            SourceAuthority::new(&issuers, self.publishers, &anchors, now)
                .is_ok_and(|authority| authority.verify(&line).is_ok())
        })
    }
}

/// Appends rows of one segment, and returns when they are on the disk. A new segment appears
/// whole.
fn append(folder: &Path, rows: &[JournalRow]) -> Result<(), PublishError> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let path = folder.join(segment_file_name(first.segment));
    if !path.exists() {
        return Ok(files::write_new(
            &path,
            text(rows).as_bytes(),
            Access::Everybody,
        )?);
    }
    let mut file = OpenOptions::new()
        .append(true)
        .open(&path)
        .map_err(FileError::io("open", &path))?;
    file.write_all(text(rows).as_bytes())
        .and_then(|()| file.sync_data())
        .map_err(FileError::io("append to", &path))?;
    Ok(())
}

fn text(rows: &[JournalRow]) -> String {
    rows.iter().map(|row| row.line.as_str()).collect()
}

fn newest_first(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = || FileError::io("read", folder);
    let mut segments = Vec::new();
    for file in fs::read_dir(folder).map_err(failed())? {
        let path = file.map_err(failed())?.path();
        segments.extend(segment_first_seq(&path).map(|first| (first, path)));
    }
    segments.sort();
    Ok(segments.into_iter().rev().map(|(_, path)| path).collect())
}

/// A crash can leave half a line behind; followers never read one without its newline.
fn cut_torn_line(path: &Path, complete: u64) -> Result<(), FileError> {
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(FileError::io("open", path))?;
    let length = file.metadata().map_err(FileError::io("read", path))?.len();
    if complete < length {
        file.set_len(complete).map_err(FileError::io("cut", path))?;
    }
    Ok(())
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
    let line = Line::parse(line).ok()?;
    Entry::parse(&line.body).ok().map(|entry| entry.seq)
}

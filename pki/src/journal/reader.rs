//! Reads a journal as it grows, and refuses one that went back.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use postern_policy::Fingerprint;

use super::authority::{AuthorityError, SourceAuthority};
use super::entry::{Entry, Hash, Head};
use super::event::Event;
use super::line::{Line, LineError};

/// Why a journal cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory or a segment could not be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no segment.
    #[error("{0} holds no journal: is this the `public` directory of a Postern home?")]
    Empty(PathBuf),
    /// A line is not one of a journal.
    #[error("{path}, line after entry {after}: {source}")]
    Line {
        /// Which segment.
        path: PathBuf,
        /// The last good entry.
        after: u64,
        /// What is wrong.
        source: LineError,
    },
    /// A line is not to be believed.
    #[error("{path}: {source}")]
    Authority {
        /// Which segment.
        path: PathBuf,
        /// What is wrong.
        source: AuthorityError,
    },
    /// An entry does not follow its predecessor.
    #[error(
        "{path}: entry {seq} does not continue the chain after entry {after}: the file was altered"
    )]
    Broken {
        /// Which segment.
        path: PathBuf,
        /// The entry that does not fit.
        seq: u64,
        /// The last good one.
        after: u64,
    },
    /// A segment does not start with a checkpoint.
    #[error("{0} does not start with a checkpoint: the file was altered")]
    NoCheckpoint(PathBuf),
    /// The journal ends before what was seen already.
    #[error(
        "{path}: the journal ends at entry {found}, and entry {known} was seen before: an old copy \
         was put back. Restore the newest one; only if the CA itself was rebuilt on purpose, \
         remove this source's file from the gateway's `state` folder"
    )]
    WentBack {
        /// Which segment.
        path: PathBuf,
        /// Its last entry.
        found: u64,
        /// What was seen before.
        known: u64,
    },
    /// The entry seen before has another content now.
    #[error("{path}: entry {seq} is not the one seen before: the journal was rewritten")]
    Rewritten {
        /// Which segment.
        path: PathBuf,
        /// Which entry.
        seq: u64,
    },
}

/// The name of the segment whose first entry is `seq`.
pub fn segment_file_name(seq: u64) -> String {
    format!("{seq:020}.journal")
}

/// The first entry of the segment in `path`; nothing where the file is no segment.
pub fn segment_first_seq(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let seq = name.strip_suffix(".journal")?.parse().ok()?;
    (segment_file_name(seq) == name).then_some(seq)
}

/// A journal read up to some entry, and ready to read on.
#[derive(Debug, Clone)]
pub struct JournalReader {
    dir: PathBuf,
    segment: PathBuf,
    identity: (u64, u64),
    offset: u64,
    head: Head,
    sealed: Option<Hash>,
    /// Publishers whose own certificate was revoked: they said enough.
    retired: HashSet<Fingerprint>,
}

impl JournalReader {
    /// Reads the newest segment of `dir`, and the ones before it back to `known`.
    ///
    /// `known` is the head seen in an earlier life: a journal that does not hold exactly that
    /// entry is refused.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn open(
        dir: &Path,
        authority: &SourceAuthority,
        known: Option<Head>,
    ) -> Result<(Self, Vec<Entry>), JournalError> {
        let segments = segments(dir)?;
        let wanted = known.map_or(u64::MAX, |known| known.seq);
        let first = segments
            .iter()
            .rposition(|(seq, _)| *seq <= wanted)
            .unwrap_or(0);
        let (mut reader, mut entries) = Self::from_segment(dir, &segments[first], authority)?;
        if entries.is_empty() && first > 0 {
            // The newest one has no complete line yet: it is still being written.
            (reader, entries) = Self::from_segment(dir, &segments[first - 1], authority)?;
        }
        reader.check_known(known, &entries)?;
        let live = entries
            .iter()
            .rposition(|entry| matches!(entry.event, Event::Checkpoint(_)))
            .ok_or_else(|| JournalError::NoCheckpoint(reader.segment.clone()))?;
        Ok((reader, entries.into_iter().skip(live).collect()))
    }

    /// Every entry of every segment that is still in `dir`, oldest first: for what no checkpoint
    /// repeats.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn history(dir: &Path, authority: &SourceAuthority) -> Result<Vec<Entry>, JournalError> {
        let segments = segments(dir)?;
        Self::from_segment(dir, &segments[0], authority).map(|(_, entries)| entries)
    }

    fn from_segment(
        dir: &Path,
        (seq, segment): &(u64, PathBuf),
        authority: &SourceAuthority,
    ) -> Result<(Self, Vec<Entry>), JournalError> {
        let mut reader = Self {
            dir: dir.to_path_buf(),
            segment: segment.clone(),
            identity: (0, 0),
            offset: 0,
            head: Head {
                seq: seq.saturating_sub(1),
                hash: Hash::ZERO,
            },
            sealed: None,
            retired: HashSet::new(),
        };
        let entries = reader.read_new(authority)?;
        Ok((reader, entries))
    }

    /// The last entry read.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Whether there is something to read, or something happened to the file: one `stat`, and
    /// another while a sealed segment waits for its successor.
    pub fn has_news(&self) -> bool {
        let changed = fs::metadata(&self.segment).map_or(true, |metadata| {
            metadata.len() != self.offset || (metadata.dev(), metadata.ino()) != self.identity
        });
        changed || self.successor().is_some_and(|successor| successor.exists())
    }

    /// Whether the file read so far was replaced or cut: then it must be opened anew, with
    /// [`JournalReader::head`] as what is known.
    pub fn was_replaced(&self) -> bool {
        fs::metadata(&self.segment).map_or(true, |metadata| {
            metadata.len() < self.offset || (metadata.dev(), metadata.ino()) != self.identity
        })
    }

    /// Reads what was added, following on into successor segments. A last line without its
    /// newline is still being written and is left for the next call.
    ///
    /// # Errors
    /// See [`JournalError`]. Then nothing counts as read: a source is believed as a whole or not
    /// at all, and the next call meets the same lines again.
    pub fn read_new(&mut self, authority: &SourceAuthority) -> Result<Vec<Entry>, JournalError> {
        let mut next = self.clone();
        let mut entries = Vec::new();
        loop {
            for line in next.read_complete_lines()?.lines() {
                entries.push(next.accept(line, authority)?);
            }
            match next.successor().filter(|successor| successor.exists()) {
                Some(successor) => next.step_into(successor),
                None => break,
            }
        }
        *self = next;
        Ok(entries)
    }

    fn read_complete_lines(&mut self) -> Result<String, JournalError> {
        let failed = |source| JournalError::Io {
            path: self.segment.clone(),
            source,
        };
        let mut file = File::open(&self.segment).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let complete = bytes
            .iter()
            .rposition(|octet| *octet == b'\n')
            .map_or(0, |end| end + 1);
        bytes.truncate(complete);
        let text = String::from_utf8(bytes).map_err(|_| JournalError::Line {
            path: self.segment.clone(),
            after: self.head.seq,
            source: LineError::Malformed("it is not UTF-8"),
        })?;
        self.identity = (metadata.dev(), metadata.ino());
        self.offset += u64::try_from(text.len()).unwrap_or(u64::MAX);
        Ok(text)
    }

    fn accept(&mut self, line: &str, authority: &SourceAuthority) -> Result<Entry, JournalError> {
        let path = || self.segment.clone();
        let line = Line::parse(line).map_err(|source| JournalError::Line {
            path: path(),
            after: self.head.seq,
            source,
        })?;
        let entry = authority
            .verify(&line)
            .map_err(|source| JournalError::Authority {
                path: path(),
                source,
            })?;
        if self.retired.contains(&line.signer) {
            let source = AuthorityError::RevokedSigner(line.signer);
            return Err(JournalError::Authority {
                path: path(),
                source,
            });
        }
        // The first entry we ever read has a predecessor we do not know.
        let continues = self.head.hash == Hash::ZERO || entry.previous == self.head.hash;
        let sealed_ok = self
            .sealed
            .is_none_or(|successor| successor == entry.data_hash);
        if entry.seq != self.head.seq + 1 || !continues || !sealed_ok {
            return Err(JournalError::Broken {
                path: path(),
                seq: entry.seq,
                after: self.head.seq,
            });
        }
        self.sealed = match &entry.event {
            Event::Sealed { successor } => Some(*successor),
            Event::Checkpoint(_)
            | Event::CrlPublished(_)
            | Event::Revoked(_)
            | Event::Held(_)
            | Event::Released(_)
            | Event::TokenAdded(_)
            | Event::TokenChanged(_)
            | Event::TokenEnabled(_)
            | Event::TokenDisabled(_)
            | Event::TokenRemoved(_) => None,
        };
        if let Event::Revoked(event) = &entry.event {
            self.retired
                .extend(authority.publisher(event.issuer, &event.serial));
        }
        self.head = entry.head();
        Ok(entry)
    }

    /// The segment after this one, if this one is sealed and we are not in that one already.
    fn successor(&self) -> Option<PathBuf> {
        self.sealed?;
        let successor = self.dir.join(segment_file_name(self.head.seq + 1));
        (successor != self.segment).then_some(successor)
    }

    fn step_into(&mut self, successor: PathBuf) {
        self.segment = successor;
        self.offset = 0;
        self.identity = (0, 0);
    }

    fn check_known(&self, known: Option<Head>, entries: &[Entry]) -> Result<(), JournalError> {
        let Some(known) = known else { return Ok(()) };
        let path = self.segment.clone();
        if known.seq > self.head.seq {
            return Err(JournalError::WentBack {
                path,
                found: self.head.seq,
                known: known.seq,
            });
        }
        match entries.iter().find(|entry| entry.seq == known.seq) {
            Some(entry) if entry.hash == known.hash => Ok(()),
            _ => Err(JournalError::Rewritten {
                path,
                seq: known.seq,
            }),
        }
    }
}

/// The segments of `dir` by first sequence number; at least one.
fn segments(dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let failed = |source| JournalError::Io {
        path: dir.to_path_buf(),
        source,
    };
    let mut segments = Vec::new();
    for file in fs::read_dir(dir).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        segments.extend(segment_first_seq(&path).map(|seq| (seq, path)));
    }
    segments.sort();
    if segments.is_empty() {
        Err(JournalError::Empty(dir.to_path_buf()))
    } else {
        Ok(segments)
    }
}

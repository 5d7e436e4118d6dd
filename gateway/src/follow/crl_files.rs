//! CRL files of other people's CAs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postern_pki::{Certificate, Crl, crls_from_pem_or_der};
use rustls_pki_types::UnixTime;

use super::marks::{Marks, MarksFile};
use super::terms::{SourceSettings, Terms};
use super::watched::{Reader, WatchedFile};
use super::{FollowError, SourceStatus};

/// The files that the globs mean, as they were when they were last good.
pub(super) struct CrlFiles {
    globs: Vec<SourceSettings>,
    reader: Reader<Vec<Crl>>,
    files: BTreeMap<PathBuf, CrlFile>,
    marks: MarksFile,
    /// The second in which the globs were last followed.
    listed_at: u64,
    alarm: Option<String>,
}

struct CrlFile {
    terms: Terms,
    file: WatchedFile<Vec<Crl>>,
}

impl CrlFile {
    fn crls(&self) -> impl Iterator<Item = &Crl> {
        self.file.content().into_iter().flatten()
    }
}

impl CrlFiles {
    pub(super) fn load(
        globs: &[SourceSettings],
        marks: MarksFile,
        issuers: Vec<Certificate>,
        now: UnixTime,
    ) -> Result<Self, FollowError> {
        let reader: Reader<Vec<Crl>> = Arc::new(move |path, octets| verify(path, octets, &issuers));
        let mut files = Self {
            globs: globs.to_vec(),
            reader,
            files: BTreeMap::new(),
            marks,
            listed_at: now.as_secs(),
            alarm: None,
        };
        for (path, terms) in files.paths()? {
            let file = WatchedFile::open(path.clone(), Arc::clone(&files.reader))?;
            let file = CrlFile { terms, file };
            refuse_older(&path, file.crls(), files.marks.kept())?;
            files.files.insert(path, file);
        }
        files.keep_marks()?;
        Ok(files)
    }

    /// Whether anything changed: a `stat` a file, and once a second the globs again. A bad file
    /// changes nothing: its last good content stays.
    pub(super) fn poll(&mut self, now: UnixTime) -> bool {
        // What the last poll put in force is kept now: the fsync does not delay it.
        let kept = self.keep_marks();
        if self.listed_at != now.as_secs() {
            self.listed_at = now.as_secs();
            let listed = kept.and_then(|()| self.list());
            self.alarm = listed.err().map(|error| error.to_string());
        }
        let marks = self.marks.kept();
        let mut changed = false;
        for (path, file) in &mut self.files {
            changed |= file.file.poll(|crls| refuse_older(path, crls, marks));
        }
        changed
    }

    pub(super) fn is_reading(&self) -> bool {
        self.files.values().any(|file| file.file.is_being_read())
    }

    /// Each list, and what is asked of the file it is in.
    pub(super) fn crls(&self) -> impl Iterator<Item = (&Crl, Terms)> {
        let files = self.files.values();
        files.flat_map(|file| file.crls().map(|crl| (crl, file.terms)))
    }

    pub(super) fn statuses(&self, now: UnixTime) -> impl Iterator<Item = SourceStatus> {
        self.files.iter().map(move |(path, file)| {
            // A file with several is as old as the oldest of them.
            let heard = file.crls().map(Crl::this_update).min();
            let age = heard.map(|at| Duration::from_secs(now.as_secs().saturating_sub(at)));
            let alarm = file.file.alarm().map(str::to_owned);
            let alarm = alarm.or_else(|| self.alarm.clone());
            SourceStatus {
                name: path.display().to_string(),
                age,
                alarm: alarm.or_else(|| file.terms.alarm(age?)),
            }
        })
    }

    /// Files that the globs mean now and did not before. One that is gone stays in force, and
    /// says in its alarm that it cannot be read.
    fn list(&mut self) -> Result<(), FollowError> {
        for (path, terms) in self.paths()? {
            let reader = &self.reader;
            self.files.entry(path.clone()).or_insert_with(|| CrlFile {
                terms,
                file: WatchedFile::appeared(path, Arc::clone(reader)),
            });
        }
        Ok(())
    }

    fn keep_marks(&mut self) -> Result<(), FollowError> {
        let mut marks: Marks = self.marks.kept().clone();
        for (crl, _) in self.crls() {
            let number = u64::try_from(crl.number()).unwrap_or(u64::MAX);
            let mark = marks.crls.entry(crl.issuer()).or_default();
            *mark = number.max(*mark);
        }
        self.marks.keep(&marks)
    }

    fn paths(&self) -> Result<Vec<(PathBuf, Terms)>, FollowError> {
        let mut paths = Vec::new();
        for SourceSettings { path, terms } in &self.globs {
            let pattern = path.display().to_string();
            let bad = |why: String| FollowError::Glob {
                glob: pattern.clone(),
                why,
            };
            let before = paths.len();
            for path in glob::glob(&pattern).map_err(|why| bad(why.to_string()))? {
                paths.push((path.map_err(|why| bad(why.to_string()))?, *terms));
            }
            // A glob may match nothing yet; a file that is named must be there.
            if paths.len() == before && !pattern.contains(['*', '?', '[']) {
                return Err(bad(String::from("there is no such file")));
            }
        }
        Ok(paths)
    }
}

fn verify(path: &Path, octets: &[u8], issuers: &[Certificate]) -> Result<Vec<Crl>, FollowError> {
    let lists = crls_from_pem_or_der(octets).map_err(|why| FollowError::Unreadable {
        path: path.to_path_buf(),
        why: why.to_string(),
    })?;
    let verified = lists.iter().map(|list| {
        list.verify_with_any(issuers)
            .map_err(|why| FollowError::Crl {
                path: path.to_path_buf(),
                why,
            })
    });
    verified.collect()
}

fn refuse_older<'a>(
    path: &Path,
    crls: impl IntoIterator<Item = &'a Crl>,
    marks: &Marks,
) -> Result<(), FollowError> {
    for crl in crls {
        let known = marks.crls.get(&crl.issuer()).copied();
        let (known, found) = (known.map_or(0, u128::from), crl.number());
        if found < known {
            return Err(FollowError::CrlWentBack {
                path: path.to_path_buf(),
                found,
                known,
            });
        }
    }
    Ok(())
}

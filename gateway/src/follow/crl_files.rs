//! CRL files of other people's CAs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postern_pki::{Certificate, Crl, crls_from_pem_or_der};
use rustls_pki_types::UnixTime;

use super::marks::{Marks, MarksFile};
use super::{FollowError, SourceStatus};

/// The files that the globs mean, as they were when they were last good.
pub(super) struct CrlFiles {
    globs: Vec<String>,
    issuers: Vec<Certificate>,
    files: BTreeMap<PathBuf, CrlFile>,
    marks: MarksFile,
    alarm: Option<String>,
}

struct CrlFile {
    version: Version,
    crls: Vec<Crl>,
    alarm: Option<String>,
}

/// What tells one version of a file from another: one `stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    modified: (i64, i64),
    length: u64,
    inode: u64,
}

impl CrlFiles {
    pub(super) fn load(
        globs: &[String],
        marks: MarksFile,
        issuers: &[Certificate],
    ) -> Result<Self, FollowError> {
        let (globs, issuers) = (globs.to_vec(), issuers.to_vec());
        let mut files = Self {
            globs,
            issuers,
            files: BTreeMap::new(),
            marks,
            alarm: None,
        };
        for path in files.paths()? {
            let file = files.read(&path)?;
            files.files.insert(path, file);
        }
        files.keep_marks()?;
        Ok(files)
    }

    /// Whether anything changed. A bad file changes nothing: its last good content stays.
    pub(super) fn poll(&mut self) -> bool {
        let paths = match self.paths() {
            Ok(paths) => paths,
            Err(error) => {
                self.alarm = Some(error.to_string());
                return false;
            }
        };
        self.alarm = None;
        let mut changed = false;
        for path in paths {
            changed |= self.poll_file(&path);
        }
        if changed && let Err(error) = self.keep_marks() {
            self.alarm = Some(error.to_string());
        }
        changed
    }

    pub(super) fn crls(&self) -> impl Iterator<Item = &Crl> {
        self.files.values().flat_map(|file| &file.crls)
    }

    pub(super) fn statuses(&self, now: UnixTime) -> impl Iterator<Item = SourceStatus> {
        self.files.iter().map(move |(path, file)| {
            let newest = file.crls.iter().map(Crl::this_update).max();
            SourceStatus {
                name: path.display().to_string(),
                age: newest.map(|at| Duration::from_secs(now.as_secs().saturating_sub(at))),
                alarm: file.alarm.clone().or_else(|| self.alarm.clone()),
            }
        })
    }

    fn poll_file(&mut self, path: &Path) -> bool {
        let version = version(path).ok();
        if version.is_some() && self.files.get(path).map(|file| file.version) == version {
            return false;
        }
        match (self.read(path), self.files.get_mut(path)) {
            (Ok(file), _) => {
                self.files.insert(path.to_path_buf(), file);
                true
            }
            (Err(error), Some(file)) => {
                file.alarm = Some(error.to_string());
                // Looked at again only when it changes again.
                file.version = version.unwrap_or(file.version);
                false
            }
            (Err(error), None) => {
                self.alarm = Some(error.to_string());
                false
            }
        }
    }

    fn read(&self, path: &Path) -> Result<CrlFile, FollowError> {
        let unreadable = |why: String| FollowError::Unreadable {
            path: path.to_path_buf(),
            why,
        };
        let version = version(path).map_err(|why| unreadable(why.to_string()))?;
        let octets = fs::read(path).map_err(|why| unreadable(why.to_string()))?;
        let lists = crls_from_pem_or_der(&octets).map_err(|why| unreadable(why.to_string()))?;
        let crls = lists
            .iter()
            .map(|list| {
                let crl = list
                    .verify_with_any(&self.issuers)
                    .map_err(|why| FollowError::Crl {
                        path: path.to_path_buf(),
                        why,
                    })?;
                self.refuse_older(path, &crl)?;
                Ok(crl)
            })
            .collect::<Result<_, FollowError>>()?;
        Ok(CrlFile {
            version,
            crls,
            alarm: None,
        })
    }

    fn refuse_older(&self, path: &Path, crl: &Crl) -> Result<(), FollowError> {
        let known = self
            .marks
            .kept()
            .crls
            .get(&crl.issuer())
            .copied()
            .map_or(0, u128::from);
        let found = crl.number();
        if found < known {
            return Err(FollowError::CrlWentBack {
                path: path.to_path_buf(),
                found,
                known,
            });
        }
        Ok(())
    }

    fn keep_marks(&mut self) -> Result<(), FollowError> {
        let mut marks: Marks = self.marks.kept().clone();
        for crl in self.files.values().flat_map(|file| &file.crls) {
            let number = u64::try_from(crl.number()).unwrap_or(u64::MAX);
            let mark = marks.crls.entry(crl.issuer()).or_default();
            *mark = number.max(*mark);
        }
        self.marks.keep(&marks)
    }

    fn paths(&self) -> Result<Vec<PathBuf>, FollowError> {
        let mut paths = Vec::new();
        for pattern in &self.globs {
            let bad = |why: String| FollowError::Glob {
                glob: pattern.clone(),
                why,
            };
            let before = paths.len();
            for path in glob::glob(pattern).map_err(|why| bad(why.to_string()))? {
                paths.push(path.map_err(|why| bad(why.to_string()))?);
            }
            // A glob may match nothing yet; a file that is named must be there.
            if paths.len() == before && !pattern.contains(['*', '?', '[']) {
                return Err(bad(String::from("there is no such file")));
            }
        }
        Ok(paths)
    }
}

fn version(path: &Path) -> std::io::Result<Version> {
    let metadata = fs::metadata(path)?;
    Ok(Version {
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        length: metadata.len(),
        inode: metadata.ino(),
    })
}

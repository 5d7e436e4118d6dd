//! What one CA's published directory says, all of it checked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use postern_pki::journal::{
    CRL_DIR, CertificateEvent, CrlHead, Entry, Event, Head, ISSUERS_FILE, JOURNAL_DIR,
    JournalReader, PUBLISHERS_FILE, SourceAuthority, TokenEntry,
};
use postern_pki::{
    Certificate, Crl, IssuerId, RevocationEvent, TrustAnchors, certificates_from_pem,
    crls_from_pem_or_der,
};
use postern_policy::{SerialNumber, TokenName};
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::marks::Marks;
use super::names::{CertificateNames, NamesUse};
use super::{Change, FollowError};

/// What the directory says.
pub(super) struct Published {
    pub(super) authority: SourceAuthority,
    pub(super) reader: JournalReader,
    pub(super) crls: Vec<Crl>,
    pub(super) events: Vec<(IssuerId, SerialNumber, RevocationEvent)>,
    /// Nothing where names are not gone by.
    pub(super) names: Option<CertificateNames>,
    pub(super) tokens: BTreeMap<TokenName, TokenEntry>,
    /// The second of the last entry, not after the one in which it was read.
    pub(super) last_entry: u64,
    /// The newest CRL of each issuer according to the journal.
    crl_heads: BTreeMap<IssuerId, CrlHead>,
}

impl Published {
    /// The journal; the CRLs are read beside it.
    pub(super) fn read(
        directory: &Path,
        authority: SourceAuthority,
        known: &Marks,
        names: NamesUse,
        now: UnixTime,
    ) -> Result<Self, FollowError> {
        let journal = directory.join(JOURNAL_DIR);
        // First: what is appended meanwhile is read twice and not missed.
        let names = match names {
            NamesUse::Needed => {
                let history = JournalReader::history(&journal, &authority)?;
                Some(CertificateNames::read(&history))
            }
            NamesUse::Unused => None,
        };
        let (reader, entries) = JournalReader::open(&journal, &authority, known.head)?;
        let mut published = Self {
            authority,
            reader,
            crls: Vec::new(),
            events: Vec::new(),
            names,
            tokens: BTreeMap::new(),
            last_entry: 0,
            crl_heads: BTreeMap::new(),
        };
        for entry in &entries {
            published.apply(entry, now);
        }
        Ok(published)
    }

    /// Whether the journal names a CRL that was not read yet.
    pub(super) fn misses_a_crl(&self) -> bool {
        self.crl_heads.values().any(|head| {
            let read = self.crls.iter().find(|crl| crl.issuer() == head.issuer);
            read.is_none_or(|crl| crl.number() < u128::from(head.number))
        })
    }

    /// Reads what was appended.
    pub(super) fn read_on(&mut self, now: UnixTime) -> Result<Vec<Change>, FollowError> {
        if self.reader.was_replaced() {
            return Err(FollowError::Unreadable {
                path: PathBuf::from(JOURNAL_DIR),
                why: String::from("it was replaced"),
            });
        }
        let entries = self.reader.read_new(&self.authority)?;
        Ok(entries
            .iter()
            .filter_map(|entry| self.apply(entry, now))
            .collect())
    }

    fn apply(&mut self, entry: &Entry, now: UnixTime) -> Option<Change> {
        self.last_entry = self.last_entry.max(written(entry).min(now.as_secs()));
        if let Some(names) = &mut self.names {
            names.apply(&entry.event);
        }
        match &entry.event {
            Event::Checkpoint(checkpoint) => {
                self.tokens = by_name(&checkpoint.tokens);
                self.crl_heads = checkpoint
                    .crls
                    .iter()
                    .map(|head| (head.issuer, head.clone()))
                    .collect();
                Some(Change::Heard)
            }
            // See `misses_a_crl`.
            Event::CrlPublished(head) => {
                self.crl_heads.insert(head.issuer, head.clone());
                Some(Change::Heard)
            }
            Event::Sealed { .. } => Some(Change::Heard),
            Event::Revoked(event) => {
                let (issuer, serial, common_name) =
                    self.record(event, RevocationEvent::Revoked(event.reason));
                Some(Change::Revoked {
                    issuer,
                    serial,
                    common_name,
                })
            }
            Event::Held(event) => {
                let (issuer, serial, common_name) = self.record(event, RevocationEvent::Held);
                Some(Change::Held {
                    issuer,
                    serial,
                    common_name,
                })
            }
            Event::Released(event) => {
                self.record(event, RevocationEvent::Released);
                Some(Change::ListsChanged)
            }
            Event::TokenAdded(token) | Event::TokenChanged(token) => {
                self.tokens.insert(token.name.clone(), token.clone());
                Some(Change::TokensChanged)
            }
            Event::TokenEnabled(event) => self.set_enabled(&event.name, true),
            Event::TokenDisabled(event) => self.set_enabled(&event.name, false),
            Event::TokenRemoved(event) => {
                self.tokens.remove(&event.name);
                Some(Change::TokensChanged)
            }
        }
    }

    fn record(
        &mut self,
        event: &CertificateEvent,
        what: RevocationEvent,
    ) -> (IssuerId, SerialNumber, Option<String>) {
        self.events.push((event.issuer, event.serial, what));
        (event.issuer, event.serial, Some(event.common_name.clone()))
    }

    fn set_enabled(&mut self, name: &TokenName, enabled: bool) -> Option<Change> {
        if let Some(token) = self.tokens.get_mut(name) {
            token.enabled = enabled;
        }
        Some(Change::TokensChanged)
    }

    /// The CRLs of this source's issuers. One that the journal names must be there as named, or
    /// newer: a publication that is under way writes the list before the journal.
    pub(super) fn read_crls(
        &self,
        directory: &Path,
        known: &Marks,
    ) -> Result<Vec<Crl>, FollowError> {
        let mut crls: Vec<Crl> = Vec::new();
        for path in crl_paths(&directory.join(CRL_DIR))? {
            let crl = read_crl(&path, &self.authority)?;
            let mark = known.crls.get(&crl.issuer()).copied().map_or(0, u128::from);
            if crl.number() < mark {
                let found = crl.number();
                return Err(FollowError::CrlWentBack {
                    path,
                    found,
                    known: mark,
                });
            }
            if let Some(head) = self.crl_heads.get(&crl.issuer()) {
                let is_newer = crl.number() > u128::from(head.number);
                let is_named = crl.sha256().as_bytes() == head.sha256.as_bytes();
                if !is_newer && !is_named {
                    return Err(FollowError::CrlMismatch {
                        path,
                        number: head.number,
                    });
                }
            }
            crls.push(crl);
        }
        match self
            .crl_heads
            .values()
            .find(|head| !crls.iter().any(|crl| crl.issuer() == head.issuer))
        {
            Some(head) => Err(FollowError::CrlMismatch {
                path: directory.join(CRL_DIR),
                number: head.number,
            }),
            None => Ok(crls),
        }
    }

    pub(super) fn marks(&self) -> Marks {
        let head: Head = self.reader.head();
        let numbers = self.crls.iter().filter_map(|crl| {
            u64::try_from(crl.number())
                .ok()
                .map(|number| (crl.issuer(), number))
        });
        Marks {
            head: Some(head),
            crls: numbers.collect(),
        }
    }
}

/// When, by its own account; one that does not say was never heard.
fn written(entry: &Entry) -> u64 {
    let time = OffsetDateTime::parse(&entry.time, &Rfc3339);
    time.map_or(0, |time| u64::try_from(time.unix_timestamp()).unwrap_or(0))
}

/// Who may speak in this directory.
pub(super) fn read_authority(
    directory: &Path,
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<SourceAuthority, FollowError> {
    let issuers = read_certificates(&directory.join(ISSUERS_FILE))?;
    let publishers = read_certificates(&directory.join(PUBLISHERS_FILE))?;
    SourceAuthority::new(&issuers, &publishers, anchors, now).map_err(|why| {
        FollowError::Authority {
            path: directory.to_path_buf(),
            why,
        }
    })
}

fn by_name(tokens: &[TokenEntry]) -> BTreeMap<TokenName, TokenEntry> {
    tokens
        .iter()
        .map(|token| (token.name.clone(), token.clone()))
        .collect()
}

fn read_crl(path: &Path, authority: &SourceAuthority) -> Result<Crl, FollowError> {
    let crls = crls_from_pem_or_der(&read(path)?).map_err(|why| FollowError::Unreadable {
        path: path.to_path_buf(),
        why: why.to_string(),
    })?;
    let crl = crls.first().ok_or_else(|| FollowError::Unreadable {
        path: path.to_path_buf(),
        why: String::from("it holds no CRL"),
    })?;
    crl.verify_with_any(authority.issuers())
        .map_err(|why| FollowError::Crl {
            path: path.to_path_buf(),
            why,
        })
}

/// The DER files; the PEM ones beside them say the same.
fn crl_paths(folder: &Path) -> Result<Vec<PathBuf>, FollowError> {
    let failed = |why: std::io::Error| FollowError::Unreadable {
        path: folder.to_path_buf(),
        why: why.to_string(),
    };
    let mut paths = Vec::new();
    for file in fs::read_dir(folder).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "crl") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_certificates(path: &Path) -> Result<Vec<Certificate>, FollowError> {
    certificates_from_pem(&read(path)?).map_err(|why| FollowError::Unreadable {
        path: path.to_path_buf(),
        why: why.to_string(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, FollowError> {
    fs::read(path).map_err(|why| FollowError::Unreadable {
        path: path.to_path_buf(),
        why: why.to_string(),
    })
}

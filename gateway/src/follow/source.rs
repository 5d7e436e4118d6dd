//! One followed CA: its published directory.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postern_pki::journal::{
    CRL_DIR, CertificateEvent, CrlHead, Entry, Event, Head, ISSUERS_FILE, JOURNAL_DIR,
    JournalReader, PUBLISHERS_FILE, SourceAuthority, TokenEntry,
};
use postern_pki::{
    Certificate, Crl, IssuerId, RevocationEvent, RevocationIndex, TrustAnchors,
    certificates_from_pem, crls_from_pem_or_der,
};
use postern_policy::{SerialNumber, TokenName};
use rustls_pki_types::UnixTime;

use super::marks::{Marking, Marks, MarksFile};
use super::names::{CertificateNames, Names, NamesUse};
use super::{Change, FollowError, FollowSettings, SourceStatus};

pub(super) struct Source {
    directory: PathBuf,
    anchors: TrustAnchors,
    names: NamesUse,
    published: Published,
    marks: MarksFile,
    alarm: Option<String>,
    /// The second of the last attempt that failed.
    failed_at: Option<u64>,
}

/// What the directory says, all of it checked.
struct Published {
    authority: SourceAuthority,
    reader: JournalReader,
    crls: Vec<Crl>,
    events: Vec<(IssuerId, SerialNumber, RevocationEvent)>,
    /// Nothing where names are not gone by.
    names: Option<CertificateNames>,
    tokens: BTreeMap<TokenName, TokenEntry>,
    /// The newest CRL of each issuer according to the journal.
    crl_heads: BTreeMap<IssuerId, CrlHead>,
}

impl Source {
    /// Reads it all, and refuses what is older than what `state` knows of this CA, wherever its
    /// directory is now.
    pub(super) fn open(
        directory: &Path,
        settings: &FollowSettings,
        marking: Marking,
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<Self, FollowError> {
        let authority = read_authority(directory, anchors, now)?;
        let mut marks = MarksFile::open(&settings.state, &authority.id().to_string(), marking)?;
        let names = settings.names;
        let mut published = Published::read(directory, authority, marks.kept(), names)?;
        published.crls = published.read_crls(directory, marks.kept())?;
        marks.keep(&published.marks())?;
        Ok(Self {
            directory: directory.to_path_buf(),
            anchors: anchors.clone(),
            names,
            published,
            marks,
            alarm: None,
            failed_at: None,
        })
    }

    /// What is new. What goes wrong becomes an alarm, what was known stays, and it is tried again
    /// every second until it goes right.
    pub(super) fn poll(&mut self, now: UnixTime) -> Vec<Change> {
        // What the last poll put in force is kept now: the fsync does not delay the cut.
        if let Err(error) = self.marks.keep(&self.published.marks()) {
            self.alarm = Some(error.to_string());
        }
        let is_retry = self
            .failed_at
            .is_some_and(|failed_at| failed_at != now.as_secs());
        let has_news = self.failed_at.is_none() && self.published.reader.has_news();
        if !is_retry && !has_news {
            return Vec::new();
        }
        let mut changes = Vec::new();
        let outcome = self.read(&mut changes, now);
        self.alarm = outcome.as_ref().err().map(ToString::to_string);
        self.failed_at = outcome.is_err().then_some(now.as_secs());
        changes
    }

    /// What takes away is in `changes` even where the CRLs beside it cannot be read.
    fn read(&mut self, changes: &mut Vec<Change>, now: UnixTime) -> Result<(), FollowError> {
        match self.published.read_on() {
            Ok(news) => changes.extend(news),
            Err(_) => changes.extend(self.reopen(now)?),
        }
        if self.published.misses_a_crl() {
            self.published.crls = self
                .published
                .read_crls(&self.directory, self.marks.kept())?;
            changes.push(Change::IssuersChanged);
        }
        Ok(())
    }

    /// Reads all of it again: a segment was replaced, or its signer is new to us. The CRLs stay
    /// until newer ones are there.
    fn reopen(&mut self, now: UnixTime) -> Result<Vec<Change>, FollowError> {
        let known = self.published.marks();
        let authority = read_authority(&self.directory, &self.anchors, now)?;
        let mut published = Published::read(&self.directory, authority, &known, self.names)?;
        published.crls = std::mem::take(&mut self.published.crls);
        let before: HashSet<_> = self.published.events.iter().copied().collect();
        let mut changes = vec![Change::IssuersChanged, Change::TokensChanged];
        changes.extend(
            published
                .events
                .iter()
                .filter_map(|(issuer, serial, event)| {
                    let is_new = !before.contains(&(*issuer, *serial, *event));
                    is_new.then(|| told(*issuer, *serial, *event)).flatten()
                }),
        );
        self.published = published;
        Ok(changes)
    }

    pub(super) fn issuers(&self) -> impl Iterator<Item = &Certificate> {
        self.published.authority.issuers().iter()
    }

    pub(super) fn tokens(&self) -> impl Iterator<Item = &TokenEntry> {
        self.published.tokens.values()
    }

    pub(super) fn add_to(&self, index: RevocationIndex) -> RevocationIndex {
        let crls = self.published.crls.iter();
        let index = crls.fold(index, super::with_newest);
        index.with_events(self.published.events.iter().copied())
    }

    pub(super) fn add_names_to(&self, names: &mut Names) {
        let Published {
            authority, crls, ..
        } = &self.published;
        if let Some(published) = &self.published.names {
            let crls = crls.iter().filter_map(|crl| {
                let issuer = authority.issuer(crl.issuer())?;
                Some((crl, issuer.not_after()))
            });
            names.add(published, crls);
        }
    }

    pub(super) fn status(&self, now: UnixTime) -> SourceStatus {
        let newest = self.published.crls.iter().map(Crl::this_update).max();
        let ageing: Vec<_> = self
            .published
            .crls
            .iter()
            .filter_map(|crl| ageing(crl, now))
            .collect();
        let ageing = (!ageing.is_empty()).then(|| ageing.join("; "));
        SourceStatus {
            name: self.directory.display().to_string(),
            age: newest.map(|at| Duration::from_secs(now.as_secs().saturating_sub(at))),
            alarm: self.alarm.clone().or(ageing),
        }
    }
}

impl Published {
    /// The journal; the CRLs are read beside it.
    fn read(
        directory: &Path,
        authority: SourceAuthority,
        known: &Marks,
        names: NamesUse,
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
            crl_heads: BTreeMap::new(),
        };
        for entry in &entries {
            published.apply(entry);
        }
        Ok(published)
    }

    /// Whether the journal names a CRL that was not read yet.
    fn misses_a_crl(&self) -> bool {
        self.crl_heads.values().any(|head| {
            let read = self.crls.iter().find(|crl| crl.issuer() == head.issuer);
            read.is_none_or(|crl| crl.number() < u128::from(head.number))
        })
    }

    /// Reads what was appended.
    fn read_on(&mut self) -> Result<Vec<Change>, FollowError> {
        if self.reader.was_replaced() {
            return Err(FollowError::Unreadable {
                path: PathBuf::from(JOURNAL_DIR),
                why: String::from("it was replaced"),
            });
        }
        let entries = self.reader.read_new(&self.authority)?;
        Ok(entries
            .iter()
            .filter_map(|entry| self.apply(entry))
            .collect())
    }

    fn apply(&mut self, entry: &Entry) -> Option<Change> {
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
                None
            }
            // See `misses_a_crl`.
            Event::CrlPublished(head) => {
                self.crl_heads.insert(head.issuer, head.clone());
                None
            }
            Event::Sealed { .. } => None,
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
                Some(Change::IssuersChanged)
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
    fn read_crls(&self, directory: &Path, known: &Marks) -> Result<Vec<Crl>, FollowError> {
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

    fn marks(&self) -> Marks {
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

/// Who may speak in this directory.
fn read_authority(
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

/// What the keeper is told of an event that is found when everything is read again.
fn told(issuer: IssuerId, serial: SerialNumber, event: RevocationEvent) -> Option<Change> {
    let common_name = None;
    match event {
        RevocationEvent::Revoked(_) => Some(Change::Revoked {
            issuer,
            serial,
            common_name,
        }),
        RevocationEvent::Held => Some(Change::Held {
            issuer,
            serial,
            common_name,
        }),
        RevocationEvent::Released => None,
    }
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

/// A CRL past half of its life, or within its last month: the root's lives a year.
fn ageing(crl: &Crl, now: UnixTime) -> Option<String> {
    let half = crl.next_update().saturating_sub(crl.this_update()) / 2;
    let (warn_before, remedy) = if half > MONTH {
        (MONTH, "run `postern ca crl publish --root-dir DIR`")
    } else {
        (half, "run `postern ca crl publish`")
    };
    (now.as_secs() + warn_before > crl.next_update()).then(|| {
        let left = crl.next_update().saturating_sub(now.as_secs()) / 3600;
        format!(
            "CRL {} of issuer {} ends in {left} h: {remedy}",
            crl.number(),
            crl.issuer()
        )
    })
}

const MONTH: u64 = 30 * 86_400;

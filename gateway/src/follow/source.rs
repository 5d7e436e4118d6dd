//! One followed CA: its published directory.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use postern_pki::journal::TokenEntry;
use postern_pki::{Certificate, Crl, IssuerId, RevocationEvent, RevocationIndex, TrustAnchors};
use postern_policy::SerialNumber;
use rustls_pki_types::UnixTime;

use super::marks::{Marking, MarksFile};
use super::names::{Names, NamesUse};
use super::published::{Published, read_authority};
use super::terms::{IssuerTerms, SourceSettings, Terms};
use super::{Change, FollowError, FollowSettings, SourceStatus};

pub(super) struct Source {
    directory: PathBuf,
    terms: Terms,
    anchors: TrustAnchors,
    names: NamesUse,
    published: Published,
    marks: MarksFile,
    alarm: Option<String>,
    /// The second of the last attempt that failed.
    failed_at: Option<u64>,
}

impl Source {
    /// Reads it all, and refuses what is older than what `state` knows of this CA, wherever its
    /// directory is now.
    pub(super) fn open(
        source: &SourceSettings,
        settings: &FollowSettings,
        marking: Marking,
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<Self, FollowError> {
        let directory = &source.path;
        let authority = read_authority(directory, anchors, now)?;
        let mut marks = MarksFile::open(&settings.state, &authority.id().to_string(), marking)?;
        let names = settings.names;
        let mut published = Published::read(directory, authority, marks.kept(), names, now)?;
        published.crls = published.read_crls(directory, marks.kept())?;
        marks.keep(&published.marks())?;
        Ok(Self {
            directory: directory.clone(),
            terms: source.terms,
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
        match self.published.read_on(now) {
            Ok(news) => changes.extend(news),
            Err(_) => changes.extend(self.reopen(now)?),
        }
        if self.published.misses_a_crl() {
            self.published.crls = self
                .published
                .read_crls(&self.directory, self.marks.kept())?;
            changes.push(Change::ListsChanged);
        }
        Ok(())
    }

    /// Reads all of it again: a segment was replaced, or its signer is new to us. The CRLs stay
    /// until newer ones are there.
    fn reopen(&mut self, now: UnixTime) -> Result<Vec<Change>, FollowError> {
        let known = self.published.marks();
        let authority = read_authority(&self.directory, &self.anchors, now)?;
        let mut published = Published::read(&self.directory, authority, &known, self.names, now)?;
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

    pub(super) fn add_to(
        &self,
        index: RevocationIndex,
        terms: &mut IssuerTerms,
    ) -> RevocationIndex {
        let crls = self.published.crls.iter();
        let heard = self.heard().unwrap_or(0);
        for crl in crls.clone() {
            terms.add(crl.issuer(), self.terms, heard);
        }
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
            let fresh_until = self.terms.fresh_until(self.heard().unwrap_or(0));
            names.add(published, crls, fresh_until, self.terms.when_stale);
        }
    }

    pub(super) fn status(&self, now: UnixTime) -> SourceStatus {
        let heard = self.heard();
        let age = heard.map(|at| Duration::from_secs(now.as_secs().saturating_sub(at)));
        let silence = age.and_then(|age| self.terms.alarm(age));
        let ageing: Vec<_> = self
            .published
            .crls
            .iter()
            .filter_map(|crl| ageing(crl, now))
            .collect();
        let ageing = (!ageing.is_empty()).then(|| ageing.join("; "));
        SourceStatus {
            name: self.directory.display().to_string(),
            age,
            alarm: self.alarm.clone().or(silence).or(ageing),
        }
    }

    /// When it last said something: a list, or an entry.
    fn heard(&self) -> Option<u64> {
        let newest = self.published.crls.iter().map(Crl::this_update).max()?;
        Some(newest.max(self.published.last_entry))
    }
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

//! What followed CAs publish, and other people's CRL files, as one view.
//!
//! [`Follow::load`] is strict: a source that cannot be read, trusted or that went back stops the
//! gateway from starting. [`Follow::poll`] is tenacious: such a source raises an alarm, and what
//! it said last stays in force until its CRLs run out; then `when_stale` decides.

mod crl_files;
mod deny;
mod deny_files;
mod marks;
mod names;
mod published;
mod source;
mod terms;
mod tokens;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use postern_pki::journal::{AuthorityError, JournalError};
use postern_pki::{Certificate, Crl, CrlError, IssuerId, RevocationIndex, TrustAnchors};
use postern_policy::{SerialNumber, TokenName};
use rustls_pki_types::UnixTime;

use crl_files::CrlFiles;
use deny::DenyError;
pub(crate) use deny::DenyList;
use deny_files::DenyFiles;
use marks::{Marking, MarksFile};
pub(crate) use names::{NameRefusal, Names, NamesUse};
use source::Source;
use terms::IssuerTerms;
pub(crate) use terms::{SourceSettings, Terms};
pub(crate) use tokens::{TokenEntry, TokenTable};

/// What to follow; checked settings, absolute paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FollowSettings {
    /// Published directories of CAs.
    pub(crate) directories: Vec<SourceSettings>,
    /// Globs of CRL files of other people's CAs.
    pub(crate) crls: Vec<SourceSettings>,
    /// Files with what the operator refuses.
    pub(crate) deny: Vec<PathBuf>,
    /// Intermediates that complete chains and may sign CRLs, and are not trusted by themselves.
    pub(crate) issuers: Vec<Certificate>,
    /// The gateway's state folder: what was seen last, per source.
    pub(crate) state: PathBuf,
    /// Whether names alone are ever gone by.
    pub(crate) names: NamesUse,
}

/// One snapshot of everything the followed sources and CRL files say.
#[derive(Default)]
pub(crate) struct View {
    /// What the operator refuses, whatever the sources say.
    pub(crate) denied: DenyList,
    /// Revoked and held serials.
    pub(crate) index: RevocationIndex,
    /// The names that are refused where the serial is not known.
    pub(crate) names: Names,
    /// Service tokens good at the gateway.
    pub(crate) tokens: TokenTable,
    /// Issuers that complete a leaf sent alone.
    pub(crate) issuers: Vec<Certificate>,
}

/// What a poll found new.
#[derive(Debug)]
pub(crate) enum Change {
    /// A certificate was revoked.
    Revoked {
        issuer: IssuerId,
        serial: SerialNumber,
        common_name: Option<String>,
    },
    /// A certificate was put on hold.
    Held {
        issuer: IssuerId,
        serial: SerialNumber,
        common_name: Option<String>,
    },
    /// Who may issue changed.
    IssuersChanged,
    /// Something that can change who is admitted and names no certificate: a CRL, a release.
    ListsChanged,
    /// Nothing but that the source was heard of.
    Heard,
    /// The operator's deny list changed.
    DenyListChanged,
    /// The set of tokens changed.
    TokensChanged,
}

/// One source as `gateway check` and alarms show it.
#[derive(Clone, Debug)]
pub(crate) struct SourceStatus {
    /// Directory or CRL file.
    pub(crate) name: String,
    /// How long ago its newest CRL was made, or the last entry of its journal.
    pub(crate) age: Option<Duration>,
    /// What is wrong with it now.
    pub(crate) alarm: Option<String>,
}

/// Why a source cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    /// A file could not be read.
    #[error("cannot read {path}: {why}")]
    Unreadable { path: PathBuf, why: String },
    /// Nobody in it leads to our trust.
    #[error("{path}: {why}")]
    Authority { path: PathBuf, why: AuthorityError },
    /// Its journal is not to be believed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A CRL is not to be believed.
    #[error("{path}: {why}")]
    Crl { path: PathBuf, why: CrlError },
    /// A deny list with a line that is no entry.
    #[error("{path}: {why}")]
    Deny { path: PathBuf, why: DenyError },
    /// A CRL is older than one seen before.
    #[error(
        "{path}: CRL number {found} is lower than {known}, which was seen before: an old copy was put back"
    )]
    CrlWentBack {
        path: PathBuf,
        found: u128,
        known: u128,
    },
    /// A CRL is not the one the journal names.
    #[error(
        "{path}: this is not the CRL that the journal names (number {number}): the file was altered, or is missing"
    )]
    CrlMismatch { path: PathBuf, number: u64 },
    /// What was seen could not be kept.
    #[error("cannot keep what was seen of a source in {path}: {why}")]
    State { path: PathBuf, why: String },
    /// Two sources have a token of the same name or id.
    #[error("token {0} is published by two sources: rename it in one of them")]
    DuplicateToken(TokenName),
    /// A glob that is none.
    #[error("crl = {glob:?} is not a path or glob: {why}")]
    Glob { glob: String, why: String },
}

/// All followed sources and the view they make.
pub(crate) struct Follow {
    sources: Vec<Source>,
    crl_files: CrlFiles,
    deny_files: DenyFiles,
    issuers: Vec<Certificate>,
    view: Arc<View>,
    alarm: Option<String>,
    now: UnixTime,
}

impl Follow {
    /// Reads everything once; any source that cannot be read or trusted is an error.
    pub(crate) fn load(
        settings: &FollowSettings,
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<Self, FollowError> {
        Self::read(settings, anchors, Marking::Keep, now)
    }

    /// As [`load`](Self::load), and leaves nothing in the state folder: for looking at the
    /// configuration of a gateway that runs.
    pub(crate) fn look(
        settings: &FollowSettings,
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<Self, FollowError> {
        Self::read(settings, anchors, Marking::LookOnly, now)
    }

    fn read(
        settings: &FollowSettings,
        anchors: &TrustAnchors,
        marking: Marking,
        now: UnixTime,
    ) -> Result<Self, FollowError> {
        let sources = settings
            .directories
            .iter()
            .map(|directory| Source::open(directory, settings, marking, anchors, now))
            .collect::<Result<Vec<_>, _>>()?;
        let signers = signers(&sources, &settings.issuers, anchors);
        let marks = MarksFile::open(&settings.state, "crl-files", marking)?;
        let crl_files = CrlFiles::load(&settings.crls, marks, signers, now)?;
        let deny_files = DenyFiles::load(&settings.deny)?;
        let mut follow = Self {
            sources,
            crl_files,
            deny_files,
            issuers: settings.issuers.clone(),
            view: Arc::default(),
            alarm: None,
            now,
        };
        let (view, duplicates) = follow.look_at_all();
        if let Some(name) = duplicates.into_iter().next() {
            return Err(FollowError::DuplicateToken(name));
        }
        follow.view = Arc::new(view);
        Ok(follow)
    }

    /// Looks for news; synchronous, a `stat` per source when there is none.
    pub(crate) fn poll(&mut self, now: UnixTime) -> Vec<Change> {
        self.now = now;
        let mut changes: Vec<Change> = self
            .sources
            .iter_mut()
            .flat_map(|source| source.poll(now))
            .collect();
        if self.crl_files.poll(now) {
            changes.push(Change::ListsChanged);
        }
        if self.deny_files.poll() {
            changes.push(Change::DenyListChanged);
        }
        if !changes.is_empty() {
            let (view, duplicates) = self.look_at_all();
            self.view = Arc::new(view);
            self.alarm = duplicates
                .first()
                .map(|name| FollowError::DuplicateToken(name.clone()).to_string());
        }
        changes
    }

    /// What all of them say together, and the tokens that two of them claim: those are nobody's.
    fn look_at_all(&self) -> (View, Vec<TokenName>) {
        let mut index = RevocationIndex::new();
        let mut terms = IssuerTerms::default();
        let mut names = Names::default();
        let mut tokens = TokenTable::default();
        for source in &self.sources {
            index = source.add_to(index, &mut terms);
            source.add_names_to(&mut names);
            tokens.add(source.tokens());
        }
        for (crl, asked) in self.crl_files.crls() {
            index = with_newest(index, crl);
            terms.add(
                crl.issuer(),
                asked,
                crl.this_update().min(self.now.as_secs()),
            );
        }
        let duplicates = tokens.remove_duplicates();
        let followed = self.sources.iter().flat_map(Source::issuers);
        let view = View {
            denied: self.deny_files.list(),
            index: terms.apply(index),
            names,
            tokens,
            issuers: followed.chain(&self.issuers).cloned().collect(),
        };
        (view, duplicates)
    }

    /// Whether a large file is being read: its news will be there soon.
    pub(crate) fn is_reading(&self) -> bool {
        self.crl_files.is_reading() || self.deny_files.is_reading()
    }

    /// The view as of the last load or poll.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// The sources as of the last load or poll, with their age and what is wrong with them.
    pub(crate) fn sources(&self) -> Vec<SourceStatus> {
        let now = self.now;
        let mut all: Vec<_> = self
            .sources
            .iter()
            .map(|source| source.status(now))
            .collect();
        all.extend(self.crl_files.statuses(now));
        all.extend(self.deny_files.statuses());
        if let (Some(first), Some(alarm)) = (all.first_mut(), &self.alarm) {
            first.alarm.get_or_insert_with(|| alarm.clone());
        }
        all
    }
}

/// Whoever may have signed a CRL we are given: our anchors, the issuers of followed CAs, and those
/// that the operator gave us.
fn signers(sources: &[Source], given: &[Certificate], anchors: &TrustAnchors) -> Vec<Certificate> {
    let followed = sources.iter().flat_map(Source::issuers);
    let all = anchors.certificates().iter().chain(followed).chain(given);
    all.cloned().collect()
}

/// Of two lists of one issuer the newer one counts, whichever source has it.
fn with_newest(index: RevocationIndex, crl: &Crl) -> RevocationIndex {
    index.with_crl(crl.clone()).unwrap_or(index)
}

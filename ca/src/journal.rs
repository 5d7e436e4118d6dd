//! Appends to the journal, in the transaction of what it tells of.

use postern_pki::journal::{Checkpoint, Entry, Event, Hash, Head, Line, signed_message};
use postern_policy::Fingerprint;
use rcgen::{KeyPair, SigningKey as _};
use rusqlite::Connection;

use crate::issuance::rfc3339;
use crate::issuer::Issuer;
use crate::store::{self, StoreError};

/// A segment with this many entries is closed at the next CRL publication.
const SEGMENT_ENTRIES: u64 = 1024;

/// Whose signature stands under an entry.
pub(crate) trait JournalSigner {
    /// SHA-256 of the signing certificate.
    fn fingerprint(&self) -> Fingerprint;
    /// The key.
    fn key(&self) -> &KeyPair;
}

impl JournalSigner for Issuer {
    fn fingerprint(&self) -> Fingerprint {
        self.certificate().fingerprint()
    }

    fn key(&self) -> &KeyPair {
        Self::key(self)
    }
}

/// The publisher: may sign what takes away, and needs no passphrase.
pub(crate) struct Publisher {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) key: KeyPair,
}

impl JournalSigner for Publisher {
    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn key(&self) -> &KeyPair {
        &self.key
    }
}

/// Adds `event` to the chain; a follower refuses it if `signer` may not say it.
pub(crate) fn append(
    connection: &Connection,
    event: &Event,
    signer: &impl JournalSigner,
    now: u64,
) -> Result<(), StoreError> {
    let previous = store::journal_head(connection)?;
    let segment = match (previous, event) {
        (None, _) => 1,
        (Some((head, _)), Event::Checkpoint(_)) => head.seq + 1,
        (Some((_, segment)), _) => segment,
    };
    let previous = previous.map(|(head, _)| head);
    let body = Entry::body(previous, &rfc3339(now), event).map_err(refused)?;
    let signature = signer.key().sign(&signed_message(&body)).map_err(refused)?;
    let head = Head {
        seq: previous.map_or(1, |head| head.seq + 1),
        hash: Hash::of(body.as_bytes()),
    };
    let line = Line {
        signer: signer.fingerprint(),
        signature,
        body,
    };
    store::add_journal_row(connection, head, segment, &line.to_text())
}

/// Starts a new segment: the state as it is now, whole. The one before it is sealed with the hash
/// of this checkpoint.
pub(crate) fn checkpoint(
    connection: &Connection,
    issuer: &Issuer,
    now: u64,
) -> Result<(), StoreError> {
    let checkpoint = Event::Checkpoint(current_state(connection)?);
    if store::journal_head(connection)?.is_some() {
        let data = checkpoint.to_data().map_err(refused)?;
        let successor = Hash::of(data.get().as_bytes());
        append(connection, &Event::Sealed { successor }, issuer, now)?;
    }
    append(connection, &checkpoint, issuer, now)
}

/// Starts a new segment if the present one is long.
pub(crate) fn checkpoint_if_long(
    connection: &Connection,
    issuer: &Issuer,
    now: u64,
) -> Result<(), StoreError> {
    match store::journal_head(connection)? {
        Some((head, segment)) if head.seq - segment >= SEGMENT_ENTRIES => {
            checkpoint(connection, issuer, now)
        }
        _ => Ok(()),
    }
}

fn current_state(connection: &Connection) -> Result<Checkpoint, StoreError> {
    let mut crls = Vec::new();
    for issuer in store::all_issuers(connection)? {
        if let Some(crl) = store::newest_crl(connection, &issuer)? {
            crls.push(crate::crl::head(&issuer, &crl));
        }
    }
    let tokens = store::all_tokens(connection)?
        .iter()
        .map(|token| token.to_entry())
        .collect();
    Ok(Checkpoint { crls, tokens })
}

fn refused(error: impl ToString) -> StoreError {
    StoreError::Refused(error.to_string())
}

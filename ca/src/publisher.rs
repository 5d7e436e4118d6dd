//! The publisher's certificate and key: an emergency revocation needs no passphrase.

use postern_pki::Certificate;
use rcgen::KeyPair;

use crate::actor::Actor;
use crate::error::CaError;
use crate::files::{self, Access};
use crate::home::Home;
use crate::issuance::Prepared;
use crate::issuer::Issuer;
use crate::journal::Publisher;
use crate::key;
use crate::request::CertifiableKey;
use crate::store::{CertificateState, Selection, Store};

/// Issues a new publisher certificate along the same line as any other, with a key of its own.
pub(crate) fn renew(
    home: &Home,
    store: &Store,
    issuer: &Issuer,
    actor: &Actor,
    now: u64,
) -> Result<(), CaError> {
    let new_key = key::generate()?;
    let spki = CertifiableKey::from_spki(&rcgen::PublicKeyData::subject_public_key_info(&new_key))
        .map_err(crate::issuance::IssuanceError::from)?;
    let prepared = Prepared::publisher(&spki, issuer, actor, now)?;
    let issued = crate::authority::issue_prepared(store, issuer, prepared)?;
    store.add_publisher(issued.certificate())?;
    let pem = key::to_pem(&new_key, None)?;
    files::replace(&home.publisher_key(), pem.as_bytes(), Access::Owner)?;
    Ok(())
}

/// Whether a new publisher is needed: the home's key has no certificate, or one that is past half
/// of its life, not valid yet (the clock was wrong once), or revoked.
pub(crate) fn is_due(home: &Home, store: &Store, now: u64) -> Result<bool, CaError> {
    let Some((certificate, _)) = held(home, store)? else {
        return Ok(true);
    };
    let half = (certificate.not_after() - certificate.not_before()) / 2;
    let is_old = now > certificate.not_before() + half;
    Ok(is_old || now < certificate.not_before() || is_revoked(store, &certificate)?)
}

/// The publisher whose key the home has. One that has ended still takes away: followers look at
/// its path only, and an emergency must not wait for a passphrase.
pub(crate) fn load(home: &Home, store: &Store) -> Result<Publisher, CaError> {
    let (certificate, key) =
        held(home, store)?.ok_or_else(|| CaError::PublisherMismatch(home.publisher_key()))?;
    if is_revoked(store, &certificate)? {
        return Err(CaError::PublisherRevoked);
    }
    Ok(Publisher {
        fingerprint: certificate.fingerprint(),
        key,
    })
}

fn held(home: &Home, store: &Store) -> Result<Option<(Certificate, KeyPair)>, CaError> {
    let key = key::load(&home.publisher_key(), None)?;
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    let mut publishers = store.publishers()?.into_iter();
    let certificate = publishers.rfind(|certificate| certificate.spki_der() == spki);
    Ok(certificate.map(|certificate| (certificate, key)))
}

fn is_revoked(store: &Store, certificate: &Certificate) -> Result<bool, CaError> {
    let serial = Some(certificate.serial());
    let found = store.certificates(&Selection {
        serial,
        ..Selection::default()
    })?;
    Ok(found
        .iter()
        .any(|record| record.state == CertificateState::Revoked))
}

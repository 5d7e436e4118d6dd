//! The publisher's certificate and key: an emergency revocation needs no passphrase.

use postern_pki::Certificate;

use crate::actor::Actor;
use crate::authority::CaError;
use crate::files::{self, Access};
use crate::home::Home;
use crate::issuance::Prepared;
use crate::issuer::Issuer;
use crate::journal::Publisher;
use crate::key;
use crate::request::CertifiableKey;
use crate::store::Store;

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

/// Whether the publisher is past half of its life.
pub(crate) fn is_due(store: &Store, now: u64) -> Result<bool, CaError> {
    Ok(store.publishers()?.last().is_none_or(|publisher| {
        let half = (publisher.not_after() - publisher.not_before()) / 2;
        now > publisher.not_before() + half
    }))
}

/// The publisher whose key the home has.
pub(crate) fn load(home: &Home, store: &Store, now: u64) -> Result<Publisher, CaError> {
    let path = home.publisher_key();
    let key = key::load(&path, None)?;
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    let certificate = store
        .publishers()?
        .into_iter()
        .rfind(|certificate: &Certificate| certificate.spki_der() == spki)
        .ok_or(CaError::PublisherMismatch(path))?;
    if certificate.not_after() < now {
        return Err(CaError::PublisherExpired);
    }
    Ok(Publisher {
        fingerprint: certificate.fingerprint(),
        key,
    })
}

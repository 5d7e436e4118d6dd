//! The certificate authority: the order of operations, and nothing else.
//!
//! What takes away ([`CertificateAuthority::revoke`], disabling and removing tokens) needs no
//! passphrase. What admits needs an [`Unlocked`] authority, which only
//! [`CertificateAuthority::unlock`] gives.

mod devices;
mod renew;
mod revocation;
mod tokens;

use std::path::PathBuf;

use postern_pki::journal::Event;
use postern_pki::{Certificate, RevocationReason};
use postern_policy::SerialNumber;
use rcgen::KeyPair;

use crate::actor::Actor;
use crate::error::CaError;
use crate::home::Home;
use crate::issuance::{IssuanceError, IssuedCertificate, Prepared};
use crate::issuer::Issuer;
use crate::key::{self, Passphrase};
use crate::profile::{Profiles, Usage};
use crate::publish::{self, PublishError};
use crate::request::IssuanceRequest;
use crate::store::{
    self, CertificateRecord, CrlRecord, EdgeChange, IssuerRecord, IssuerRole, Store,
};
use crate::{crl, journal, publisher};

pub use devices::RevokedDevice;

/// An open home.
pub struct CertificateAuthority {
    home: Home,
    store: Store,
    profiles: Profiles,
    actor: Actor,
}

/// An authority whose issuing keys are open.
pub struct Unlocked<'a> {
    authority: &'a CertificateAuthority,
    client: Issuer,
    server: Issuer,
}

/// A CRL that was just made.
#[derive(Debug, Clone)]
pub struct PublishedCrl {
    /// Whose.
    pub issuer: IssuerRole,
    /// The CRL.
    pub crl: CrlRecord,
}

impl CertificateAuthority {
    /// Opens a home, and completes whatever publication a crash left behind.
    ///
    /// # Errors
    /// A home that is missing, damaged or newer is an error, never an empty one.
    pub fn open(home: Home, profiles: Profiles, actor: Actor) -> Result<Self, CaError> {
        if !home.database().exists() {
            let known = home.client_issuer_key().exists() || home.public().exists();
            return Err(if known {
                CaError::NoDatabase(home.database())
            } else {
                CaError::NoHome(home.path().to_path_buf())
            });
        }
        let store = Store::open(&home.database())?;
        match publish::publish(&home, &store) {
            // Recording comes first: a folder that cannot be written must not stop a revocation.
            Err(PublishError::File(error)) => tracing::warn!("{error}"),
            published => published?,
        }
        Ok(Self {
            home,
            store,
            profiles,
            actor,
        })
    }

    /// Its files.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Its records, to be read.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether its issuing key needs a passphrase.
    ///
    /// # Errors
    /// When the key file cannot be read.
    pub fn needs_passphrase(&self) -> Result<bool, CaError> {
        Ok(key::is_encrypted(&self.home.client_issuer_key())?)
    }

    /// The issuer of that role.
    ///
    /// # Errors
    /// When there is none.
    pub fn issuer(&self, role: IssuerRole) -> Result<IssuerRecord, CaError> {
        let issuers = self.store.issuers()?;
        issuers
            .into_iter()
            .find(|issuer| issuer.role == role)
            .ok_or(CaError::NoIssuer(role.as_str()))
    }

    /// Opens the issuing keys. A publisher past half of its life is renewed on the occasion.
    ///
    /// # Errors
    /// When the passphrase is wrong or missing, or an issuer may not sign now.
    pub fn unlock(
        &self,
        passphrase: Option<&Passphrase>,
        now: u64,
    ) -> Result<Unlocked<'_>, CaError> {
        let open = |role, path: PathBuf| -> Result<Issuer, CaError> {
            let key = key::load(&path, passphrase)?;
            Ok(Issuer::load(self.issuer(role)?, key, now)?)
        };
        let client = open(IssuerRole::Client, self.home.client_issuer_key())?;
        let server = open(IssuerRole::Server, self.home.server_issuer_key())?;
        if publisher::is_due(&self.home, &self.store, now)? {
            publisher::renew(&self.home, &self.store, &client, &self.actor, now)?;
            publish::publish(&self.home, &self.store)?;
        }
        Ok(Unlocked {
            authority: self,
            client,
            server,
        })
    }

    /// Revokes certificates, all of them or none; what was revoked already is left as it is.
    ///
    /// It returns when the revocation is durable, published and signed: followers refuse these
    /// certificates from that moment on. What must reach the edge then, `edge`, is on the list of
    /// pending changes from that moment on too, unless nothing was revoked.
    ///
    /// # Errors
    /// When a serial number is not ours, or it cannot be made durable or published.
    pub fn revoke(
        &self,
        serials: Vec<SerialNumber>,
        reason: RevocationReason,
        note: Option<String>,
        edge: Option<EdgeChange>,
        now: u64,
    ) -> Result<Vec<CertificateRecord>, CaError> {
        let revocation = self.revocation(reason, note, now)?;
        let revoked = self.store.write(move |connection| {
            let revoked = serials
                .iter()
                .map(|serial| revocation.apply(connection, serial));
            let revoked: Vec<CertificateRecord> = revoked
                .filter_map(Result::transpose)
                .collect::<Result<_, _>>()?;
            if let Some(change) = edge.filter(|_| !revoked.is_empty()) {
                store::add_edge_pending(connection, &change)?;
            }
            Ok(revoked)
        })?;
        publish::publish(&self.home, &self.store)?;
        Ok(revoked)
    }
}

impl Unlocked<'_> {
    /// Issues a certificate: prepare, record the intent, sign, check, record.
    ///
    /// # Errors
    /// When the profile does not permit it, or a step fails; nothing that was not recorded is
    /// ever signed.
    pub fn issue(&self, request: &IssuanceRequest, now: u64) -> Result<IssuedCertificate, CaError> {
        let authority = self.authority;
        let profile = authority
            .profiles
            .get(&request.profile)
            .map_err(IssuanceError::from)?;
        let issuer = match profile.usage() {
            Usage::Client => &self.client,
            Usage::Server => &self.server,
        };
        let prepared = Prepared::new(request, profile, issuer, &authority.actor, now)?;
        Ok(issue_prepared(&authority.store, issuer, prepared)?)
    }

    /// Makes the next CRL of both intermediates and publishes them.
    ///
    /// # Errors
    /// When one cannot be signed, made durable or published; numbers never go back.
    pub fn publish_crls(self, now: u64) -> Result<Vec<PublishedCrl>, CaError> {
        let Self {
            authority,
            client,
            server,
        } = self;
        let published = authority.store.write(move |connection| {
            let mut published = Vec::new();
            for issuer in [&client, &server] {
                let crl = crl::next(connection, issuer, crl::LIFETIME, now)?;
                let event = Event::CrlPublished(crl::head(issuer.record(), &crl));
                journal::append(connection, &event, &client, now)?;
                published.push(PublishedCrl {
                    issuer: issuer.record().role,
                    crl,
                });
            }
            journal::checkpoint_if_long(connection, &client, now)?;
            Ok(published)
        })?;
        publish::publish(&authority.home, &authority.store)?;
        Ok(published)
    }

    /// Makes the root's next CRL and publishes it; the root's key is brought for the occasion.
    ///
    /// # Errors
    /// When the key is not the root's, or the list cannot be made durable or published.
    pub fn publish_root_crl(self, root_key: KeyPair, now: u64) -> Result<PublishedCrl, CaError> {
        let Self {
            authority, client, ..
        } = self;
        let root = Issuer::load(authority.issuer(IssuerRole::Root)?, root_key, now)?;
        let crl = authority.store.write(move |connection| {
            let crl = crl::next(connection, &root, crl::ROOT_LIFETIME, now)?;
            let event = Event::CrlPublished(crl::head(root.record(), &crl));
            journal::append(connection, &event, &client, now)?;
            Ok(crl)
        })?;
        publish::publish(&authority.home, &authority.store)?;
        Ok(PublishedCrl {
            issuer: IssuerRole::Root,
            crl,
        })
    }
}

/// The line every certificate goes along.
pub(crate) fn issue_prepared(
    store: &Store,
    issuer: &Issuer,
    prepared: Prepared,
) -> Result<IssuedCertificate, IssuanceError> {
    store.record_intent(prepared.intent().clone())?;
    let issued = prepared.sign(issuer)?;
    let certificate: &Certificate = issued.certificate();
    let der = certificate.der().to_vec();
    store.record_issued(certificate.serial(), certificate.fingerprint(), der)?;
    Ok(issued)
}

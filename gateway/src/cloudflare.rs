//! Behind Cloudflare Access: who is on the other end of a request that Cloudflare passed on.
//!
//! Two proofs, neither of which is enough: the connection comes from Cloudflare
//! ([`CloudflarePeer`]), and every request carries an [`Assertion`] that the team's key signed for
//! this very application. Only then a header means something. What is found out holds for the
//! request and is never kept for the connection, which many clients share.

mod address;
mod assertion;
mod claims;
mod forwarded;
mod key_set;
mod key_source;
mod key_store;
mod peer;
mod refusal;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use http::HeaderMap;
use jsonwebtoken::DecodingKey;
use postern_policy::{Application, CommonName};
use rustls_pki_types::UnixTime;

use self::assertion::Assertion;
pub(crate) use self::claims::CLIENT_ID_SUFFIX;
use self::claims::Principal;
pub(crate) use self::forwarded::ForwardedBy;
pub(crate) use self::key_set::KeySet;
pub(crate) use self::key_source::{KeySource, read_file};
pub(crate) use self::key_store::KeyStore;
pub(crate) use self::peer::CloudflarePeer;
pub(crate) use self::refusal::CloudflareRefusal;
use crate::caller::{Caller, CallerToken, Proof};
use crate::event::Record;
use crate::service_token;
use crate::verifier::Gate;

/// The checked `[gateway.behind_cloudflare]`.
#[derive(Clone)]
pub(crate) struct BehindCloudflare {
    /// Who may connect.
    pub(crate) peer: Arc<CloudflarePeer>,
    /// The `iss` of the team's assertions.
    pub(crate) issuer: String,
    /// What somebody who logged in may do.
    pub(crate) people: People,
    /// The header that Cloudflare was told to forward client certificates in.
    pub(crate) certificate: Option<ForwardedBy>,
    /// The team's keys.
    pub(crate) keys: Arc<KeyStore>,
}

/// What a verified login of a person means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum People {
    Admit,
    Refuse,
}

impl BehindCloudflare {
    /// Finds out who a request is from. The connection's peer was checked before.
    pub(crate) async fn identify(
        &self,
        application: &Application,
        headers: &HeaderMap,
        gate: &Gate,
        now: UnixTime,
        record: &mut Record,
    ) -> Result<Caller, CloudflareRefusal> {
        let address = address::of_client(headers)?;
        record.client_address(address);
        let mut caller = Caller {
            proof: Proof::Nothing,
            token: None,
            address,
        };
        match self.principal(application, headers, now).await? {
            Principal::ServiceToken { client_id } => {
                let entry = service_token::of_client_id(&client_id, &gate.view().tokens, now)?;
                record.client_id(&client_id);
                caller.token = Some(CallerToken::new(entry, client_id));
            }
            Principal::Certificate { common_name } => {
                record.common_name(&common_name);
                caller.proof = self.certificate(common_name, headers, gate, now)?;
                if let Some(path) = caller.path() {
                    record.certificate(path.identity());
                }
            }
            Principal::Person => match self.people {
                People::Admit => caller.proof = Proof::Person,
                People::Refuse => return Err(CloudflareRefusal::Person),
            },
        }
        Ok(caller)
    }

    async fn principal(
        &self,
        application: &Application,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Result<Principal, CloudflareRefusal> {
        let assertion = Assertion::of(headers)?;
        let key: DecodingKey = self.keys.find(assertion.kid(), now).await?;
        let audience = application
            .cloudflare()
            .and_then(|cloudflare| cloudflare.aud.as_deref())
            .expect("settings are refused where an application has no `aud`");
        let claims = assertion.verify(&key, &self.issuer, audience, now)?;
        Ok(claims.principal()?)
    }

    /// The forwarded certificate where there is one, and the name alone where there is not.
    ///
    /// A certificate counts for the name that Access says and for nobody else: the header could be
    /// the client's own invention.
    fn certificate(
        &self,
        common_name: CommonName,
        headers: &HeaderMap,
        gate: &Gate,
        now: UnixTime,
    ) -> Result<Proof, CloudflareRefusal> {
        let chain = match self.certificate {
            Some(by) => by.chain(headers)?,
            None => None,
        };
        let Some(chain) = chain else {
            gate.check_name(&common_name, now)?;
            return Ok(Proof::Name(common_name));
        };
        let shown = gate.verify(&chain, now)?;
        if shown.path().identity().common_name.as_ref() != Some(&common_name) {
            return Err(CloudflareRefusal::AnotherName);
        }
        Ok(Proof::Certificate(shown.proven()))
    }
}

//! Who one request is from, everything about them verified.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use postern_pki::VerifiedPath;
use postern_policy::{Application, CertificateFacts, CommonName, Credentials, TokenName};
use rustls_pki_types::UnixTime;

use crate::event::Record;
use crate::follow::TokenEntry;
use crate::peer::Connection;
use crate::registry::Subject;
use crate::respond::Refusal;
use crate::service_token::{self, TokenRefusal};
use crate::throttle::Throttle;
use crate::verifier::Gate;

/// What the rules look at, for one request and never for the next.
pub(crate) struct Caller {
    pub(crate) proof: Proof,
    pub(crate) token: Option<CallerToken>,
    pub(crate) address: IpAddr,
}

/// What a request brings that tells who it is from, and when.
pub(crate) struct Evidence<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// The client's, also where a listed proxy passed the request on.
    pub(crate) address: IpAddr,
    pub(crate) now: UnixTime,
}

/// A token whose secret was checked, by us or by Cloudflare.
pub(crate) struct CallerToken {
    pub(crate) name: TokenName,
    pub(crate) client_id: String,
    pub(crate) expires_at: Option<u64>,
}

/// What a caller proved besides a token.
pub(crate) enum Proof {
    /// A certificate that we verified.
    Certificate(Arc<VerifiedPath>),
    /// A certificate that Cloudflare verified: we know its name.
    Name(CommonName),
    /// A login at Cloudflare.
    Person,
    Nothing,
}

impl CallerToken {
    /// The entry of the table that this client id has.
    pub(crate) fn new(entry: &TokenEntry, client_id: String) -> Self {
        Self {
            name: entry.name.clone(),
            client_id,
            expires_at: entry.expires_at,
        }
    }
}

impl Caller {
    /// Who a request is from on a connection that is the client's own: the certificate of the
    /// handshake, if it is still accepted, and the token of the request.
    pub(crate) fn of(
        connection: &Connection,
        application: &Application,
        gate: &Gate,
        throttle: &Throttle,
        evidence: &Evidence<'_>,
        record: &mut Record,
    ) -> Result<Self, Refusal> {
        let Evidence {
            headers,
            address,
            now,
        } = *evidence;
        let proof = match connection.peer.path() {
            Some(path) => {
                gate.recheck(path, now)?;
                Proof::Certificate(Arc::clone(path))
            }
            None => Proof::Nothing,
        };
        let token = if application.names_a_token() {
            let tokens = &gate.view().tokens;
            let single = application.token_header();
            service_token::authenticate(headers, single, tokens, now).map_err(|refusal| {
                let named = service_token::named(headers, single, tokens).map(|entry| &entry.name);
                let counted = throttle.wrong(address, named, Instant::now());
                counted.map_or_else(|after| TokenRefusal::Throttled { after }, |()| refusal)
            })?
        } else {
            None
        };
        if let Some(token) = &token {
            record.token(&token.client_id, &token.secret);
        }
        Ok(Self {
            proof,
            token: token.map(|token| CallerToken::new(token.entry, token.client_id)),
            address,
        })
    }

    /// As the rules take it.
    pub(crate) fn credentials(&self) -> Credentials<'_> {
        let certificate = match &self.proof {
            Proof::Certificate(path) => Some(CertificateFacts::Whole(path.identity())),
            Proof::Name(name) => Some(CertificateFacts::NameOnly(name)),
            Proof::Person | Proof::Nothing => None,
        };
        Credentials {
            certificate,
            token: self.token.as_ref().map(|token| &token.name),
            address: self.address,
        }
    }

    /// Whether there is nothing to call the request's sender by.
    pub(crate) fn proved_nothing(&self) -> bool {
        matches!(self.proof, Proof::Nothing) && self.token.is_none()
    }

    /// The verified certificate's path.
    pub(crate) fn path(&self) -> Option<&Arc<VerifiedPath>> {
        match &self.proof {
            Proof::Certificate(path) => Some(path),
            Proof::Name(_) | Proof::Person | Proof::Nothing => None,
        }
    }

    /// What a revocation would find it by.
    pub(crate) fn subject(&self) -> Option<Subject> {
        match &self.proof {
            Proof::Certificate(path) => Some(Subject::Path(Arc::clone(path))),
            Proof::Name(name) => Some(Subject::Name(name.clone())),
            Proof::Person | Proof::Nothing => None,
        }
    }
}

//! What the edge has to know of our clients, read from the home.

use std::collections::BTreeMap;

use postern_ca::{
    CertificateAuthority, CertificateRecord, CertificateState, IssuerRecord, IssuerRole, Selection,
};
use postern_cloudflare::{ClientCertificate, Inventory, Ledger, ObjectKind, Standing, TokenAtEdge};
use postern_pki::Certificate;
use postern_policy::{CertificateIdentity, TokenName};

use crate::error::{CommandError, Kind};

/// Every client certificate.
pub(crate) fn clients(
    authority: &CertificateAuthority,
    now: u64,
) -> Result<Inventory, CommandError> {
    let issuer = authority.issuer(IssuerRole::Client)?;
    let mut clients = Vec::new();
    for record in authority.store().certificates(&Selection::default())? {
        let Some(standing) = standing(&record, now) else {
            continue;
        };
        let identity = identity(authority, &record, &issuer)?;
        clients.extend(identity.map(|identity| ClientCertificate { identity, standing }));
    }
    Ok(Inventory::new(clients))
}

/// Where each service token is good.
pub(crate) fn tokens(
    authority: &CertificateAuthority,
    ledger: &Ledger,
) -> Result<BTreeMap<TokenName, TokenAtEdge>, CommandError> {
    let tokens = authority.store().tokens()?.into_iter();
    let standing = tokens.map(|token| {
        let owned = ledger.find(ObjectKind::ServiceToken, token.name.as_str());
        let id = owned.and_then(|owned| owned.id.clone());
        let place = id.map_or(TokenAtEdge::GatewayOnly, TokenAtEdge::Minted);
        (token.name, place)
    });
    Ok(standing.collect())
}

/// `None` for what the edge has nothing to do with: servers, the publisher, what was never signed.
fn standing(record: &CertificateRecord, now: u64) -> Option<Standing> {
    if record.issuer != IssuerRole::Client || record.profile == PUBLISHER {
        return None;
    }
    match record.state_at(now) {
        CertificateState::Valid => Some(Standing::Live),
        CertificateState::Held | CertificateState::Revoked if record.not_after > now => {
            Some(Standing::Revoked)
        }
        CertificateState::Held | CertificateState::Revoked | CertificateState::Expired => {
            Some(Standing::Ended)
        }
        CertificateState::Pending => None,
    }
}

fn identity(
    authority: &CertificateAuthority,
    record: &CertificateRecord,
    issuer: &IssuerRecord,
) -> Result<Option<CertificateIdentity>, CommandError> {
    let Some(der) = authority.store().certificate_der(record)? else {
        return Ok(None);
    };
    let certificate = Certificate::from_der(&der).map_err(|error| {
        CommandError::new(Kind::Integrity, format!("{}: {error}", record.serial))
    })?;
    Ok(Some(certificate.identity(Some(&issuer.certificate))))
}

const PUBLISHER: &str = "publisher";

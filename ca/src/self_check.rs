//! What was signed must be what was prepared, and must pass the gateway's own checks.

use std::time::Duration;

use postern_pki::{Certificate, LeafProfile, PathVerifier, TrustAnchors, verify_signed};
use rustls_pki_types::UnixTime;

use crate::issuance::LeafRole;
use crate::issuer::Issuer;
use crate::store::Intent;

/// Reads the signed certificate back, or says what is wrong with it.
pub(crate) fn check(
    der: &[u8],
    intent: &Intent,
    role: LeafRole,
    issuer: &Issuer,
) -> Result<Certificate, String> {
    let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
    let expect = |same: bool, what: &str| if same { Ok(()) } else { Err(what.to_owned()) };
    expect(certificate.serial() == intent.serial, "its serial number")?;
    expect(
        certificate.spki_fingerprint() == intent.spki,
        "its public key",
    )?;
    expect(certificate.not_before() == intent.not_before, "its start")?;
    expect(certificate.not_after() == intent.not_after, "its end")?;
    let issuing = issuer.certificate();
    expect(
        certificate.issuer_der() == issuing.subject_der(),
        "its issuer's name",
    )?;
    let names = certificate.common_names();
    expect(names == [intent.common_name.as_str()], "its common name")?;
    expect(!certificate.is_ca(), "its basic constraints")?;
    match role {
        LeafRole::Client => verify_as_client(&certificate, issuer, intent.requested_at)?,
        LeafRole::Server | LeafRole::Publisher => {
            verify_signed(der, issuing.spki_der()).map_err(|error| error.to_string())?;
        }
    }
    Ok(certificate)
}

/// The same code as the gateway's handshake, with our intermediate as the anchor.
fn verify_as_client(certificate: &Certificate, issuer: &Issuer, now: u64) -> Result<(), String> {
    let anchors =
        TrustAnchors::new(vec![issuer.certificate().clone()]).map_err(|error| error.to_string())?;
    let verifier = PathVerifier::new(anchors, Vec::new(), LeafProfile::Strict);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    verifier
        .verify(&[certificate.der().clone()], now)
        .map(|_| ())
        .map_err(|rejection| rejection.to_string())
}

//! What the gateway's handshake would say to a chain, without a handshake.

use std::sync::Arc;

use postern_pki::Rejection;
use postern_policy::CertificateIdentity;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::check::CheckError;
use crate::follow::Follow;
use crate::settings::Settings;
use crate::verifier::Gate;

/// Checks a chain exactly as a handshake would now: limits, path, leaf profile, validity,
/// revocation. Blocks.
///
/// # Errors
///
/// Where the sources of revocation cannot be read; a refused chain is no error of this kind.
pub fn examine(
    settings: &Settings,
    chain: &[CertificateDer<'_>],
) -> Result<Result<Arc<CertificateIdentity>, Rejection>, CheckError> {
    let now = UnixTime::now();
    let follow =
        Follow::look(&settings.follow, &settings.anchors, now).map_err(|error| CheckError {
            reason: error.to_string(),
        })?;
    let gate = Gate::new(&settings.anchors, follow.view(), settings.when_stale);
    Ok(gate
        .verify(chain, now)
        .map(|path| Arc::clone(path.identity())))
}

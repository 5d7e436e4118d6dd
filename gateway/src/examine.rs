//! What the gateway's handshake would say to a chain, without a handshake.

use std::sync::Arc;

use postern_pki::Rejection;
use postern_policy::{CertificateIdentity, TokenName};
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
        .map(|shown| Arc::clone(shown.path().identity())))
}

/// How a service token stands at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStanding {
    /// It is accepted where a policy names it.
    Good,
    /// No followed CA publishes one of that name.
    Unknown,
    /// It is refused until it is enabled.
    Disabled,
    /// It has ended.
    Expired,
}

/// How the token called `name` stands now. Blocks.
///
/// # Errors
///
/// Where the sources cannot be read.
pub fn token_standing(settings: &Settings, name: &TokenName) -> Result<TokenStanding, CheckError> {
    let now = UnixTime::now();
    let view = look(settings, now)?.view();
    let Some(token) = view.tokens.named(name) else {
        return Ok(TokenStanding::Unknown);
    };
    let has_ended = token.expires_at.is_some_and(|end| now.as_secs() >= end);
    Ok(match (token.enabled, has_ended) {
        (false, _) => TokenStanding::Disabled,
        (true, true) => TokenStanding::Expired,
        (true, false) => TokenStanding::Good,
    })
}

fn look(settings: &Settings, now: UnixTime) -> Result<Follow, CheckError> {
    Follow::look(&settings.follow, &settings.anchors, now).map_err(|error| CheckError {
        reason: error.to_string(),
    })
}

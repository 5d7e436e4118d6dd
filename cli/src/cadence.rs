//! When a token should get a new secret.

use postern_ca::{Store, StoreError, TokenRecord};
use postern_policy::config::TokenClass;

/// Two thirds of the lifetime of its class after its newest secret, Unix seconds: then there is
/// time left for what goes wrong. It ends with the token, whatever its class.
pub(crate) fn rotation_due(store: &Store, token: &TokenRecord) -> Result<u64, StoreError> {
    let Some(class) = TokenClass::parse(&token.class) else {
        return Ok(token.expires_at);
    };
    let since = store.newest_secret_at(token)?;
    let due = since.saturating_add(class.lifetime().as_secs() / 3 * 2);
    Ok(due.min(token.expires_at))
}

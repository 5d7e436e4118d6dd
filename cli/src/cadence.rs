//! When a token should get a new secret.

use postern_ca::{Store, StoreError, TokenRecord};
use postern_policy::config::TokenClass;

const CLASSES: [TokenClass; 3] = [TokenClass::Ci, TokenClass::Service, TokenClass::High];

/// Two thirds of the lifetime of its class after its newest secret, Unix seconds: then there is
/// time left for what goes wrong. It ends with the token, whatever its class.
pub(crate) fn rotation_due(store: &Store, token: &TokenRecord) -> Result<u64, StoreError> {
    let class = CLASSES
        .into_iter()
        .find(|class| class.as_str() == token.class);
    let Some(class) = class else {
        return Ok(token.expires_at);
    };
    let since = store.newest_secret_at(token)?;
    let due = since.saturating_add(class.lifetime().as_secs() / 3 * 2);
    Ok(due.min(token.expires_at))
}

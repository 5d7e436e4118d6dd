//! The service tokens of all sources, by client id.

use std::collections::{HashMap, HashSet};

use postern_pki::journal;
use postern_policy::TokenName;

use super::FollowError;

/// One service token.
#[derive(Debug, Clone)]
pub(crate) struct TokenEntry {
    /// The name policies know it by.
    pub(crate) name: TokenName,
    /// SHA-256 of each secret that is good now.
    pub(crate) secrets: Vec<[u8; 32]>,
    /// Unix seconds after which it is refused.
    pub(crate) expires_at: Option<u64>,
    /// Whether it may be used.
    pub(crate) enabled: bool,
}

/// Service tokens by client id; names and ids are unique over all sources.
#[derive(Default)]
pub(crate) struct TokenTable {
    by_client_id: HashMap<String, TokenEntry>,
    names: HashSet<TokenName>,
}

impl TokenTable {
    /// Adds one source's tokens.
    pub(super) fn add<'a>(
        &mut self,
        tokens: impl IntoIterator<Item = &'a journal::TokenEntry>,
    ) -> Result<(), FollowError> {
        for token in tokens {
            let name_is_new = self.names.insert(token.name.clone());
            let entry = TokenEntry {
                name: token.name.clone(),
                secrets: token.secrets.iter().map(|hash| *hash.as_bytes()).collect(),
                expires_at: Some(token.expires_at),
                enabled: token.enabled,
            };
            let before = self.by_client_id.insert(token.client_id.clone(), entry);
            if !name_is_new || before.is_some() {
                return Err(FollowError::DuplicateToken(token.name.clone()));
            }
        }
        Ok(())
    }

    /// The token of this client id.
    pub(crate) fn find(&self, client_id: &str) -> Option<&TokenEntry> {
        self.by_client_id.get(client_id)
    }
}

//! The service tokens of all sources, by client id.

use std::collections::{HashMap, HashSet};

use postern_pki::journal;
use postern_policy::TokenName;

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
    duplicates: Vec<TokenName>,
}

impl TokenTable {
    /// Adds one source's tokens.
    pub(super) fn add<'a>(&mut self, tokens: impl IntoIterator<Item = &'a journal::TokenEntry>) {
        for token in tokens {
            let entry = TokenEntry {
                name: token.name.clone(),
                secrets: token.secrets.iter().map(|hash| *hash.as_bytes()).collect(),
                expires_at: Some(token.expires_at),
                enabled: token.enabled,
            };
            let name_is_new = self.names.insert(token.name.clone());
            let before = self.by_client_id.insert(token.client_id.clone(), entry);
            if !name_is_new || before.is_some() {
                self.duplicates.push(token.name.clone());
            }
            self.duplicates.extend(before.map(|before| before.name));
        }
    }

    /// Refuses every token whose name or id two sources claim, and says which.
    pub(super) fn remove_duplicates(&mut self) -> Vec<TokenName> {
        let duplicates = std::mem::take(&mut self.duplicates);
        self.by_client_id
            .retain(|_, token| !duplicates.contains(&token.name));
        duplicates
    }

    /// The token of this name.
    pub(crate) fn named(&self, name: &TokenName) -> Option<&TokenEntry> {
        self.by_client_id.values().find(|token| token.name == *name)
    }

    /// The token of this client id.
    pub(crate) fn find(&self, client_id: &str) -> Option<&TokenEntry> {
        self.by_client_id.get(client_id)
    }
}

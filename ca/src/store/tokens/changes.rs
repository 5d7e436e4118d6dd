//! What was changed of a token, and when: how old its secret is.

use postern_policy::TokenName;
use rusqlite::{Connection, Row, params};

use super::TokenRecord;
use crate::store::digest::RowDigest;
use crate::store::journal::{integer, natural};
use crate::store::{Store, StoreError};

/// What was changed of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenChangeKind {
    /// A secret was made good.
    SecretAdded,
    /// A secret was retired.
    SecretRemoved,
    /// Its end was moved.
    Expiry,
}

/// One change of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenChange {
    /// Which token.
    pub token: TokenName,
    /// What.
    pub what: TokenChangeKind,
    /// When, Unix seconds.
    pub at: u64,
    /// By whom.
    pub by: String,
}

impl TokenChangeKind {
    const ALL: [Self; 3] = [Self::SecretAdded, Self::SecretRemoved, Self::Expiry];

    /// Its name in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretAdded => "secret_added",
            Self::SecretRemoved => "secret_removed",
            Self::Expiry => "expiry",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == text)
    }
}

impl TokenChange {
    fn digest(&self) -> Result<Vec<u8>, StoreError> {
        Ok(RowDigest::of("token_changes")
            .text(self.token.as_str())
            .text(self.what.as_str())
            .integer(integer(self.at)?)
            .text(&self.by)
            .finish())
    }
}

impl Store {
    /// What was changed of `token`, oldest first.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn token_changes(&self, token: &TokenRecord) -> Result<Vec<TokenChange>, StoreError> {
        self.read(|connection| {
            let mut changes = of(connection, &token.name)?;
            // An earlier token of the same name is another one.
            changes.retain(|change| change.at >= token.created_at);
            Ok(changes)
        })
    }

    /// When `token` got its newest secret, Unix seconds.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn newest_secret_at(&self, token: &TokenRecord) -> Result<u64, StoreError> {
        let changes = self.token_changes(token)?;
        let added = changes
            .iter()
            .rfind(|change| change.what == TokenChangeKind::SecretAdded);
        Ok(added.map_or(token.created_at, |change| change.at))
    }
}

/// Records how `after` differs from `before`.
pub(super) fn record(
    connection: &Connection,
    before: &TokenRecord,
    after: &TokenRecord,
    (at, by): (u64, &str),
) -> Result<(), StoreError> {
    let has_news = |one: &TokenRecord, other: &TokenRecord| {
        let mut secrets = one.secrets.iter();
        secrets.any(|secret| !other.secrets.contains(secret))
    };
    let found = [
        (TokenChangeKind::SecretAdded, has_news(after, before)),
        (TokenChangeKind::SecretRemoved, has_news(before, after)),
        (
            TokenChangeKind::Expiry,
            before.expires_at != after.expires_at,
        ),
    ];
    for (what, _) in found.into_iter().filter(|(_, happened)| *happened) {
        let change = TokenChange {
            token: after.name.clone(),
            what,
            at,
            by: by.to_owned(),
        };
        insert(connection, &change)?;
    }
    Ok(())
}

fn insert(connection: &Connection, change: &TokenChange) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO token_changes (token, what, at, changed_by, digest) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            change.token.as_str(),
            change.what.as_str(),
            integer(change.at)?,
            change.by,
            change.digest()?,
        ],
    )?;
    Ok(())
}

fn of(connection: &Connection, token: &TokenName) -> Result<Vec<TokenChange>, StoreError> {
    let sql = "SELECT id, token, what, at, changed_by, digest FROM token_changes \
               WHERE token = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([token.as_str()])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(from_row(row)?);
    }
    Ok(changes)
}

fn from_row(row: &Row<'_>) -> Result<TokenChange, StoreError> {
    let id = row.get(0)?;
    let altered = || StoreError::AlteredRow {
        table: "token_changes",
        row: id,
    };
    let change = TokenChange {
        token: TokenName::parse(&row.get::<_, String>(1)?).map_err(|_| altered())?,
        what: TokenChangeKind::parse(&row.get::<_, String>(2)?).ok_or_else(altered)?,
        at: natural(row.get(3)?)?,
        by: row.get(4)?,
    };
    if row.get::<_, Vec<u8>>(5)? == change.digest()? {
        Ok(change)
    } else {
        Err(altered())
    }
}

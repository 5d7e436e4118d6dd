//! Service tokens; never their secrets, only the SHA-256 of each.

use postern_pki::journal::{Hash, TokenEntry};
use postern_policy::TokenName;
use rusqlite::{Connection, OptionalExtension, Row, params};

mod changes;

pub use changes::{TokenChange, TokenChangeKind};

use super::digest::RowDigest;
use super::journal::{integer, natural};
use super::{Store, StoreError, devices};

/// A service token as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The name policies use.
    pub name: TokenName,
    /// What the client sends as `CF-Access-Client-Id`.
    pub client_id: String,
    /// `ci`, `service` or `high`.
    pub class: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Free key-value pairs, as a JSON object.
    pub labels: String,
    /// Whether it is accepted.
    pub enabled: bool,
    /// SHA-256 of each live secret.
    pub secrets: Vec<Hash>,
    /// When it was made, Unix seconds.
    pub created_at: u64,
    /// By whom.
    pub created_by: String,
    /// When it ends, Unix seconds. One that Cloudflare was told to keep `forever` ends here at
    /// [`TokenRecord::NEVER`]: every token has an end, so that nothing has to ask whether.
    pub expires_at: u64,
}

/// What of a token changes in its life: which secrets are good, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenLife {
    /// SHA-256 of each live secret; each one is as good as the others.
    pub secrets: Vec<Hash>,
    /// When it ends, Unix seconds.
    pub expires_at: u64,
}

const COLUMNS: &str = "id, name, client_id, class, owner, labels, enabled, secrets, created_at, \
                       created_by, expires_at, digest";

impl TokenRecord {
    /// The end of a token that has none: 9999-12-31T23:59:59Z, the last second of RFC 3339.
    pub const NEVER: u64 = 253_402_300_799;

    /// The label that names the device a token belongs to.
    pub const DEVICE_LABEL: &str = "device";

    /// The device it belongs to, and is refused with.
    pub fn device(&self) -> Option<String> {
        let labels: serde_json::Value = serde_json::from_str(&self.labels).ok()?;
        let device = labels.get(Self::DEVICE_LABEL)?.as_str()?;
        Some(device.to_owned())
    }

    /// What followers are told of it.
    pub fn to_entry(&self) -> TokenEntry {
        TokenEntry {
            name: self.name.clone(),
            client_id: self.client_id.clone(),
            secrets: self.secrets.clone(),
            expires_at: self.expires_at,
            enabled: self.enabled,
        }
    }

    fn life(&self) -> TokenLife {
        TokenLife {
            secrets: self.secrets.clone(),
            expires_at: self.expires_at,
        }
    }

    fn secrets_json(&self) -> String {
        serde_json::to_string(&self.secrets).unwrap_or_default()
    }

    fn digest(&self) -> Result<Vec<u8>, StoreError> {
        Ok(RowDigest::of("tokens")
            .text(self.name.as_str())
            .text(&self.client_id)
            .text(&self.class)
            .optional_text(self.owner.as_deref())
            .text(&self.labels)
            .integer(i64::from(self.enabled))
            .text(&self.secrets_json())
            .integer(integer(self.created_at)?)
            .text(&self.created_by)
            .integer(integer(self.expires_at)?)
            .finish())
    }
}

impl Store {
    /// Every token by name.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        self.read(all)
    }

    /// The token of that name. All are read: one that was altered is found, whichever it is.
    ///
    /// # Errors
    /// When the store cannot be read, or a row was altered.
    pub fn token(&self, name: &TokenName) -> Result<Option<TokenRecord>, StoreError> {
        let mut tokens = self.tokens()?.into_iter();
        Ok(tokens.find(|token| token.name == *name))
    }
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<TokenRecord>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM tokens ORDER BY name"))?;
    let mut rows = statement.query([])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        tokens.push(from_row(row)?);
    }
    Ok(tokens)
}

pub(crate) fn by_name(
    connection: &Connection,
    name: &TokenName,
) -> Result<TokenRecord, StoreError> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM tokens WHERE name = ?1"),
            [name.as_str()],
            |row| Ok(from_row(row)),
        )
        .optional()?
        .unwrap_or_else(|| Err(StoreError::NotFound(format!("there is no token {name}"))))
}

pub(crate) fn add(connection: &Connection, token: &TokenRecord) -> Result<(), StoreError> {
    let taken = |column: &str, value: &str| -> Result<bool, StoreError> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM tokens WHERE {column} = ?1)");
        Ok(connection.query_row(&sql, [value], |row| row.get(0))?)
    };
    if taken("name", token.name.as_str())? {
        return Err(StoreError::Conflict(format!("token {}", token.name)));
    }
    if taken("client_id", &token.client_id)? {
        let known = format!("a token with client id {}", token.client_id);
        return Err(StoreError::Conflict(known));
    }
    refuse_revoked_device(connection, token)?;
    connection.execute(
        "INSERT INTO tokens (name, client_id, class, owner, labels, enabled, secrets, created_at,
                             created_by, expires_at, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            token.name.as_str(),
            token.client_id,
            token.class,
            token.owner,
            token.labels,
            token.enabled,
            token.secrets_json(),
            integer(token.created_at)?,
            token.created_by,
            integer(token.expires_at)?,
            token.digest()?,
        ],
    )?;
    Ok(())
}

pub(crate) fn set_enabled(
    connection: &Connection,
    name: &TokenName,
    enabled: bool,
) -> Result<(), StoreError> {
    let token = TokenRecord {
        enabled,
        ..by_name(connection, name)?
    };
    if enabled {
        refuse_revoked_device(connection, &token)?;
    }
    connection.execute(
        "UPDATE tokens SET enabled = ?2, digest = ?3 WHERE name = ?1",
        params![name.as_str(), enabled, token.digest()?],
    )?;
    Ok(())
}

/// Changes a token's secrets or end; gives it back as it is now, or nothing where `change` left
/// them as they were.
pub(crate) fn change(
    connection: &Connection,
    name: &TokenName,
    change: impl FnOnce(&mut TokenLife),
    (at, by): (u64, &str),
) -> Result<Option<TokenRecord>, StoreError> {
    let before = by_name(connection, name)?;
    let mut life = before.life();
    change(&mut life);
    if life == before.life() {
        return Ok(None);
    }
    if life.secrets.is_empty() {
        let why = format!("token {name} would be left without a secret: disable or delete it");
        return Err(StoreError::Refused(why));
    }
    let token = TokenRecord {
        secrets: life.secrets,
        expires_at: life.expires_at,
        ..before.clone()
    };
    connection.execute(
        "UPDATE tokens SET secrets = ?2, expires_at = ?3, digest = ?4 WHERE name = ?1",
        params![
            name.as_str(),
            token.secrets_json(),
            integer(token.expires_at)?,
            token.digest()?
        ],
    )?;
    changes::record(connection, &before, &token, (at, by))?;
    Ok(Some(token))
}

pub(crate) fn remove(connection: &Connection, name: &TokenName) -> Result<(), StoreError> {
    by_name(connection, name)?;
    connection.execute("DELETE FROM tokens WHERE name = ?1", [name.as_str()])?;
    Ok(())
}

/// A token of a device is good as long as the device is.
fn refuse_revoked_device(connection: &Connection, token: &TokenRecord) -> Result<(), StoreError> {
    match token.device() {
        Some(device) => devices::must_be_good(connection, &device),
        None => Ok(()),
    }
}

fn from_row(row: &Row<'_>) -> Result<TokenRecord, StoreError> {
    let id: i64 = row.get(0)?;
    let altered = || StoreError::AlteredRow {
        table: "tokens",
        row: id,
    };
    let token = TokenRecord {
        name: TokenName::parse(&row.get::<_, String>(1)?).map_err(|_| altered())?,
        client_id: row.get(2)?,
        class: row.get(3)?,
        owner: row.get(4)?,
        labels: row.get(5)?,
        enabled: row.get(6)?,
        secrets: serde_json::from_str(&row.get::<_, String>(7)?).map_err(|_| altered())?,
        created_at: natural(row.get(8)?)?,
        created_by: row.get(9)?,
        expires_at: natural(row.get(10)?)?,
    };
    if row.get::<_, Vec<u8>>(11)? == token.digest()? {
        Ok(token)
    } else {
        Err(altered())
    }
}

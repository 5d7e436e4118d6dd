//! What we own at Cloudflare.

mod pending;

use rusqlite::{Connection, Row, params};
use serde_json::{Map, Value};

pub(crate) use pending::add as add_edge_pending;
pub use pending::{EdgeChange, EdgePending};

use super::digest::RowDigest;
use super::journal::{integer, natural};
use super::{Store, StoreError};

/// What an object at Cloudflare is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EdgeObjectKind {
    /// An uploaded CA chain (`…/access/certificates`).
    Certificate,
    /// An application.
    Application,
    /// A policy of an application, or a reusable one.
    Policy,
    /// A group of rules.
    Group,
    /// A service token.
    ServiceToken,
    /// The mTLS settings of a hostname.
    Hostname,
}

/// One object at Cloudflare that is ours, or was about to become so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeObject {
    /// The account it is in.
    pub account: String,
    /// What it is.
    pub kind: EdgeObjectKind,
    /// How we call it; one of each kind and key in an account.
    pub key: String,
    /// Its id at Cloudflare. Nothing while its creation is intended: the call may have been made,
    /// and its answer was not seen.
    pub remote_id: Option<String>,
    /// Its name at Cloudflare.
    pub name: String,
    /// The id of the application that a policy belongs to.
    pub parent: Option<String>,
    /// What else we must know of it; never a secret.
    pub data: Map<String, Value>,
    /// When its creation was intended, Unix seconds.
    pub intended_at: u64,
    /// When its id was learned, Unix seconds.
    pub recorded_at: Option<u64>,
    /// By whom.
    pub recorded_by: String,
}

const COLUMNS: &str = "id, account, kind, key, remote_id, name, parent, data, intended_at, \
                       recorded_at, recorded_by, digest";

impl EdgeObjectKind {
    const ALL: [Self; 6] = [
        Self::Certificate,
        Self::Application,
        Self::Policy,
        Self::Group,
        Self::ServiceToken,
        Self::Hostname,
    ];

    /// Its name in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Application => "app",
            Self::Policy => "policy",
            Self::Group => "group",
            Self::ServiceToken => "service_token",
            Self::Hostname => "hostname",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl EdgeObject {
    fn digest(&self) -> Result<Vec<u8>, StoreError> {
        Ok(RowDigest::of("edge_objects")
            .text(&self.account)
            .text(self.kind.as_str())
            .text(&self.key)
            .optional_text(self.remote_id.as_deref())
            .text(&self.name)
            .optional_text(self.parent.as_deref())
            .text(&self.data_json())
            .integer(integer(self.intended_at)?)
            .optional_integer(self.recorded_at.map(integer).transpose()?)
            .text(&self.recorded_by)
            .finish())
    }

    fn data_json(&self) -> String {
        Value::Object(self.data.clone()).to_string()
    }
}

impl Store {
    /// Everything of ours in `account`, by kind and key.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn edge_objects(&self, account: &str) -> Result<Vec<EdgeObject>, StoreError> {
        self.read(|connection| select(connection, "account = ?1", [account]))
    }

    /// Everything of one kind, in whatever account.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn edge_objects_of(&self, kind: EdgeObjectKind) -> Result<Vec<EdgeObject>, StoreError> {
        self.read(|connection| select(connection, "kind = ?1", [kind.as_str()]))
    }

    /// Records an object, in the place of what was recorded under its account, kind and key.
    ///
    /// Call it without a `remote_id` before the object is created, and with it afterwards: then
    /// no crash leaves an object at Cloudflare that we do not know to look for.
    ///
    /// # Errors
    /// When it cannot be made durable; then nothing may be created.
    pub fn upsert_edge_object(&self, object: EdgeObject) -> Result<(), StoreError> {
        self.write(move |connection| upsert(connection, &object))
    }

    /// Forgets an object that is gone; one that is not recorded is gone already.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub fn forget_edge_object(
        &self,
        account: &str,
        kind: EdgeObjectKind,
        key: &str,
    ) -> Result<(), StoreError> {
        let (account, key) = (account.to_owned(), key.to_owned());
        self.write(move |connection| {
            connection.execute(
                "DELETE FROM edge_objects WHERE account = ?1 AND kind = ?2 AND key = ?3",
                params![account, kind.as_str(), key],
            )?;
            Ok(())
        })
    }
}

fn select(
    connection: &Connection,
    filter: &str,
    value: [&str; 1],
) -> Result<Vec<EdgeObject>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM edge_objects WHERE {filter} ORDER BY account, kind, key");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(value)?;
    let mut objects = Vec::new();
    while let Some(row) = rows.next()? {
        objects.push(from_row(row)?);
    }
    Ok(objects)
}

fn upsert(connection: &Connection, object: &EdgeObject) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO edge_objects (account, kind, key, remote_id, name, parent, data, intended_at,
                                   recorded_at, recorded_by, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (account, kind, key) DO UPDATE SET remote_id = excluded.remote_id,
             name = excluded.name, parent = excluded.parent, data = excluded.data,
             intended_at = excluded.intended_at, recorded_at = excluded.recorded_at,
             recorded_by = excluded.recorded_by, digest = excluded.digest",
        params![
            object.account,
            object.kind.as_str(),
            object.key,
            object.remote_id,
            object.name,
            object.parent,
            object.data_json(),
            integer(object.intended_at)?,
            object.recorded_at.map(integer).transpose()?,
            object.recorded_by,
            object.digest()?,
        ],
    )?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> Result<EdgeObject, StoreError> {
    let id = row.get(0)?;
    let altered = || StoreError::AlteredRow {
        table: "edge_objects",
        row: id,
    };
    let object = EdgeObject {
        account: row.get(1)?,
        kind: EdgeObjectKind::parse(&row.get::<_, String>(2)?).ok_or_else(altered)?,
        key: row.get(3)?,
        remote_id: row.get(4)?,
        name: row.get(5)?,
        parent: row.get(6)?,
        data: serde_json::from_str(&row.get::<_, String>(7)?).map_err(|_| altered())?,
        intended_at: natural(row.get(8)?)?,
        recorded_at: row.get::<_, Option<i64>>(9)?.map(natural).transpose()?,
        recorded_by: row.get(10)?,
    };
    if row.get::<_, Vec<u8>>(11)? == object.digest()? {
        Ok(object)
    } else {
        Err(altered())
    }
}

//! The store: one SQLite database per home.
//!
//! Writes go through one thread per process, which puts whatever is waiting into one transaction
//! (group commit) and answers after the commit; between processes, `BEGIN IMMEDIATE` and a busy
//! limit order them. Reads use a connection of their own: in WAL mode they never block the writer.
//! Nothing outside this module knows the engine.

mod certificates;
mod crls;
mod devices;
mod digest;
mod edge;
mod filter;
mod issuers;
mod journal;
mod mark;
mod migrate;
mod rotations;
mod successions;
mod tokens;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use postern_policy::SerialNumber;
use rusqlite::OpenFlags;

pub(crate) use rusqlite::Connection;

pub use certificates::{CertificateRecord, CertificateState, Intent, Selection};
pub use crls::CrlRecord;
pub use devices::{
    Device, DeviceEntry, DeviceImport, DeviceRecord, DeviceSelection, DeviceState, OnRevoked,
};
pub(crate) use edge::add_edge_pending;
pub use edge::{EdgeChange, EdgeObject, EdgeObjectKind, EdgePending};
pub use issuers::{IssuerRecord, IssuerRole};
pub use journal::JournalRow;
pub use mark::RevocationMark;
pub use rotations::RotationRecord;
pub use tokens::{TokenChange, TokenChangeKind, TokenLife, TokenRecord};

pub(crate) use certificates::{
    belongs_on_crl, by_serial as certificate_by_serial, for_crl as revoked_for_crl, mark_revoked,
    of_devices as certificates_of_devices,
};
pub(crate) use crls::{newest as newest_crl, replace as replace_crl};
pub(crate) use devices::{
    import as import_devices, mark_revoked as mark_device_revoked,
    refuse_revoked as refuse_revoked_device,
};
pub(crate) use issuers::{all as all_issuers, publishers as all_publishers};
pub(crate) use journal::{
    add as add_journal_row, after as journal_after, head as journal_head, row as journal_row,
    segment as journal_segment,
};
pub(crate) use tokens::{
    add as add_token, all as all_tokens, by_name as token_by_name, change as change_token,
    remove as remove_token, set_enabled as set_token_enabled,
};

use crate::issuance::rfc3339;
use writer::Writer;

/// How long a write waits for another process.
const BUSY_LIMIT: Duration = Duration::from_secs(60);

/// Why the store could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no database.
    #[error("{0} does not exist")]
    Missing(PathBuf),
    /// The database is not ours, or damaged.
    #[error(
        "{path} is damaged: {what}. Nothing was changed. Restore the newest backup of the home; \
         do not issue from this one"
    )]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// Written by a newer Postern.
    #[error("{path} has schema {found}, and this Postern knows {known}: use the newer Postern")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A row was changed by something that is not Postern.
    #[error(
        "row {row} of table {table} does not match its digest: the database was altered or damaged"
    )]
    AlteredRow {
        /// Which table.
        table: &'static str,
        /// Which row.
        row: i64,
    },
    /// A certificate on the last CRL is not revoked any more.
    #[error(
        "certificate {0} is on the last CRL and not revoked in the database: it was altered. Nothing was published; restore the newest backup"
    )]
    LostRevocation(SerialNumber),
    /// The thing exists already.
    #[error("{0} exists already")]
    Conflict(String),
    /// The thing does not exist, or not in the state needed.
    #[error("{0}")]
    NotFound(String),
    /// A certificate cannot have a successor.
    #[error("certificate {serial} cannot be renewed: {why}")]
    NotRenewable {
        /// Which one.
        serial: SerialNumber,
        /// Why not.
        why: String,
    },
    /// A device that is revoked was to get something.
    #[error(
        "device {name:?} was revoked on {} by {by}: it gets no certificate and no token any more. Give the \
         machine that takes its place a name of its own",
        rfc3339(*at)
    )]
    DeviceRevoked {
        /// Which one.
        name: String,
        /// When, Unix seconds.
        at: u64,
        /// By whom.
        by: String,
    },
    /// The key must not be certified.
    #[error("the public key is refused: {0}. Make a new key")]
    KeyRefused(&'static str),
    /// The engine failed: disk full, locked for too long, and the like.
    #[error("the database could not be used: {0}")]
    Engine(Arc<rusqlite::Error>),
    /// A closure inside a transaction failed for a reason of its own.
    #[error("{0}")]
    Refused(String),
    /// The writer thread is gone.
    #[error("the store's writer has stopped; start again")]
    Stopped,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(Arc::new(error))
    }
}

/// An open store.
pub struct Store {
    path: PathBuf,
    writer: Writer,
    reader: Mutex<Connection>,
}

impl Store {
    /// Creates the database at `path`, which must not exist.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError::Conflict(path.display().to_string()));
        }
        // SQLite gives its other files the mode of the database.
        crate::files::write_new(path, b"", crate::files::Access::Owner)
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        let mut connection = connect(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        migrate::migrate(&mut connection, path)?;
        Self::with(path, connection)
    }

    /// Opens the database at `path`, bringing an older schema forward.
    ///
    /// # Errors
    /// A missing, foreign, damaged or newer database is an error, never an empty store.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_path_buf()));
        }
        let mut connection = connect(path)?;
        migrate::check(&connection, path).map_err(|error| damaged(error, path))?;
        migrate::migrate(&mut connection, path).map_err(|error| damaged(error, path))?;
        Self::with(path, connection)
    }

    fn with(path: &Path, writing: Connection) -> Result<Self, StoreError> {
        let reading = connect(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            writer: Writer::start(writing),
            reader: Mutex::new(reading),
        })
    }

    /// Runs `work` in a write transaction and returns after it is durable.
    ///
    /// # Errors
    /// When `work` fails (then nothing of it is kept) or the commit does.
    pub fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer
            .run(work)
            .map_err(|error| damaged(error, &self.path))
    }

    /// Runs `work` on the reading connection.
    ///
    /// # Errors
    /// When `work` fails.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        work(&connection).map_err(|error| damaged(error, &self.path))
    }

    /// A number that is another one after every change, by whatever process; it says nothing else.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        self.read(|connection| {
            Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
        })
    }

    /// Names the file where `error` means that it is damaged.
    pub(crate) fn explain(&self, error: StoreError) -> StoreError {
        damaged(error, &self.path)
    }

    /// Runs `work` on one unchanging view of the store.
    ///
    /// # Errors
    /// When `work` fails.
    pub(crate) fn read_consistently<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let view = connection
            .unchecked_transaction()
            .map_err(StoreError::from)?;
        work(&view)
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_LIMIT)?;
    // FULL: an acknowledged revocation survives a power cut.
    let settings =
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;";
    connection
        .execute_batch(settings)
        .map_err(|error| damaged(error.into(), path))?;
    Ok(connection)
}

/// Names the file where the engine found it damaged.
fn damaged(error: StoreError, path: &Path) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, Unknown};
    if let StoreError::Engine(engine) = &error
        // `Unknown` is SQLITE_ERROR: our statements are fixed, so it is the schema that is wrong.
        && matches!(engine.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase | Unknown))
    {
        let (path, what) = (path.to_path_buf(), engine.to_string());
        return StoreError::Corrupt { path, what };
    }
    error
}

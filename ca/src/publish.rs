//! Brings `HOME/public` up to what the store says: issuers, CRLs, journal.
//!
//! The store is the truth and `public` its projection: whatever a crash left behind is completed
//! by the next command that opens the home. All of it happens under one lock, from one view of
//! the store, so that the CRLs are never older than the journal that names them.

mod journal;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use postern_pki::Certificate;
use postern_pki::journal::{ISSUERS_FILE, PUBLISHERS_FILE};

use crate::files::{self, Access, FileError};
use crate::home::Home;
use crate::issuance::{certificate_pem, to_pem};
use crate::store::{self, Connection, IssuerRecord, Store, StoreError};

/// Why `public` could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file could not be read or written.
    #[error("{0}. It is recorded all the same, and published by the next command that can")]
    File(#[from] FileError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal file holds entries of ours that the store does not have.
    #[error(
        "{path} holds entry {published}, signed by this CA, and the database does not: it is older \
         than what was published. Restore the newest backup; nothing was changed"
    )]
    StoreBehind {
        /// Which segment.
        path: PathBuf,
        /// The last entry published.
        published: u64,
    },
}

/// Publishes whatever is not published yet.
pub(crate) fn publish(home: &Home, store: &Store) -> Result<(), PublishError> {
    let path = home.publish_lock();
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(FileError::io("open", &path))?;
    lock.lock().map_err(FileError::io("lock", &path))?;
    let published = store.read_consistently(|connection| publish_from(home, connection));
    published.map_err(|error| match error {
        PublishError::Store(error) => PublishError::Store(store.explain(error)),
        PublishError::File(_) | PublishError::StoreBehind { .. } => error,
    })
}

fn publish_from(home: &Home, connection: &Connection) -> Result<(), PublishError> {
    let issuers = store::all_issuers(connection)?;
    let publishers = store::all_publishers(connection)?;
    let public = home.public();
    replace_if_changed(
        &public.join(ISSUERS_FILE),
        pem(issuers.iter().map(|issuer| &issuer.certificate)).as_bytes(),
    )?;
    replace_if_changed(&public.join(PUBLISHERS_FILE), pem(&publishers).as_bytes())?;
    publish_crls(home, connection, &issuers)?;
    let ours = journal::Ours {
        issuers: &issuers,
        publishers: &publishers,
    };
    journal::publish(&home.journal(), connection, &ours)
}

fn pem<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    certificates.into_iter().map(certificate_pem).collect()
}

fn publish_crls(
    home: &Home,
    connection: &Connection,
    issuers: &[IssuerRecord],
) -> Result<(), PublishError> {
    for issuer in issuers {
        if let Some(crl) = store::newest_crl(connection, issuer)? {
            let path = home.crl(issuer.role);
            replace_if_changed(&path, &crl.der)?;
            let pem = to_pem("X509 CRL", &crl.der);
            replace_if_changed(&path.with_extension("crl.pem"), pem.as_bytes())?;
        }
    }
    Ok(())
}

fn replace_if_changed(path: &Path, content: &[u8]) -> Result<(), FileError> {
    match fs::read(path) {
        Ok(present) if present == content => Ok(()),
        _ => files::replace(path, content, Access::Everybody),
    }
}

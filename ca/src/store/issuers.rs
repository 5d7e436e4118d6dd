//! Issuers and publishers: the certificates the CA itself speaks with.

use postern_pki::{Certificate, IssuerId};
use rusqlite::{Connection, Row, params};

use super::digest::RowDigest;
use super::{Store, StoreError};

/// What an issuer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IssuerRole {
    /// Signs the intermediates; its key is offline.
    Root,
    /// Signs client certificates.
    Client,
    /// Signs server certificates.
    Server,
}

impl IssuerRole {
    const ALL: [Self; 3] = [Self::Root, Self::Client, Self::Server];

    /// Its name in the store and in file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// An issuer as recorded.
#[derive(Debug, Clone)]
pub struct IssuerRecord {
    /// Row id.
    pub(crate) id: i64,
    /// What it is for.
    pub role: IssuerRole,
    /// Its certificate.
    pub certificate: Certificate,
}

impl IssuerRecord {
    /// How CRLs, journal and gateway name it.
    pub fn issuer_id(&self) -> IssuerId {
        IssuerId::of(&self.certificate)
    }
}

impl Store {
    /// Every issuer, root first.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn issuers(&self) -> Result<Vec<IssuerRecord>, StoreError> {
        self.read(all)
    }

    /// Records an issuer.
    ///
    /// # Errors
    /// When one of that role exists.
    pub fn add_issuer(
        &self,
        role: IssuerRole,
        certificate: Certificate,
    ) -> Result<IssuerRecord, StoreError> {
        self.write(move |connection| {
            let spki = certificate.spki_fingerprint();
            let digest = digest(role.as_str(), spki.as_bytes(), certificate.der());
            connection.execute(
                "INSERT INTO issuers (role, spki_sha256, der, digest) VALUES (?1, ?2, ?3, ?4)",
                params![
                    role.as_str(),
                    spki.as_bytes(),
                    certificate.der().as_ref(),
                    digest
                ],
            )?;
            Ok(IssuerRecord {
                id: connection.last_insert_rowid(),
                role,
                certificate,
            })
        })
    }

    /// Records a publisher certificate.
    ///
    /// # Errors
    /// When it is recorded already.
    pub fn add_publisher(&self, certificate: &Certificate) -> Result<(), StoreError> {
        let der = certificate.der().to_vec();
        let fingerprint = certificate.fingerprint();
        self.write(move |connection| {
            let digest = publisher_digest(fingerprint.as_bytes(), &der);
            connection.execute(
                "INSERT INTO publishers (fingerprint, der, digest) VALUES (?1, ?2, ?3)",
                params![fingerprint.as_bytes(), der, digest],
            )?;
            Ok(())
        })
    }

    /// Every publisher certificate there ever was, the newest last: entries of each of them stay
    /// in the journal.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn publishers(&self) -> Result<Vec<Certificate>, StoreError> {
        self.read(publishers)
    }
}

pub(crate) fn publishers(connection: &Connection) -> Result<Vec<Certificate>, StoreError> {
    let sql = "SELECT id, fingerprint, der, digest FROM publishers ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut publishers = Vec::new();
    while let Some(row) = rows.next()? {
        let (fingerprint, der): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
        let altered = StoreError::AlteredRow {
            table: "publishers",
            row: row.get(0)?,
        };
        if row.get::<_, Vec<u8>>(3)? != publisher_digest(&fingerprint, &der) {
            return Err(altered);
        }
        publishers.push(Certificate::from_der(&der).map_err(|_| altered)?);
    }
    Ok(publishers)
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<IssuerRecord>, StoreError> {
    let mut statement =
        connection.prepare("SELECT id, role, spki_sha256, der, digest FROM issuers ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut issuers = Vec::new();
    while let Some(row) = rows.next()? {
        issuers.push(from_row(row)?);
    }
    Ok(issuers)
}

fn from_row(row: &Row<'_>) -> Result<IssuerRecord, StoreError> {
    let id = row.get(0)?;
    let (role, spki, der): (String, Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let altered = || StoreError::AlteredRow {
        table: "issuers",
        row: id,
    };
    if row.get::<_, Vec<u8>>(4)? != digest(&role, &spki, &der) {
        return Err(altered());
    }
    let role = IssuerRole::parse(&role).ok_or_else(altered)?;
    let certificate = Certificate::from_der(&der).map_err(|_| altered())?;
    Ok(IssuerRecord {
        id,
        role,
        certificate,
    })
}

fn digest(role: &str, spki: &[u8], der: &[u8]) -> Vec<u8> {
    RowDigest::of("issuers")
        .text(role)
        .octets(spki)
        .octets(der)
        .finish()
}

fn publisher_digest(fingerprint: &[u8], der: &[u8]) -> Vec<u8> {
    RowDigest::of("publishers")
        .octets(fingerprint)
        .octets(der)
        .finish()
}

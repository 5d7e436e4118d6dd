//! Which certificate is meant: a name, a serial number, or the file itself.

use std::path::{Path, PathBuf};

use clap::Args;
use postern_ca::{CertificateRecord, Selection, Store, VerifiedCsr, files};
use postern_pki::{certificates_from_pem, sha256};
use postern_policy::{Fingerprint, SerialNumber};
use rcgen::{KeyPair, PublicKeyData as _};
use zeroize::Zeroizing;

use crate::error::{CommandError, Kind};

/// Names certificates in one of four ways.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// Every certificate of exactly this common name
    pub(crate) name: Option<String>,
    /// The one with this serial number, in hexadecimal
    #[arg(long, value_name = "SERIAL")]
    pub(crate) serial: Option<SerialNumber>,
    /// The one in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// Those of this private key: the leaked file itself
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

impl Which {
    /// What to look up in the store.
    pub(crate) fn selection(&self) -> Result<Selection, CommandError> {
        let fingerprint = self
            .cert
            .as_deref()
            .map(certificate_fingerprint)
            .transpose()?;
        let spki = self.key.as_deref().map(key_fingerprint).transpose()?;
        Ok(Selection {
            common_name: self.name.clone(),
            serial: self.serial,
            fingerprint,
            spki,
            ..Selection::default()
        })
    }

    /// The certificates meant; none is an error.
    pub(crate) fn find(&self, store: &Store) -> Result<Vec<CertificateRecord>, CommandError> {
        let found = store.certificates(&self.selection()?)?;
        if found.is_empty() {
            return Err(CommandError::new(
                Kind::NotFound,
                format!("there is no certificate {self}"),
            )
            .hint("`postern cert list` shows what there is; names match exactly"));
        }
        Ok(found)
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "named {name:?}")
        } else if let Some(serial) = &self.serial {
            write!(f, "with serial number {serial}")
        } else if let Some(path) = &self.cert {
            write!(f, "of ours like the one in {}", path.display())
        } else if let Some(path) = &self.key {
            write!(f, "of ours with the key in {}", path.display())
        } else {
            f.write_str("at all")
        }
    }
}

/// What a file can be that somebody found lying about.
pub(crate) fn identify(path: &Path) -> Result<Selection, CommandError> {
    if let Ok(fingerprint) = certificate_fingerprint(path) {
        return Ok(Selection {
            fingerprint: Some(fingerprint),
            ..Selection::default()
        });
    }
    let spki = match key_fingerprint(path) {
        Ok(spki) => spki,
        Err(no_key) => match VerifiedCsr::parse(&files::read(path)?) {
            Ok(csr) => sha256(csr.spki_der()),
            Err(_) => return Err(no_key),
        },
    };
    Ok(Selection {
        spki: Some(spki),
        ..Selection::default()
    })
}

fn certificate_fingerprint(path: &Path) -> Result<Fingerprint, CommandError> {
    let certificates = certificates_from_pem(&files::read(path)?).map_err(|error| {
        CommandError::usage(format!(
            "{} holds no certificate in PEM: {error}",
            path.display()
        ))
    })?;
    let leaf = certificates
        .first()
        .ok_or_else(|| CommandError::usage(format!("{} holds no certificate", path.display())))?;
    Ok(leaf.fingerprint())
}

/// The public key of the private key in a file; how loose its mode is does not matter any more.
fn key_fingerprint(path: &Path) -> Result<Fingerprint, CommandError> {
    let text = Zeroizing::new(files::read(path)?);
    let unreadable = |why: String| {
        CommandError::usage(format!(
            "{} holds no certificate, key or signing request: {why}",
            path.display()
        ))
    };
    let text = std::str::from_utf8(&text).map_err(|error| unreadable(error.to_string()))?;
    let key = KeyPair::from_pem(text).map_err(|error| unreadable(error.to_string()))?;
    Ok(sha256(&key.subject_public_key_info()))
}

//! PEM in, certificates and CRLs out.

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use thiserror::Error;

use crate::{Certificate, CertificateError, CrlError, UnverifiedCrl};

/// Why a PEM file does not hold what it should.
#[derive(Debug, Error)]
pub enum PemError {
    /// The armour or the base64 inside is broken.
    #[error("block {block} is not PEM: {source}")]
    Armour {
        /// Which block, counted from one.
        block: usize,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// There is no block of the right kind.
    #[error("no `-----BEGIN {label}-----` block found; is this the right file?")]
    Empty {
        /// The label looked for.
        label: &'static str,
    },
    /// A block is not a certificate.
    #[error("certificate {block}: {source}")]
    Certificate {
        /// Which block, counted from one.
        block: usize,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// A block is not a CRL.
    #[error("CRL {block}: {source}")]
    Crl {
        /// Which block, counted from one.
        block: usize,
        /// What is wrong with it.
        source: CrlError,
    },
}

/// Every certificate in a PEM file. Text and blocks of other kinds are passed over.
///
/// # Errors
/// Where there is none, or one of them cannot be read.
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<Certificate>, PemError> {
    certificate_ders_from_pem(pem)?
        .iter()
        .zip(1..)
        .map(|(der, block)| {
            Certificate::from_der(der).map_err(|source| PemError::Certificate { block, source })
        })
        .collect()
}

/// The DER of every certificate in a PEM file, unread: for chains that are to be verified, where
/// a malformed certificate is a reason to refuse and not an unreadable file.
///
/// # Errors
/// Where there is none, or the PEM is broken.
pub fn certificate_ders_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    blocks(CertificateDer::pem_slice_iter(pem), "CERTIFICATE")
}

/// Every CRL in a file that is either PEM or the DER of one CRL.
///
/// # Errors
/// Where there is none, or one of them cannot be read.
pub fn crls_from_pem_or_der(octets: &[u8]) -> Result<Vec<UnverifiedCrl>, PemError> {
    let ders = if octets.first() == Some(&crate::der::SEQUENCE) {
        vec![CertificateRevocationListDer::from(octets)]
    } else {
        blocks(
            CertificateRevocationListDer::pem_slice_iter(octets),
            "X509 CRL",
        )?
    };
    ders.into_iter()
        .zip(1..)
        .map(|(der, block)| {
            UnverifiedCrl::parse(&der).map_err(|source| PemError::Crl { block, source })
        })
        .collect()
}

fn blocks<T>(
    found: impl Iterator<Item = Result<T, pem::Error>>,
    label: &'static str,
) -> Result<Vec<T>, PemError> {
    let blocks: Vec<T> = found
        .zip(1..)
        .map(|(block, number)| {
            block.map_err(|source| PemError::Armour {
                block: number,
                source,
            })
        })
        .collect::<Result<_, _>>()?;
    if blocks.is_empty() {
        Err(PemError::Empty { label })
    } else {
        Ok(blocks)
    }
}

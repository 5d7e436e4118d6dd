//! The chain that goes to Cloudflare: checked before anything leaves the machine.
//!
//! Cloudflare builds paths itself and never asks for what is missing, so the intermediate and its
//! root go up in one file, intermediate first. What its documentation refuses is refused here, with
//! a reason. <https://developers.cloudflare.com/ssl/client-certificates/byo-ca/>

use postern_pki::{Certificate, PemError, certificates_from_pem, verify_signed};
use postern_policy::Fingerprint;
use thiserror::Error;
use x509_parser::asn1_rs::{FromDer, Oid};
use x509_parser::oid_registry::{
    OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_SHA256WITHRSA,
    OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512,
};
use x509_parser::prelude::X509Certificate;

/// A chain of CA certificates that Cloudflare takes: every one CA:TRUE, issuers after what they
/// issued, the last one self-issued.
#[derive(Clone, Debug)]
pub struct Chain(Vec<Certificate>);

/// Why a chain is not uploaded.
#[derive(Debug, Error)]
pub enum ChainError {
    /// The file holds a private key.
    #[error(
        "it holds a private key: upload certificates only, and treat that key as seen by whoever saw this file"
    )]
    PrivateKey,
    /// It is not PEM, or not of certificates.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// One of the certificates is not a CA's.
    #[error(
        "{subject} is no CA certificate (CA:TRUE is missing): upload the chain that issues clients, not a client"
    )]
    NotACa {
        /// Its subject.
        subject: String,
    },
    /// An algorithm that the edge does not verify.
    #[error(
        "{subject} {what}: Cloudflare verifies RSA (PKCS #1 v1.5) and ECDSA with SHA-2; issue from a P-256 or P-384 CA"
    )]
    Algorithm {
        /// Its subject.
        subject: String,
        /// What it has instead.
        what: &'static str,
    },
    /// There is no root at the end, or a gap before it.
    #[error(
        "{subject} was issued by {issuer}, which is missing: the chain must reach its root, because the edge asks nobody for the rest"
    )]
    Incomplete {
        /// The subject without its issuer.
        subject: String,
        /// The issuer that is missing.
        issuer: String,
    },
}

impl Chain {
    /// Reads a chain from PEM, in whatever order and with whatever line ends.
    ///
    /// # Errors
    /// Where Cloudflare would refuse it, or take it and then admit nobody.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ChainError> {
        if holds_private_key(pem) {
            return Err(ChainError::PrivateKey);
        }
        Self::new(certificates_from_pem(pem)?)
    }

    /// Makes a chain of these certificates, in whatever order.
    ///
    /// # Errors
    /// As [`Chain::from_pem`].
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, ChainError> {
        for certificate in &certificates {
            check(certificate)?;
        }
        in_order(certificates).map(Self)
    }

    /// The issuing CA: the one whose clients are admitted.
    pub fn issuer(&self) -> &Certificate {
        self.0.first().expect("a chain has a first certificate")
    }

    /// What our record of uploaded CAs is kept by: SHA-256 of the issuing CA.
    pub fn fingerprint(&self) -> Fingerprint {
        self.issuer().fingerprint()
    }

    /// The chain as it is uploaded.
    pub fn to_pem(&self) -> String {
        let line_feeds = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        let blocks = self.0.iter().map(|certificate| {
            let block = pem::Pem::new("CERTIFICATE", certificate.der().as_ref());
            pem::encode_config(&block, line_feeds)
        });
        blocks.collect()
    }
}

fn check(certificate: &Certificate) -> Result<(), ChainError> {
    let subject = || certificate.subject();
    if !certificate.is_ca() {
        return Err(ChainError::NotACa { subject: subject() });
    }
    let refused = |what| ChainError::Algorithm {
        subject: subject(),
        what,
    };
    let Ok((_, parsed)) = X509Certificate::from_der(certificate.der()) else {
        return Err(refused("cannot be read"));
    };
    if !KEYS.contains(&parsed.public_key().algorithm.algorithm) {
        return Err(refused("has a key that is neither RSA nor EC"));
    }
    if !SIGNATURES.contains(&parsed.signature_algorithm.algorithm) {
        return Err(refused(
            "is signed with another algorithm (Ed25519, RSA-PSS, …)",
        ));
    }
    Ok(())
}

/// From the certificate that issued none of the others up to the root.
fn in_order(mut rest: Vec<Certificate>) -> Result<Vec<Certificate>, ChainError> {
    let issues_another = |certificate: &Certificate| {
        rest.iter()
            .any(|other| !other.is_self_issued() && other.issuer_der() == certificate.subject_der())
    };
    let lowest = rest
        .iter()
        .position(|certificate| !issues_another(certificate));
    let mut chain = vec![rest.remove(lowest.unwrap_or_default())];
    loop {
        let last = chain.last().expect("it began with one");
        if last.is_self_issued() {
            return Ok(chain);
        }
        let issued_it = |certificate: &Certificate| {
            certificate.subject_der() == last.issuer_der()
                && verify_signed(last.der(), certificate.spki_der()).is_ok()
        };
        let issuer = rest.iter().position(issued_it);
        let Some(place) = issuer else {
            return Err(ChainError::Incomplete {
                subject: last.subject(),
                issuer: last.issuer(),
            });
        };
        let issuer = rest.remove(place);
        chain.push(issuer);
    }
}

/// Any kind of key block, also an encrypted one: none of them has business at Cloudflare.
fn holds_private_key(pem: &[u8]) -> bool {
    let marker = b"PRIVATE KEY-----";
    pem.windows(marker.len()).any(|window| window == marker)
}

const KEYS: [Oid<'static>; 2] = [OID_PKCS1_RSAENCRYPTION, OID_KEY_TYPE_EC_PUBLIC_KEY];

/// Cloudflare takes SHA-1 too; nobody else should.
const SIGNATURES: [Oid<'static>; 6] = [
    OID_PKCS1_SHA256WITHRSA,
    OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA,
    OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384,
    OID_SIG_ECDSA_WITH_SHA512,
];

#[cfg(test)]
mod tests;

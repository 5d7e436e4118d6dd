//! The files a configuration names, read once and checked whole.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postern_pki::{Certificate, TrustAnchors, certificates_from_pem, check_intermediates};
use postern_policy::config::ConfigError;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use toml::Spanned;

use super::{error, keep};

/// The certificate of a `role` (server, client) with its key: both readable, one belonging to the
/// other.
pub(super) fn certified_key(
    certificate: &Spanned<PathBuf>,
    key: &Spanned<PathBuf>,
    role: &str,
    base: &Path,
) -> Result<Arc<CertifiedKey>, Vec<ConfigError>> {
    let chain = chain(certificate, role, base)?;
    let path = base.join(key.get_ref());
    only_its_owner_reads(key, &path, &format!("the {role}'s private key"))?;
    let private = PrivateKeyDer::from_pem_file(&path).map_err(|why| {
        let message = format!("cannot read a private key from {}: {why}", path.display());
        error(
            key,
            message,
            "give an unencrypted PEM file that begins with BEGIN PRIVATE KEY",
        )
    })?;
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider())
        .map(Arc::new)
        .map_err(|why| {
            let message = format!(
                "the key {} does not fit the certificate {}: {why}",
                path.display(),
                base.join(certificate.get_ref()).display()
            );
            error(
                key,
                message,
                "give the key that the certificate was issued for",
            )
        })
}

fn chain(
    certificate: &Spanned<PathBuf>,
    role: &str,
    base: &Path,
) -> Result<Vec<CertificateDer<'static>>, Vec<ConfigError>> {
    let path = base.join(certificate.get_ref());
    let unusable = |why: String| {
        let message = format!(
            "cannot read the {role} certificate {}: {why}",
            path.display()
        );
        let hint = format!("give a PEM file: the {role} certificate, then its issuers");
        error(certificate, message, &hint)
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&path)
        .map_err(|why| unusable(why.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|why| unusable(why.to_string()))?;
    if chain.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    Ok(chain)
}

/// Checks a file with secrets; `what` it is called in messages.
pub(super) fn only_its_owner_reads(
    key: &Spanned<PathBuf>,
    path: &Path,
    what: &str,
) -> Result<(), Vec<ConfigError>> {
    let mode = fs::metadata(path)
        .map_err(|why| {
            let message = format!("cannot read {what} {}: {why}", path.display());
            error(key, message, "give a file that the gateway's user can read")
        })?
        .mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let message = format!(
        "{what} {} can be read by others than its owner (mode {:04o})",
        path.display(),
        mode & 0o7777
    );
    Err(error(
        key,
        message,
        "chmod 600 it; if others may have read it, replace it",
    ))
}

/// The certificates that client certificates must lead to.
pub(super) fn trust_anchors(
    files: &[Spanned<PathBuf>],
    base: &Path,
) -> Result<TrustAnchors, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut certificates = Vec::new();
    for file in files {
        match trust_file(file, &base.join(file.get_ref())) {
            Ok(found) => certificates.extend(found),
            Err(found) => errors.extend(found),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    TrustAnchors::new(certificates).map_err(|why| {
        vec![ConfigError {
            span: files.first().map(Spanned::span),
            message: format!("`trust` gives no usable trust anchors: {why}"),
            hint: Some("name the root certificate of your CA: trust = [\"root.crt\"]".to_owned()),
        }]
    })
}

/// Intermediates that are held and not trusted; each leads to an anchor.
pub(super) fn issuers(
    files: &[Spanned<PathBuf>],
    anchors: &TrustAnchors,
    base: &Path,
) -> Result<Vec<Certificate>, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let found = files.iter().filter_map(|file| {
        let found = trust_file(file, &base.join(file.get_ref()));
        keep(found, &mut errors)
    });
    let issuers: Vec<_> = found.flatten().collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    check_intermediates(&issuers, anchors).map_err(|why| {
        vec![ConfigError {
            span: files.first().map(Spanned::span),
            message: format!("`issuers` cannot be used: {why}"),
            hint: Some(
                "give intermediate CA certificates below one in `trust`, with those between"
                    .to_owned(),
            ),
        }]
    })?;
    Ok(issuers)
}

pub(super) fn trust_file(
    file: &Spanned<PathBuf>,
    path: &Path,
) -> Result<Vec<Certificate>, Vec<ConfigError>> {
    let hint = "give a PEM file with CA certificates";
    let pem = fs::read(path).map_err(|why| {
        error(
            file,
            format!("cannot read the trust file {}: {why}", path.display()),
            hint,
        )
    })?;
    let found = certificates_from_pem(&pem).map_err(|why| {
        error(
            file,
            format!("cannot use the trust file {}: {why}", path.display()),
            hint,
        )
    })?;
    if found.is_empty() {
        let message = format!("the trust file {} holds no certificate", path.display());
        return Err(error(file, message, hint));
    }
    Ok(found)
}

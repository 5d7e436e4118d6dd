//! What the suite signs with, and the clients it makes of it. Client keys are never written.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use postern_ca::files;
use postern_ca::key;
use postern_pki::{Certificate, certificates_from_pem};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SerialNumber,
};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use crate::error::{CommandError, Kind};

/// A CA certificate with its key.
pub(crate) struct Authority {
    certificate: Certificate,
    signer: rcgen::Issuer<'static, KeyPair>,
}

/// The root and the intermediate that was made for the test.
pub(crate) struct SuitePki {
    pub(crate) root: Authority,
    pub(crate) intermediate: Authority,
    common_name: String,
}

/// A client: what it presents and the key to it.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) serial: Vec<u8>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl SuitePki {
    /// Reads `root.crt`, `root.key`, `intermediate.crt` and `intermediate.key` in `folder`.
    pub(crate) fn load(folder: &Path, common_name: &str) -> Result<Self, CommandError> {
        Ok(Self {
            root: Authority::load(folder, "root")?,
            intermediate: Authority::load(folder, "intermediate")?,
            common_name: common_name.to_owned(),
        })
    }

    /// A client that there is nothing wrong with, valid for an hour.
    pub(crate) fn client(&self) -> Identity {
        self.client_with(|_| {})
    }

    /// The same with something changed.
    pub(crate) fn client_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let issuer = &self.intermediate;
        self.client_by(&issuer.signer, vec![issuer.der()], change)
    }

    /// A client that another key signed, presenting `issuers`.
    pub(crate) fn client_by(
        &self,
        signer: &rcgen::Issuer<'_, KeyPair>,
        issuers: Vec<CertificateDer<'static>>,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = client_params(&self.common_name);
        let serial = next_serial();
        params.serial_number = Some(SerialNumber::from(serial.clone()));
        change(&mut params);
        let key = new_key();
        let leaf = params.signed_by(&key, signer).expect(ENCODED);
        Identity {
            chain: std::iter::once(leaf.der().clone()).chain(issuers).collect(),
            serial,
            key: key.serialize_der().into(),
        }
    }

    /// A client that vouches for itself.
    pub(crate) fn self_signed(&self) -> Identity {
        let params = client_params(&self.common_name);
        let key = new_key();
        let leaf = params.self_signed(&key).expect(ENCODED);
        Identity {
            chain: vec![leaf.der().clone()],
            serial: Vec::new(),
            key: key.serialize_der().into(),
        }
    }
}

impl Authority {
    fn load(folder: &Path, name: &str) -> Result<Self, CommandError> {
        let path = folder.join(format!("{name}.crt"));
        let unusable = |why: String| {
            let message = format!("{} cannot be signed with: {why}", path.display());
            CommandError::new(Kind::Failure, message)
                .hint("make a PKI for the test with `postern gateway verify --init-pki DIR`")
        };
        let found = certificates_from_pem(&files::read(&path)?);
        let found = found.map_err(|error| unusable(error.to_string()))?;
        let certificate = found.into_iter().next().expect("at least one, or an error");
        let key = key::load(&folder.join(format!("{name}.key")), None)?;
        if key.subject_public_key_info() != certificate.spki_der() {
            return Err(unusable(format!("{name}.key is not its key")));
        }
        if !certificate.may_sign_certificates() || !certificate.may_sign_crls() {
            return Err(unusable("it may not sign certificates and CRLs".into()));
        }
        let signer = rcgen::Issuer::from_ca_cert_der(certificate.der(), key)
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            certificate,
            signer,
        })
    }

    /// What signs in its name.
    pub(crate) fn signer(&self) -> &rcgen::Issuer<'static, KeyPair> {
        &self.signer
    }

    /// Its certificate.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// Its certificate, parsed.
    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

impl Identity {
    /// What TLS presents, whether or not anything in it fits.
    pub(crate) fn shown(&self) -> SingleCertAndKey {
        let key = any_supported_type(&self.key.clone_key().into()).expect(ENCODED);
        SingleCertAndKey::from(CertifiedKey::new(self.chain.clone(), key))
    }

    /// The same client with a key that is not its certificate's.
    pub(crate) fn with_other_key(mut self) -> Self {
        self.key = new_key().serialize_der().into();
        self
    }

    /// The same client presenting other issuers.
    pub(crate) fn presenting(mut self, issuers: Vec<CertificateDer<'static>>) -> Self {
        self.chain.truncate(1);
        self.chain.extend(issuers);
        self
    }
}

/// What a CA certificate of the suite's own making starts from.
pub(crate) fn ca_params(common_name: &str) -> CertificateParams {
    let mut params = named(common_name);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A P-256 key.
pub(crate) fn new_key() -> KeyPair {
    KeyPair::generate().expect("the system has randomness")
}

fn client_params(common_name: &str) -> CertificateParams {
    let mut params = named(common_name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

/// Valid for an hour, and from a minute ago: clocks differ.
fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::MINUTE;
    params.not_after = now + Duration::HOUR;
    params
}

/// Different from every other of this run, and from those of earlier ones by its time.
fn next_serial() -> Vec<u8> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = crate::time::now();
    [&[0x50][..], &now.to_be_bytes(), &count.to_be_bytes()].concat()
}

/// What the suite writes into certificates is its own.
pub(crate) const ENCODED: &str = "the parameters can be encoded and signed";

//! A CA that `postern ca init` made, and certificates of it as fast as a load needs them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use postern_pki::{Certificate, certificate_ders_from_pem, certificates_from_pem};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use crate::error::{BenchError, Doing as _};

/// A CA certificate with its key.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    key_id: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, what is presented with it, and its key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Reads a certificate and its unencrypted key.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, BenchError> {
        let pem = fs::read(certificate).doing("read a CA certificate")?;
        let key = fs::read_to_string(key).doing("read a CA key")?;
        let found = certificates_from_pem(&pem).ok();
        let found = found.and_then(|found| found.into_iter().next());
        let parsed = found.ok_or(BenchError::Machine("certificate that `ca init` wrote"))?;
        let issuer = Issuer::from_ca_cert_der(parsed.der(), KeyPair::from_pem(&key)?)?;
        Ok(Self {
            certificate: parsed.der().clone().into_owned(),
            key_id: parsed.subject_key_id().unwrap_or_default().to_vec(),
            issuer,
        })
    }

    /// The certificate.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A client certificate nobody has seen.
    pub(crate) fn client(&self, common_name: &str) -> Result<Identity, BenchError> {
        self.client_until(common_name, OffsetDateTime::now_utc() + LIFETIME)
    }

    /// A client certificate that ends at this time.
    pub(crate) fn client_until(
        &self,
        common_name: &str,
        not_after: OffsetDateTime,
    ) -> Result<Identity, BenchError> {
        let mut params = params(common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = not_after;
        self.issue(params)
    }

    /// A server certificate.
    pub(crate) fn server(&self, host: &str) -> Result<Identity, BenchError> {
        let mut params = params(host);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = vec![SanType::DnsName(host.try_into()?)];
        self.issue(params)
    }

    /// A CRL with so many entries that nobody's certificate has, and these.
    pub(crate) fn crl(
        &self,
        number: u64,
        others: u64,
        revoked: &[&Identity],
    ) -> Result<Vec<u8>, BenchError> {
        let now = OffsetDateTime::now_utc();
        let strangers = (0..others).map(|count| serial(Range::Strangers, count));
        let revoked = revoked.iter().map(|identity| identity.serial());
        let revoked: Vec<_> = revoked.collect::<Result<_, _>>()?;
        let entry = |serial_number| RevokedCertParams {
            serial_number,
            revocation_time: now,
            reason_code: Some(rcgen::RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: now,
            next_update: now + Duration::days(7),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: strangers.chain(revoked).map(entry).collect(),
            key_identifier_method: KeyIdMethod::PreSpecified(self.key_id.clone()),
        };
        Ok(list.signed_by(&self.issuer)?.der().to_vec())
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Identity, BenchError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let serial = serial(Range::Issued, NEXT.fetch_add(1, Ordering::Relaxed));
        params.serial_number = Some(serial);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            chain: vec![certificate.der().clone(), self.certificate.clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }
}

impl Identity {
    /// Reads what `cert issue` wrote.
    pub(crate) fn read(folder: &Path, name: &str) -> Result<Self, BenchError> {
        let file = |ending| folder.join(format!("{name}.{ending}"));
        let pem = fs::read(file("crt")).doing("read a certificate")?;
        let chain = certificate_ders_from_pem(&pem);
        let key = PrivateKeyDer::from_pem_file(file("key"));
        let (Ok(chain), Ok(key)) = (chain, key) else {
            return Err(BenchError::Machine("certificate that `cert issue` wrote"));
        };
        Ok(Self { chain, key })
    }

    /// The certificate itself.
    pub(crate) fn leaf(&self) -> Result<Certificate, BenchError> {
        let leaf = self.chain.first().map(|leaf| Certificate::from_der(leaf));
        leaf.and_then(Result::ok)
            .ok_or(BenchError::Machine("certificate of a client"))
    }

    fn serial(&self) -> Result<SerialNumber, BenchError> {
        Ok(self.leaf()?.serial().as_octets().to_vec().into())
    }
}

fn params(common_name: &str) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = now - Duration::hours(1);
    params.not_after = now + LIFETIME;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

/// Whose serial numbers.
#[derive(Clone, Copy)]
enum Range {
    Issued,
    Strangers,
}

/// Spread over the whole range like a real CA's, and each a different one: the factor is odd.
fn serial(range: Range, count: u64) -> SerialNumber {
    let first = match range {
        Range::Issued => 0,
        Range::Strangers => 1 << 64,
    };
    let spread =
        (first + u128::from(count)).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    SerialNumber::from([&[0x50][..], &spread.to_be_bytes()].concat())
}

const LIFETIME: Duration = Duration::days(30);

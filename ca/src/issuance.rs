//! From a request to a certificate: `IssuanceRequest → Prepared → IssuedCertificate`.

use std::time::Duration;

use aws_lc_rs::rand;
use postern_pki::Certificate;
use postern_pki::journal::PUBLISHER_EKU;
use postern_policy::{CommonName, SerialNumber};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, SubjectPublicKeyInfo,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::actor::Actor;
use crate::issuer::Issuer;
use crate::profile::{Profile, Usage};
use crate::request::{
    CertifiableKey, IssuanceRequest, PUBLISHER_NAME, RequestError, SubjectAltName,
};
use crate::store::{Intent, StoreError};

/// Clocks differ: a certificate is valid a little before it was made.
const BACKDATE: u64 = 60;
const PUBLISHER_LIFETIME: u64 = 90 * 86_400;
/// id-ce-extKeyUsage, RFC 5280 section 4.2.1.12.
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];

/// A certificate with every field decided, and nothing signed. Signing consumes it.
pub struct Prepared {
    intent: Intent,
    params: CertificateParams,
    key: SubjectPublicKeyInfo,
    role: LeafRole,
}

/// What a leaf is for, and so what is checked of it after signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeafRole {
    Client,
    Server,
    Publisher,
}

/// A signed certificate that was checked and recorded.
#[derive(Debug, Clone)]
pub struct IssuedCertificate {
    certificate: Certificate,
    issuer: Certificate,
}

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssuanceError {
    /// The request is refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It could not be recorded.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system has no randomness.
    #[error("the system gives no random numbers: nothing was signed")]
    NoRandomness,
    /// The signature could not be made.
    #[error("{0} could not be signed: {1}")]
    Sign(String, rcgen::Error),
    /// What came out is not what was prepared.
    #[error(
        "the certificate that was signed for {name:?} is not the one that was prepared ({what}): it \
         was not given out. Its serial number {serial} is on record as pending; this is a bug"
    )]
    SelfCheck {
        /// For which name.
        name: String,
        /// Which serial number.
        serial: SerialNumber,
        /// What differs.
        what: String,
    },
}

impl Prepared {
    /// Decides every field of the certificate that `profile` gives for `request`.
    ///
    /// # Errors
    /// When the profile does not permit it.
    pub fn new(
        request: &IssuanceRequest,
        profile: &Profile,
        issuer: &Issuer,
        actor: &Actor,
        now: u64,
    ) -> Result<Self, IssuanceError> {
        let name = request.common_name.common_name();
        profile.permit(name)?;
        let role = match profile.usage() {
            Usage::Client => LeafRole::Client,
            Usage::Server => LeafRole::Server,
        };
        let alt_names = alt_names(request, profile, role)?;
        let lifetime = profile.lifetime().as_secs();
        let mut prepared = Self::fields(name, &request.key, issuer, lifetime, role, now)?;
        prepared.intent.profile = profile.name().to_owned();
        prepared.intent.owner.clone_from(&request.owner);
        prepared.intent.predecessor = request.predecessor;
        prepared.intent.requested_by = actor.as_str().to_owned();
        prepared.params.subject_alt_names = to_san(alt_names)?;
        if let Some(organization) = profile.organization() {
            prepared
                .params
                .distinguished_name
                .push(DnType::OrganizationName, organization);
        }
        Ok(prepared)
    }

    /// Decides every field of a publisher certificate: a critical private EKU and nothing else,
    /// so that no TLS stack takes it for a client or a server.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn publisher(
        key: &CertifiableKey,
        issuer: &Issuer,
        actor: &Actor,
        now: u64,
    ) -> Result<Self, IssuanceError> {
        let name = CommonName::parse(PUBLISHER_NAME).map_err(RequestError::from)?;
        let lifetime = PUBLISHER_LIFETIME;
        let mut prepared = Self::fields(&name, key, issuer, lifetime, LeafRole::Publisher, now)?;
        prepared.intent.profile = String::from("publisher");
        prepared.intent.requested_by = actor.as_str().to_owned();
        Ok(prepared)
    }

    fn fields(
        name: &CommonName,
        key: &CertifiableKey,
        issuer: &Issuer,
        lifetime: u64,
        role: LeafRole,
        now: u64,
    ) -> Result<Self, IssuanceError> {
        let serial = random_serial()?;
        let not_before = now
            .saturating_sub(BACKDATE)
            .max(issuer.certificate().not_before());
        let not_after = now
            .saturating_add(lifetime)
            .min(issuer.certificate().not_after());
        let sign = |error| IssuanceError::Sign(name.to_string(), error);
        let mut params = CertificateParams::default();
        params.serial_number = Some(serial.as_octets().to_vec().into());
        params.not_before = timestamp(not_before);
        params.not_after = timestamp(not_after);
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, name.as_str());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        match role {
            LeafRole::Client => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }
            LeafRole::Server => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
            LeafRole::Publisher => params.custom_extensions = vec![publisher_usage()],
        }
        let intent = Intent {
            issuer: issuer.record().clone(),
            serial,
            common_name: name.clone(),
            profile: String::new(),
            not_before,
            not_after,
            spki: postern_pki::sha256(key.spki_der()),
            owner: None,
            requested_at: now,
            requested_by: String::new(),
            is_client: role == LeafRole::Client,
            predecessor: None,
        };
        let key = SubjectPublicKeyInfo::from_der(key.spki_der()).map_err(sign)?;
        Ok(Self {
            intent,
            params,
            key,
            role,
        })
    }

    /// What is recorded before signing.
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Signs, and checks what came out against what was prepared.
    pub(crate) fn sign(self, issuer: &Issuer) -> Result<IssuedCertificate, IssuanceError> {
        let name = self.intent.common_name.to_string();
        let signed = self
            .params
            .signed_by(&self.key, issuer.signer())
            .map_err(|error| IssuanceError::Sign(name.clone(), error))?;
        let checked = crate::self_check::check(signed.der(), &self.intent, self.role, issuer);
        let serial = self.intent.serial;
        let certificate =
            checked.map_err(|what| IssuanceError::SelfCheck { name, serial, what })?;
        Ok(IssuedCertificate {
            certificate,
            issuer: issuer.certificate().clone(),
        })
    }
}

impl IssuedCertificate {
    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Leaf, then intermediate: what a TLS client or server presents.
    pub fn to_pem(&self) -> String {
        [&self.certificate, &self.issuer]
            .map(certificate_pem)
            .concat()
    }
}

/// A certificate in PEM.
pub fn certificate_pem(certificate: &Certificate) -> String {
    to_pem("CERTIFICATE", certificate.der())
}

pub(crate) fn to_pem(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

/// The fields that both intermediates and the root have; see `ceremony`.
pub(crate) fn ca_params(
    organization: &str,
    name: &str,
    path_length: Option<u8>,
    validity: (u64, u64),
) -> Result<CertificateParams, IssuanceError> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(random_serial()?.as_octets().to_vec().into());
    params.not_before = timestamp(validity.0);
    params.not_after = timestamp(validity.1);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, organization);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(match path_length {
        Some(length) => BasicConstraints::Constrained(length),
        None => BasicConstraints::Unconstrained,
    });
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = path_length.is_some();
    Ok(params)
}

/// 16 random octets of which the first is 0x40 to 0x7f: positive, and never in need of a leading zero
/// (RFC 5280 section 4.1.2.2).
pub(crate) fn random_serial() -> Result<SerialNumber, IssuanceError> {
    let mut octets = [0; 16];
    rand::fill(&mut octets).map_err(|_| IssuanceError::NoRandomness)?;
    octets[0] = (octets[0] & 0x7f) | 0x40;
    SerialNumber::from_octets(&octets).map_err(|_| IssuanceError::NoRandomness)
}

pub(crate) fn timestamp(seconds: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// For messages and the journal.
pub(crate) fn rfc3339(seconds: u64) -> String {
    timestamp(seconds)
        .format(&Rfc3339)
        .unwrap_or_else(|_| seconds.to_string())
}

fn publisher_usage() -> CustomExtension {
    // SEQUENCE { OBJECT IDENTIFIER }: rcgen's own EKU is never critical.
    let length = PUBLISHER_EKU.len();
    let short = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let mut content = vec![0x30, short(length + 2), 0x06, short(length)];
    content.extend_from_slice(PUBLISHER_EKU);
    let mut extension = CustomExtension::from_oid_content(EXTENDED_KEY_USAGE, content);
    extension.set_criticality(true);
    extension
}

fn alt_names(
    request: &IssuanceRequest,
    profile: &Profile,
    role: LeafRole,
) -> Result<Vec<SubjectAltName>, RequestError> {
    let mut names = profile.alt_names(request.common_name.common_name())?;
    if role != LeafRole::Server && !request.alt_names.is_empty() {
        return Err(RequestError::AltNameForClient(profile.name().to_owned()));
    }
    names.extend(request.alt_names.iter().cloned());
    if role == LeafRole::Server && names.is_empty() {
        return Err(RequestError::ServerWithoutAltName);
    }
    Ok(names)
}

fn to_san(names: Vec<SubjectAltName>) -> Result<Vec<SanType>, RequestError> {
    names
        .into_iter()
        .map(|name| match name {
            SubjectAltName::Ip(address) => Ok(SanType::IpAddress(address)),
            SubjectAltName::Dns(text) => match text.clone().try_into() {
                Ok(text) => Ok(SanType::DnsName(text)),
                Err(_) => Err(RequestError::BadAltName(text)),
            },
            SubjectAltName::Uri(text) => match text.clone().try_into() {
                Ok(text) => Ok(SanType::URI(text)),
                Err(_) => Err(RequestError::BadAltName(text)),
            },
        })
        .collect()
}

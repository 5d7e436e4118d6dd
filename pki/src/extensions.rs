//! The extensions of a certificate, read once into the few facts that decisions need.

use x509_parser::asn1_rs::Oid;
use x509_parser::extensions::{
    AuthorityKeyIdentifier, GeneralName, NameConstraints, ParsedExtension,
};
use x509_parser::oid_registry::OID_X509_EXT_CRL_DISTRIBUTION_POINTS;
use x509_parser::prelude::X509Extension;

use crate::ProfileViolation;

/// What the extensions say, and what is wrong with them whatever the certificate's role.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) basic_constraints: Option<BasicConstraints>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) extended_key_usage: Option<KeyPurposes>,
    pub(crate) subject_key_id: Option<Vec<u8>>,
    pub(crate) authority_key: Option<AuthorityKey>,
    pub(crate) alt_names: Option<AltNames>,
    pub(crate) has_name_constraints: bool,
    pub(crate) violations: Vec<ProfileViolation>,
    /// In dotted decimal.
    pub(crate) unknown_critical: Option<String>,
}

/// RFC 5280 section 4.2.1.9.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u32>,
}

/// RFC 5280 section 4.2.1.3, the bits we decide on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyUsage {
    pub(crate) digital_signature: bool,
    pub(crate) key_cert_sign: bool,
    pub(crate) crl_sign: bool,
}

/// RFC 5280 section 4.2.1.12, the purposes we decide on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyPurposes {
    pub(crate) client_auth: bool,
}

/// RFC 5280 section 4.2.1.1: which key signed this certificate.
#[derive(Debug)]
pub(crate) struct AuthorityKey {
    pub(crate) key_id: Option<Vec<u8>>,
    /// The name and serial number of the issuer's certificate.
    pub(crate) issuer_and_serial: Option<(Vec<u8>, Vec<u8>)>,
}

/// RFC 5280 section 4.2.1.6, the kinds that rules can name.
#[derive(Debug, Default)]
pub(crate) struct AltNames {
    pub(crate) critical: bool,
    /// All of them, whatever their kind.
    pub(crate) count: usize,
    pub(crate) dns: Vec<String>,
    pub(crate) uri: Vec<String>,
}

impl Extensions {
    pub(crate) fn read(all: &[X509Extension<'_>]) -> Self {
        let mut extensions = Self::default();
        for extension in all {
            extensions.add(extension);
        }
        extensions
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the parser may learn to read later is still not processed by us"
    )]
    fn add(&mut self, extension: &X509Extension<'_>) {
        let critical = extension.critical;
        match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(value) => self.add_authority(value, critical),
            ParsedExtension::SubjectKeyIdentifier(value) => {
                self.never_critical("subjectKeyIdentifier", critical);
                self.subject_key_id = Some(value.0.to_vec());
            }
            ParsedExtension::KeyUsage(value) => {
                self.key_usage = Some(KeyUsage {
                    digital_signature: value.digital_signature(),
                    key_cert_sign: value.key_cert_sign(),
                    crl_sign: value.crl_sign(),
                });
            }
            ParsedExtension::ExtendedKeyUsage(value) => {
                self.extended_key_usage = Some(KeyPurposes {
                    client_auth: value.client_auth,
                });
            }
            ParsedExtension::BasicConstraints(value) => {
                self.basic_constraints = Some(BasicConstraints {
                    ca: value.ca,
                    path_length: value.path_len_constraint,
                });
            }
            ParsedExtension::SubjectAlternativeName(value) => {
                self.add_alt_names(&value.general_names, critical);
            }
            ParsedExtension::NameConstraints(value) => self.add_name_constraints(value),
            ParsedExtension::PolicyConstraints(_) => self.always_critical(critical),
            ParsedExtension::AuthorityInfoAccess(value) => {
                self.never_critical("authorityInfoAccess", critical);
                // Section 4.2.2.1: SEQUENCE SIZE (1..MAX). Nothing is ever fetched from it.
                if value.accessdescs.is_empty() {
                    self.malformed("authorityInfoAccess");
                }
            }
            ParsedExtension::ParseError { .. } => self.malformed(name_of(&extension.oid)),
            _ => self.unknown(extension),
        }
    }

    fn add_authority(&mut self, value: &AuthorityKeyIdentifier<'_>, critical: bool) {
        self.never_critical("authorityKeyIdentifier", critical);
        let key_id = value.key_identifier.as_ref().map(|id| id.0.to_vec());
        // X.509 and appendix A.2: both present or both absent.
        let (issuer, serial) = (&value.authority_cert_issuer, value.authority_cert_serial);
        let issuer_and_serial = match (issuer.as_deref(), serial) {
            (Some([GeneralName::DirectoryName(name)]), Some(serial)) => {
                Some((name.as_raw().to_vec(), serial.to_vec()))
            }
            (None, None) => None,
            _ => return self.malformed("authorityKeyIdentifier"),
        };
        if key_id.is_none() && issuer_and_serial.is_none() {
            self.malformed("authorityKeyIdentifier");
        }
        self.authority_key = Some(AuthorityKey {
            key_id,
            issuer_and_serial,
        });
    }

    fn add_alt_names(&mut self, names: &[GeneralName<'_>], critical: bool) {
        let mut known = AltNames {
            critical,
            count: names.len(),
            ..AltNames::default()
        };
        for name in names {
            match name {
                GeneralName::DNSName(dns) => known.dns.push((*dns).to_owned()),
                GeneralName::URI(uri) => known.uri.push((*uri).to_owned()),
                GeneralName::Invalid(..) => self.malformed("subjectAltName"),
                GeneralName::OtherName(..)
                | GeneralName::RFC822Name(_)
                | GeneralName::X400Address(_)
                | GeneralName::DirectoryName(_)
                | GeneralName::EDIPartyName(_)
                | GeneralName::IPAddress(_)
                | GeneralName::RegisteredID(_) => {} // no rule names these
            }
        }
        self.alt_names = Some(known);
    }

    fn add_name_constraints(&mut self, value: &NameConstraints<'_>) {
        self.has_name_constraints = true;
        let permitted = value.permitted_subtrees.as_deref().unwrap_or_default();
        let excluded = value.excluded_subtrees.as_deref().unwrap_or_default();
        if permitted.is_empty() && excluded.is_empty() {
            self.violations.push(ProfileViolation::EmptyNameConstraints);
        }
        // Section 4.2.1.10: for dNSName, any name made by adding labels to the left matches; a
        // leading period is the syntax of URI constraints.
        let leading_period = permitted.iter().chain(excluded).any(
            |subtree| matches!(subtree.base, GeneralName::DNSName(name) if name.starts_with('.')),
        );
        if leading_period {
            self.violations
                .push(ProfileViolation::LeadingPeriodConstraint);
        }
    }

    /// Sections 4.2.1.1, 4.2.1.2 and 4.2.2.1.
    fn never_critical(&mut self, name: &'static str, critical: bool) {
        if critical {
            self.violations.push(ProfileViolation::Critical(name));
        }
    }

    /// Section 4.2.1.11.
    fn always_critical(&mut self, critical: bool) {
        if !critical {
            self.violations
                .push(ProfileViolation::NotCritical("policyConstraints"));
        }
    }

    fn malformed(&mut self, name: &'static str) {
        self.violations
            .push(ProfileViolation::MalformedExtension(name));
    }

    /// Section 4.2: a critical extension that is not processed refuses the certificate.
    fn unknown(&mut self, extension: &X509Extension<'_>) {
        // Where a CRL may be fetched restricts nothing; we never fetch.
        let is_harmless = extension.oid == OID_X509_EXT_CRL_DISTRIBUTION_POINTS;
        if extension.critical && !is_harmless {
            self.unknown_critical = Some(extension.oid.to_id_string());
        }
    }
}

fn name_of(oid: &Oid<'_>) -> &'static str {
    match oid.as_bytes() {
        [0x55, 0x1d, 14] => "subjectKeyIdentifier",
        [0x55, 0x1d, 15] => "keyUsage",
        [0x55, 0x1d, 17] => "subjectAltName",
        [0x55, 0x1d, 19] => "basicConstraints",
        [0x55, 0x1d, 30] => "nameConstraints",
        [0x55, 0x1d, 31] => "cRLDistributionPoints",
        [0x55, 0x1d, 32] => "certificatePolicies",
        [0x55, 0x1d, 35] => "authorityKeyIdentifier",
        [0x55, 0x1d, 36] => "policyConstraints",
        [0x55, 0x1d, 37] => "extendedKeyUsage",
        [0x2b, 6, 1, 5, 5, 7, 1, 1] => "authorityInfoAccess",
        _ => "extension",
    }
}

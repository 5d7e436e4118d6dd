//! Why a certificate was revoked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The reasons of RFC 5280 section 5.3.1, with its names in kebab-case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// No reason was given.
    Unspecified,
    /// Somebody else may have the private key.
    KeyCompromise,
    /// Somebody else may have the issuer's private key.
    CaCompromise,
    /// The subject's name or other information changed.
    AffiliationChanged,
    /// The certificate was replaced.
    Superseded,
    /// The certificate is no longer needed.
    CessationOfOperation,
    /// Suspended; may be released again.
    CertificateHold,
    /// Released from hold; only in delta lists.
    #[serde(rename = "remove-from-crl")]
    RemoveFromCrl,
    /// A privilege in the certificate was withdrawn.
    PrivilegeWithdrawn,
    /// Somebody else may have the attribute authority's private key.
    #[serde(rename = "aa-compromise")]
    AaCompromise,
}

/// The one table of names and codes. Code 7 is unused in the RFC.
const TABLE: [(RevocationReason, u8, &str); 10] = [
    (RevocationReason::Unspecified, 0, "unspecified"),
    (RevocationReason::KeyCompromise, 1, "key-compromise"),
    (RevocationReason::CaCompromise, 2, "ca-compromise"),
    (
        RevocationReason::AffiliationChanged,
        3,
        "affiliation-changed",
    ),
    (RevocationReason::Superseded, 4, "superseded"),
    (
        RevocationReason::CessationOfOperation,
        5,
        "cessation-of-operation",
    ),
    (RevocationReason::CertificateHold, 6, "certificate-hold"),
    (RevocationReason::RemoveFromCrl, 8, "remove-from-crl"),
    (
        RevocationReason::PrivilegeWithdrawn,
        9,
        "privilege-withdrawn",
    ),
    (RevocationReason::AaCompromise, 10, "aa-compromise"),
];

/// No reason has this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a revocation reason; use one of {names}", names = names())]
pub struct UnknownRevocationReason(pub String);

impl RevocationReason {
    /// All reasons, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(reason, _, _)| *reason)
    }

    /// The reason with this `CRLReason` code.
    pub fn from_code(code: u8) -> Option<Self> {
        TABLE
            .iter()
            .find(|(_, known, _)| *known == code)
            .map(|(reason, _, _)| *reason)
    }

    /// The `CRLReason` code.
    pub fn code(self) -> u8 {
        self.row().1
    }

    /// The name in kebab-case, as on the command line.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (Self, u8, &'static str) {
        TABLE
            .iter()
            .find(|(reason, _, _)| *reason == self)
            .expect("every reason is in the table")
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for RevocationReason {
    type Err = UnknownRevocationReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TABLE
            .iter()
            .find(|(_, _, name)| *name == text)
            .map(|(reason, _, _)| *reason)
            .ok_or_else(|| UnknownRevocationReason(text.to_owned()))
    }
}

fn names() -> String {
    TABLE.map(|(_, _, name)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_its_code_and_its_name() {
        for reason in RevocationReason::all() {
            assert_eq!(RevocationReason::from_code(reason.code()), Some(reason));
            assert_eq!(reason.name().parse(), Ok(reason));
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.name()));
        }
    }

    #[test]
    fn unused_codes_and_names_are_no_reasons() {
        assert_eq!(RevocationReason::from_code(7), None);
        assert_eq!(RevocationReason::from_code(11), None);
        let error = "keyCompromise".parse::<RevocationReason>().unwrap_err();
        assert_eq!(error, UnknownRevocationReason("keyCompromise".to_owned()));
    }
}

//! The form of a certificate revocation list, RFC 5280 section 5.

use postern_policy::SerialNumber;

use crate::crl::{CrlError, RevokedEntry};
use crate::der::{self, NotDer, Reader};
use crate::name::hex;
use crate::revocation::RevocationReason;

/// 2.5.29.x, the last octet of the extensions we know.
const ID_CE: &[u8] = &[0x55, 0x1d];
const CRL_NUMBER: u8 = 20;
const REASON_CODE: u8 = 21;
const INVALIDITY_DATE: u8 = 24;
const DELTA_CRL_INDICATOR: u8 = 27;
const ISSUING_DISTRIBUTION_POINT: u8 = 28;
const CERTIFICATE_ISSUER: u8 = 29;
const AUTHORITY_KEY_IDENTIFIER: u8 = 35;

/// The parts of a CRL, borrowed; nothing is verified.
pub(crate) struct Parts<'a> {
    pub(crate) tbs: &'a [u8],
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
    pub(crate) issuer: &'a [u8],
    pub(crate) this_update: u64,
    pub(crate) next_update: u64,
    pub(crate) entries: &'a [u8],
    pub(crate) number: u128,
    pub(crate) authority_key_id: Option<&'a [u8]>,
}

#[derive(Default)]
struct Extensions<'a> {
    number: Option<u128>,
    authority_key_id: Option<&'a [u8]>,
}

struct Extension<'a> {
    oid: &'a [u8],
    critical: bool,
    value: &'a [u8],
}

impl Extension<'_> {
    /// `x` of 2.5.29.x.
    fn id_ce(&self) -> Option<u8> {
        match self.oid.strip_prefix(ID_CE) {
            Some([last]) => Some(*last),
            _ => None,
        }
    }
}

impl<'a> Parts<'a> {
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, CrlError> {
        let mut outer = Reader::new(der::only(der, der::SEQUENCE)?);
        let tbs = outer.expect(der::SEQUENCE)?;
        let algorithm = outer.expect(der::SEQUENCE)?.content;
        let signature = der::whole_bits(outer.expect(der::BIT_STRING)?.content)?;
        outer.finish()?;

        let mut fields = Reader::new(tbs.content);
        // Section 5.1.2.1: extensions make it version 2, and CRL number is one that must be there.
        if fields
            .optional(der::INTEGER)?
            .map(|version| version.content)
            != Some(&[1])
        {
            return Err(CrlError::Version);
        }
        if fields.expect(der::SEQUENCE)?.content != algorithm {
            return Err(CrlError::AlgorithmMismatch);
        }
        let issuer = fields.expect(der::SEQUENCE)?.whole;
        let this_update = der::unix_seconds(&fields.next()?)?;
        let next_update = read_next_update(&mut fields)?;
        let entries = fields
            .optional(der::SEQUENCE)?
            .map_or(&[][..], |list| list.content);
        let extensions = fields
            .optional(der::CONTEXT_0)?
            .map_or(&[][..], |list| list.content);
        fields.finish()?;
        let Extensions {
            number,
            authority_key_id,
        } = Extensions::read(extensions)?;
        let number = number.ok_or(CrlError::NumberMissing)?;
        let tbs = tbs.whole;
        Ok(Self {
            tbs,
            algorithm,
            signature,
            issuer,
            this_update,
            next_update,
            entries,
            number,
            authority_key_id,
        })
    }
}

/// Section 5.1.2.5: required, and without it a stale list could never be told.
fn read_next_update(fields: &mut Reader<'_>) -> Result<u64, CrlError> {
    let time = match fields.optional(der::UTC_TIME)? {
        Some(time) => time,
        None => fields
            .optional(der::GENERALIZED_TIME)?
            .ok_or(CrlError::NextUpdateMissing)?,
    };
    Ok(der::unix_seconds(&time)?)
}

impl<'a> Extensions<'a> {
    fn read(tagged: &'a [u8]) -> Result<Self, CrlError> {
        let mut found = Self::default();
        if tagged.is_empty() {
            return Ok(found);
        }
        let mut list = Reader::new(der::only(tagged, der::SEQUENCE)?);
        while !list.is_empty() {
            found.add(&read_extension(&mut list)?)?;
        }
        Ok(found)
    }

    fn add(&mut self, extension: &Extension<'a>) -> Result<(), CrlError> {
        match extension.id_ce() {
            Some(CRL_NUMBER) if extension.critical => Err(CrlError::NumberCritical),
            Some(CRL_NUMBER) if self.number.is_some() => Err(CrlError::Malformed),
            Some(CRL_NUMBER) => {
                self.number = Some(read_number(extension.value)?);
                Ok(())
            }
            Some(AUTHORITY_KEY_IDENTIFIER) => {
                let mut fields = Reader::new(der::only(extension.value, der::SEQUENCE)?);
                self.authority_key_id = fields.optional(0x80)?.map(|id| id.content);
                Ok(())
            }
            Some(DELTA_CRL_INDICATOR) => Err(CrlError::Delta),
            Some(ISSUING_DISTRIBUTION_POINT) => Err(CrlError::Partitioned),
            _ => refuse_if_critical(extension),
        }
    }
}

/// Section 5.2.3: at most 20 octets; no issuer in this world counts past 16.
fn read_number(value: &[u8]) -> Result<u128, CrlError> {
    let octets = der::unsigned(der::only(value, der::INTEGER)?)?;
    if octets.len() > 16 {
        return Err(CrlError::NumberTooLarge);
    }
    Ok(octets
        .iter()
        .fold(0, |number, octet| (number << 8) | u128::from(*octet)))
}

fn read_extension<'a>(list: &mut Reader<'a>) -> Result<Extension<'a>, NotDer> {
    let mut fields = Reader::new(list.expect(der::SEQUENCE)?.content);
    let oid = fields.expect(der::OID)?.content;
    let critical = match fields.optional(der::BOOLEAN)?.map(|flag| flag.content) {
        None => false,
        Some([0xff]) => true,
        Some(_) => return Err(NotDer), // DEFAULT FALSE is not written; TRUE is 0xff
    };
    let value = fields.expect(der::OCTET_STRING)?.content;
    fields.finish()?;
    Ok(Extension {
        oid,
        critical,
        value,
    })
}

/// Section 5.2: a critical extension that is not processed refuses the list.
fn refuse_if_critical(extension: &Extension<'_>) -> Result<(), CrlError> {
    if extension.critical {
        Err(CrlError::UnknownCriticalExtension {
            oid: hex(extension.oid),
        })
    } else {
        Ok(())
    }
}

/// The entries, sorted by serial number, each once.
pub(crate) fn read_entries(octets: &[u8]) -> Result<Vec<RevokedEntry>, CrlError> {
    let mut list = Reader::new(octets);
    // An entry has at least 20 octets or so; one allocation instead of twenty.
    let mut entries = Vec::with_capacity(octets.len() / 32);
    while !list.is_empty() {
        if let Some(entry) = read_entry(list.expect(der::SEQUENCE)?.content)? {
            entries.push(entry);
        }
    }
    // A revocation comes before a hold of the same serial number, so that it is the one kept.
    entries.sort_unstable_by_key(|entry| {
        (
            entry.serial,
            entry.reason == RevocationReason::CertificateHold,
        )
    });
    entries.dedup_by_key(|entry| entry.serial);
    Ok(entries)
}

/// One entry, or nothing for a serial number that no certificate we accept can have.
fn read_entry(content: &[u8]) -> Result<Option<RevokedEntry>, CrlError> {
    let mut fields = Reader::new(content);
    let raw_serial = fields.expect(der::INTEGER)?.content;
    let revoked_at = der::unix_seconds(&fields.next()?)?;
    let reason = match fields.optional(der::SEQUENCE)? {
        Some(extensions) => read_reason(extensions.content)?,
        None => RevocationReason::Unspecified,
    };
    fields.finish()?;
    let Ok(octets) = der::unsigned(raw_serial) else {
        return Ok(None);
    };
    let serial = SerialNumber::from_octets(octets).ok();
    Ok(serial.map(|serial| RevokedEntry {
        serial,
        reason,
        revoked_at,
    }))
}

/// Section 5.3.
fn read_reason(extensions: &[u8]) -> Result<RevocationReason, CrlError> {
    let mut list = Reader::new(extensions);
    let mut reason = RevocationReason::Unspecified;
    while !list.is_empty() {
        let extension = read_extension(&mut list)?;
        match extension.id_ce() {
            Some(REASON_CODE) => reason = parse_reason(extension.value)?,
            Some(INVALIDITY_DATE) => {}
            Some(CERTIFICATE_ISSUER) => return Err(CrlError::Indirect),
            _ => refuse_if_critical(&extension)?,
        }
    }
    Ok(reason)
}

fn parse_reason(value: &[u8]) -> Result<RevocationReason, CrlError> {
    let reason = match der::only(value, der::ENUMERATED)? {
        [code] => RevocationReason::from_code(*code),
        _ => None,
    };
    match reason {
        // Section 5.3.1: removeFromCRL is for delta lists only.
        Some(RevocationReason::RemoveFromCrl) | None => Err(CrlError::Reason),
        Some(reason) => Ok(reason),
    }
}

//! Distinguished names: the attributes that rules look at, and a form for people.

use std::fmt::Write;

use x509_parser::asn1_rs::{Oid, Tag, ToDer as _};
use x509_parser::oid_registry as oids;
use x509_parser::prelude::{AttributeTypeAndValue, X509Name};

/// Every common name of a subject, wherever it stands in the name.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommonNames {
    /// Those whose encoding says exactly which characters they are.
    pub(crate) readable: Vec<String>,
    /// How many there are, unreadable ones included.
    pub(crate) count: usize,
}

impl CommonNames {
    pub(crate) fn of(name: &X509Name<'_>) -> Self {
        Self {
            readable: texts(name, &oids::OID_X509_COMMON_NAME),
            count: name.iter_common_name().count(),
        }
    }

    /// The name, where there is exactly one and it is readable.
    pub(crate) fn only(&self) -> Option<&str> {
        match self.readable.as_slice() {
            [name] if self.count == 1 => Some(name),
            _ => None,
        }
    }
}

/// The readable values of one attribute type.
pub(crate) fn texts(name: &X509Name<'_>, oid: &Oid<'_>) -> Vec<String> {
    name.iter_attributes()
        .filter(|attribute| attribute.attr_type() == oid)
        .filter_map(|attribute| text(attribute).map(str::to_owned))
        .collect()
}

/// A value as text, where its encoding leaves one reading only.
///
/// BMPString, UniversalString and TeletexString are read differently by different programs; a
/// name that two programs read differently is not an identity.
fn text<'a>(attribute: &'a AttributeTypeAndValue<'_>) -> Option<&'a str> {
    let value = attribute.attr_value();
    let octets = value.data;
    let allowed = match value.tag() {
        Tag::Utf8String => true,
        Tag::PrintableString => octets.iter().all(|octet| is_printable_string(*octet)),
        Tag::Ia5String => octets.is_ascii(),
        Tag::NumericString => octets
            .iter()
            .all(|octet| octet.is_ascii_digit() || *octet == b' '),
        _ => false,
    };
    if allowed {
        std::str::from_utf8(octets).ok()
    } else {
        None
    }
}

/// X.680's PrintableString, and `*`, `@`, `&`, `_`, which common CAs put into it.
fn is_printable_string(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" '()+,-./:=?*@&_".contains(&octet)
}

/// The name in the form of RFC 4514, for people. Control characters are escaped, so that it can
/// be printed and logged.
pub(crate) fn rfc4514(name: &X509Name<'_>) -> String {
    let rdns: Vec<_> = name
        .iter_rdn()
        .map(|rdn| rdn.iter().map(attribute_text).collect::<Vec<_>>().join("+"))
        .collect();
    // RFC 4514 section 2.1: the last RDN comes first.
    rdns.into_iter().rev().collect::<Vec<_>>().join(",")
}

fn attribute_text(attribute: &AttributeTypeAndValue<'_>) -> String {
    let key = short_name(attribute.attr_type());
    match text(attribute) {
        Some(value) => format!("{key}={}", escape(value)),
        None => format!("{key}=#{}", hex(&der(attribute))),
    }
}

/// Section 2.4: with its tag, so that no two values look the same.
fn der(attribute: &AttributeTypeAndValue<'_>) -> Vec<u8> {
    let value = attribute.attr_value();
    value.to_der_vec().unwrap_or_else(|_| value.data.to_vec())
}

/// RFC 4514 section 3, table of short names; anything else as dotted decimal.
fn short_name(oid: &Oid<'_>) -> String {
    let known = [
        (oids::OID_X509_COMMON_NAME, "CN"),
        (oids::OID_X509_COUNTRY_NAME, "C"),
        (oids::OID_X509_ORGANIZATION_NAME, "O"),
        (oids::OID_X509_ORGANIZATIONAL_UNIT, "OU"),
        (oids::OID_X509_LOCALITY_NAME, "L"),
        (oids::OID_X509_STATE_OR_PROVINCE_NAME, "ST"),
        (oids::OID_X509_STREET_ADDRESS, "STREET"),
        (oids::OID_DOMAIN_COMPONENT, "DC"),
        (oids::OID_USERID, "UID"),
    ];
    known
        .iter()
        .find(|(known, _)| known == oid)
        .map_or_else(|| oid.to_id_string(), |(_, name)| (*name).to_owned())
}

fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len());
    for (at, character) in value.chars().enumerate() {
        let edge_space = character == ' ' && (at == 0 || at == last);
        let leading_hash = character == '#' && at == 0;
        if character.is_control() {
            for octet in character.to_string().bytes() {
                write!(escaped, "\\{octet:02X}").expect("writing to a String cannot fail");
            }
        } else if "\"+,;<>\\=".contains(character) || edge_space || leading_hash {
            escaped.push('\\');
            escaped.push(character);
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Lower-case hex.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(
        String::with_capacity(octets.len() * 2),
        |mut text, octet| {
            write!(text, "{octet:02x}").expect("writing to a String cannot fail");
            text
        },
    )
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer as _;

    use super::*;

    #[test]
    fn a_value_that_programs_read_differently_is_written_as_its_octets_and_tag() {
        // CN, a BMPString and a TeletexString with the same contents.
        for (tag, written) in [(0x1e, "CN=#1e020061"), (0x14, "CN=#14020061")] {
            let name = [
                0x30, 13, 0x31, 11, 0x30, 9, 6, 3, 0x55, 4, 3, tag, 2, 0, 0x61,
            ];
            let (_, name) = X509Name::from_der(&name).unwrap();
            assert_eq!(rfc4514(&name), written);
        }
    }
}
